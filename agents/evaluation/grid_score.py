"""Closed-loop evaluation of grid response on history: the fleet against real net load, in money and in breaches.

The protocol: a forecast is issued when the slot before closes; peakers are set on it; the batteries then meet the net
load that comes, by the rule asked for; costs are settled on what happened. The score places a policy between doing
nothing (0) and perfect foresight (100). Emergency shedding at the cap is there for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from agents.assets.fleet_state import FleetState
from agents.assets.twin import deliver_fleet
from agents.clearing.inslot_curve import follow, with_curve
from agents.clearing.plan_cost import plan_costs
from agents.clearing.problem import ClearingProblem, Plan, clearing_problem, seen
from agents.clearing.solve import committed, solve
from agents.clearing.stochastic_solve import second_pass, solve_dp, solve_dp_with_curve
from vpp.fleet.schema import Battery, CurtailableLoad, Zone
from vpp.numerics.arrays import Floats

Rule = Literal["two_pass", "curve", "seen", "ahead"]
_BREACH_MW = 1e-3


@dataclass(frozen=True, slots=True)
class Engine:
    """What solves: the first pass, the second pass of a plan, and the first pass with the batteries' curves."""

    first: Callable[[ClearingProblem], Plan]
    second: Callable[[ClearingProblem, Plan], Plan]
    curve: Callable[[ClearingProblem], Plan]


LP = Engine(first=solve, second=committed, curve=lambda problem: with_curve(problem, solve(problem)))
DP = Engine(first=solve_dp, second=second_pass, curve=solve_dp_with_curve)


