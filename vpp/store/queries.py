"""Questions that people ask of a whole run, answered over the store protocol, so the same for every store."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from vpp.domain import Target
from vpp.store.contract import Store
from vpp.tables import ASSETS, FORECASTS, LEDGER, SKILL, TELEMETRY

Zones = str | Sequence[str] | None
MONEY = ("revenue", "wear_cost", "fuel_cost", "start_cost", "penalty", "penalty_no_action", "pnl")


def ledger_totals(
    store: Store, *, zone: Zones = None, start: datetime | None = None, end: datetime | None = None
) -> list[dict[str, Any]]:
    """Return money and energy by zone and asset, corrections included, in the order of zone and asset.

    ``penalty_avoided`` is the no-action penalty minus what happened; ``unpriced`` counts entries without a price.
    Sums are exact to the last digit whatever the order of rows (``math.fsum``).
    """
    columns = ("zone", "asset_id", "currency", "energy_mwh", *MONEY)
    parts: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    unpriced: dict[tuple[str, str, str], int] = defaultdict(int)
    for chunk in store.scan(LEDGER, zone=zone, start=start, end=end, columns=columns):
        for name, asset_id, currency, *values in chunk:
            group = (name, asset_id, currency)
            for column, value in zip(("energy_mwh", *MONEY), values, strict=True):
                if value is not None:
                    parts[group][column].append(value)
            if values[1] is None and asset_id != "zone":
                unpriced[group] += 1
    found = []
    for (name, asset_id, currency), sums in sorted(parts.items()):
        row: dict[str, Any] = {"zone": name, "asset_id": asset_id, "currency": currency}
        row |= {column: math.fsum(sums[column]) for column in ("energy_mwh", *MONEY)}
        row["penalty_avoided"] = row["penalty_no_action"] - row["penalty"]
        row["unpriced"] = unpriced[name, asset_id, currency]
        found.append(row)
    return found


def forecast_skill(
    store: Store,
    *,
    zone: Zones = None,
    start: datetime | None = None,
    end: datetime | None = None,
    horizons: Literal["all", "first"] = "all",
) -> list[dict[str, Any]]:
    """Return MAE of the median and of persistence by zone, target and horizon, over all forecasts whose time has come.

    Persistence is the value of the issuing slot. ``coverage_90`` is the share of actuals within q05..q95.

    Args:
        store: The store.
        zone: Zones, None for all.
        start: First issue time.
        end: End of the issue times, exclusive.
        horizons: ``first``: the first horizon of net load alone, which is cheap.
    """
    actual = _actuals(store, zone, start)
    filters: dict[str, Any] = {}
    if horizons == "first":
        filters = {"target": Target.NET_LOAD.value}
        step = _steps(store, zone)
        if step is None:
            return []
        filters["horizon_min"] = step
    sums: dict[tuple[str, str, int], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
    columns = ("zone", "issued_at", "horizon_min", "target", "q05", "q50", "q95")
    for chunk in store.scan(FORECASTS, zone=zone, start=start, end=end, filters=filters, columns=columns):
        for name, issued_at, horizon, target, low, median, high in chunk:
            now = actual.get((name, target, issued_at))
            then = actual.get((name, target, issued_at + timedelta(minutes=horizon)))
            if now is None or then is None or median is None:
                continue
            total = sums[name, target, horizon]
            total[0] += 1
            total[1] += abs(then - median)
            total[2] += abs(then - now)
            total[3] += low <= then <= high
    return [
        {
            "zone": name,
            "target": target,
            "horizon_min": horizon,
            "n": int(n),
            "mae": error / n,
            "mae_persistence": naive / n,
            "coverage_90": inside / n,
        }
        for (name, target, horizon), (n, error, naive, inside) in sorted(sums.items())
    ]


def _actuals(store: Store, zone: Zones, start: datetime | None) -> dict[tuple[str, str, datetime], float]:
    found = {}
    columns = ("zone", "slot", "net_load_mw", "price_per_mwh")
    for chunk in store.scan(TELEMETRY, zone=zone, start=start, columns=columns):
        for name, slot, net_load, price in chunk:
            if net_load is not None:
                found[name, Target.NET_LOAD.value, slot] = net_load
            if price is not None:
                found[name, Target.PRICE.value, slot] = price
    return found


def _steps(store: Store, zone: Zones) -> list[int] | None:
    rows = store.latest(SKILL, zone, columns=("zone", "slot", "target", "horizon_min"))
    first: dict[str, int] = {}
    for name, _, target, horizon in rows:
        if target == Target.NET_LOAD.value:
            first[name] = min(horizon, first.get(name, horizon))
    return sorted(set(first.values())) or None


def energy_balance_error_mwh(store: Store, *, zone: Zones = None) -> float:
    """Return the largest absolute difference, per asset and slot, between delivered energy in ledger and asset rows."""
    energy: dict[tuple[str, str, datetime], float] = {}
    for chunk in store.scan(ASSETS, zone=zone, columns=("zone", "slot", "asset_id", "energy_mwh")):
        for name, slot, asset_id, value in chunk:
            energy[name, asset_id, slot] = value
    worst = 0.0
    for chunk in store.scan(
        LEDGER, zone=zone, filters={"revision": 0}, columns=("zone", "slot", "asset_id", "energy_mwh")
    ):
        for name, slot, asset_id, value in chunk:
            if asset_id != "zone":
                worst = max(worst, abs((value or 0.0) - energy.get((name, asset_id, slot), math.inf)))
    return worst


