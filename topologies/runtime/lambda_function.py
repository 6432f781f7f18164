"""Remote inference as an AWS Lambda function behind an event source mapping (docs/guide/remote-inference.md)."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from confluent_kafka import KafkaException, Producer

from models.registry.registry import Registry
from topologies.runtime.inference import InferenceStep
from vpp.fleet.in_force import configured_zones
from vpp.logs import set_up_logging
from vpp.settings import load_settings
from vpp.streams.broker_stamps import broker_time
from vpp.streams.kafka import producer_config
from vpp.streams.reducer import Origin
from vpp.streams.topics import BY_NAME, FEATURES

log = logging.getLogger(__name__)

SECRET = "SIGNING_SECRET_ARN"  # noqa: S105  # the name of a variable
FLUSH_S = 20.0


class RecordProducer(Protocol):
    """The part of a Kafka producer that answers need."""

    def produce(self, topic: str, value: bytes, *, key: bytes, headers: Any, on_delivery: Any) -> None:
        """Hand a record over.

        Args:
            topic: Wire name of the topic.
            value: Its value.
            key: Its key.
            headers: Its headers.
            on_delivery: Called with error (or None) and message when the broker has it, or will not.
        """
        ...

    def poll(self, timeout: float) -> int:
        """Call what waits for deliveries."""
        ...

    def flush(self, timeout: float) -> int:
        """Wait for deliveries; return how many are missing."""
        ...


class LambdaInference:
    """Answers the records of one event and reports those that are to be sent again.

    A record that is no usable row becomes a dead letter and is done. A record fails only where its answer does not
    reach the broker; Lambda then sends it and those behind it in its partition again.

    Args:
        step: Answers one record.
        producer: Sends the answers; it lives as long as the function's environment.
        prefix: Prefix of the wire names of topics.
    """

    def __init__(self, step: InferenceStep, producer: RecordProducer, prefix: str) -> None:
        self._step = step
        self._producer = producer
        self._prefix = prefix

    def handle(self, event: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
        """Return the partial batch response to an event of Amazon MSK or self-managed Kafka."""
        self._producer.poll(0)  # tokens age and connections close while the environment is frozen
        waiting: dict[tuple[str, int], None] = {}
        for records in event["records"].values():
            for record in records:
                place = (f"{record['topic']}-{record['partition']}", record["offset"])
                waiting[place] = None
                try:
                    self._send(record, place, waiting)
                except (KafkaException, BufferError) as error:
                    log.warning("no answer sent place=%s: %s", place, error)
                    break
        self._producer.flush(FLUSH_S)
        failed: dict[str, int] = {}
        for partition, offset in waiting:
            failed[partition] = min(offset, failed.get(partition, offset))
        items = [{"partition": partition, "offset": offset} for partition, offset in sorted(failed.items())]
        return {"batchItemFailures": [{"itemIdentifier": item} for item in items]}

    def _send(self, record: Mapping[str, Any], place: tuple[str, int], waiting: dict[tuple[str, int], None]) -> None:
        # Java's bytes have a sign.
        headers = [
            (name, bytes(byte & 0xFF for byte in value))
            for header in record["headers"]
            for name, value in header.items()
        ]
        at_ms = record["timestamp"]
        origin = Origin(FEATURES.name, record["partition"], record["offset"], broker_time(at_ms))
        records = self._step.answer(_decoded(record, "value"), _decoded(record, "key"), origin, at_ms, headers)
        undelivered = len(records)

        def delivered(error: Any, _message: Any) -> None:
            nonlocal undelivered
            if error is not None:
                log.warning("answer not delivered place=%s: %s", place, error)
                return
            undelivered -= 1
            if not undelivered:
                waiting.pop(place, None)

        for answer in records:
            self._producer.produce(
                BY_NAME[answer.topic].wire(self._prefix),
                answer.value,
                key=answer.key,
                headers=answer.headers,
                on_delivery=delivered,
            )


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, list[dict[str, Any]]]:
    """Answer an event; what Lambda calls."""
    return _function().handle(event)


@cache
def _function() -> LambdaInference:
    secret = os.environ.get(SECRET)
    if secret:
        import boto3  # in the extra `aws` alone

        answer = boto3.client("secretsmanager").get_secret_value(SecretId=secret)
        os.environ["VPP_SIGNING__KEY"] = answer["SecretString"]
    settings = load_settings()
    set_up_logging(settings)
    step = InferenceStep(settings, Registry(settings.models_dir).load, configured_zones(settings))
    return LambdaInference(step, Producer(producer_config(settings)), settings.topic_prefix)


def _decoded(record: Mapping[str, Any], name: str) -> bytes | None:
    text = record.get(name)
    return None if text is None else base64.b64decode(text)
