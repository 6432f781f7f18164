"""A decision in sentences, from its own record: action, reason, binding limits, alternatives."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from agents.assets.registry import type_of
from agents.clearing.plan_notes import say_note
from agents.clearing.problem import same_cost
from vpp.domain import iso
from vpp.fleet.scale import money_text, power_text
from vpp.fleet.schema import Zone
from vpp.messages import ActorBid, Decision, Derating, MissingBid, OrderVerdict, SetpointCheck, TraderBid
from vpp.rules.clauses import NOTES_VERSION, cited

_FLAT_SHARE = 1e-3
_ACTIONS = {"rest": "idling", "charge": "charging", "discharge": "discharging"}
_LEAST = 0.5
"""Money per MW below which a limit is left out."""

MAX_RUNS = 6
"""At most this many stretches of binding limits are named, the most expensive ones."""


@dataclass(frozen=True, slots=True)
class BindingStretch:
    """A limit that binds over steps in a row, and the saving by one MW more of it.

    ``kind``: ``import cap``, ``export cap``, ``ramp up`` or ``ramp down``. ``start`` to ``end``: the stretch of time.
    ``worth_per_mw``: the most that it is worth in one step, at ``dearest_at``.
    """

    kind: str
    start: datetime
    end: datetime
    dearest_at: datetime
    worth_per_mw: float


def story(
    decision: Decision,
    setpoints: Iterable[Mapping[str, Any]],
    zone: Zone | None = None,
    frequency_mwh: Mapping[str, float] | None = None,
) -> list[str]:
    """Return the decision in sentences, most important first.

    Args:
        decision: The decision.
        setpoints: ``asset_id``, ``power_mw``, ``reason`` and ``curve`` of each setpoint that it made.
        zone: The zone as it was configured, for break-even prices; None leaves them out.
        frequency_mwh: Energy by asset that its answer to frequency added, once the slot is settled.
    """
    return [
        _headline(decision),
        *(_asset(decision, row, zone) for row in setpoints),
        *(
            say_derating(asset_id, asset.derating)
            for asset_id, asset in decision.state.assets.items()
            if asset.derating is not None
        ),
        *(
            say_soc(asset_id, asset.soc_reading, asset.soc)
            for asset_id, asset in decision.state.assets.items()
            if asset.soc_reading is not None
        ),
        *(_answer(asset_id, energy, zone) for asset_id, energy in sorted((frequency_mwh or {}).items())),
        *(_limit(stretch, zone) for stretch in binding_stretches(decision)),
        *_alternatives(decision, 0.0 if zone is None else same_cost(zone)),
        *(f"{say_missing(bid)}; its last bid was used, shifted in time" for bid in decision.missing),
        *(say_check(check) for check in decision.checks),
        *(say_verdict(verdict) for verdict in decision.verdicts),
        *(say_note(note) for note in decision.notes),
        *(f"{policy}: bid after {bid.slot:%H:%M} from {_source(bid)}" for policy, bid in decision.bids.items()),
        *(f"by {', '.join(rules)}" for rules in [rules_behind_decision(decision)] if rules),
    ]


def rules_behind_decision(decision: Decision) -> list[str]:
    """Return the plant's own clauses, with their version, that shaped a decision; empty if none did."""
    duals = decision.duals
    applied = {
        "SITE.limits": decision.checks,
        "SITE.soc": [verdict for verdict in decision.verdicts if verdict.code in ("limited", "out_of_reach")],
        "SITE.reserve": [note for note in decision.notes if note.code == "soc_outside_band"],
        "SITE.import_cap": [price for price in duals.cap_price_per_mw if price > _LEAST],
        "SITE.ramp": [price for price in duals.ramp_price_per_mw if abs(price) > _LEAST],
        "SITE.approval": [order for order in decision.orders if order.action != "hold"],
        "SITE.hold": [order for order in decision.orders if order.action == "hold"],
    }
    return [cited(clause, NOTES_VERSION) for clause, causes in applied.items() if causes]


def _source(bid: ActorBid | TraderBid) -> str:
    """Return the source of a bid: its model, or the named fallback."""
    return bid.source if bid.model_id in {"", "none", bid.source} else f"{bid.source} {bid.model_id}"


