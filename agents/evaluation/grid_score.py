"""The score of grid response on history: money and breaches of a fleet, between two bounds.

Deliveries come from the plant reducer (``topologies.backtests``) or from a baseline. Costs are settled on actual net
load and prices. The score places a run between the baselines no action (0) and perfect foresight (100). Emergency
shedding at the cap is there for both. The baselines are for research: the plant runs none of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from agents.assets.fleet_state import FleetState
from agents.assets.horizon import ROUNDING, unit_mw
from agents.assets.registry import fleet_at_rest, rows_where, type_of
from agents.clearing.plan_cost import plan_costs
from agents.clearing.problem import ClearingInputs, ClearingProblem, clearing_problem
from agents.clearing.solve import solve
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats

_BREACH_SHARE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Actuals:
    """Actual values in MW of the served share; T consecutive slots.

    ``actual_mw``: shape (T,), net load. ``before_mw``: grid power before the first slot. ``price_per_mwh``: shape
    (T,), what energy is settled at. ``stored_value_per_mwh``: worth of energy left at the end of the run.
    ``generation_price_per_mwh``: flat price that peakers and loads are weighed and settled at (their fuel follows the
    market); NaN: the same prices as batteries. ``potential_mw``: shape (A, T), output of renewables that can be cut;
    None: there is none.
    """

    actual_mw: Floats
    before_mw: float
    price_per_mwh: Floats
    stored_value_per_mwh: float
    generation_price_per_mwh: float = math.nan
    potential_mw: Floats | None = None

    def known(self, zone: Zone, before: FleetState) -> ClearingProblem:
        """Return the problem of the whole run with everything known and no hedge."""
        return clearing_problem(
            zone,
            ClearingInputs(
                self.actual_mw,
                state=msgspec.structs.replace(before, grid_mw=self.before_mw),
                price_per_mwh=self.price_per_mwh,
                generation_price_per_mwh=self.weighed_at(self.price_per_mwh),
                stored_value_per_mwh=self.stored_value_per_mwh,
                potential_mw=self.potential_mw,
                hedge=0.0,
            ),
        )

    def weighed_at(self, price_per_mwh: Floats) -> Floats:
        """Return the price of generation and load where batteries see ``price_per_mwh``."""
        flat = self.generation_price_per_mwh
        return price_per_mwh if math.isnan(flat) else np.full_like(price_per_mwh, flat)


@dataclass(frozen=True, slots=True)
class GridRun:
    """What happened: ``power_mw`` (A, T), ``grid_mw`` (T,), ``soc`` (A, T), cost items in money, breaches in slots."""

    power_mw: Floats
    grid_mw: Floats
    soc: Floats
    costs: dict[str, float]
    ramp_breaches: int
    cap_breaches: int
    fallbacks: int

    @property
    def cost(self) -> float:
        """Sum of the cost items; stored energy counts as income."""
        return float(sum(self.costs.values()))


def shed_above_cap(zone: Zone, setpoints: Floats, net_mw: float) -> Floats:
    """Return the setpoints with emergency loads set to the remaining power above the import cap."""
    loads = rows_where(zone, lambda kind, asset: kind.is_emergency(asset))
    changed = setpoints.copy()
    changed[loads] = 0.0
    excess_mw = net_mw - float(changed.sum()) - zone.limits.import_cap_mw
    for i in loads:
        changed[i] = min(max(excess_mw, 0.0), type_of(zone.assets[i]).power_limits_mw(zone, zone.assets[i])[1])
        excess_mw -= changed[i]
    return changed


def no_action(zone: Zone, series: Actuals) -> GridRun:
    """Return the run of a fleet that does nothing but shed at the cap."""
    powers = np.stack(
        [shed_above_cap(zone, np.zeros(len(zone.assets)), float(net)) for net in series.actual_mw], axis=1
    )
    soc_at_rest = fleet_at_rest(zone).soc
    return settle(zone, series, powers, np.tile(soc_at_rest[:, None], (1, len(series.actual_mw))))


def perfect_foresight(zone: Zone, series: Actuals, *, start: FleetState | None = None) -> GridRun:
    """Return the cheapest run in hindsight: one solve over all slots with the actual net load and prices."""
    plan = solve(series.known(zone, fleet_at_rest(zone) if start is None else start))
    return settle(zone, series, plan.power_mw, plan.soc, fallbacks=int(plan.is_reflex))


def settle(zone: Zone, series: Actuals, powers: Floats, socs: Floats, *, fallbacks: int = 0) -> GridRun:
    """Return the run of given deliveries with its costs on actual net load and prices.

    Args:
        zone: The zone's configuration.
        series: Actual net load and prices.
        powers: Delivered power, MW, shape (slots, assets).
        socs: State of charge (0-1) at the end of each slot, shape (slots, assets).
        fallbacks: Slots that a reflex decided.
    """
    actual = series.known(zone, fleet_at_rest(zone))
    grid = series.actual_mw - powers.sum(axis=0)
    change = np.abs(np.diff(grid, prepend=series.before_mw))
    limits, least_mw = zone.limits, zone.served_scale.share(_BREACH_SHARE)
    outside = grid - limits.import_cap_mw
    if limits.export_cap_mw is not None:
        outside = np.maximum(outside, -limits.export_cap_mw - grid)
    return GridRun(
        power_mw=powers,
        grid_mw=grid,
        soc=socs,
        costs=plan_costs(actual, powers, powers > ROUNDING * unit_mw(zone), socs),
        ramp_breaches=int((change > limits.ramp_limit_mw + least_mw).sum()),
        cap_breaches=int((outside > least_mw).sum()),
        fallbacks=fallbacks,
    )


@dataclass(frozen=True, slots=True)
class GridScore:
    """Scores, 0 (no action) to 100 (perfect foresight), over all weeks and in the worst; breaches over all slots."""

    score: float
    worst_week_score: float
    week_scores: tuple[float, ...]
    cap_breaches: int
    ramp_breach_pct: float
    cost: float
    cost_no_action: float
    cost_perfect: float
    fallbacks: int


def score_of(runs: list[GridRun], idle: list[GridRun], best: list[GridRun]) -> GridScore:
    """Return the score of weekly runs against no action and perfect foresight on the same weeks.

    ``score = 100 (no_action - cost) / (no_action - perfect)``; a week where there is nothing to gain counts as 100.
    """

    def of(cost: float, most: float, least: float) -> float:
        return 100.0 * (most - cost) / (most - least) if most - least > 1e-9 else 100.0

    cost, most, least = (sum(run.cost for run in group) for group in (runs, idle, best))
    weeks = tuple(of(r.cost, n.cost, p.cost) for r, n, p in zip(runs, idle, best, strict=True))
    slots = sum(len(run.grid_mw) for run in runs)
    return GridScore(
        score=of(cost, most, least),
        worst_week_score=min(weeks),
        week_scores=weeks,
        cap_breaches=sum(run.cap_breaches for run in runs),
        ramp_breach_pct=100.0 * sum(run.ramp_breaches for run in runs) / slots,
        cost=cost,
        cost_no_action=most,
        cost_perfect=least,
        fallbacks=sum(run.fallbacks for run in runs),
    )
