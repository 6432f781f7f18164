"""Prices and checks an order before its approval, with the plant's own clearing.

The last decision is reopened twice, without and with the order; the slot that is decided already stays as it is. What
differs between the two plans is what the order does: power, SoC, money, distance to the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import numpy as np

from agents.assets.registry import type_of
from agents.clearing.plan_notes import say_note
from agents.clearing.problem import ClearingProblem, Plan
from agents.clearing.solve import solve
from agents.orders.admission import MAX_LIFE, refuse
from agents.orders.refusal import Refusal, RefusalCode
from agents.plant.clause_checks import ClauseBreach, ramps, worsened
from agents.plant.order_bounds import most_beyond, price_margin
from agents.plant.orders_in_force import admit, names
from agents.plant.recorded_problem import Reopened, Unsolved, reopen, step_ends
from vpp.fleet.assets import Asset
from vpp.fleet.scale import energy_text, power_text
from vpp.fleet.schema import Zone
from vpp.messages import Decision, Order
from vpp.numerics.arrays import Bools, Floats
from vpp.rules.clauses import NOTES_VERSION, cited
from vpp.rules.library import CitedCheck

_SAME_SHARE = 1e-5
_LEAST_SHARE = 5e-4
"""Shares of the served power: less than the first is the same power, less than the second is no miss."""
_CLAUSE_OF: dict[RefusalCode, str] = {
    "limit": "SITE.limits",
    "unknown_asset": "SITE.assets",
    "scope": "SITE.assets",
    "expiry": "SITE.order_life",
    "approval": "SITE.approval",
}

Solve = Callable[[ClearingProblem], Plan]


@dataclass(frozen=True, slots=True)
class Check:
    """One check: ``outcome`` is ``ok``, ``warning`` or ``refused``; ``clause`` names the rule behind it.

    ``version``: of the clause; None: of the shipped notes.
    """

    name: str
    outcome: str
    detail: str
    clause: str | None = None
    version: str | None = None

    @property
    def rule(self) -> str | None:
        """The clause with its version, None if there is none."""
        return None if self.clause is None else cited(self.clause, self.version or NOTES_VERSION)


UNPRICED = Check("plan", "ok", "changes the input values of forecasts and no setpoint itself: it has no price")
UNDECIDED = Check("plan", "refused", "cannot be priced: nothing is decided yet")


@dataclass(frozen=True, slots=True)
class AssetPath:
    """One asset over the look-ahead, with and without the order; SoC (0-1) at the end of each step, else empty."""

    asset_id: str
    power_mw: list[float]
    power_without_mw: list[float]
    soc: list[float]
    soc_without: list[float]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an order would do.

    ``outcome``: ``ready``, ``clamped`` (it will be met in part) or ``refused``. ``cost_change``: expected money over
    the look-ahead that the order costs against the plant's own plan (negative: it gains), ``costs`` its items.
    ``energy_change_mwh``: plant energy more into the grid while the order stands, so 0 where another asset makes up
    for it; ``moved_mwh``: energy that the assets it speaks of move otherwise than planned, either way, to its expiry:
    as planned within the look-ahead, at the most beyond it; ``peak_change_mw``: the greatest such change of one of
    them. ``max_loss``: money that it is approved for: the expected cost, a margin for prices, and the most that it can
    cost beyond the look-ahead; the plant stops it when it lost more. ``cap_slack_mw``, ``ramp_slack_mw``: least
    distance to the limits while it stands, negative beyond them. ``starts``: of the steps.
    """

    order: Order
    outcome: str
    checks: list[Check]
    cost_change: float | None = None
    costs: dict[str, float] = field(default_factory=dict)
    energy_change_mwh: float | None = None
    moved_mwh: float | None = None
    peak_change_mw: float | None = None
    max_loss: float | None = None
    cap_slack_mw: float | None = None
    ramp_slack_mw: float | None = None
    starts: list[datetime] = field(default_factory=list)
    paths: list[AssetPath] = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        """Why it is refused or clamped."""
        return [check.detail for check in self.checks if check.outcome != "ok"]

    @property
    def rules(self) -> list[str]:
        """The clauses, with their versions, by which it was checked."""
        return list(dict.fromkeys(check.rule for check in self.checks if check.rule is not None))


