"""A decision told in plain words, from its own record: what was decided, why, what binds when, what else it weighed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from vpp.fleet.schema import Battery, Zone
from vpp.messages import Decision

_SAME_MW = 0.01
_LEAST = 0.5
"""Money per MW below which a limit is not worth telling."""

MAX_RUNS = 6
"""So many stretches of binding limits are told, the dearest; a plan of 32 steps may have more."""


@dataclass(frozen=True, slots=True)
class Run:
    """A limit that binds over steps in a row, and what one MW more of it would save.

    ``kind``: ``import cap``, ``export cap``, ``ramp up`` or ``ramp down``. ``start`` to ``end``: the stretch of time.
    ``worth_per_mw``: the most that it is worth in one step, at ``dearest_at``.
    """

    kind: str
    start: datetime
    end: datetime
    dearest_at: datetime
    worth_per_mw: float


def story(decision: Decision, setpoints: Iterable[Mapping[str, Any]], zone: Zone | None = None) -> list[str]:
    """Return the decision in sentences, the most important first.

    Args:
        decision: The decision.
        setpoints: ``asset_id``, ``power_mw``, ``reason`` and ``curve`` of each setpoint that it made.
        zone: The zone as it was configured, for break-even prices; None leaves them out.
    """
    told = [_headline(decision)]
    told += [_asset(decision, row, zone) for row in setpoints]
    told += [_limit(run, zone) for run in binding_runs(decision)]
    told += _alternatives(decision)
    told += [f"no current bid of {text}; its last one was used, shifted" for text in decision.missing]
    told += [said_verdict(entry) for entry in decision.verdicts]
    return told + [
        f"{policy}: bid after {bid['slot'][11:16]} from {_source(bid)}" for policy, bid in decision.bids.items()
    ]


def _source(bid: Mapping[str, Any]) -> str:
    """Return what a bid rests on: its model, or the named fallback."""
    source, model = bid.get("source", ""), bid.get("model_id", "")
    return f"{source} {model}" if model not in {"", "none", source} else str(source)


def _headline(decision: Decision) -> str:
    when = f"{decision.zone} {decision.for_slot:%Y-%m-%d %H:%M} UTC"
    if not decision.plan:
        return f"{when}: {decision.binding} ({decision.engine})"
    net, price = decision.plan["net_mw"][0], decision.plan["price_per_mwh"][0]
    before = decision.state.get("grid_mw")
    came = "" if before is None else f", grid power before {before:.1f} MW"
    return f"{when}: expected net load {net:.1f} MW at price {price:.1f}{came} (cleared by {decision.engine})"


def _asset(decision: Decision, row: Mapping[str, Any], zone: Zone | None) -> str:
    asset_id, power = str(row["asset_id"]), float(row["power_mw"])
    soc = decision.state.get("assets", {}).get(asset_id, {}).get("soc")
    reason = str(row["reason"] or "").removeprefix(f"{asset_id}: ")
    full = "" if soc is None else f" at {100.0 * soc:.0f} % SoC"
    return f"{asset_id} {power:+.2f} MW{full}: {reason}{_break_even(decision, asset_id, zone)}{_follows(row)}"


def _follows(row: Mapping[str, Any]) -> str:
    """Return what the setpoint's curve makes of a net load below and above the expected, halfway to its ends."""
    curve = row.get("curve") or []
    points = json.loads(curve) if isinstance(curve, str) else curve
    if not points or max(mw for _, mw in points) - min(mw for _, mw in points) < _SAME_MW:
        return ""
    quarter = len(points) // 4
    (low_net, low_mw), (high_net, high_mw) = points[quarter], points[-1 - quarter]
    return f"; inside the slot {low_mw:+.2f} MW at {low_net:.1f} MW net load, {high_mw:+.2f} MW at {high_net:.1f} MW"


def _break_even(decision: Decision, asset_id: str, zone: Zone | None) -> str:
    """Return where a battery would turn: a stored MWh gives ``eta_d`` MWh out and takes ``1 / eta_c`` MWh in."""
    water = decision.duals.get("water_value_per_mwh", {}).get(asset_id)
    battery = next((a for a in zone.assets if a.asset_id == asset_id), None) if zone is not None else None
    if water is None or not isinstance(battery, Battery):
        return ""
    out = water / battery.discharge_efficiency + battery.wear_cost_per_mwh
    return f" (discharging pays above {out:.1f}, charging below {water * battery.charge_efficiency:.1f})"


def binding_runs(decision: Decision) -> list[Run]:
    """Return the stretches of time in which a grid limit binds, in order of time, the dearest ``MAX_RUNS`` of them."""
    if not decision.plan:
        return []
    minutes = [0, *decision.plan["horizon_min"]]
    edges = [decision.for_slot + timedelta(minutes=m) for m in minutes]
    found: list[Run] = []
    for column, above, below in (
        ("cap_price_per_mw", "import cap", "export cap"),
        ("ramp_price_per_mw", "ramp up", "ramp down"),
    ):
        last: str | None = None
        for h, price in enumerate(decision.duals.get(column, [])):
            kind = above if price > _LEAST else below if price < -_LEAST else None
            if kind is not None and kind == last:
                run = found.pop()
                dearer = abs(price) > run.worth_per_mw
                found.append(
                    Run(
                        kind, run.start, edges[h + 1],
                        edges[h] if dearer else run.dearest_at, abs(price) if dearer else run.worth_per_mw,
                    )
                )  # fmt: skip
            elif kind is not None:
                found.append(Run(kind, edges[h], edges[h + 1], edges[h], abs(price)))
            last = kind
    kept = sorted(found, key=lambda run: (-run.worth_per_mw, run.start))[:MAX_RUNS]
    return sorted(kept, key=lambda run: (run.start, run.kind))


def _limit(run: Run, zone: Zone | None) -> str:
    limit = None
    if zone is not None:
        limits = zone.limits
        limit = {"import cap": limits.import_cap_mw, "export cap": limits.export_cap_mw}.get(
            run.kind, limits.ramp_limit_mw
        )
    size = "" if limit is None else f" of {limit:g} MW"
    worth = f"worth {run.worth_per_mw:.0f} per MW"
    if run.end - run.start <= timedelta(hours=1):
        return f"{run.kind}{size} binding at {run.start:%H:%M}, {worth}"
    return f"{run.kind}{size} binding {run.start:%H:%M} to {run.end:%H:%M}, {worth} at {run.dearest_at:%H:%M}"


def _alternatives(decision: Decision) -> list[str]:
    if not decision.alternatives:
        return []
    said = [
        f"{name} {'as good' if abs(cost) < 0.005 else f'{cost:.2f} dearer' if cost > 0 else f'{-cost:.2f} cheaper'}"
        for name, cost in sorted(decision.alternatives.items())
    ]
    return [f"instead, the free batteries at full: {', '.join(said)}"]


def said_verdict(entry: Mapping[str, Any]) -> str:
    """Return what became of an order or a setpoint, or a note of the plan, in words."""
    if "note" in entry:
        return str(entry["note"])
    subject = entry.get("order_id") or entry.get("asset_id")
    reason = f": {entry['reason']}" if entry.get("reason") else ""
    return " ".join(f"{subject} {entry.get('action', '')} {entry.get('outcome', '')}{reason}".split())