def _headline(decision: Decision) -> str:
    time_text = f"{decision.zone} {decision.for_slot:%Y-%m-%d %H:%M} UTC"
    if decision.plan is None:
        return f"{time_text}: {decision.binding} ({decision.engine})"
    net, price = decision.plan.net_mw[0], decision.plan.price_per_mwh[0]
    before = decision.state.grid_mw
    ramp_base = "" if before is None else f", grid power before {power_text(before)}"
    expected = f"expected net load {power_text(net)} at price {price:.1f}{ramp_base}"
    return f"{time_text}: {expected} (cleared by {decision.engine})"


def _asset(decision: Decision, row: Mapping[str, Any], zone: Zone | None) -> str:
    asset_id, power = str(row["asset_id"]), float(row["power_mw"])
    before = decision.state.assets.get(asset_id)
    soc = None if before is None else before.soc
    reason = str(row["reason"] or "").removeprefix(f"{asset_id}: ")
    charge = "" if soc is None else f" at {100.0 * soc:.0f} % SoC"
    turns = _break_even(decision, asset_id, zone)
    return f"{asset_id} {power_text(power, signed=True)}{charge}: {reason}{turns}{_follows(row)}"


def _answer(asset_id: str, energy_mwh: float, zone: Zone | None) -> str:
    """Return the energy of an asset's frequency response in the slot, as a sentence."""
    energy = power_text(energy_mwh, signed=True)
    text = f"{asset_id} delivered {energy}h of frequency response in the slot, settled at its price"
    if zone is None:
        return text
    response, mhz = zone.frequency, 1e3 * zone.frequency.dead_band_hz
    reserve = "" if response.fast_reserve_hz is None else f", full power at {response.fast_reserve_hz:g} Hz and below"
    return f"{text} (droop beyond {response.nominal_hz:g} Hz ± {mhz:g} mHz{reserve})"


def _follows(row: Mapping[str, Any]) -> str:
    """Return the power on the setpoint's curve at a lower and a higher net load than expected, halfway to its ends."""
    curve = row.get("curve") or []
    points = json.loads(curve) if isinstance(curve, str) else curve
    powers = [mw for _, mw in points]
    if not powers or max(powers) - min(powers) <= _FLAT_SHARE * max(map(abs, powers)):
        return ""
    quarter = len(points) // 4
    (low_net, low_mw), (high_net, high_mw) = points[quarter], points[-1 - quarter]
    low = f"{power_text(low_mw, signed=True)} at {power_text(low_net)} net load"
    return f"; inside the slot {low}, {power_text(high_mw, signed=True)} at {power_text(high_net)}"


def _break_even(decision: Decision, asset_id: str, zone: Zone | None) -> str:
    """Return the prices at which an asset changes its action, in brackets; empty if there are none."""
    water = decision.duals.water_value_per_mwh.get(asset_id)
    asset = next((a for a in zone.assets if a.asset_id == asset_id), None) if zone is not None else None
    prices = None if water is None or asset is None else type_of(asset).break_even(asset, water)
    return "" if prices is None else f" ({prices})"


def binding_stretches(decision: Decision) -> list[BindingStretch]:
    """Return when a grid limit binds, in order of time; at most ``MAX_RUNS`` stretches, the most expensive ones."""
    if decision.plan is None:
        return []
    edges = [decision.for_slot + timedelta(minutes=minutes) for minutes in [0, *decision.plan.horizon_min]]
    duals = decision.duals
    stretches = [
        *_stretches(edges, duals.cap_price_per_mw, "import cap", "export cap"),
        *_stretches(edges, duals.ramp_price_per_mw, "ramp up", "ramp down"),
    ]
    dearest = sorted(stretches, key=lambda stretch: (-stretch.worth_per_mw, stretch.start))[:MAX_RUNS]
    return sorted(dearest, key=lambda stretch: (stretch.start, stretch.kind))


def _stretches(edges: list[datetime], prices: list[float], above: str, below: str) -> list[BindingStretch]:
    """Return the stretches of one limit: steps in a row whose price has the same sign."""
    stretches: list[BindingStretch] = []
    last: str | None = None
    for h, price in enumerate(prices):
        kind = above if price > _LEAST else below if price < -_LEAST else None
        if kind is not None and kind == last:
            stretches[-1] = _longer(stretches[-1], edges[h], edges[h + 1], abs(price))
        elif kind is not None:
            stretches.append(BindingStretch(kind, edges[h], edges[h + 1], edges[h], abs(price)))
        last = kind
    return stretches


