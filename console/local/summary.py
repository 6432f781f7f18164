"""The figures of a run, all of them from the store."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from vpp.messages import AlertCode
from vpp.store import Store
from vpp.store.named_queries import LedgerTotal, forecast_scores, ledger_errors, ledger_totals
from vpp.store.tables import ALERTS, DLQ, FORECASTS, TELEMETRY

_SUMMED = (
    *("charged_mwh", "discharged_mwh", "revenue", "wear_cost", "fuel_cost", "start_cost", "penalty", "penalty_avoided"),
    "pnl",
)


@dataclass
class _Faults:
    """What was wrong with a zone's slots: ``counts`` by channel and fault, ``usable`` slots with any value."""

    slots: int = 0
    usable: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def why(self, letters: Counter[str]) -> str:
        """Return why nothing was usable."""
        if self.slots:
            return "no slot has a value: " + _listed(self.counts)
        return "no slot was closed" + (f"; dead letters: {_listed(letters)}" if letters else "")


def _faults(store: Store, zone: str) -> _Faults:
    faults = _Faults()
    for chunk in store.scan(TELEMETRY, zone=zone, columns=("quality", "values")):
        for quality, values in chunk:
            faults.slots += 1
            by_channel = msgspec.json.decode(values) if values else {}
            faults.usable += any(value is not None for value in by_channel.values())
            for channel, reason in (msgspec.json.decode(quality) if quality else {}).items():
                faults.counts[f"{channel} {reason}"] += 1
    published = {"code": AlertCode.PUBLISHED_IMPLAUSIBLE.value}
    for channel, values in store.read(ALERTS, zone=zone, filters=published, columns=("channel", "values")).values:
        faults.counts[f"published {channel} implausible"] += int(msgspec.json.decode(values)["values"])
    return faults


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{n:,} {fault.replace('_', ' ')}" for fault, n in counts.most_common(5))


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
                "slots_without_price": total.slots_without_price,
                "charged_mwh": total.charged_mwh,
                "discharged_mwh": total.discharged_mwh,
                **{name: money[name] for name in ("revenue", "wear_cost", "fuel_cost", "start_cost", "penalty")},
                "penalty_avoided": money["penalty_no_action"] - money["penalty"],
                "pnl": money["pnl"],
            }
        )
    return rows


def ledger_sums(rows: Sequence[dict[str, Any]], by: Sequence[str]) -> list[dict[str, Any]]:
    """Return ledger rows added up, one row per value of the columns ``by`` and currency.

    Energy and money are sums over assets; ``slots_without_price`` counts slots of assets. Currencies are never added.

    Args:
        rows: Rows of ``ledger_rows``, each with the columns ``by``.
        by: Columns that tell the groups apart; none: one row per currency.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in (*by, "currency"))].append(row)
    return [
        {**dict(zip((*by, "currency"), key, strict=True)), **{c: math.fsum(row[c] for row in group) for c in _SUMMED}}
        | {"slots_without_price": sum(row["slots_without_price"] for row in group)}
        for key, group in sorted(groups.items())
    ]


def summarise(
    store: Store, zones: Sequence[str], *, restarts: int, wall_s: float, short_rows: int = 0
) -> dict[str, Any]:
    """Return slots, forecasts, errors, ledger totals, what could not be used and why, restarts and time.

    ``dead_letter_reasons`` counts by reason code; ``bad_values`` by zone, channel and fault; ``unusable`` names the
    zones that have no slot with a value, with the reason.

    Args:
        store: The run's store.
        zones: Its zones.
        restarts: How often workers were restarted.
        wall_s: Wall time of the run in seconds.
        short_rows: Rows of the source's file with fewer fields than the header.
    """
    issued = {
        row
        for chunk in store.scan(
            FORECASTS, zone=list(zones), filters={"target": "net_load"}, columns=("zone", "issued_at")
        )
        for row in chunk
    }
    errors = ledger_errors(store, zone=list(zones))
    letters = Counter(reason for (reason,) in store.read(DLQ, columns=("reason",)).values)
    faults = {zone: _faults(store, zone) for zone in zones}
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
        "dead_letter_reasons": dict(letters.most_common()),
        "bad_values": {
            zone: dict(zone_faults.counts.most_common()) for zone, zone_faults in faults.items() if zone_faults.counts
        },
        "unusable": {zone: zone_faults.why(letters) for zone, zone_faults in faults.items() if not zone_faults.usable},
        "short_rows": short_rows,
        "restarts": restarts,
        "wall_s": round(wall_s, 1),
    }
