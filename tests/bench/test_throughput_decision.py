"""`make bench ARGS='-k budget'`: CPU time of a decision of the plant."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.timing import percentiles, timed_us
from tests.bench.workers import RESULTS, ZONES, World
from topologies.runtime.reducers import make_reducer
from topologies.sources.simulator import CHANNELS
from vpp import messages as m
from vpp.files.zone_fitting import zone_for
from vpp.streams.reducer import Origin

pytestmark = pytest.mark.bench


def test_budget_of_a_decision(world: World, carried: dict[str, list[m.Message]]) -> None:
    """One battery by dynamic programming, and with renewables that can be cut by the LP; curve and prices included."""
    settings, zones, _ = world
    cut = zone_for(ZONES[0], step_min=30, channels=CHANNELS)[0]
    for engine, zone in (("dp", zones[ZONES[0]]), ("lp", cut)):
        plant = make_reducer("plant", zone, settings)
        state, took = plant.initial(zone.zone), []
        for n, bid in enumerate([x for x in carried["bids"] if x.zone == zone.zone][:200]):
            spent, (state, outputs) = timed_us(plant.step, state, bid, Origin("bids", 0, n))
            decided = [x.message.engine for x in outputs if isinstance(x.message, m.Decision)]
            took += [spent / 1000] if decided == [engine] else []
        RESULTS[f"decision_cpu_ms_{engine}"] = percentiles(took, 1)
        assert np.median(took) <= 50.0
