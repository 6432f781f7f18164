"""Series of the charts, as columns: seconds since 1970 (``t``, starts of slots) and values, null where missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from agents.assets.registry import TYPES, type_of
from agents.plant.plan_sentences import powers_of, socs_of, step_edges
from console.dashboard.views.moment import Moment
from vpp.fleet.scale import significant
from vpp.messages import Decision
from vpp.store.tables import ASSETS, TELEMETRY

BANDS = ("q05", "q25", "q50", "q75", "q95")


def seconds(instant: datetime) -> int:
    """Return seconds since 1970."""
    return int(instant.timestamp())


def past(moment: Moment, span: timedelta) -> dict[str, Any]:
    """Return measurements and deliveries of the last ``span``: served net load, import, price, power, SoC."""
    if moment.now is None:
        return {"t": []}
    start = moment.now - span
    grid = [start + i * moment.step for i in range(round(span / moment.step))]
    actuals = {
        r["slot"]: r for r in moment.rows(TELEMETRY, start=start, columns=("slot", "net_load_mw", "price_per_mwh"))
    }
    rows = moment.rows(ASSETS, start=start - moment.step, columns=("slot", "asset_id", "asset_kind", "power_mw", "soc"))
    power = {kind: _by_slot(rows, kind) for kind in _kinds(moment)}
    stored = _soc_by_slot(moment, rows)
    before = stored.get(start - moment.step)
    plant: dict[datetime, float] = {}
    for column in power.values():
        for slot, value in column.items():
            plant[slot] = plant.get(slot, 0.0) + value
    net = [_times(actuals.get(slot, {}).get("net_load_mw"), moment.factor) for slot in grid]
    return {
        "t": [seconds(slot) for slot in grid],
        "net_mw": _rounded(net),
        "import_mw": _rounded(
            None if n is None or s not in plant else n - plant[s] for s, n in zip(grid, net, strict=True)
        ),
        "price": _rounded(actuals.get(slot, {}).get("price_per_mwh") for slot in grid),
        "power_mw": {kind: _rounded(column.get(slot) for slot in grid) for kind, column in power.items()},
        "soc": _rounded(stored.get(slot) for slot in grid),
        "soc_before": before,
    }


def fan(moment: Moment, target: str, factor: float = 1.0) -> dict[str, Any] | None:
    """Return the newest forecast of a target with its quantiles; ``t``: starts of the target slots."""
    rows = moment.forecast.get(target, [])
    if not rows:
        return None
    issued: datetime = rows[0]["issued_at"]
    return {
        "issued": seconds(issued + moment.step),
        "source": rows[0]["source"],
        "model_id": rows[0]["model_id"],
        "t": [seconds(issued + timedelta(minutes=row["horizon_min"])) for row in rows],
        **{name: _rounded(_times(row[name], factor) for row in rows) for name in BANDS},
    }


def plan(moment: Moment, decision: Decision | None) -> dict[str, Any] | None:
    """Return the plan of a decision by kind of asset; ``t`` are its edges, one more than there are steps."""
    if decision is None or decision.plan is None:
        return None
    table = decision.plan
    power: dict[str, list[float]] = {}
    for asset in () if moment.config is None else moment.config.assets:
        values = powers_of(decision, asset.asset_id)
        if values:
            before = power.get(asset.kind)
            power[asset.kind] = values if before is None else [a + b for a, b in zip(before, values, strict=True)]
    return {
        "t": [seconds(edge) for edge in step_edges(decision)],
        "net_mw": _rounded(table.net_mw),
        "import_mw": _rounded(table.grid_mw),
        "price": _rounded(table.price_per_mwh),
        "worth": _rounded(decision.duals.power_price_per_mwh),
        "power_mw": {kind: _rounded(values) for kind, values in power.items()},
        "soc": _rounded(plan_soc(moment, decision)),
    }


def plan_soc(moment: Moment, decision: Decision) -> list[float]:
    """Return the planned state of charge of all stores together at the end of each step, by capacity."""
    stores = {name: store for name, store in moment.stores.items() if socs_of(decision, name)}
    capacity_mwh = sum(store.energy_mwh for store in stores.values())
    if not capacity_mwh:
        return []
    columns = [[soc * store.energy_mwh for soc in socs_of(decision, name)] for name, store in stores.items()]
    return [sum(step) / capacity_mwh for step in zip(*columns, strict=True)]


def limits(moment: Moment) -> dict[str, Any]:
    """Return the limits that charts draw: of the grid, of power by kind, of the state of charge."""
    config = moment.config
    if config is None:
        return {}
    stores = list(moment.stores.values())
    generators = [each for asset in config.assets if (each := type_of(asset).generator(asset)) is not None]
    low = -sum(store.charge_mw for store in stores)
    high = max(
        sum(store.discharge_mw for store in stores),
        sum(each.capacity_mw for each in generators),
        0.0,
    )
    capacity_mwh = sum(store.energy_mwh for store in stores)
    weigh = stores if capacity_mwh else []
    return {
        "import_cap_mw": config.limits.import_cap_mw,
        "export_cap_mw": config.limits.export_cap_mw,
        "ramp_limit_mw": config.limits.ramp_limit_mw,
        "power_min_mw": low,
        "power_max_mw": high,
        "soc_min": sum(store.soc_min * store.energy_mwh for store in weigh) / capacity_mwh if capacity_mwh else None,
        "soc_max": sum(store.soc_max * store.energy_mwh for store in weigh) / capacity_mwh if capacity_mwh else None,
        "reserve_soc": sum(store.floor_soc * store.energy_mwh for store in weigh) / capacity_mwh
        if capacity_mwh
        else None,
        "energy_mwh": capacity_mwh or None,
    }


def _kinds(moment: Moment) -> list[str]:
    kinds = {asset.kind for asset in moment.config.assets} if moment.config is not None else set(TYPES)
    return [kind for kind in TYPES if kind in kinds]


def _by_slot(rows: Iterable[dict[str, Any]], kind: str) -> dict[datetime, float]:
    power_mw: dict[datetime, float] = {}
    for row in rows:
        if row["asset_kind"] == kind and row["power_mw"] is not None:
            power_mw[row["slot"]] = power_mw.get(row["slot"], 0.0) + row["power_mw"]
    return power_mw


def _soc_by_slot(moment: Moment, rows: Iterable[dict[str, Any]]) -> dict[datetime, float]:
    sizes = {name: store.energy_mwh for name, store in moment.stores.items()}
    capacity_mwh = sum(sizes.values())
    soc: dict[datetime, float] = {}
    for row in rows:
        size = sizes.get(row["asset_id"])
        if size is not None and row["soc"] is not None:
            soc[row["slot"]] = soc.get(row["slot"], 0.0) + row["soc"] * size / capacity_mwh
    return soc


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _rounded(values: Iterable[float | None] | Sequence[float]) -> list[float | None]:
    return [None if value is None else significant(value) for value in values]
