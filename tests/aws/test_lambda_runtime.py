"""The Lambda function in AWS's own runtime client, with a broker: events in, answers and dead letters out."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from console.local.broker import EmbeddedBroker
from tests.worlds.forecasts.lambda_runtime import LambdaRuntime, kafka_event, kafka_record
from vpp.messages import DeadLetter, Decoder, FeatureRow, Inference, InferenceFailure
from vpp.settings import Settings
from vpp.settings.connections import KafkaSettings
from vpp.streams.kafka import consumer_config, create_topics

ROW = FeatureRow(
    zone="GB",
    slot=datetime(2021, 3, 8, tzinfo=UTC),
    model_id="GB-20210308T0000-00000000",
    sha256="0" * 64,
    spec_hash="none",
    receipt="1" * 64,
    now_mw=1.0,
    rows=b"",
    levels=b"",
    volatility=b"",
    newest=b"",
    groups=[],
)


@pytest.mark.timeout(180)
def test_an_event_is_answered_on_the_broker(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker.log") as broker:
        settings = Settings(
            data_dir=tmp_path, kafka=KafkaSettings(bootstrap_servers=broker.address, embedded=True, partitions=1)
        )
        create_topics(settings)
        with LambdaRuntime(settings) as function:
            event = kafka_event(kafka_record(ROW, 0), kafka_record(ROW, 1, value=b"{"))
            assert function.invoke(event) == {"batchItemFailures": []}
            assert _only(settings, "vpp.telemetry", Decoder(Inference)).failure is InferenceFailure.MODEL_MISSING
            assert _only(settings, "vpp.dlq", Decoder(DeadLetter)).reason == "not_json"


def _only(settings: Settings, topic: str, decode: Decoder) -> Any:
    consumer = Consumer(consumer_config(settings, "test"))
    consumer.subscribe([topic])
    record = consumer.poll(30.0)
    consumer.close()
    assert record is not None
    assert not record.error()
    return decode(record.value())