def propose(
    zone: Zone,
    decision: Decision | None,
    order: Order,
    *,
    since: Sequence[Order] = (),
    solver: Solve = solve,
    longest: timedelta = MAX_LIFE,
    rules: Sequence[CitedCheck] = (),
) -> Proposal:
    """Return the effect of ``order``, priced and checked; a pure, deterministic function.

    Args:
        zone: The zone.
        decision: The zone's last decision of revision 0, None if there is none.
        order: What is wanted; not approved yet.
        since: Orders accepted after the decision, in order of arrival.
        solver: Solves a clearing problem.
        longest: Longest life of an order.
        rules: What the user's own documents demand.
    """
    checks = [_static(zone, order, longest)]
    if checks[0].outcome == "refused":
        return Proposal(order, "refused", checks)
    if order.action == "release_quarantine":
        return Proposal(order, "ready", [*checks, UNPRICED])
    if decision is None:
        return Proposal(order, "refused", [*checks, UNDECIDED])
    opened = reopen(zone, decision)
    if isinstance(opened, Unsolved):
        return Proposal(order, "refused", [*checks, Check("plan", "refused", f"cannot be priced: {opened}")])
    standing = list(opened.orders)
    for other in since:
        standing = admit(standing, other)
    before, after = opened.problem(standing), opened.problem(admit(standing, order))
    if before is None or after is None:
        reason = "no forecast of net load reaches this slot"
        return Proposal(order, "refused", [*checks, Check("plan", "refused", f"cannot be priced: {reason}")])
    problem = after.problem
    plans = solver(before.problem), solver(problem)
    starts = [zone.step.start(index) for index in after.first_slots]
    return _compare(opened, order, checks, problem, plans, (starts, standing, rules))


def refuse_wish(zone: Zone, order: Order, longest: timedelta = MAX_LIFE) -> Refusal | None:
    """Return why admission would refuse an order even with an approval, None if it would not."""
    return refuse(zone, msgspec.structs.replace(order, approved_by="nobody yet", approval=None), longest=longest)


def _static(zone: Zone, order: Order, longest: timedelta) -> Check:
    refusal = refuse_wish(zone, order, longest)
    if refusal is None:
        return Check("limits", "ok", "form, scope and static limits hold", "SITE.limits")
    return Check("limits", "refused", str(refusal), _CLAUSE_OF.get(refusal.code))


def _compare(
    opened: Reopened,
    order: Order,
    checks: list[Check],
    problem: ClearingProblem,
    plans: tuple[Plan, Plan],
    context: tuple[list[datetime], Sequence[Order], Sequence[CitedCheck]],
) -> Proposal:
    (base, plan), (starts, standing, rules) = plans, context
    if plan.is_reflex or base.is_reflex:
        return Proposal(
            order, "refused", [*checks, Check("plan", "refused", f"the solver found no plan: {plan.status}")]
        )
    ends = step_ends(starts, problem.step_h.tolist())
    stands = _stands(order, starts, ends)
    checks = [
        *checks,
        _horizon(order, opened, problem, ends),
        _reachable(opened, order),
        *_delivery(problem, order, plan, base, stands, standing),
        _reserve(problem, plan),
        _cap(problem, plan, base, stands),
        _ramp(problem, plan, base, stands),
        *(_rule(rule, worsened(rule, problem, plans, starts, stands)) for rule in rules),
    ]
    outcomes = {check.outcome for check in checks}
    clamped = any(check.name == "delivery" and check.outcome == "warning" for check in checks)
    by_asset = plan.power_mw - base.power_mw
    change = by_asset.sum(axis=0)
    rows = [row for row, asset in enumerate(problem.assets) if _speaks_of(order, asset)]
    moved = np.abs(by_asset[rows][:, stands])
    moved_mwh = float(moved.sum(axis=0) @ problem.step_h[stands])
    later = most_beyond(problem, order, ends[-1])
    scale = problem.zone.served_scale
    cents = max(2, scale.decimals - 2)
    cost_change = round(plan.cost - base.cost, cents) + 0.0
    return Proposal(
        order=order,
        outcome="refused" if "refused" in outcomes else "clamped" if clamped else "ready",
        checks=checks,
        cost_change=cost_change,
        costs={name: round(plan.costs[name] - base.costs[name], cents) + 0.0 for name in plan.costs},
        energy_change_mwh=scale.rounded(float((change * problem.step_h)[stands].sum())) + 0.0,
        moved_mwh=scale.rounded(moved_mwh + later.energy_mwh),
        peak_change_mw=scale.rounded(float(moved.max(initial=0.0))),
        max_loss=round(max(cost_change, 0.0) + moved_mwh * price_margin(problem) + later.cost, cents),
        cap_slack_mw=_least(problem.zone.limits.import_cap_mw - plan.grid_mw, stands, scale.decimals),
        ramp_slack_mw=_least(problem.zone.limits.ramp_limit_mw - np.abs(ramps(problem, plan)), stands, scale.decimals),
        starts=starts,
        paths=_paths(problem, plan, base),
    )


