"""Groups of the broker, the store and the metrics endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from vpp.settings.group import SettingsGroup

PLACEHOLDER = "change-me"


class KafkaSettings(SettingsGroup):
    """How to reach the broker, and how workers process."""

    bootstrap_servers: str = Field(default="", description="host:port,...; empty: the embedded broker of `vpp up`")
    embedded: bool = Field(default=False, description="the broker is the embedded one (set by `vpp up`)")
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        default="plaintext", description="encryption and login of the connection"
    )
    sasl_mechanism: str | None = Field(default=None, description="login method, such as SCRAM-SHA-512")
    username: str | None = Field(default=None, description="SASL user; one per worker, see deploy/create-acls.sh")
    password: SecretStr | None = Field(default=None, description="SASL password")
    ssl_ca_location: Path | None = Field(default=None, description="certificate authority of the broker (PEM)")
    aws_region: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2}(-[a-z]+)+-\d$",
        description="log in to Amazon MSK with this process's IAM role, in this region (extra `aws`)",
    )
    partitions: int = Field(
        default=4, ge=1, le=512, description="partitions of every topic; must not change after the first start"
    )
    replication_factor: int = Field(default=1, ge=1, le=9, description="copies of every topic")
    processing_guarantee: Literal["at-least-once", "exactly-once"] = Field(
        default="at-least-once", description="exactly-once uses Kafka transactions and needs worker_id"
    )
    commit_interval_s: float = Field(default=2.0, gt=0, description="time between two commits of a worker (s)")
    worker_id: str | None = Field(default=None, description="stable name of this replica (static membership)")
    auto_create_topics: bool = Field(default=True, description="workers create missing topics")
    extra: dict[str, str] = Field(default_factory=dict, description="further librdkafka settings")


class StoreSettings(SettingsGroup):
    """Where tables are kept."""

    kind: Literal["sqlite", "influx", "parquet"] = Field(default="sqlite", description="the database")
    path: Path | None = Field(
        default=None, description="SQLite file or folder of Parquet files; default DATA_DIR/store.sqlite or .parquet"
    )
    retention_days: int | None = Field(default=None, ge=1, description="older rows are pruned; None keeps all")


class InfluxSettings(SettingsGroup):
    """The InfluxDB 2 server."""

    url: str = Field(default="http://127.0.0.1:8086", description="address of the server")
    org: str = Field(default="vpp", description="organisation")
    bucket: str = Field(default="vpp", description="bucket of all tables")
    token: SecretStr = Field(
        default=SecretStr(PLACEHOLDER), description="API token; the placeholder is refused in production"
    )
    token_file: Path | None = Field(
        default=None, description="file that holds the token instead; `vpp store tokens` writes such files"
    )
    timeout_s: float = Field(default=10.0, gt=0, description="limit of one request (s)")
    keep_days: int | None = Field(
        default=None, ge=1, description="age at which the server drops points of the bucket; None keeps all"
    )
    hourly_bucket: str | None = Field(
        default=None, min_length=1, description="second bucket, which a task of the server fills with hourly means"
    )
    hourly_keep_days: int | None = Field(
        default=None, ge=1, description="age at which the server drops hourly means; None keeps all"
    )


class MetricsSettings(SettingsGroup):
    """Health and Prometheus endpoint of a worker."""

    host: str = Field(default="127.0.0.1", description="listen address")
    port: int | None = Field(default=None, description="None: no endpoint")
