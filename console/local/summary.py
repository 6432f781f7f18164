"""The figures of a run, all of them from the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from vpp.store import Store
from vpp.store.named_queries import LedgerTotal, forecast_scores, ledger_errors, ledger_totals
from vpp.store.tables import DLQ, FORECASTS, TELEMETRY


def ledger_rows(totals: Sequence[LedgerTotal]) -> list[dict[str, Any]]:
    """Return ledger totals as flat rows; ``penalty_avoided`` is the no-action penalty minus what happened."""
    rows = []
    for total in totals:
        money = total.money
        rows.append(
            {
                "zone": total.zone,
                "asset_id": total.asset_id,
                "currency": total.currency,
                "slots": total.slots,
                "charged_mwh": total.charged_mwh,
                "discharged_mwh": total.discharged_mwh,
                **{name: money[name] for name in ("revenue", "wear_cost", "fuel_cost", "start_cost", "penalty")},
                "penalty_avoided": money["penalty_no_action"] - money["penalty"],
                "pnl": money["pnl"],
            }
        )
    return rows


def summarise(store: Store, zones: Sequence[str], *, restarts: int, wall_s: float) -> dict[str, Any]:
    """Return slots, forecasts, errors against persistence, ledger totals, balance errors, dead letters, restarts, time.

    Args:
        store: The run's store.
        zones: Its zones.
        restarts: How often workers were restarted.
        wall_s: Wall time of the run in seconds.
    """
    issued = {
        row
        for chunk in store.scan(
            FORECASTS, zone=list(zones), filters={"target": "net_load"}, columns=("zone", "issued_at")
        )
        for row in chunk
    }
    errors = ledger_errors(store, zone=list(zones))
    return {
        "zones": list(zones),
        "slots": store.count(TELEMETRY, zone=list(zones)),
        "forecasts": len(issued),
        "skill": [
            {"zone": zone, **asdict(score)}
            for zone in zones
            for target in ("net_load", "price")
            for score in forecast_scores(store, zone, target=target)
        ],
        "ledger": ledger_rows(ledger_totals(store, zone=list(zones))),
        "energy_balance_error_mwh": errors.energy_mwh,
        "money_error": max(errors.money, errors.revenue),
        "dead_letters": store.count(DLQ),
        "restarts": restarts,
        "wall_s": round(wall_s, 1),
    }
