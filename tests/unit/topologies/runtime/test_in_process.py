"""Poisoned state against a worker's step in one process: no zone stops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.builders import ZONE, make_zone, slot_at
from topologies.runtime.in_process import Chain, MemoryState
from topologies.runtime.reducers import STEPS, make_reducer
from topologies.runtime.runner import Runner
from vpp import messages as m
from vpp.settings import Settings, load_settings
from vpp.streams.reducer import Origin, Output
from vpp.streams.topics import INPUT_OF

PLANT = make_zone()
BEFORE, AFTER = 8, 4
POISONS = {
    "empty": lambda value: b"",
    "zeros": lambda value: bytes(len(value)),
    "half": lambda value: value[: len(value) // 2],
    "flipped": lambda value: bytes(255 - byte for byte in value),
    "json": lambda value: b'{"a":1}',
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"data_dir": tmp_path})


def observed(slot: int) -> m.Observation:
    values: dict[str, float | None] = {"load_mw": 500.0 + slot % 5, "price_per_mwh": 80.0 + slot % 7}
    return m.Observation(zone=ZONE, slot=slot_at(slot), values=values)


def outputs_of(settings: Settings, slots: Iterator[int] | range) -> list[Output]:
    chain = Chain(settings, {ZONE: PLANT}.get)
    order = m.Order(zone=ZONE, order_id="o1", action="hold", principal="ann", reason="x", issued_at=slot_at(0))
    outputs = chain.feed(order, "orders")
    for slot in slots:
        outputs += chain.feed(observed(slot))
    return outputs


def letters(outputs: list[Output]) -> list[str]:
    return [output.message.detail for output in outputs if isinstance(output.message, m.DeadLetter)]


@pytest.mark.drill("poisoned_state")
@pytest.mark.parametrize("step", STEPS)
def test_a_poisoned_state_value_stops_no_zone(step: str, settings: Settings) -> None:
    topic = INPUT_OF[step].name
    inputs = [o.message for o in outputs_of(settings, range(BEFORE + AFTER)) if o.topic == topic]
    cut = len(inputs) - len(inputs) // 3
    _, saved = run_step(step, settings, inputs[:cut], MemoryState())
    for key in saved:
        for poison in POISONS.values():
            state = MemoryState()
            for name, whole in saved.items():
                state.set_bytes(name, poison(whole) if name == key else whole)
            after, _ = run_step(step, settings, inputs[cut:], state)
            assert letters(after) == [], key
            if step != "orders":
                assert {o.topic for o in after} & {"telemetry", "forecasts", "bids", "setpoints"}, key


def run_step(
    step: str, settings: Settings, inputs: list[m.Message], state: MemoryState
) -> tuple[list[Output], dict[str, bytes]]:
    """Run a worker's step from a state to its end; return what it yields, and its state."""
    runner = Runner(step, {ZONE: PLANT}.get, lambda zone: make_reducer(step, zone, settings))
    outputs: list[Output] = []
    for offset, message in enumerate(inputs):
        outputs += runner.process(m.encode(message), ZONE.encode(), Origin(step, 0, offset), state)
    return outputs, state.values()
