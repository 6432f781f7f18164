"""The first row of Now: each value with its limit and its next value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from agents.assets.registry import TYPES, type_of
from agents.plant.plan_sentences import PlannedAction
from console.dashboard.views import charts
from console.dashboard.views.background import Background
from console.dashboard.views.moment import Moment
from vpp.fleet.schema import Zone
from vpp.local_time import local_date, utc_of
from vpp.messages import Decision
from vpp.store.tables import LEDGER, TELEMETRY


def values(
    moment: Moment, planned: Decision | None, actions: Sequence[PlannedAction], background: Background
) -> dict[str, Any]:
    """Return the values of Now.

    Args:
        moment: The zone.
        planned: The decision with the plan in force, None if there is none.
        actions: Its actions.
        background: Computes the batteries' share of perfect foresight.
    """
    return {
        "import": _import(moment, planned),
        "plant": _plant(moment),
        "battery": _store(moment, planned, actions),
        "price": _price(moment),
        "money": _money(moment, background),
    }


def grid_mw(moment: Moment) -> float | None:
    """Return the import of the newest slot (MW), None if net load or the plant's power is missing."""
    net = moment.telemetry.get("net_load_mw")
    plant = plant_mw(moment)
    return None if net is None or plant is None else net * moment.factor - plant


def plant_mw(moment: Moment) -> float | None:
    """Return the delivered power of all assets in the newest slot (MW, positive into the grid)."""
    powers = [row["power_mw"] for row in moment.delivered.values() if row["power_mw"] is not None]
    return sum(powers) if powers else None


def _import(moment: Moment, planned: Decision | None) -> dict[str, Any]:
    config = moment.config
    grid = grid_mw(moment)
    ahead = None if planned is None or planned.plan is None else planned.plan.grid_mw[0]
    value: dict[str, Any] = {
        "mw": grid,
        "cap_mw": None if config is None else config.limits.import_cap_mw,
        "ramp_limit_mw": None if config is None else config.limits.ramp_limit_mw,
        "next_mw": ahead,
        "ramp_mw": None if ahead is None or grid is None else ahead - grid,
    }
    if grid is None:
        value["last"] = _last_import(moment)
    return value


def _last_import(moment: Moment) -> dict[str, Any] | None:
    rows = moment.rows(TELEMETRY, columns=("slot", "net_load_mw"), order="desc", limit=96)
    observed = next((row for row in rows if row["net_load_mw"] is not None), None)
    if observed is None or moment.slot is None:
        return None
    past = charts.past(moment, moment.slot - observed["slot"] + 2 * moment.step)
    imports = [(t, v) for t, v in zip(past["t"], past["import_mw"], strict=True) if v is not None]
    if not imports:
        return None
    at = datetime.fromtimestamp(imports[-1][0], UTC)
    return {"mw": imports[-1][1], "slot": at, "end": at + moment.step}


def next_powers(moment: Moment) -> dict[str, float]:
    """Return the setpoints of the slot that begins now, summed by kind."""
    config = moment.config
    power_mw: dict[str, float] = {}
    for asset in () if config is None else config.assets:
        row = moment.setpoints.get(asset.asset_id)
        if row is not None:
            power_mw[asset.kind] = power_mw.get(asset.kind, 0.0) + row["power_mw"]
    return {kind: power_mw[kind] for kind in TYPES if kind in power_mw}


def _plant(moment: Moment) -> dict[str, Any]:
    powers = next_powers(moment)
    return {
        "mw": plant_mw(moment),
        "next_mw": sum(powers.values()) if powers else None,
        **plant_bounds(moment.config),
    }


def plant_bounds(zone: Zone | None) -> dict[str, float | None]:
    """Return least and greatest power of all assets together, but those for emergencies or as the weather gives it."""
    if zone is None:
        return {"min_mw": None, "max_mw": None}
    ranges = [
        kind.shown_limits_mw(zone, asset) for asset in zone.assets if not (kind := type_of(asset)).is_emergency(asset)
    ]
    low, high = (sum(limits[k] or 0.0 for limits in ranges) for k in (0, 1))
    return {"min_mw": low, "max_mw": high or None}


def soc_now(moment: Moment) -> float | None:
    """Return the state of charge of all stores together at the end of the newest slot, by capacity; 0-1."""
    stored = capacity_mwh = 0.0
    for asset_id, store in moment.stores.items():
        row = moment.delivered.get(asset_id)
        if row is not None and row["soc"] is not None:
            stored += row["soc"] * store.energy_mwh
            capacity_mwh += store.energy_mwh
    return stored / capacity_mwh if capacity_mwh else None


def _store(moment: Moment, planned: Decision | None, actions: Sequence[PlannedAction]) -> dict[str, Any] | None:
    if not moment.stores:
        return None
    bounds = charts.limits(moment)
    soc = soc_now(moment)
    ahead = [] if planned is None else charts.plan_soc(moment, planned)
    later = None
    of_stores = [action for action in actions if action.asset_id in moment.stores]
    running = [action for action in of_stores if planned is not None and action.start == planned.for_slot]
    if ahead and running and running[0].last_step > 0:
        later = {"soc": ahead[running[0].last_step], "at": running[0].end}
    return {
        "soc": soc,
        "mwh": None if soc is None else soc * (bounds.get("energy_mwh") or 0.0),
        "energy_mwh": bounds.get("energy_mwh"),
        "soc_min": bounds.get("soc_min"),
        "soc_max": bounds.get("soc_max"),
        "reserve_soc": bounds.get("reserve_soc"),
        "next_soc": ahead[0] if ahead else None,
        "next_at": None if moment.now is None else moment.now + moment.step,
        "later": later,
        "count": len(moment.stores),
    }


def _price(moment: Moment) -> dict[str, Any]:
    row = next(iter(moment.forecast.get("price", [])), None)
    return {
        "value": moment.telemetry.get("price_per_mwh"),
        "next": None if row is None else row["q50"],
        "low": None if row is None else row["q05"],
        "high": None if row is None else row["q95"],
    }


def _money(moment: Moment, background: Background) -> dict[str, Any]:
    if moment.now is None:
        return {"today": None, "no_action": None, "against": None, "capture_pct": None}
    start = local_midnight(moment)
    rows = moment.rows(LEDGER, start=start, columns=("pnl", "penalty_no_action"))
    pnl = sum(row["pnl"] or 0.0 for row in rows)
    idle = -sum(row["penalty_no_action"] or 0.0 for row in rows)
    pct = background.get(
        ("capture", (moment.zone, moment.at), start, moment.settled_to), lambda: _capture_pct(moment, start)
    )
    return {
        "today": pnl if rows else None,
        "no_action": idle if rows else None,
        "against": pnl - idle if rows else None,
        "capture_pct": pct,
    }


def local_midnight(moment: Moment) -> datetime:
    """Return when the zone's running local day began, in UTC."""
    last = moment.slot or datetime.now(UTC)
    return utc_of(local_date(last, moment.time_zone), 0, moment.time_zone)


def _capture_pct(moment: Moment, start: datetime) -> float | None:
    from topologies.control.capture import capture_of_each, captures

    if moment.config is None or not moment.stores:
        return None
    days = captures(moment.context.store, moment.config, start=start, end=moment.now)
    perfect_days = list(capture_of_each(days).values())
    bound = sum(day.bound for day in perfect_days)
    return 100.0 * sum(day.value for day in perfect_days) / bound if bound > 0 else None
