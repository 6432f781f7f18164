"""No record stops a worker: every topic, every field, any JSON value, through all reducers and the store."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.builders import ZONE, closed_slot, forecast_at, slot_at
from tests.worlds.forecasts.no_model import no_model
from tests.worlds.plant_loop import PLANT
from tests.worlds.records.fuzzed_records import (
    HEADERS,
    STAMPS_MS,
    every_field_spoiled,
    example_of,
    kinds_of,
    random_envelope,
    random_record,
)
from topologies.runtime.inference import InferenceStep
from topologies.runtime.reducers import make_reducer
from topologies.runtime.runner import Runner
from topologies.runtime.store_sink import StoreSink
from vpp import messages as m
from vpp.fleet.schema import Zone
from vpp.settings import Settings, load_settings
from vpp.store.sqlite import SqliteStore
from vpp.streams.broker_stamps import broker_time
from vpp.streams.reducer import Origin, Output, Reducer
from vpp.streams.topics import FEATURES, INPUT_OF, STORED, TELEMETRY, TOPICS, Topic
from vpp.streams.tracing import RecordTrace

RECORDS = int(os.environ.get("VPP_TEST_FUZZ_RECORDS", "2000"))
SEED = int(os.environ.get("VPP_TEST_FUZZ_SEED", "14"))
SEEN_MS = 1_700_000_000_000
FLUSH_EVERY = 500


class Bytes(dict[str, bytes]):
    """State values of one key, as the stream engine offers them."""

    get_bytes = dict.get
    set_bytes = dict.__setitem__

    def delete(self, key: str) -> None:
        self.pop(key, None)


def _reducer(topology: str, settings: Settings, zone: Zone) -> Reducer[Any]:
    return make_reducer(topology, zone, settings)


class Workers:
    """All workers of a run in one process, without a broker; outputs are written as the broker would get them."""

    def __init__(self, settings: Settings) -> None:
        self.letters: Counter[str] = Counter()
        self.offset = 0
        self._runners = {name: Runner(name, {ZONE: PLANT}.get, partial(_reducer, name, settings)) for name in INPUT_OF}
        self._inference = InferenceStep(settings, no_model, {ZONE: PLANT}.get)
        self._states: dict[tuple[str, bytes | None], Bytes] = {}
        self.store = SqliteStore(settings.store_path)
        self._sink = StoreSink(self.store, {topic.wire(): topic for topic in STORED}, self._bury)

    def send(
        self,
        topic: Topic,
        value: bytes | None,
        key: bytes | None = ZONE.encode(),
        stamp_ms: int = SEEN_MS,
        headers: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """Send one record to all workers that read the topic.

        Args:
            topic: Its topic.
            value: Raw value.
            key: Raw key.
            stamp_ms: Its time in the log (ms since 1970).
            headers: Its headers.
        """
        self.offset += 1
        origin = Origin(topic.name, 0, self.offset, broker_time(stamp_ms))
        for name, source in INPUT_OF.items():
            if source is topic:
                state = self._states.setdefault((name, key), Bytes())
                trace, runner = RecordTrace(headers, stamp_ms), self._runners[name]
                for output in self._note(runner.process(value, key, origin, state, headers)):
                    hop = trace.hop_of(output.message, runner.slot, SEEN_MS)
                    assert hop is None or hop.headers(name)
        if topic is FEATURES:
            self._note(self._inference.process(value, key, origin, headers))
            assert self._inference.answer(value, key, origin, stamp_ms, headers)
        if topic in STORED:
            self._sink.add(value, key, stamp_ms, list(headers), topic.wire(), 0, self.offset)
        if self.offset % FLUSH_EVERY == 0:
            self._sink.flush()

    def flush(self) -> None:
        self._sink.flush()

    def close(self) -> None:
        self._sink.flush()
        self.store.close()

    def _note(self, outputs: Iterable[Output]) -> list[Output]:
        noted = list(outputs)
        for output in noted:
            assert m.encode(output.message)
            if isinstance(output.message, m.DeadLetter):
                self.letters[output.message.reason] += 1
        return noted

    def _bury(self, letters: list[Output]) -> None:
        self._note(letters)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(load_settings({"data_dir": tmp_path}))
    yield workers
    workers.close()


@pytest.mark.parametrize("topic", [pytest.param(topic, id=topic.name) for topic in TOPICS])
def test_any_value_in_any_field_leaves_all_workers_running(topic: Topic, workers: Workers) -> None:
    spoiled = list(every_field_spoiled(topic))
    for payload in spoiled[:: max(len(spoiled) // 120, 1)]:
        workers.send(topic, payload)
    workers.close()
    assert sum(workers.letters.values()) > 0


@pytest.mark.parametrize("topic", [pytest.param(topic, id=topic.name) for topic in TOPICS])
def test_any_stamp_and_any_header_leaves_all_workers_running(topic: Topic, workers: Workers) -> None:
    for kind in kinds_of(topic):
        value = json.dumps(example_of(kind)).encode()
        for stamp_ms in STAMPS_MS:
            workers.send(topic, value, stamp_ms=stamp_ms)
        for headers in HEADERS:
            workers.send(topic, value, headers=headers)
        workers.flush()


def test_the_forged_way_of_a_slot_does_not_stop_the_store(workers: Workers) -> None:
    value = m.encode(closed_slot(1))
    for headers in HEADERS:
        workers.send(TELEMETRY, value, headers=headers)
    workers.flush()
    assert workers.store.count("telemetry") == 1


def test_hostile_records_at_random_stop_nobody_and_lose_no_good_record(workers: Workers) -> None:
    random_ = random.Random(SEED)
    good = {topic.name: topic for topic in TOPICS}
    for count in range(RECORDS):
        workers.send(*random_record(random_), *random_envelope(random_, SEEN_MS))
        if count % 100 == 0:
            workers.send(good["telemetry"], m.encode(closed_slot(1000 + count // 100)))
            workers.send(good["forecasts"], m.encode(forecast_at(1000 + count // 100)))
    workers.flush()
    expected = {slot_at(1000 + count) for count in range((RECORDS + 99) // 100)}
    assert expected <= set(workers.store.read("telemetry", zone=ZONE).column("slot"))
    assert expected <= set(workers.store.read("forecasts", zone=ZONE).column("issued_at"))
    assert set(workers.letters) >= {"schema", "not_json", "time"}