@dataclass(frozen=True, kw_only=True)
class Actuals:
    """What came, in the served share's MW; T slots in a row.

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
        potential = {} if self.potential_mw is None else {"potential_mw": self.potential_mw}
        return clearing_problem(
            zone,
            self.actual_mw,
            state=replace(before, grid_mw=self.before_mw),
            price_per_mwh=self.price_per_mwh,
            generation_price_per_mwh=self.weighed_at(self.price_per_mwh),
            stored_value_per_mwh=self.stored_value_per_mwh,
            hedge=0.0,
            **potential,
        )

    def weighed_at(self, price_per_mwh: Floats) -> Floats:
        """Return the price of generation and load where batteries see ``price_per_mwh``."""
        flat = self.generation_price_per_mwh
        return price_per_mwh if math.isnan(flat) else np.full_like(price_per_mwh, flat)


@dataclass(frozen=True, kw_only=True)
class GridSeries(Actuals):
    """Actuals with the forecasts to decide on, N steps ahead; row t was issued before slot t, for slots t..t+N-1.

    ``net_mw``, ``ramp_sd_mw``, ``level_sd_mw``, ``carry``, ``expected_price_per_mwh``: shape (T, N).
    ``stored_value_per_mwh`` also is the worth of energy left at the end of each window.
    """

    net_mw: Floats
    ramp_sd_mw: Floats
    level_sd_mw: Floats
    carry: Floats
    expected_price_per_mwh: Floats

    def part(self, first: int, last: int) -> GridSeries:
        """Return slots ``first..last-1``; grid power before them is taken as the net load of slot ``first - 1``."""
        rows = slice(first, last)
        return replace(
            self,
            actual_mw=self.actual_mw[rows],
            before_mw=float(self.actual_mw[first - 1]) if first else self.before_mw,
            net_mw=self.net_mw[rows],
            ramp_sd_mw=self.ramp_sd_mw[rows],
            level_sd_mw=self.level_sd_mw[rows],
            carry=self.carry[rows],
            price_per_mwh=self.price_per_mwh[rows],
            expected_price_per_mwh=self.expected_price_per_mwh[rows],
            potential_mw=None if self.potential_mw is None else self.potential_mw[:, rows],
        )


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


def run(
    zone: Zone,
    series: GridSeries,
    *,
    rule: Rule = "two_pass",
    engine: Engine = LP,
    service_factor: float = 1.0,
    start: FleetState | None = None,
) -> GridRun:
    """Return the closed loop of the clearing over ``series``.

    Args:
        zone: Fleet and limits; its hedge is used.
        series: Actuals and forecasts.
        rule: ``ahead``: the plan made on the forecast; ``two_pass``: peakers ahead, the rest re-cleared with the slot's
            actual mean; ``curve``: peakers ahead, batteries by the published curve; ``seen``: all with the actual mean.
        engine: What solves.
        service_factor: As in ``ClearingProblem``.
        start: The fleet before the first slot; at rest when not given.
    """
    state = replace(FleetState.initial(zone) if start is None else start, grid_mw=series.before_mw)
    slots, hours = len(series.actual_mw), zone.step.hours
    powers, socs = np.zeros((len(zone.assets), slots)), np.full((len(zone.assets), slots), np.nan)
    fallbacks = 0
    for t in range(slots):
        problem = problem_at(zone, series, t, state, service_factor=service_factor)
        setpoints, name = _decide(problem, float(series.actual_mw[t]), rule, engine)
        fallbacks += name.startswith("reflex")
        setpoints = shed_above_cap(zone, setpoints, float(series.actual_mw[t]))
        given, state = deliver_fleet(zone.assets, state, setpoints, hours, potential_mw=np.zeros(len(zone.assets)))
        powers[:, t] = [d.power_mw for d in given]
        socs[:, t] = state.soc
        state = replace(state, grid_mw=float(series.actual_mw[t] - powers[:, t].sum()))
    return settle(zone, series, powers, socs, fallbacks=fallbacks)


def problem_at(
    zone: Zone, series: GridSeries, t: int, state: FleetState, *, service_factor: float = 1.0
) -> ClearingProblem:
    """Return the problem of slot t on what was known before it."""
    return clearing_problem(
        zone,
        series.net_mw[t],
        state=state,
        ramp_sd_mw=series.ramp_sd_mw[t],
        level_sd_mw=series.level_sd_mw[t],
        carry=series.carry[t],
        price_per_mwh=series.expected_price_per_mwh[t],
        generation_price_per_mwh=series.weighed_at(series.expected_price_per_mwh[t]),
        stored_value_per_mwh=series.stored_value_per_mwh,
        service_factor=service_factor,
    )


def _decide(problem: ClearingProblem, actual_mw: float, rule: Rule, engine: Engine) -> tuple[Floats, str]:
    if rule == "seen":
        carry = problem.carry.copy()
        carry[0] = 1.0
        plan = engine.first(replace(problem, net_mw=problem.net_mw + carry * (actual_mw - problem.net_mw[0])))
        return plan.power_mw[:, 0], plan.engine
    plan = engine.curve(problem) if rule == "curve" else engine.first(problem)
    if rule == "two_pass":
        again = engine.second(seen(problem, plan, actual_mw), plan)
        return again.power_mw[:, 0], again.engine
    setpoints = plan.power_mw[:, 0].copy()
    if rule == "curve":
        for i, asset in enumerate(problem.assets):
            if isinstance(asset, Battery):
                setpoints[i] = follow(plan, i, actual_mw)
    return setpoints, plan.engine


def shed_above_cap(zone: Zone, setpoints: Floats, net_mw: float) -> Floats:
    """Return the setpoints with emergency loads set to what is left above the import cap."""
    loads = [i for i, a in enumerate(zone.assets) if isinstance(a, CurtailableLoad) and a.only_at_cap]
    changed = setpoints.copy()
    changed[loads] = 0.0
    left = net_mw - float(changed.sum()) - zone.limits.import_cap_mw
    for i in loads:
        asset = zone.assets[i]
        assert isinstance(asset, CurtailableLoad)
        changed[i] = min(max(left, 0.0), asset.capacity_mw)
        left -= changed[i]
    return changed


def no_action(zone: Zone, series: Actuals) -> GridRun:
    """Return the run of a fleet that does nothing but shed at the cap."""
    powers = np.stack(
        [shed_above_cap(zone, np.zeros(len(zone.assets)), float(net)) for net in series.actual_mw], axis=1
    )
    rest = FleetState.initial(zone).soc
    return settle(zone, series, powers, np.tile(rest[:, None], (1, len(series.actual_mw))))


def perfect_foresight(zone: Zone, series: Actuals, *, start: FleetState | None = None) -> GridRun:
    """Return the cheapest run in hindsight: one solve over all slots with the actual net load and prices."""
    plan = solve(series.known(zone, FleetState.initial(zone) if start is None else start))
    return settle(zone, series, plan.power_mw, plan.soc, fallbacks=int(plan.engine.startswith("reflex")))


def settle(zone: Zone, series: Actuals, powers: Floats, socs: Floats, *, fallbacks: int = 0) -> GridRun:
    """Return the run of given deliveries with its costs on actual net load and prices."""
    actual = series.known(zone, FleetState.initial(zone))
    grid = series.actual_mw - powers.sum(axis=0)
    change = np.abs(np.diff(grid, prepend=series.before_mw))
    limits = zone.limits
    outside = grid - limits.import_cap_mw
    if limits.export_cap_mw is not None:
        outside = np.maximum(outside, -limits.export_cap_mw - grid)
    return GridRun(
        power_mw=powers,
        grid_mw=grid,
        soc=socs,
        costs=plan_costs(actual, powers, powers > 1e-9, socs),
        ramp_breaches=int((change > limits.ramp_limit_mw + _BREACH_MW).sum()),
        cap_breaches=int((outside > _BREACH_MW).sum()),
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
