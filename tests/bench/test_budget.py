"""`make bench ARGS='-k budget'`: CPU time of one slot through the chain by step and part, bytes, and the comparison.

Each worker reads what its topic carries in a world of four zones, at full speed, with a commit every four slots, and
counts from the twelfth slot of each zone on. CPU times are of the process; other work on the machine moves them by up
to a third, ratios within the run much less.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from console.local.load_test import resident_mb
from console.local.processes import Processes
from tests.bench.original import BUFFER_ROWS, original_cpu_ms
from tests.bench.split_worker import COMMIT_EVERY_SLOTS
from tests.bench.workers import RESULTS, START, ZONES, World, own_run, produce
from topologies.runtime.in_process import Chain
from topologies.runtime.status import read_status
from vpp import messages as m
from vpp.domain import iso
from vpp.settings import Settings
from vpp.store.message_rows import rows_of
from vpp.streams.kafka import create_topics
from vpp.streams.topics import INPUT_OF, RAW, STORED

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

STEPS = ("telemetry", "forecast", "actor", "trader", "plant")
SETTLED_SLOTS = 12
PASSES = 10
ORIGINAL_MESSAGES = 60
RECORDS_PER_SLOT = {"plant": 2}


def test_budget_of_a_slot(world: World, carried: dict[str, list[m.Message]]) -> None:
    settings, _, messages = world
    slots = sum(isinstance(x, m.Observation) and not x.history for x in messages)
    cpu_ms: dict[str, dict[str, float]] = {}
    changelog_bytes: dict[str, float] = {}
    for step in STEPS:
        topic = INPUT_OF[step].name
        records = carried[topic]
        first = first_settled(records)
        timed = len(records) - first
        run = own_run(settings, f"g-{step}")
        create_topics(run)
        produce(run, topic, records[:first])
        commit_every = COMMIT_EVERY_SLOTS * RECORDS_PER_SLOT.get(step, 1)
        rest = partial(produce, run, topic, records[first:])
        figures = split(run, step, first, len(records), commit_every, then=rest)
        spent_slots = slots_of(records[first:])
        assert timed >= spent_slots > 0
        cpu_ms[step] = {part: 1000 * value / spent_slots for part, value in figures["cpu_s"].items()}
        changelog_bytes[step] = figures["state_bytes"] / spent_slots
    cpu_ms["storage"] = storage_cpu_ms(settings, carried, slots)
    passing = own_run(settings, "g-pass")
    create_topics(passing)
    forecasts = [x for x in carried["forecasts"] if isinstance(x, m.Forecast)]
    produce(passing, "forecasts", forecasts * PASSES)
    count = len(forecasts) * PASSES
    pass_ms = 1000 * split(passing, "pass", count // 10, count, 0)["total_s"] / (count - count // 10)
    original_ms = original_cpu_ms(
        [iso(START + n * timedelta(minutes=30)) for n in range(BUFFER_ROWS + ORIGINAL_MESSAGES)]
    )
    totals = {step: sum(parts.values()) for step, parts in cpu_ms.items()}
    bytes_per_slot = {topic: sum(len(m.encode(x)) for x in live(values)) / slots for topic, values in carried.items()}
    RESULTS["budget"] = {
        "slots": slots,
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "cpu_ms": {step: {part: round(value, 4) for part, value in parts.items()} for step, parts in cpu_ms.items()},
        "step_cpu_ms": {step: round(value, 3) for step, value in totals.items()},
        "pass_through_cpu_ms": round(pass_ms, 3),
        "original_cpu_ms": round(original_ms, 3),
        "topic_bytes": {topic: round(value) for topic, value in bytes_per_slot.items()},
        "topic_records": {topic: round(len(live(values)) / slots, 2) for topic, values in carried.items()},
        "changelog_bytes": {step: round(value) for step, value in changelog_bytes.items()},
        "store_rows": round(rows_per_slot(carried, slots), 2),
        "store_bytes": round((settings.data_dir / "store.sqlite").stat().st_size / slots),
    }
    RESULTS["slot_cpu_ms_total"] = round(sum(totals.values()), 2)
    RESULTS["ratio_to_original"] = round(original_ms / totals["forecast"], 1)
    RESULTS["changelog_bytes_per_slot_total"] = round(sum(changelog_bytes.values()))
    assert slots == len(ZONES) * (len(forecasts) // len(ZONES))
    assert RESULTS["ratio_to_original"] > 5


def rows_per_slot(carried: dict[str, list[m.Message]], slots: int) -> float:
    """Return how many rows of all tables a slot leaves in the store."""
    topics = {topic.name for topic in STORED}
    live_records = [(x, name) for name, values in carried.items() if name in topics for x in live(values)]
    return sum(1 for record, name in live_records for _ in rows_of(record, name, START)) / slots


def test_memory_of_a_zone(world: World) -> None:
    """What the steps of one more zone keep in memory, all steps in one process: decoded state, reducers, models."""
    settings, zones, messages = world
    resident_mb_after = []
    chain = Chain(settings, zones.get)
    for zone in ZONES:
        for message in messages:
            if message.zone == zone:
                chain.feed(message)
        resident_mb_after.append(resident_mb(os.getpid()) or 0.0)
    RESULTS["memory_mb_per_zone"] = round((resident_mb_after[-1] - resident_mb_after[0]) / (len(ZONES) - 1), 2)
    assert resident_mb_after[0] > 0


def live(records: list[m.Message]) -> list[m.Message]:
    """Return the records that are no history."""
    return [x for x in records if not getattr(x, "history", False)]


def _live_slot(record: Any) -> tuple[str, Any] | None:
    if isinstance(record, m.SlotClosed | m.Observation | m.Forecast | m.ActorBid | m.TraderBid):
        return None if getattr(record, "history", False) else (record.zone, record.slot)
    return None


def slots_of(records: list[m.Message]) -> int:
    """Return how many live slots of all zones are in some records."""
    return len({slot for record in records if (slot := _live_slot(record)) is not None})


def first_settled(records: list[m.Message]) -> int:
    """Return how many records there are until each zone has gone through ``SETTLED_SLOTS`` live slots."""
    seen: set[tuple[str, Any]] = set()
    for n, record in enumerate(records):
        slot = _live_slot(record)
        if slot is not None and slot not in seen and len(seen) == SETTLED_SLOTS * len(ZONES):
            return n
        if slot is not None:
            seen.add(slot)
    raise AssertionError("too few live slots")


def split(
    settings: Settings,
    topology: str,
    first: int,
    last: int,
    commit_every: int,
    then: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Run one worker with clocks in place and return what it spent between two records.

    ``then`` sends what comes after the first ``first`` records, once these are done: a worker reads partition by
    partition, so else it would pass live slots of one zone before the history of another.
    """
    path: Path = settings.data_dir / "split.json"
    path.unlink(missing_ok=True)
    processes = Processes(settings, settings.data_dir / "logs" / settings.run)
    start = first if then is None else first + 1  # waiting for the rest counts for nothing
    processes.add(topology, "tests.bench.split_worker", topology, *map(str, (start, last, commit_every)))
    deadline = time.monotonic() + 900
    try:
        while not path.exists():
            process = processes.workers[topology].process
            assert process is not None
            if then is not None and read_status(settings).get(topology, {}).get("processed", 0) >= first:
                then()
                then = None
            assert process.poll() is None, f"{topology} died: {processes.last_words(topology)}"
            assert time.monotonic() < deadline, f"{topology} did not finish: {processes.last_words(topology)}"
            time.sleep(0.1)
        figures: dict[str, Any] = json.loads(path.read_text())
        return figures
    finally:
        processes.stop()


def storage_cpu_ms(settings: Settings, carried: dict[str, list[m.Message]], slots: int) -> dict[str, float]:
    """Return what storing all topics costs per slot, by part, counted from its first record on."""
    run = own_run(settings, "g-storage")
    create_topics(run)
    count = 0
    for topic in STORED:
        records = live(carried.get(topic.name, []))
        if topic is not RAW and records:
            produce(run, topic.name, records)
            count += len(records)
    figures = split(run, "storage", 1, count, 0)
    return {part: 1000 * value / slots for part, value in figures["cpu_s"].items()}
