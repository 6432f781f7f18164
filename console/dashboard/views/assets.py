"""The screen Assets: setpoint and delivery of each, whether it follows, and one asset with its history."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec

from agents.assets.registry import kind_name, type_of
from agents.plant.plan_sentences import step_reason
from console.dashboard.views import charts
from console.dashboard.views.moment import Moment, store_of
from vpp.fleet.assets import Asset
from vpp.fleet.scale import significant
from vpp.messages import EPISODES, AlertCode, CommandOutcome
from vpp.messages.alert_words import TITLES
from vpp.store.tables import ASSETS, COMMANDS, LEDGER, SETPOINTS

DAY = timedelta(hours=24)
SPANS = {"24h": DAY, "7d": timedelta(days=7), "all": timedelta(days=62)}
NOT_FOLLOWING_SHARE = 0.02
STALE_SLOTS = 2
NEWEST_COMMANDS = 10
"""So many of the newest commands of the zone are read for each asset."""

_COMMAND_FIELDS = (
    *("sequence", "cause", "device", "gateway", "power_mw", "sent_at", "acknowledged_at"),
    *("read_back_at", "read_back_mw", "measured_at", "measured_mw"),
)


def assets(moment: Moment) -> dict[str, Any]:
    """Return the list of assets with the last 24 h of each."""
    rows = _day_rows(moment, DAY)
    ledger = [] if moment.now is None else moment.rows(LEDGER, start=moment.now - DAY, columns=("asset_id", "pnl"))
    pnl: dict[str, float] = {}
    for row in ledger:
        pnl[row["asset_id"]] = pnl.get(row["asset_id"], 0.0) + (row["pnl"] or 0.0)
    configured = {} if moment.config is None else {asset.asset_id: asset for asset in moment.config.assets}
    names = [*configured, *sorted({row["asset_id"] for row in rows} - configured.keys())]
    curves = _setpoint_curves(moment)
    lines = [_line(moment, name, configured.get(name), rows, pnl, curves) for name in names]
    commands = _commands(moment, len(names))
    for line in lines:
        line["command"] = commands.get(line["asset_id"])
    out = sum(line["state"] not in ("follows", "rests") for line in lines)
    return {"assets": lines, "count": len(lines), "away": out, "currency": moment.currency, "decided": moment.now}


def _day_rows(moment: Moment, span: timedelta, asset_id: str | None = None) -> list[dict[str, Any]]:
    if moment.now is None:
        return []
    filters = None if asset_id is None else {"asset_id": asset_id}
    return moment.rows(ASSETS, start=moment.now - span, filters=filters)


def _setpoint_curves(moment: Moment) -> dict[str, dict[str, Any]]:
    """Return the setpoints that ruled the newest closed slot, by asset: the highest revision of each."""
    if moment.slot is None:
        return {}
    rows = moment.rows(SETPOINTS, start=moment.slot, end=moment.slot + timedelta(seconds=1))
    return {row["asset_id"]: row for row in sorted(rows, key=lambda row: row["revision"])}


def _commands(moment: Moment, assets: int) -> dict[str, dict[str, Any]]:
    """Return the newest command that a gateway sent to each asset's device, with its proof; times are the gateway's."""
    newest: dict[str, dict[str, Any]] = {}
    for row in moment.rows(COMMANDS, order="desc", limit=NEWEST_COMMANDS * assets):
        if row["sequence"] > newest.get(row["asset_id"], {"sequence": 0})["sequence"]:
            newest[row["asset_id"]] = row
    return {
        asset_id: {
            "outcome": row["outcome"].replace("_", " "),
            "differs": CommandOutcome(row["outcome"]).is_difference,
            **{name: row[name] for name in _COMMAND_FIELDS},
        }
        for asset_id, row in newest.items()
    }


def _line(
    moment: Moment,
    asset_id: str,
    asset: Asset | None,
    rows: Iterable[dict[str, Any]],
    pnl: dict[str, float],
    curves: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    mine = [row for row in rows if row["asset_id"] == asset_id]
    last = mine[-1] if mine else None
    energies = [row["energy_mwh"] or 0.0 for row in mine]
    low, high = moment.limits_mw(asset)
    setpoint = moment.setpoints.get(asset_id)
    store = store_of(asset)
    return {
        "asset_id": asset_id,
        "kind": asset.kind if asset is not None else (last or {}).get("asset_kind", ""),
        "kind_name": _kind_name(asset),
        "state": _state(moment, asset, last, curves.get(asset_id)),
        "measured_mw": None if last is None else last["power_mw"],
        "setpoint_mw": None if last is None else last["planned_mw"],
        "next_mw": None if setpoint is None else setpoint["power_mw"],
        "spark": [None if row["power_mw"] is None else significant(row["power_mw"]) for row in mine],
        "soc": None if last is None else last["soc"],
        "soc_min": None if store is None else store.soc_min,
        "soc_max": None if store is None else store.soc_max,
        "min_mw": low,
        "max_mw": high,
        "out_mwh": sum(e for e in energies if e > 0),
        "in_mwh": -sum(e for e in energies if e < 0) + 0.0,
        "pnl": pnl.get(asset_id),
        "source": None if last is None else last["source"],
    }


def _kind_name(asset: Asset | None) -> str:
    if asset is None:
        return ""
    return "emergency shedding" if type_of(asset).is_emergency(asset) else kind_name(asset.kind)


def _state(moment: Moment, asset: Asset | None, row: dict[str, Any] | None, setpoint: dict[str, Any] | None) -> str:
    if row is None:
        return "never heard"
    if moment.slot is not None and row["slot"] < moment.slot - STALE_SLOTS * moment.step:
        return "stale"
    if row["available"] is False:
        return "out of reach"
    expected = _expected_mw(moment, setpoint)
    if expected is None or row["power_mw"] is None:
        return "follows"
    _, high = moment.limits_mw(asset)
    allowed = NOT_FOLLOWING_SHARE * (high or 0.0)
    return "follows" if abs(row["power_mw"] - expected) <= allowed else "not following"


def _expected_mw(moment: Moment, setpoint: dict[str, Any] | None) -> float | None:
    """Return the power on the setpoint's curve at the actual net load; None if either is unknown."""
    if setpoint is None:
        return None
    curve = msgspec.json.decode(setpoint["curve"]) if setpoint.get("curve") else []
    net = moment.telemetry.get("net_load_mw")
    if not curve:
        # A plant without a curve may still be on its ramp, so only batteries and rests are judged by it.
        return None
    if net is None:
        return None
    return interpolated(curve, net * moment.factor)