def _speaks_of(order: Order, asset: Asset) -> bool:
    """Return whether an order moves an asset: a state of charge only assets that take one."""
    return names(order, asset) and (order.action != "soc_target" or type_of(asset).soc_limits(asset) is not None)


def _stands(order: Order, starts: list[datetime], ends: list[datetime]) -> Bools:
    begin = order.starts_at or order.issued_at
    flags = [
        end > begin and (order.expires_at is None or start < order.expires_at)
        for start, end in zip(starts, ends, strict=True)
    ]
    return np.array(flags, dtype=bool)


def _horizon(order: Order, opened: Reopened, problem: ClearingProblem, ends: list[datetime]) -> Check:
    free_from = opened.free_from
    if order.starts_at is not None and order.starts_at < free_from:
        return Check("time", "warning", f"the slot before {free_from:%H:%MZ} is decided; it acts from then on")
    if order.starts_at is not None and order.starts_at >= ends[-1]:
        return Check("time", "refused", f"it starts after the look-ahead, which ends {ends[-1]:%Y-%m-%dT%H:%MZ}")
    if order.expires_at is not None and order.expires_at > ends[-1]:
        later = most_beyond(problem, order, ends[-1])
        return Check(
            "time",
            "warning",
            f"only the part up to {ends[-1]:%Y-%m-%dT%H:%MZ} is planned; the rest counts with the most that "
            f"it can do: {energy_text(later.energy_mwh)} at a cost of {later.cost:,.2f}",
        )
    return Check("time", "ok", "within the look-ahead")


def _reachable(opened: Reopened, order: Order) -> Check:
    away = [
        asset.asset_id
        for row, asset in enumerate(opened.zone.assets)
        if asset.asset_id in order.asset_ids and not opened.state.available[row]
    ]
    if away:
        return Check("available", "refused", f"{', '.join(away)} cannot be reached")
    return Check("available", "ok", "all assets are reachable")


def _delivery(
    problem: ClearingProblem, order: Order, plan: Plan, base: Plan, stands: Bools, standing: Sequence[Order]
) -> list[Check]:
    if order.action not in {"target", "band"}:
        new = [note for note in plan.notes if note not in base.notes]
        return [Check("delivery", "warning", say_note(note)) for note in new] or [Check("delivery", "ok", "can be met")]
    low = -np.inf if order.min_mw is None else order.min_mw
    high = np.inf if order.max_mw is None else order.max_mw
    if order.power_mw is not None:
        low = high = order.power_mw
    checks = []
    least_mw = problem.zone.served_scale.share(_LEAST_SHARE)
    for row, asset in enumerate(problem.assets):
        if asset.asset_id not in order.asset_ids:
            continue
        power = plan.power_mw[row]
        miss = np.where(stands, np.maximum(np.maximum(low - power, power - high), 0.0), 0.0)
        if miss.max(initial=0.0) <= least_mw:
            continue
        step = int(miss.argmax())
        asked_mw = low if power[step] < low else high
        never = abs(asked_mw) > least_mw and bool((np.abs(power[stands]) <= least_mw).all())
        gives, wish = (power_text(mw, problem.zone.served_scale.reference_mw) for mw in (power[step], asked_mw))
        detail = f"{asset.asset_id} can deliver {gives} of {wish} in the worst slot"
        hold = [o for o in standing if o.action == "hold" and names(o, asset)]
        if hold:
            detail = f"{asset.asset_id} is held by {hold[-1].principal} ({hold[-1].reason}); release the hold first"
        checks.append(Check("delivery", "refused" if never or hold else "warning", detail, "SITE.soc"))
    return checks or [Check("delivery", "ok", "can be met in full", "SITE.soc")]


