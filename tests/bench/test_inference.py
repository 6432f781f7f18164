"""`make bench ARGS='-k inference'`: 1,000 rows in the worker and through the Lambda function: equal bytes, times.

The function runs in AWS's runtime client behind a local runtime API (`make aws-setup` installs it), with the broker of
the benchmarks. Cold start is the time from the start of the process to the answer to its first event, with one row.
"""

import dataclasses
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from console.local.broker import EmbeddedBroker
from models.forecast.inference import feature_row
from models.net_load.model import ServedNetLoad
from models.registry.artifact import NET_LOAD_PART
from models.registry.registry import Registry
from tests.bench.workers import RESULTS
from tests.worlds.forecasts.feature_rows import made_rows
from tests.worlds.forecasts.forecast_world import forested_world
from tests.worlds.forecasts.lambda_runtime import LambdaRuntime, kafka_event, kafka_record
from vpp.domain import iso
from vpp.messages import Decoder, Inference
from vpp.settings import Settings
from vpp.settings.connections import KafkaSettings
from vpp.streams.kafka import consumer_config, create_topics

pytest.importorskip("awslambdaric", reason="make aws-setup installs it")
pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

ROWS = 1000
BATCH = 100


def test_rows_down_both_paths_give_equal_bytes(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker.log") as broker:
        settings = Settings(
            data_dir=tmp_path, kafka=KafkaSettings(bootstrap_servers=broker.address, embedded=True, partitions=1)
        )
        create_topics(settings)
        _compare(settings)


def _compare(settings: Settings) -> None:
    trained = forested_world()
    assert isinstance(trained.model.net_load, ServedNetLoad)
    facts = {"zone": trained.zone.zone, "step_min": trained.zone.step_min, "until": iso(trained.promotion.available_at)}
    model = Registry(settings.models_dir).save({NET_LOAD_PART: trained.model.net_load.to_arrays()}, facts)
    part = model.net_load
    assert part is not None
    rows = made_rows(dataclasses.replace(trained, model=model), ROWS)
    began = time.perf_counter()
    expected = [part.forecast(row) for _, row in rows]
    worker_s = time.perf_counter() - began
    messages = [feature_row(model, slot, row) for slot, row in rows]
    records = [kafka_record(message, offset) for offset, message in enumerate(messages)]
    began = time.perf_counter()
    with LambdaRuntime(settings) as function:
        assert function.invoke(kafka_event(records[0])) == {"batchItemFailures": []}
        cold_s, began = time.perf_counter() - began, time.perf_counter()
        for first in range(0, ROWS, BATCH):
            assert function.invoke(kafka_event(*records[first : first + BATCH])) == {"batchItemFailures": []}
        lambda_s = time.perf_counter() - began
    answers = _answers(settings, ROWS + 1)
    for message, here in zip(messages, expected, strict=True):
        there = answers[message.receipt]
        assert (here.quantiles.tobytes(), here.mean.tobytes()) == (there.quantiles, there.mean)
        assert (here.scale.tobytes(), here.xgboost_weight) == (there.scale, there.xgboost_weight)
    RESULTS["inference"] = {
        "rows": ROWS,
        "row_bytes": len(messages[0].rows),
        "worker_ms_per_row": round(1000 * worker_s / ROWS, 3),
        "lambda_ms_per_row": round(1000 * lambda_s / ROWS, 3),
        "lambda_cold_start_s": round(cold_s, 2),
    }


def _answers(settings: Settings, count: int) -> dict[str, Inference]:
    consumer, decode = Consumer(consumer_config(settings, "bench")), Decoder(Inference)
    consumer.subscribe(["vpp.telemetry"])
    answers: list[Inference] = []
    while len(answers) < count:
        record = consumer.poll(30.0)
        assert record is not None
        assert not record.error()
        answers.append(decode(record.value()))
    consumer.close()
    return {answer.receipt: answer for answer in answers}
