"""Inside the slot: batteries follow their published curve tick by tick, as devices with real telemetry do.

At each tick the slot's mean net load is estimated from the ticks seen and the expected course of the rest; the curve
says what the battery should give over the whole slot at that mean; the battery delivers what is left of it over the
ticks left. Nothing is solved here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agents.curve import follow
from agents.grid_backtest import DP, Engine, GridRun, GridSeries, problem_at, settle, shed_above_cap
from agents.physics import AssetState, deliver
from agents.problem import Array, ClearingProblem, FleetState, Plan
from vpp.fleet import Battery, Zone

CAP_MARGIN_MW = 0.3
RAMP_MARGIN_MW = 0.1


def run_inside(
    zone: Zone, series: GridSeries, ticks_mw: Array, *, engine: Engine = DP, late: int = 1, margins: bool = True
) -> GridRun:
    """Return the closed loop over ``series`` with the batteries driven by ticks; money and breaches are of slot means.

    Args:
        zone: Fleet and limits.
        series: Slots; ``actual_mw`` are the means of the ticks.
        ticks_mw: Net load per tick, shape (T, M); NaN = not seen.
        engine: Draws the curve.
        late: Ticks until a value is known: 1 = at its end.
        margins: Keep 0.3 MW from the cap and 0.1 MW from the ramp limit in the slot decided.
    """
    state = replace(FleetState.initial(zone), grid_mw=series.before_mw)
    slots, count = ticks_mw.shape
    powers, socs = np.zeros((len(zone.assets), slots)), np.full((len(zone.assets), slots), np.nan)
    fallbacks, before = 0, series.before_mw
    for t in range(slots):
        problem = problem_at(zone, series, t, state)
        if margins:
            problem = replace(problem, cap_margin_mw=CAP_MARGIN_MW, ramp_margin_mw=RAMP_MARGIN_MW)
        plan = engine.curve(problem)
        fallbacks += plan.engine.startswith("reflex")
        slope = (float(series.net_mw[t, min(1, series.net_mw.shape[1] - 1)]) - before) / 2.0 / count
        powers[:, t], state = _slot(zone, problem, plan, state, ticks_mw[t], slope=slope, late=late)
        socs[:, t] = state.soc
        before = float(series.actual_mw[t])
        state = replace(state, grid_mw=before - float(powers[:, t].sum()))
    return settle(zone, series, powers, socs, fallbacks=fallbacks)


def _slot(
    zone: Zone,
    problem: ClearingProblem,
    plan: Plan,
    state: FleetState,
    ticks_mw: Array,
    *,
    slope: float,
    late: int,
) -> tuple[Array, FleetState]:
    """Return mean power per asset over one slot, driven tick by tick, and the fleet after it (grid power unchanged)."""
    count, hours = len(ticks_mw), zone.step.hours
    given = np.zeros((len(zone.assets), count))
    start = [AssetState.of(state, i) for i in range(len(zone.assets))]
    now = list(start)
    for k in range(count):
        mean = estimate_mean(ticks_mw[: max(k - late + 1, 0)], count, float(problem.net_mw[0]), slope)
        for i, asset in enumerate(zone.assets):
            if isinstance(asset, Battery):
                left = follow(plan, i, mean) * count - float(given[i, :k].sum())
                done = deliver(asset, now[i], left / (count - k), hours / count)
                given[i, k], now[i] = done.power_mw, done.state
    powers = given.mean(axis=1)
    setpoints = np.where([isinstance(a, Battery) for a in zone.assets], powers, plan.power_mw[:, 0])
    setpoints = shed_above_cap(zone, setpoints, float(np.nanmean(ticks_mw)))
    for i, asset in enumerate(zone.assets):
        if not isinstance(asset, Battery):
            done = deliver(asset, start[i], float(setpoints[i]), hours)
            powers[i], now[i] = done.power_mw, done.state
    return powers, FleetState(
        soc=np.array([s.soc for s in now]),
        power_mw=powers.copy(),
        running_min=np.array([s.running_min for s in now]),
        ready_in_min=np.array([s.ready_in_min for s in now]),
        available=state.available,
        grid_mw=state.grid_mw,
    )


def estimate_mean(seen_mw: Array, count: int, expected_mw: float, slope_mw: float) -> float:
    """Return the slot's estimated mean net load: ticks seen, then the last one going on by ``slope_mw`` per tick.

    Before anything is seen it is ``expected_mw``. A tick that is missing (NaN) is bridged from its neighbours.
    """
    known = np.flatnonzero(np.isfinite(seen_mw))
    if len(known) == 0:
        return expected_mw
    last = int(known[-1])
    course = np.interp(np.arange(last + 1), known, seen_mw[known])
    rest = seen_mw[last] + slope_mw * np.arange(1, count - last)
    return float((course.sum() + rest.sum()) / count)