def _reserve(problem: ClearingProblem, plan: Plan) -> Check:
    for row, asset in enumerate(problem.assets):
        limits = type_of(asset).soc_limits(asset)
        if limits is not None:
            floor = limits[0]
            least = float(np.nanmin(plan.soc[row]))
            if least < min(floor, float(problem.state.soc[row])) - 1e-4:
                detail = (
                    f"{asset.asset_id} would fall to {100 * least:.1f} % SoC, below its reserve of {100 * floor:.1f} %"
                )
                return Check("reserve", "refused", detail, "SITE.reserve")
    return Check("reserve", "ok", "SoC stays above every reserve", "SITE.reserve")


def _cap(problem: ClearingProblem, plan: Plan, base: Plan, stands: Bools) -> Check:
    cap = problem.zone.limits.import_cap_mw
    same_mw, size = problem.zone.served_scale.share(_SAME_SHARE), problem.zone.served_scale.reference_mw
    worse = (plan.grid_mw > cap + same_mw) & (plan.grid_mw > base.grid_mw + same_mw) & stands
    if worse.any():
        most = float((plan.grid_mw - cap)[worse].max())
        return Check(
            "cap",
            "refused",
            f"grid power would exceed the import cap of {power_text(cap, size)} by {power_text(most, size)}",
            "SITE.import_cap",
        )
    return Check(
        "cap", "ok", f"grid power stays below {power_text(cap, size)}, or is no higher than without", "SITE.import_cap"
    )


def _ramp(problem: ClearingProblem, plan: Plan, base: Plan, stands: Bools) -> Check:
    limit = problem.zone.limits.ramp_limit_mw
    after, before = np.abs(ramps(problem, plan)), np.abs(ramps(problem, base))
    same_mw, size = problem.zone.served_scale.share(_SAME_SHARE), problem.zone.served_scale.reference_mw
    worse = (after > limit + same_mw) & (after > before + same_mw) & stands
    if worse.any():
        most = float((after - limit)[worse].max())
        return Check(
            "ramp",
            "warning",
            f"a ramp would exceed the limit of {power_text(limit, size)} per step by {power_text(most, size)}",
            "SITE.ramp",
        )
    return Check("ramp", "ok", f"no additional ramp above {power_text(limit, size)} per step", "SITE.ramp")


def _rule(rule: CitedCheck, breach: ClauseBreach | None) -> Check:
    outcome, detail = ("ok", rule.check.demand) if breach is None else ("refused", str(breach))
    return Check("rule", outcome, detail, rule.name, rule.clause.version)


def _least(values: Floats, stands: Bools, decimals: int) -> float | None:
    return round(float(values[stands].min()), decimals) if stands.any() else None


def _paths(problem: ClearingProblem, plan: Plan, base: Plan) -> list[AssetPath]:
    decimals = problem.zone.served_scale.decimals
    checks = []
    for row, asset in enumerate(problem.assets):
        is_store = type_of(asset).energy_mwh(asset) is not None
        checks.append(
            AssetPath(
                asset_id=asset.asset_id,
                power_mw=_row(plan.power_mw[row], decimals),
                power_without_mw=_row(base.power_mw[row], decimals),
                soc=_row(plan.soc[row]) if is_store else [],
                soc_without=_row(base.soc[row]) if is_store else [],
            )
        )
    return checks


def _row(values: Floats, decimals: int = 4) -> list[float]:
    return [round(float(value), decimals) + 0.0 for value in values]
