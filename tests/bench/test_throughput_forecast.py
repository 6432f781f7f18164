"""`make bench`: the forecast step against a plain pass-through, and the CPU time of its parts."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from tests.bench.timing import one_row, percentiles, timed_us
from tests.bench.workers import RESULTS, ZONES, World, cost, own_run, produce
from topologies.runtime.reducers import make_reducer
from vpp import messages as m
from vpp.fleet.schema import Zone
from vpp.settings import Settings
from vpp.streams.kafka import create_topics
from vpp.streams.reducer import Origin

pytestmark = pytest.mark.bench

SETTLED_SLOTS = 12
PASSES = {"json": 15, "bytes": 40}
MOST_STEP_US, LEAST_SHARE = 1500.0, 0.2


def test_forecast_step_against_a_pass_through(world: World, carried: dict[str, list[m.Message]]) -> None:
    """Aims: 1 ms a slot, and without features and inference no more than copying its output costs over 0.3.

    The copy reads and writes JSON as the step does; one that leaves records unread is measured beside it. What is
    reached stands in ``docs/benchmarks/speed.md``; this fails where a change makes it half as good.
    """
    settings, zones, _ = world
    message = carried["telemetry"]
    closed = [i for i, x in enumerate(message) if isinstance(x, m.SlotClosed) and not x.history]
    first = closed[SETTLED_SLOTS * len(ZONES)]
    before, after = message[:first], message[first:]
    live = [x for x in after if isinstance(x, m.SlotClosed)]
    compute_us = compute_per_slot_us(settings, zones, carried["telemetry"])
    made = [x for x in carried["forecasts"] if isinstance(x, m.Forecast)]
    passed = {}
    for form, passes in PASSES.items():
        passing = own_run(settings, f"b-pass-{form}")
        create_topics(passing)
        produce(passing, "forecasts", made * passes)
        passed[form] = cost(passing, "tests.bench.pass_through", "pass", passes * len(made), form).cpu_us
    forecasting = own_run(settings, "b-fc")
    create_topics(forecasting)
    produce(forecasting, "telemetry", before)
    result = cost(
        forecasting,
        "topologies.forecast",
        "forecast",
        len(message),
        start=len(before),
        then=lambda: produce(forecasting, "telemetry", after),
    )
    step_us = result.cpu_us * len(after) / len(live)
    share = {form: cpu_us / max(step_us - compute_us, 1e-9) for form, cpu_us in passed.items()}
    RESULTS["forecast_step_cpu_us"] = {
        "per_slot": round(step_us),
        "features_and_inference": round(compute_us),
        "pass_through": {form: round(cpu_us) for form, cpu_us in passed.items()},
        "share_of_pass_through_rate": {form: round(value, 2) for form, value in share.items()},
    }
    assert step_us <= MOST_STEP_US
    assert share["json"] >= LEAST_SHARE


def compute_per_slot_us(settings: Settings, zones: dict[str, Zone], telemetry: list[m.Message]) -> float:
    """Return the mean CPU time of the reducers alone per live slot, zones in turn: features, inference, scoring.

    Also notes what features and inference take for one row, all horizons and quantiles.
    """
    reducers: dict[str, Any] = {name: make_reducer("forecast", zone, settings) for name, zone in zones.items()}
    states = {name: reducer.initial(name) for name, reducer in reducers.items()}
    steps, rows, keeping, encoding = [], [], [], []
    for n, message in enumerate(telemetry):
        reducer, state = reducers[message.zone], states[message.zone]
        took, (_, outputs) = timed_us(reducer.step, state, message, Origin("telemetry", 0, n))
        saved_state = timed_us(reducer.changes, state)[0]
        if isinstance(message, m.SlotClosed) and not message.history and state.served is not None:
            steps.append(took)
            keeping.append(saved_state)
            encoding.append(timed_us(lambda made: [m.encode(x.message) for x in made], outputs)[0])
            rows.append(timed_us(one_row, state)[0])
    RESULTS["forecast_reducer_cpu_us"] = percentiles(steps)
    RESULTS["one_row_cpu_us"] = percentiles(rows)
    RESULTS["packing_state_cpu_us"], RESULTS["encoding_cpu_us"] = percentiles(keeping), percentiles(encoding)
    return statistics.fmean(steps)