def interpolated(curve: list[tuple[float, float]], at: float) -> float:
    """Return the value of a curve of points at ``at``; flat outside.

    >>> interpolated([(50.0, 4.0), (60.0, 6.0)], 55.0)
    5.0
    """
    if at <= curve[0][0]:
        return curve[0][1]
    for (x0, y0), (x1, y1) in pairwise(curve):
        if at <= x1:
            return y1 if x1 == x0 else y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return curve[-1][1]


def asset(moment: Moment, asset_id: str, span: str) -> dict[str, Any] | None:
    """Return one asset with its history over ``24h``, ``7d`` or ``all`` (62 days); None if there is none."""
    rows = _day_rows(moment, SPANS[span], asset_id)
    configured = None
    if moment.config is not None:
        configured = next((a for a in moment.config.assets if a.asset_id == asset_id), None)
    if configured is None and not rows:
        return None
    day = [row for row in rows if moment.now is not None and row["slot"] >= moment.now - DAY]
    store = store_of(configured)
    return {
        "asset_id": asset_id,
        "kind": configured.kind if configured is not None else rows[-1]["asset_kind"],
        "span": span,
        "t": [charts.seconds(row["slot"]) for row in rows],
        "step_s": round(moment.step.total_seconds()),
        "measured_mw": [row["power_mw"] for row in rows],
        "setpoint_mw": [row["planned_mw"] for row in rows],
        "soc": [row["soc"] for row in rows],
        "min_mw": moment.limits_mw(configured)[0],
        "max_mw": moment.limits_mw(configured)[1],
        "soc_min": None if store is None else store.soc_min,
        "soc_max": None if store is None else store.soc_max,
        "order": _slot_order(moment, configured, asset_id),
        "limits": []
        if configured is None
        else type_of(configured).nameplate(configured, moment.currency, moment.scale.reference_mw),
        "totals": _totals(moment, configured, day),
    }


