"""No flood of records makes a value that a broker would refuse: what would is a dead letter, and the zone goes on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tests.worlds.builders import ZONE, closed_slot, make_zone, slot_at
from topologies.runtime.in_process import MemoryState
from topologies.runtime.reducers import make_reducer
from topologies.runtime.runner import MAX_PAYLOAD_BYTES, Runner
from vpp import messages as m
from vpp.settings import load_settings
from vpp.streams.reducer import Origin, Output

PLANT = make_zone()


class Kept(MemoryState):
    """A state that knows its largest value."""

    largest = 0

    def set_bytes(self, key: str, value: bytes) -> None:
        super().set_bytes(key, value)
        self.largest = max(self.largest, len(value))


def run(topology: str, messages: list[m.Message], folder: Path) -> tuple[list[Output], Kept]:
    settings, state, outputs = load_settings({"data_dir": folder}), Kept(), list[Output]()
    runner = Runner(topology, {ZONE: PLANT}.get, lambda zone: make_reducer(topology, zone, settings))
    for offset, message in enumerate(messages):
        outputs += runner.process(m.encode(message), ZONE.encode(), Origin(topology, 0, offset), state)
    assert all(len(m.encode(output.message)) <= MAX_PAYLOAD_BYTES for output in outputs)
    return outputs, state


def reasons(outputs: list[Output]) -> Counter[str]:
    return Counter(o.message.reason for o in outputs if isinstance(o.message, m.DeadLetter))


def test_a_flood_of_publications_is_bounded_and_forecasts_go_on(tmp_path: Path) -> None:
    later = slot_at(9)
    series: dict[str, list[Any]] = {f"c{n}_mw": [1.0 / 3.0] * 480 for n in range(20)}
    flood = m.Publication(zone=ZONE, available_at=later, first_slot=later, step_min=30, series=series)
    outputs, state = run("forecast", [closed_slot(0), *[flood] * 12, closed_slot(1)], tmp_path)
    assert set(reasons(outputs)) == {"huge"}
    assert state.largest <= MAX_PAYLOAD_BYTES
    issued = [o.message.slot for o in outputs if isinstance(o.message, m.Forecast)]
    assert issued == [slot_at(0), slot_at(1)]


def test_a_flood_of_channel_names_is_refused_and_slots_go_on_closing(tmp_path: Path) -> None:
    def observed(slot: int, *names: str) -> m.Observation:
        values: dict[str, float | None] = dict.fromkeys(("load_mw", *names), 500.0)
        return m.Observation(zone=ZONE, slot=slot_at(slot), values=values)

    floods = [observed(1, *(f"forged_{n}_{part}" for part in range(400))) for n in range(30)]
    long = observed(1, "x" * 30_000)
    outputs, _ = run("telemetry", [observed(0), *floods, long, observed(1), observed(2)], tmp_path)
    assert [o.message.slot for o in outputs if isinstance(o.message, m.SlotClosed)] == [slot_at(n) for n in range(3)]
    assert reasons(outputs)["channels"] >= 1


def test_a_flood_of_corrections_that_wait_is_bounded(tmp_path: Path) -> None:
    values: dict[str, float | None] = {f"c{n}_mw": 1.0 for n in range(2000)}
    flood: list[m.Message] = [
        m.Correction(
            zone=ZONE,
            slot=slot_at(4 + n),
            step_min=30,
            values=values,
            net_load_mw=1.0,
            revision=1,
        )
        for n in range(60)
    ]
    outputs, state = run("plant", flood, tmp_path)
    assert state.largest <= MAX_PAYLOAD_BYTES
    assert set(reasons(outputs)) == {"huge"}
