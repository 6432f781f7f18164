"""Query for the overview: state and next action of each zone, workers, and faults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from mcp_server.answers.reading import AssetLine, Overview, ZoneNow
from mcp_server.queries.alerts import get_alerts
from mcp_server.queries.assets import asset_lines, fleet_rows
from mcp_server.queries.context import NOTHING_YET, ReadContext
from mcp_server.queries.health import workers
from mcp_server.queries.orders import list_orders
from topologies.control.run_mode import mode_words, read_mode
from vpp.errors import RefusedError
from vpp.messages import Message
from vpp.store.tables import ALERTS, AUDIT, FORECASTS, LEDGER, TELEMETRY

MAX_ZONES = 12
MAX_OPEN_ALERTS = 500


def get_overview(context: ReadContext, zone: str | None = None) -> Overview:
    """Return the state of one zone or of all zones (at most twelve), and of the workers.

    Raises:
        QuestionError: The zone is unknown.
    """
    chosen = context.choose(zone) if zone is not None else None
    names = context.zones() if zone is None else [chosen] if chosen is not None else []
    states = workers(context)
    lags = [worker.lag for worker in states if worker.lag is not None]
    silent = [worker.topology for worker in states if worker.state == "silent"]
    truncated = len(names) > MAX_ZONES
    hint = None if names else NOTHING_YET
    if truncated:
        hint = f"{len(names)} zones: name one for the others: " + ", ".join(names[MAX_ZONES:])
    step_min = context.step_min(names[0]) if names else 0
    return Overview(
        as_of=context.as_of(zone),
        clock=mode_words(read_mode(context.settings), step_min) if names else None,
        zones=[_zone_now(context, name) for name in names[:MAX_ZONES]],
        workers_running=sum(worker.state == "running" for worker in states),
        workers_silent=silent,
        max_lag=max(lags, default=None),
        dead_letters=sum(worker.dead_letters or 0 for worker in states),
        truncated=truncated,
        page=context.page_link("now", names[0]) if len(names) == 1 else context.page_link("zones", None),
        hint=hint,
        warnings=[f"worker {name} is silent: see get_pipeline_health" for name in silent],
    )


def _zone_now(context: ReadContext, zone: str) -> ZoneNow:
    config, currency = context.config(zone), context.currency(zone)
    newest = next(iter(context.store.latest(TELEMETRY, zone).dicts()), {})
    slot, net_load_mw = newest.get("slot"), newest.get("net_load_mw")
    served_mw = None if config is None or net_load_mw is None else net_load_mw * config.share.factor
    lines, rows = asset_lines(context, zone), fleet_rows(context, zone)
    plant_mw = _total(row["power_mw"] for row in rows.delivered.values())
    is_same_slot = slot is not None and slot == rows.slot
    stored = _stored_energy(lines)
    ahead = _next_forecast(context, zone)
    alerts = _alerts(context, zone, slot)
    open_lines = get_alerts(context, zone, is_open=True, limit=MAX_OPEN_ALERTS).alerts
    orders = list_orders(context, zone, is_open=True).orders
    return ZoneNow(
        zone=zone,
        slot=slot,
        step_min=context.step_min(zone),
        net_load_mw=net_load_mw,
        load_mw=newest.get("load_mw"),
        solar_mw=newest.get("solar_mw"),
        wind_mw=newest.get("wind_mw"),
        price_per_mwh=newest.get("price_per_mwh"),
        currency=currency,
        bad_channels=sorted(msgspec.json.decode(newest["quality"])) if newest.get("quality") else [],
        served_net_load_mw=served_mw,
        plant_power_mw=plant_mw,
        grid_power_mw=served_mw - plant_mw if served_mw is not None and plant_mw is not None and is_same_slot else None,
        import_cap_mw=None if config is None else config.limits.import_cap_mw,
        ramp_penalty_per_mwh=None if config is None else config.limits.ramp_penalty_per_mwh,
        cap_penalty_per_mwh=None if config is None else config.limits.cap_penalty_per_mwh,
        battery_soc=stored.soc,
        battery_energy_mwh=stored.energy_mwh,
        assets=len(lines),
        assets_unavailable=sum(line.state in ("unavailable", "stale") for line in lines),
        next_power_mw=_total(rows.planned(line.asset_id) for line in lines),
        next_net_load_mw=ahead.get("q50"),
        forecast_source=ahead.get("source"),
        pnl_24h=_pnl_24h(context, zone),
        alerts_24h=len(alerts),
        last_alert=f"{alerts[0]['severity']}: {alerts[0]['text']}" if alerts else None,
        alerts_open=sum(line.acknowledged_by is None for line in open_lines),
        holds=[f"{line.order_id} by {line.principal}: {line.reason}" for line in orders if line.action == "hold"],
        orders_in_force=[line.order_id for line in orders],
        orders_losing=[
            f"{line.order_id} has cost {line.lost:.2f} {currency} so far"
            for line in orders
            if line.lost is not None and line.lost > 0
        ],
        plans_waiting=_plans_waiting(context, zone),
    )


def _total(powers_mw: Iterable[float | None]) -> float | None:
    """Return the sum of the known powers, None where none is known."""
    known_mw = [power_mw for power_mw in powers_mw if power_mw is not None]
    return sum(known_mw) if known_mw else None


class StoredEnergy(NamedTuple):
    """Mean state of charge (0-1) and energy (MWh) of all stores with a known state; None without one."""

    soc: float | None
    energy_mwh: float | None


def _stored_energy(lines: Sequence[AssetLine]) -> StoredEnergy:
    stores = [(line.soc, line.energy_capacity_mwh or 0.0) for line in lines if line.soc is not None]
    capacity_mwh = sum(size_mwh for _, size_mwh in stores)
    if not capacity_mwh:
        return StoredEnergy(None, None)
    energy_mwh = sum(soc * size_mwh for soc, size_mwh in stores)
    return StoredEnergy(energy_mwh / capacity_mwh, energy_mwh)


def _plans_waiting(context: ReadContext, zone: str) -> list[str]:
    """Return the ids of plans that wait for approval, or are approved and wait for execution."""
    since = context.now() - timedelta(hours=24)
    if not len(context.store.read(AUDIT, zone=zone, start=since, filters={"action": "plan:propose"}, limit=1)):
        return []
    from topologies.control.plan_book import PlanBook  # loads the solver, which most calls do not need

    book = PlanBook(context.store, _never, context.settings.approval_secret, context.now)
    return [plan.plan_id for plan in book.recent(zone) if plan.status(context.now()) in ("proposed", "approved")]


def _never(_topic: str, _message: Message) -> None:
    raise RefusedError("a reader writes nothing")


def _next_forecast(context: ReadContext, zone: str) -> dict[str, Any]:
    rows = context.store.latest(FORECASTS, zone, filters={"target": "net_load"}).dicts()
    return min(rows, key=lambda row: row["horizon_min"], default={})


def _pnl_24h(context: ReadContext, zone: str) -> float | None:
    last = context.newest(LEDGER).get(zone)
    if last is None:
        return None
    rows = context.store.read(LEDGER, zone=zone, start=last - timedelta(hours=24), columns=("slot", "pnl"))
    total: float = sum(pnl for slot, pnl in rows if pnl is not None and slot > last - timedelta(hours=24))
    return total


def _alerts(context: ReadContext, zone: str, slot: datetime | None) -> list[dict[str, Any]]:
    if slot is None:
        return []
    rows = context.store.read(
        ALERTS,
        zone=zone,
        start=slot - timedelta(hours=24),
        filters={"severity": ("warning", "critical")},
        order="desc",
        limit=500,
    )
    return rows.dicts()
