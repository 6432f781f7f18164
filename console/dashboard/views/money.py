"""The screen Money: by day and asset, penalties avoided, and the batteries against perfect foresight."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

from agents.assets.registry import TYPES
from console.dashboard.views.background import Background
from console.dashboard.views.moment import Moment
from vpp.local_time import local_date
from vpp.store.tables import LEDGER

MAX_DAYS = 62
PENALTIES = "zone"


def money_screen(moment: Moment, background: Background) -> dict[str, Any]:
    """Return the screen of money: the last ``MAX_DAYS`` local days, newest last."""
    if moment.now is None:
        return {"days": [], "currency": moment.currency}
    start = moment.now - timedelta(days=MAX_DAYS)
    days = _days(moment, start)
    captured = background.get(("days", (moment.zone, moment.at), moment.settled_to), lambda: _captured(moment, start))
    unknown = {"perfect": None, "captured": None, "capture_pct": None}
    days = [day | (captured or {}).get(day["day"], unknown) for day in days]
    today = local_date(moment.slot, moment.time_zone) if moment.slot is not None else None
    return {
        "currency": moment.currency,
        "days": days,
        "kinds": [kind for kind in TYPES if any(day["by_kind"].get(kind) is not None for day in days)],
        "today": next((day for day in days if day["day"] == today), None),
        "to": moment.now,
        "capturing": captured is None and bool(moment.stores),
        "batteries": len(moment.stores),
        "after": moment.config is not None and moment.config.market.price_known == "after",
    }


def _days(moment: Moment, start: datetime) -> list[dict[str, Any]]:
    kind_of = {} if moment.config is None else {asset.asset_id: asset.kind for asset in moment.config.assets}
    by_day: dict[date, dict[str, Any]] = {}
    columns = ("slot", "asset_id", "revision", "penalty", "penalty_no_action", "pnl")
    for row in moment.rows(LEDGER, start=start, columns=columns):
        day = by_day.setdefault(local_date(row["slot"], moment.time_zone), _empty())
        pnl = row["pnl"] or 0.0
        day["pnl"] += pnl
        day["no_action"] -= row["penalty_no_action"] or 0.0
        if row["revision"] > 0:
            day["corrected"] += pnl
        if row["asset_id"] == PENALTIES:
            day["penalties"] -= row["penalty"] or 0.0
            continue
        kind = kind_of.get(row["asset_id"], "other")
        day["by_kind"][kind] = day["by_kind"].get(kind, 0.0) + pnl
        day["last"] = max(day["last"], row["slot"]) if day["last"] else row["slot"]
    days = []
    for day_start, day in sorted(by_day.items()):
        last = day.pop("last")
        partial = last is not None and local_date(last + moment.step, moment.time_zone) == day_start
        days.append(
            {
                "day": day_start,
                **day,
                "against": day["pnl"] - day["no_action"],
                "to": last + moment.step if partial and last is not None else None,
            }
        )
    return days


def _empty() -> dict[str, Any]:
    return {
        "pnl": 0.0,
        "no_action": 0.0,
        "penalties": 0.0,
        "corrected": 0.0,
        "by_kind": {},
        "last": None,
    }


def _captured(moment: Moment, start: datetime) -> dict[date, dict[str, Any]]:
    """Return the batteries' share of perfect foresight by local day, with the losses by cause."""
    from topologies.control.capture import captures

    if moment.config is None:
        return {}
    sums: dict[date, dict[str, Any]] = defaultdict(
        lambda: {"perfect": 0.0, "captured": 0.0, "lost": defaultdict(float)}
    )
    for day in captures(moment.context.store, moment.config, start=start, end=moment.now):
        total = sums[day.day]
        total["perfect"] += day.capture.bound
        total["captured"] += day.capture.value
        for cause, loss in day.capture.losses.items():
            total["lost"][cause] += loss
    for total in sums.values():
        total["lost"] = dict(total["lost"])
        total["capture_pct"] = 100.0 * total["captured"] / total["perfect"] if total["perfect"] > 0 else None
    return dict(sums)
