"""The Lambda function: events in the shape of Amazon MSK, answers to the broker, and what is to be sent again."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest

from models.forecast.inference import feature_row
from models.served import NetLoadRow
from tests.worlds.forecasts.feature_rows import made_rows
from tests.worlds.forecasts.forecast_world import forested_world
from tests.worlds.forecasts.lambda_runtime import kafka_event, kafka_record
from topologies.runtime.inference import InferenceStep
from topologies.runtime.lambda_function import LambdaInference
from vpp.messages import DeadLetter, Decoder, FeatureRow, Inference, encode
from vpp.settings import Settings
from vpp.streams.tracing import read_trace_id, source_headers

decode, decode_letter = Decoder(Inference), Decoder(DeadLetter)


class Producer:
    """Takes records, and delivers all but those of the broken zones when it is flushed."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, Any]] = []
        self.broken: set[bytes] = set()
        self.full: set[bytes] = set()
        self._waiting: list[Callable[[], None]] = []

    def produce(self, topic: str, value: bytes, *, key: bytes, headers: Any, on_delivery: Any) -> None:
        if key in self.full:
            raise BufferError("the queue is full")
        error = "no leader" if key in self.broken else None
        if error is None:
            self.sent.append((topic, value, headers))
        self._waiting.append(lambda: on_delivery(error, None))

    def poll(self, timeout: float) -> int:
        return 0

    def flush(self, timeout: float) -> int:
        waiting, self._waiting = self._waiting, []
        for report in waiting:
            report()
        return 0


@pytest.fixture(scope="module")
def made() -> list[tuple[datetime, NetLoadRow]]:
    return made_rows(forested_world(), 50)


@pytest.fixture(scope="module")
def rows(made: list[tuple[datetime, NetLoadRow]]) -> list[FeatureRow]:
    return [feature_row(forested_world().model, slot, row) for slot, row in made]


def record(row: FeatureRow, partition: int, offset: int, value: bytes | None = None) -> dict[str, Any]:
    """Return a record with the headers of its slot's trace, as Java's signed bytes."""
    headers = [{name: [byte - 256 if byte > 127 else byte for byte in text]} for name, text in source_headers(row)]
    return kafka_record(row, offset, partition=partition, value=value) | {"headers": headers}


@pytest.fixture
def producer() -> Producer:
    return Producer()


@pytest.fixture
def function(producer: Producer) -> LambdaInference:
    step = InferenceStep(Settings(), lambda *_: forested_world().model, lambda _: None)
    return LambdaInference(step, producer, "vpp.")


def test_both_paths_give_equal_bytes(
    function: LambdaInference, producer: Producer, rows: list[FeatureRow], made: list[tuple[datetime, NetLoadRow]]
) -> None:
    part = forested_world().model.net_load
    assert part is not None
    response = function.handle(kafka_event(*(record(row, n % 4, n) for n, row in enumerate(rows))))
    assert response == {"batchItemFailures": []}
    assert {topic for topic, _, _ in producer.sent} == {"vpp.telemetry"}
    answers = {answer.receipt: answer for answer in (decode(value) for _, value, _ in producer.sent)}
    for row, (_, read) in zip(rows, made, strict=True):
        here, there = part.forecast(read), answers[row.receipt]
        assert (here.quantiles.tobytes(), here.mean.tobytes()) == (there.quantiles, there.mean)
        assert (here.scale.tobytes(), here.xgboost_weight) == (there.scale, there.xgboost_weight)
    assert len(answers) == len(rows)


def test_an_answer_keeps_the_trace_of_its_slot(
    function: LambdaInference, producer: Producer, rows: list[FeatureRow]
) -> None:
    function.handle(kafka_event(record(rows[0], 0, 0)))
    ((_, _, headers),) = producer.sent
    assert read_trace_id(headers) == read_trace_id(source_headers(rows[0]))


def test_what_is_no_row_is_a_dead_letter_and_done(
    function: LambdaInference, producer: Producer, rows: list[FeatureRow]
) -> None:
    cut = encode(msgspec.structs.replace(rows[0], rows=b"1234"))
    broken = [record(rows[0], 0, n, value) for n, value in enumerate((b"{", b"", cut))]
    assert function.handle(kafka_event(*broken, record(rows[1], 0, 3))) == {"batchItemFailures": []}
    letters = [decode_letter(value) for topic, value, _ in producer.sent if topic == "vpp.dlq"]
    assert [(letter.reason, letter.offset) for letter in letters] == [("not_json", 0), ("empty", 1), ("schema", 2)]
    assert [topic for topic, _, _ in producer.sent].count("vpp.telemetry") == 1


@pytest.mark.parametrize("fault", ["broken", "full"])
def test_only_what_did_not_reach_the_broker_is_sent_again(
    function: LambdaInference, producer: Producer, rows: list[FeatureRow], fault: str
) -> None:
    getattr(producer, fault).add(b"LOST")
    lost = msgspec.structs.replace(rows[1], zone="LOST")
    sent = [record(rows[0], 0, 7), record(lost, 0, 8), record(rows[2], 0, 9), record(rows[3], 1, 4)]
    failed = {"itemIdentifier": {"partition": "vpp.features-0", "offset": 8}}
    assert function.handle(kafka_event(*sent)) == {"batchItemFailures": [failed]}
    producer.broken.clear()
    producer.full.clear()
    assert function.handle(kafka_event(*sent[1:3])) == {"batchItemFailures": []}
    answered = {decode(value).receipt for _, value, _ in producer.sent}
    assert answered == {row.receipt for row in rows[:4]}
