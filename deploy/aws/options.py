"""Options of the AWS deployment: size, broker, names and limits, read from the context of cdk.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

PLACEHOLDER = "change-me"
_DIGEST = re.compile(r"^[\w./:-]+@sha256:[0-9a-f]{64}$")
_REPOSITORY = re.compile(r"^[a-z0-9][a-z0-9._/-]*@sha256:[0-9a-f]{64}$")
_KINDS: dict[str, type] = {"str": str, "int": int, "float": float, "BrokerKind": str, "InferenceKind": str}

BrokerKind = Literal["express", "serverless"]
InferenceKind = Literal["local", "remote"]


@dataclass(frozen=True, slots=True)
class AwsOptions:
    """The choices of one deployment.

    Attributes:
        image: Image of the workers by digest, ``HOST/NAME@sha256:...``; built with ``--build-arg EXTRAS=aws``.
        alarm_email: Where alarms and budget warnings go.
        broker: ``express`` for production, ``serverless`` for trials (it limits compacted partitions).
        broker_instance: Instance type of an Express broker.
        workers: Replicas of each stateful step; at most ``partitions``.
        partitions: Partitions of every topic; cannot change after the first start.
        worker_cpu: CPU of one worker task in units of 1/1024 of a core, as Fargate counts.
        worker_memory_mib: Memory of one worker task (MiB).
        state_gib: Disk of one worker task for its RocksDB state (GiB, 21 to 200).
        influx_instance: Instance type of Timestream for InfluxDB.
        influx_storage_gib: Disk of InfluxDB (GiB).
        inference: ``local`` runs the net-load model in the forecast workers, ``remote`` in Lambda.
        inference_image: Image of the function by digest, ``NAME@sha256:...`` of an ECR repository in this account and
            region; built with ``--build-arg EXTRAS="aws lambda"``.
        inference_spec_hashes: Feature tables that the function answers, separated by commas; empty: all.
        inference_memory_mib: Memory of the function (MiB); 1769 is one core.
        monthly_budget_usd: Cost at which a warning is sent (USD per month).
        cidr: Address range of the network, literal, so a synthesis needs no account.
    """

    image: str
    alarm_email: str
    broker: BrokerKind = "express"
    broker_instance: str = "express.m7g.large"
    workers: int = 2
    partitions: int = 4
    worker_cpu: int = 512
    worker_memory_mib: int = 1024
    state_gib: int = 30
    influx_instance: str = "db.influx.medium"
    influx_storage_gib: int = 100
    inference: InferenceKind = "local"
    inference_image: str = ""
    inference_spec_hashes: str = ""
    inference_memory_mib: int = 1769
    monthly_budget_usd: float = 1500.0
    cidr: str = "10.42.0.0/16"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: A value is missing, a placeholder or out of range; the message names it.
        """
        for name in ("image", "alarm_email"):
            if PLACEHOLDER in getattr(self, name):
                raise ValueError(f"{name} still is a placeholder: set it in deploy/aws/cdk.json or with -c {name}=...")
        if not _DIGEST.match(self.image):
            raise ValueError(f"image must be pinned by digest (NAME@sha256:...), not {self.image!r}")
        if self.broker not in ("express", "serverless"):
            raise ValueError(f"broker must be express or serverless, not {self.broker!r}")
        if self.inference not in ("local", "remote"):
            raise ValueError(f"inference must be local or remote, not {self.inference!r}")
        if self.inference == "remote" and not _REPOSITORY.match(self.inference_image):
            raise ValueError(
                f"inference_image must be an ECR repository by digest (NAME@sha256:...), not {self.inference_image!r}"
            )
        if not 1 <= self.workers <= self.partitions:
            raise ValueError(f"workers must be 1 to {self.partitions} (partitions), not {self.workers}")
        if not 21 <= self.state_gib <= 200:
            raise ValueError(f"state_gib must be 21 to 200, not {self.state_gib}")

    @property
    def spec_hashes(self) -> tuple[str, ...]:
        """The feature tables that the function answers; none: all."""
        return tuple(text for one in self.inference_spec_hashes.split(",") if (text := one.strip()))


def read_options(context: Mapping[str, Any]) -> AwsOptions:
    """Return the options in the entry ``vpp`` of a CDK context, or beside it, which wins; texts become numbers.

    Raises:
        ValueError: A value is missing or wrong, or a name is unknown.
    """
    options = {field.name: field for field in fields(AwsOptions)}
    values = dict(context.get("vpp", {}))
    flags = {name for name in context if name.startswith("@")}
    if unknown := sorted((set(values) | set(context) - flags - {"vpp"}) - set(options)):
        raise ValueError(f"unknown option {unknown[0]!r} in the context; the options are {', '.join(options)}")
    values |= {name: context[name] for name in options if context.get(name) is not None}
    for name in ("image", "alarm_email"):
        if name not in values:
            raise ValueError(f"{name} is missing: set it in deploy/aws/cdk.json or with -c {name}=...")
    return AwsOptions(**{name: _KINDS[str(options[name].type)](value) for name, value in values.items()})
