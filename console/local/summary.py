"""The figures of a finished run, all of them from the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vpp.store import Store
from vpp.store.queries import energy_balance_error_mwh, forecast_skill, ledger_totals
from vpp.tables import DLQ, FORECASTS, TELEMETRY


def summarise(store: Store, zones: Sequence[str], *, restarts: int, wall_s: float) -> dict[str, Any]:
    """Return slots, forecasts, errors against persistence, ledger totals, balance error, dead letters, restarts, time.

    Args:
        store: The run's store.
        zones: Its zones.
        restarts: How often workers were restarted.
        wall_s: Wall time of the run in seconds.
    """
    first = store.read(FORECASTS, zone=list(zones), filters={"target": "net_load"}, columns=("zone", "issued_at"))
    return {
        "zones": list(zones),
        "slots": store.count(TELEMETRY, zone=list(zones)),
        "forecasts": len(set(first)),
        "skill": forecast_skill(store, zone=list(zones)),
        "ledger": ledger_totals(store, zone=list(zones)),
        "energy_balance_error_mwh": energy_balance_error_mwh(store, zone=list(zones)),
        "dead_letters": store.count(DLQ),
        "restarts": restarts,
        "wall_s": round(wall_s, 1),
    }
