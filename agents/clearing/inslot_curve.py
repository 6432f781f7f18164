"""The in-slot curve of a battery's setpoint: measured net load of the slot to battery power.

Peakers are fixed before the slot; batteries respond to the actual net load within the slot. The second pass is solved
beforehand for a few net loads, so a device interpolates between them and needs no solver.
"""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from agents.assets.battery import aggregate, power_range
from agents.assets.registry import store_of, store_rows
from agents.clearing.problem import Bands, ClearingProblem, Plan
from agents.clearing.solve import responses
from vpp.numerics.arrays import Floats

POINTS = 9
SPREADS = 3.6
MOST_BATTERIES = 5
"""Above this many, the curve is made for one battery with the sum of their means and shared out by state of charge."""


def with_curve(problem: ClearingProblem, plan: Plan, *, points: int = POINTS) -> Plan:
    """Return ``plan`` with its curve: ``points`` second passes at net[0] ± 3.6 spreads of its error.

    A fleet without a battery, and a reflex's plan, keep an empty curve. Costs one LP per point.
    """
    batteries = store_rows(problem.zone)
    if not batteries or plan.is_reflex:
        return plan
    width = SPREADS * max(float(problem.level_sd_mw[0]), 0.05 * problem.zone.limits.ramp_limit_mw)
    nets = problem.net_mw[0] + np.linspace(-width, width, points)
    powers = np.zeros((len(problem.assets), points))
    many = len(batteries) > MOST_BATTERIES
    group, base = aggregated(problem, plan) if many else (problem, plan)
    answers = responses(group, base, nets)
    if np.isnan(answers).any():
        return plan
    if many:
        powers = np.stack([share_out(problem, float(total)) for total in answers[0]], axis=1)
    else:
        powers[batteries] = answers[batteries]
    return replace(plan, curve_net_mw=nets, curve_mw=powers)


def curve(problem: ClearingProblem, plan: Plan) -> list[tuple[float, dict[str, float]]]:
    """Return the curve as ``(net load MW, battery id to MW)`` points, rising in net load."""
    drawn = plan if len(plan.curve_net_mw) else with_curve(problem, plan)
    return [
        (
            float(net),
            {problem.assets[i].asset_id: float(drawn.curve_mw[i, k]) for i in store_rows(problem.zone)},
        )
        for k, net in enumerate(drawn.curve_net_mw)
    ]


def follow(plan: Plan, row: int, net_mw: float) -> float:
    """Return the power (MW) of a battery at a measured net load: interpolated, constant outside; else the plan."""
    if len(plan.curve_net_mw) == 0:
        return float(plan.power_mw[row, 0])
    return float(np.interp(net_mw, plan.curve_net_mw, plan.curve_mw[row]))


def aggregated(problem: ClearingProblem, plan: Plan) -> tuple[ClearingProblem, Plan]:
    """Return the problem with one battery (first) in place of the available, free ones, everything else at its plan.

    Energy and power add up; efficiencies, SoC band and wear are weighted by energy.
    """
    free = _free_batteries(problem)
    other_rows = [i for i in range(len(problem.assets)) if i not in free]
    stores = [store for i in free if (store := store_of(problem.assets[i])) is not None]
    combined, energy = aggregate(stores), np.array([store.energy_mwh for store in stores])
    order = [free[0], *other_rows]
    state = problem.state
    soc = state.soc[order].copy()
    soc[0] = float(np.average(state.soc[free], weights=energy))
    bands = Bands.none(len(order), problem.steps)
    bands.fixed_mw[1:] = plan.power_mw[other_rows]
    summed = problem.bands
    bands.min_mw[0] = summed.min_mw[free].sum(axis=0)
    bands.max_mw[0] = summed.max_mw[free].sum(axis=0)
    zone = problem.zone.model_copy(update={"assets": (combined, *(problem.assets[i] for i in other_rows))})
    merged = replace(
        problem,
        zone=zone,
        state=replace(
            state,
            soc=soc,
            power_mw=state.power_mw[order],
            running_min=state.running_min[order],
            ready_in_min=state.ready_in_min[order],
            available=np.concatenate([[True], state.available[other_rows]]),
        ),
        potential_mw=problem.potential_mw[order],
        bands=bands,
        reference_mw=np.full((len(order), problem.steps), np.nan),
    )
    return merged, replace(plan, power_mw=plan.power_mw[order], running=plan.running[order])


def _free_batteries(problem: ClearingProblem) -> list[int]:
    rows = store_rows(problem.zone)
    free = [i for i in rows if problem.state.available[i] and np.isnan(problem.bands.fixed_mw[i, 0])]
    return free or rows[:1]


def share_out(problem: ClearingProblem, total_mw: float) -> Floats:
    """Return ``total_mw`` shared among the batteries, shape (A,), 0 elsewhere.

    Shares are proportional to the power that each battery can discharge or charge over the slot within its band, so
    states of charge converge and no limit is exceeded.
    """
    shares = np.zeros(len(problem.assets))
    hours = float(problem.step_h[0])
    free = _free_batteries(problem)
    for i in free:
        store = store_of(problem.assets[i])
        assert store is not None
        low, high = power_range(store, float(problem.state.soc[i]), hours)
        shares[i] = high if total_mw > 0 else low
    total = float(shares.sum())
    return shares * (min(total_mw / total, 1.0) if total else 0.0)