def _slot_order(moment: Moment, configured: Asset | None, asset_id: str) -> dict[str, Any] | None:
    row = moment.setpoints.get(asset_id)
    if row is None or moment.now is None:
        return None
    power, decision, config = row["power_mw"], moment.decision, moment.config
    reason = row["reason"] or ""
    if decision is not None and decision.plan is not None and config is not None and configured is not None:
        reason = step_reason(decision, config, configured, 0)
    curve = msgspec.json.decode(row["curve"]) if row.get("curve") else []
    follows = ""
    if curve and max(mw for _, mw in curve) - min(mw for _, mw in curve) > moment.least_mw:
        quarter = len(curve) // 4
        (low, low_mw), (high, high_mw) = curve[quarter], curve[-1 - quarter]
        points = ((low, low_mw), (high, high_mw))
        near, far = (f"{moment.signed_power(mw)} at {moment.power_text(net_mw)}" for net_mw, mw in points)
        follows = f"Inside the slot it follows net load: {near}, {far}."
    return {
        "start": row["slot"],
        "end": row["slot"] + moment.step,
        "mw": power,
        "does": _does(moment, configured, power),
        "reason": reason,
        "follows": follows,
    }


def _does(moment: Moment, configured: Asset | None, power_mw: float) -> str:
    if configured is None or abs(power_mw) <= moment.least_mw:
        return "Rest"
    return f"{type_of(configured).action_word(power_mw).capitalize()} {moment.power_text(abs(power_mw))}"


def _totals(moment: Moment, configured: Asset | None, day: list[dict[str, Any]]) -> dict[str, Any]:
    energies = [row["energy_mwh"] or 0.0 for row in day]
    out = sum(e for e in energies if e > 0)
    differences = [
        abs(row["power_mw"] - row["planned_mw"])
        for row in day
        if row["power_mw"] is not None and row["planned_mw"] is not None
    ]
    since: datetime | None = None if moment.now is None else moment.now - DAY
    asset_id = day[-1]["asset_id"] if day else ""
    pnl = [] if since is None else moment.rows(LEDGER, start=since, filters={"asset_id": asset_id}, columns=("pnl",))
    store = store_of(configured)
    full = None if store is None else store.energy_mwh * store.discharge_efficiency
    return {
        "out_mwh": out,
        "in_mwh": -sum(e for e in energies if e < 0) + 0.0,
        "cycles": None if full is None else out / full,
        "pnl": sum(row["pnl"] or 0.0 for row in pnl) if pnl else None,
        "largest_difference_mw": max(differences, default=None),
        "source": day[-1]["source"] if day else None,
        "trust": _trust(moment, asset_id, day[-1]["source"] if day else None),
    }


def _trust(moment: Moment, asset_id: str, source: str | None) -> str | None:
    """Return whether the asset's readings are trusted; None without readings."""
    lasting = [alert for alert in moment.alerts if alert["ended_at"] is None and alert["code"] in EPISODES]
    doubts = [TITLES[AlertCode(alert["code"])] for alert in lasting if alert["asset_id"] == asset_id]
    if doubts:
        return ", ".join(dict.fromkeys(doubts))
    return "believed" if source == "measured" else None