def _longer(stretch: BindingStretch, start: datetime, end: datetime, worth: float) -> BindingStretch:
    if worth > stretch.worth_per_mw:
        return replace(stretch, end=end, dearest_at=start, worth_per_mw=worth)
    return replace(stretch, end=end)


def _limit(stretch: BindingStretch, zone: Zone | None) -> str:
    limit = None
    if zone is not None:
        limits = zone.limits
        limit = {"import cap": limits.import_cap_mw, "export cap": limits.export_cap_mw}.get(
            stretch.kind, limits.ramp_limit_mw
        )
    size = "" if limit is None else f" of {power_text(limit)}"
    worth = f"worth {stretch.worth_per_mw:.0f} per MW"
    if stretch.end - stretch.start <= timedelta(hours=1):
        return f"{stretch.kind}{size} binding at {stretch.start:%H:%M}, {worth}"
    span = f"{stretch.start:%H:%M} to {stretch.end:%H:%M}"
    return f"{stretch.kind}{size} binding {span}, {worth} at {stretch.dearest_at:%H:%M}"


def _alternatives(decision: Decision, same: float) -> list[str]:
    if not decision.alternatives:
        return []
    costs = [
        f"{_ACTIONS.get(name, name)} {_difference(cost, same)}" for name, cost in sorted(decision.alternatives.items())
    ]
    return [f"alternatives of the free batteries at full power: {', '.join(costs)}"]


def _difference(cost: float, same: float) -> str:
    if abs(cost) <= same:
        return "costs the same"
    return f"costs {money_text(cost)} {'more' if cost > 0 else 'less'}"


def say_missing(bid: MissingBid) -> str:
    """Return why a policy has no current bid, as a clause."""
    if bid.cause == "no_bid":
        return f"{bid.policy}: no bid received"
    return f"{bid.policy}: {bid.detail or 'the bid is empty'}"


def say_derating(asset_id: str, derating: Derating) -> str:
    """Return why an asset is not planned in full, as a sentence."""
    does = f"{asset_id}: setpoint {power_text(derating.asked_mw)}, measured {power_text(derating.measured_mw)}"
    still = ", its readings do not change" if derating.code == "still" else ""
    if derating.reach_mw is None:
        return f"{does}{still}: it is planned as unreachable"
    low, high = derating.reach_mw
    limits = [f"{bound} {power_text(mw)}" for bound, mw in (("at least", low), ("at most", high)) if mw is not None]
    return f"{does}: plans are limited to {' and '.join(limits)}"


def say_soc(asset_id: str, reading: float, used: float | None) -> str:
    """Return the SoC used instead of a rejected reading, as a sentence."""
    by_energy = "" if used is None else f", {100.0 * used:.0f} %"
    return f"{asset_id} reports {100.0 * reading:.0f} % SoC; the plant uses the SoC from its measured energy{by_energy}"


def say_check(check: SetpointCheck) -> str:
    """Return the checker's change of a setpoint, as a sentence."""
    reason = "" if check.reason is None else f": {check.reason}"
    return f"{check.asset_id} {check.outcome}{reason}"


def say_verdict(verdict: OrderVerdict) -> str:
    """Return the outcome of an order, as a sentence."""
    reason = say_reason(verdict)
    return f"{verdict.order_id} {verdict.action} {verdict.outcome}{'' if reason is None else f': {reason}'}"


def say_reason(verdict: OrderVerdict) -> str | None:
    """Return why an order was not met in full, as a clause; None if it was."""
    if verdict.detail is not None:
        return verdict.detail
    match verdict.code:
        case "limited":
            return f"{verdict.asset_id} is limited to {power_text(verdict.power_mw or 0.0)}"
        case "out_of_reach":
            reached, target = 100 * (verdict.soc or 0.0), 100 * (verdict.wanted_soc or 0.0)
            return f"{verdict.asset_id} reaches {reached:.1f} % SoC instead of {target:.1f} %"
        case "outranked":
            return "an order of higher priority applies"
        case "not_started":
            return "it has not started" if verdict.starts_at is None else f"it starts at {iso(verdict.starts_at)}"
        case None:
            return None
