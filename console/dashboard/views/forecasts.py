"""The screen Forecasts: accuracy of past ones, width of intervals, parts of the newest, the active model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from console.dashboard.views import charts
from console.dashboard.views.moment import Moment
from console.dashboard.views.texts import ago, power_scale
from mcp_server.queries.context import QuestionError, utc
from models.forecast.ramp_events import HOURS
from vpp.domain import Target
from vpp.errors import VppError
from vpp.store.query import Filters
from vpp.store.tables import FORECASTS, SKILL, TELEMETRY

MISSES = 8
SHOWN_PARTS = 8
LOOK_BACK = timedelta(days=3)
_LEAST_ERROR = 1e-4
"""Errors below this share of the region's power are as good as none, and choose no unit."""


def forecasts(moment: Moment) -> dict[str, Any]:
    """Return the screen of forecasts."""
    net = _target(moment, Target.NET_LOAD)
    return {
        "net": net,
        "price": _target(moment, Target.PRICE),
        "fan_net": charts.fan(moment, "net_load"),
        "fan_price": charts.fan(moment, "price"),
        "ramps": _ramps(moment),
        "model": model(moment),
        "history": _history(moment),
        "currency": moment.currency,
        "error_power": error_scale(net["skill"], moment.region_scale.reference_mw),
    }


def error_scale(scores: Sequence[dict[str, Any]], reference_mw: float) -> dict[str, Any]:
    """Return how the page writes errors of net load: in a unit in which the least of them keeps two digits.

    >>> error_scale([{"mae": 62.3}, {"mae": 1283.0}], 6_400.0)["unit"]
    'MW'
    """
    least_mw = min((row["mae"] for row in scores), default=reference_mw)
    return power_scale(max(least_mw, _LEAST_ERROR * reference_mw))


def skill(moment: Moment, target: str) -> list[dict[str, Any]]:
    """Return the newest live scores of a target, in order of horizon."""
    last = moment.rows(SKILL, filters={"target": target}, columns=("slot",), order="desc", limit=1)
    if not last:
        return []
    rows = moment.rows(SKILL, start=last[0]["slot"], filters={"target": target})
    return [
        {
            **{name: row[name] for name in ("horizon_min", "n", "mae", "mae_persistence", "pinball", "coverage_90")},
            "better_pct": 100 * (1 - row["mae"] / row["mae_persistence"]) if row["mae_persistence"] else None,
            "slot": row["slot"],
        }
        for row in sorted(rows, key=lambda row: row["horizon_min"])
    ]


def _target(moment: Moment, target: Target) -> dict[str, Any]:
    ahead = moment.forecast.get(target.value, [])
    width = {row["horizon_min"]: row["q95"] - row["q05"] for row in ahead if None not in (row["q05"], row["q95"])}
    rows = [{**row, "width": width.get(row["horizon_min"])} for row in skill(moment, target.value)]
    return {"skill": rows, "horizons": sorted(width), "misses": _misses(moment, target)}


def parts(moment: Moment, target: Target, horizon_min: int | None) -> dict[str, Any]:
    """Return the contribution of each feature to the newest forecast: the largest by name, the others as a sum.

    Raises:
        QuestionError: No fleet file has the zone.
        VppError: There is no such forecast of a model, or no rows to compute from.
    """
    from topologies.control.forecast_parts import forecast_parts  # loads the learners, which no other screen needs

    context = moment.context
    if moment.config is None:
        raise QuestionError(f"no fleet file says how {moment.zone} is set up", hint="give its fleet.yaml")
    whole = forecast_parts(context.settings, context.store, moment.config, target, horizon_min, moment.slot)
    shown, others = whole.parts[:SHOWN_PARTS], whole.parts[SHOWN_PARTS:]
    return {
        "target": target.value,
        "from": whole.slot + moment.step,
        "horizon_min": whole.horizon_min,
        "model_id": whole.model_id,
        "base": whole.base,
        "value": whole.value,
        "parts": [*shown, *([("all others", sum(amount for _, amount in others))] if others else [])],
    }


def _misses(moment: Moment, target: Target) -> list[dict[str, Any]]:
    """Return the last slots whose value left the 90 % interval of the forecast one step before."""
    if moment.now is None:
        return []
    column = "net_load_mw" if target is Target.NET_LOAD else "price_per_mwh"
    start = moment.now - LOOK_BACK
    step_min = round(moment.step.total_seconds() / 60)
    actuals = {row["slot"]: row[column] for row in moment.rows(TELEMETRY, start=start, columns=("slot", column))}
    rows = moment.rows(FORECASTS, start=start, filters={"target": target.value, "horizon_min": step_min})
    misses = []
    for row in reversed(rows):
        slot: datetime = row["issued_at"] + moment.step
        value = actuals.get(slot)
        if value is None or row["q05"] is None or row["q95"] is None:
            continue
        if not row["q05"] <= value <= row["q95"]:
            misses.append({"slot": slot, "value": value, "low": row["q05"], "median": row["q50"], "high": row["q95"]})
        if len(misses) == MISSES:
            break
    return misses


def _ramps(moment: Moment) -> list[dict[str, Any]]:
    """Return size and probabilities of large ramps by whole hours ahead, of the newest forecast."""
    names = ("horizon_min", "large_ramp_mw", "p_rise", "p_fall")
    rows = moment.forecast.get(Target.NET_LOAD.value, [])
    horizons_min = [60 * hours for hours in HOURS]
    return [
        {name: row[name] for name in names}
        for row in rows
        if row["horizon_min"] in horizons_min and row["large_ramp_mw"] is not None
    ]


def model(moment: Moment) -> dict[str, Any]:
    """Return the model in force: its id, the source of the forecast, the age of its training."""
    row = next(iter(moment.forecast.get("net_load", [])), {})
    facts = {"model_id": row.get("model_id"), "source": row.get("source"), "trained_to": None, "age": None}
    if not row or row.get("source") != "model":
        return facts
    from models.registry.registry import Registry  # loads the learners, which no other screen needs

    try:
        versions = Registry(moment.context.settings.models_dir).versions(moment.zone)
    except (VppError, OSError):
        return facts
    until = next((v["until"] for v in versions if v["model_id"] == row["model_id"]), None)
    if until is not None and moment.now is not None:
        trained = utc(datetime.fromisoformat(str(until)))
        assert trained is not None
        facts |= {"trained_to": trained, "age": ago(moment.now - trained)}
    return facts


def _history(moment: Moment) -> list[dict[str, Any]]:
    """Return since when which model served, newest first, from the forecasts that are stored."""
    step_min = round(moment.step.total_seconds() / 60)
    filters: Filters = {"target": "net_load", "horizon_min": step_min}
    rows = moment.rows(FORECASTS, filters=filters, columns=("issued_at", "model_id", "source", "horizon_min"))
    changes: list[dict[str, Any]] = []
    for row in rows:
        source = (row["source"], row["model_id"])
        if not changes or (changes[-1]["source"], changes[-1]["model_id"]) != source:
            changes.append({"since": row["issued_at"], "source": row["source"], "model_id": row["model_id"]})
    return changes[::-1][:12]
