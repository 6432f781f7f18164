"""The screen All zones: totals, then one line per zone, from a few bulk reads however many zones there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, pairwise
from typing import Any, NamedTuple

from console.dashboard.views.alarms import code_of, is_open, title_of
from console.dashboard.views.background import Background
from console.dashboard.views.texts import power_scale
from mcp_server.answers.sanitize import plain
from mcp_server.queries.context import ReadContext
from vpp.alerting.rules import AlertRules, Subject, load_rules
from vpp.fleet.scale import significant
from vpp.fleet.schema import Zone
from vpp.messages import read_decision
from vpp.store.named_queries import OPEN_EPISODES
from vpp.store.query import Rows
from vpp.store.tables import ALERTS, ASSETS, DECISIONS, LEDGER, SETPOINTS, TELEMETRY

DAY = timedelta(hours=24)
MAX_ZONES = 1000
_ALERT_COLUMNS = ("zone", "slot", "alert_id", "severity", "code", "channel", "asset_id", "ended_at")
_RANK = {"critical": 0, "warning": 1, "normal": 2}


def zones(context: ReadContext, background: Background) -> dict[str, Any]:
    """Return totals by currency and a line per zone, for at most ``MAX_ZONES`` zones."""
    names = context.zones()[:MAX_ZONES]
    newest = context.newest()
    if not newest:
        return {"zones": [], "totals": [], "now": None}
    last = max(newest.values())
    # Alerts that last may be of any age, which some stores search for seconds: looked for each slot and each minute.
    minute = context.now().replace(second=0, microsecond=0)
    lasting = background.get(("lasting alerts", None, last, minute), lambda: _lasting_alerts(context, last)) or []
    rows, rules = _ZoneRows.scan(context, last, lasting), load_rules(context.settings.alert_rules)
    lines = [_line(context.config(name), name, newest.get(name), last, rows.of(name), rules) for name in names]
    return {"zones": lines, "totals": _totals(lines), "now": _end(rows.telemetry, last)}


class _Rows(NamedTuple):
    """Stored rows of one zone, by table."""

    telemetry: list[dict[str, Any]]
    delivered: list[dict[str, Any]]
    ledger: list[dict[str, Any]]
    setpoints: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    decisions: list[dict[str, Any]]


class _ZoneRows(NamedTuple):
    """The same of all zones: rows by zone."""

    telemetry: dict[str, list[dict[str, Any]]]
    delivered: dict[str, list[dict[str, Any]]]
    ledger: dict[str, list[dict[str, Any]]]
    setpoints: dict[str, list[dict[str, Any]]]
    alerts: dict[str, list[dict[str, Any]]]
    decisions: dict[str, list[dict[str, Any]]]

    @classmethod
    def scan(cls, context: ReadContext, last: datetime, lasting: Sequence[Rows]) -> _ZoneRows:
        """Return the rows of the day before slot ``last``, in one scan of each table, and older alerts that last."""
        since, scan = last - DAY, context.store.scan
        telemetry = ("zone", "slot", "net_load_mw", "price_per_mwh")
        setpoints = ("zone", "slot", "asset_id", "power_mw", "revision")
        decisions = ("zone", "slot", "for_slot", "revision", "body")
        return cls(
            telemetry=_grouped(scan(TELEMETRY, start=since, columns=telemetry)),
            delivered=_grouped(scan(ASSETS, start=since, columns=("zone", "slot", "asset_id", "power_mw", "soc"))),
            ledger=_grouped(scan(LEDGER, start=since, columns=("zone", "slot", "pnl", "penalty_no_action"))),
            setpoints=_grouped(scan(SETPOINTS, start=last, columns=setpoints)),
            alerts=_grouped(chain(scan(ALERTS, start=since, columns=_ALERT_COLUMNS), lasting)),
            decisions=_grouped(scan(DECISIONS, start=last - timedelta(hours=2), columns=decisions)),
        )

    def of(self, zone: str) -> _Rows:
        """Return the rows of one zone."""
        return _Rows(*(by_zone[zone] for by_zone in self))


def _lasting_alerts(context: ReadContext, last: datetime) -> list[Rows]:
    """Return the alerts that began more than a day before slot ``last`` and have not ended."""
    return list(context.store.scan(ALERTS, end=last - DAY, filters=OPEN_EPISODES, columns=_ALERT_COLUMNS))


def _grouped(chunks: Iterable[Rows]) -> dict[str, list[dict[str, Any]]]:
    by_zone: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for chunk in chunks:
        for row in chunk.dicts():
            by_zone[row["zone"]].append(row)
    return by_zone


def _end(telemetry: dict[str, list[dict[str, Any]]], last: datetime) -> datetime:
    rows = max(telemetry.values(), key=len, default=[])
    return last + _step(rows)


def _step(rows: Sequence[dict[str, Any]]) -> timedelta:
    slots = sorted({row["slot"] for row in rows})
    return min((b - a for a, b in pairwise(slots)), default=timedelta(minutes=30))


def _line(
    config: Zone | None, name: str, slot: datetime | None, last: datetime, rows: _Rows, rules: AlertRules
) -> dict[str, Any]:
    factor = 1.0 if config is None else config.share.factor
    cap = None if config is None else config.limits.import_cap_mw
    plant: dict[datetime, float] = defaultdict(float)
    for row in rows.delivered:
        plant[row["slot"]] += row["power_mw"] or 0.0
    telemetry = sorted(rows.telemetry, key=lambda row: row["slot"])
    imports = [
        None
        if row["net_load_mw"] is None or row["slot"] not in plant
        else significant(row["net_load_mw"] * factor - plant[row["slot"]])
        for row in telemetry
    ]
    newest = telemetry[-1] if telemetry else {}
    grid = imports[-1] if imports and newest.get("slot") == last else None
    step = _step(telemetry)
    now = last + step
    money = sum(row["pnl"] or 0.0 for row in rows.ledger) if rows.ledger else None
    idle = -sum(row["penalty_no_action"] or 0.0 for row in rows.ledger)
    open_alerts = [_by_rules(row, rules) for row in rows.alerts if row["ended_at"] is None]
    alarm = _alarm(open_alerts, now, newest, last)
    planned = _planned_import(rows.decisions, last)
    return {
        "zone": name,
        "alarm": alarm,
        "spark": imports[-48:],
        "import_mw": grid,
        "cap_mw": cap,
        "room_mw": None if grid is None or cap is None else cap - grid,
        "plant_mw": plant.get(last) if last in plant else None,
        "next_mw": _next(rows.setpoints, now),
        "soc": _soc(config, rows.delivered, last),
        "energy_mwh": sum(b.energy_mwh for b in config.batteries) if config is not None else None,
        "price": newest.get("price_per_mwh"),
        "pnl": money,
        "against": None if money is None else money - idle,
        "currency": "" if config is None else config.market.currency,
        "power": power_scale(1.0 if config is None else config.served_scale.reference_mw),
        "deviation_mw": None if grid is None or planned is None else abs(grid - planned),
        "behind": slot is None or slot < last,
    }


def _by_rules(row: dict[str, Any], rules: AlertRules) -> dict[str, Any]:
    """Return a stored alert with the severity that the alert rules give it."""
    return {**row, "severity": rules.handling(Subject.of_row(row)).severity}


def _alarm(alerts: list[dict[str, Any]], now: datetime, newest: dict[str, Any], last: datetime) -> dict[str, Any]:
    worst: dict[str, Any] | None = None
    for row in sorted(alerts, key=lambda row: row["slot"], reverse=True):
        if not is_open(row, now):
            continue
        if worst is None or _RANK[row["severity"]] < _RANK[worst["severity"]]:
            worst = row
    if not newest or newest["slot"] < last:
        return {"state": "critical", "text": "no data", "at": newest.get("slot")}
    if newest["net_load_mw"] is None and (worst is None or worst["severity"] != "critical"):
        return {"state": "warning", "text": "net load not measured", "at": newest["slot"]}
    if worst is None:
        return {"state": "normal", "text": "", "at": None}
    return {"state": worst["severity"], "text": _short(worst), "at": worst["slot"]}


def _short(row: dict[str, Any]) -> str:
    subject = row["channel"] or row["asset_id"]
    return title_of(code_of(row), [plain(subject)] if subject else [])


def _next(setpoints: list[dict[str, Any]], now: datetime) -> float | None:
    powers: dict[str, tuple[int, float]] = {}
    for row in setpoints:
        if row["slot"] == now and row["revision"] >= powers.get(row["asset_id"], (-1, 0.0))[0]:
            powers[row["asset_id"]] = (row["revision"], row["power_mw"])
    return sum(power for _, power in powers.values()) if powers else None


def _soc(config: Zone | None, delivered: list[dict[str, Any]], last: datetime) -> float | None:
    sizes = {} if config is None else {battery.asset_id: battery.energy_mwh for battery in config.batteries}
    levels = [
        (row["soc"], sizes[row["asset_id"]]) for row in delivered if row["slot"] == last and row["asset_id"] in sizes
    ]
    levels_known = [(soc, size) for soc, size in levels if soc is not None]
    capacity_mwh = sum(size for _, size in levels_known)
    return sum(soc * size for soc, size in levels_known) / capacity_mwh if capacity_mwh else None


def _planned_import(decisions: list[dict[str, Any]], slot: datetime) -> float | None:
    bodies = [row["body"] for row in decisions if row["for_slot"] == slot and row["revision"] == 0]
    if not bodies:
        return None
    table = read_decision(bodies[-1]).plan
    return None if table is None else table.grid_mw[0]


def _totals(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums, one per currency: amounts of different money are never added."""
    by_currency: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        by_currency[line["currency"]].append(line)
    totals = []
    for currency, group in sorted(by_currency.items()):
        stored = [(row["soc"] * row["energy_mwh"], row["energy_mwh"]) for row in group if row["soc"] is not None]
        capacity_mwh = sum(size for _, size in stored)
        cap_mw = _sum(group, "cap_mw")
        totals.append(
            {
                "currency": currency,
                "zones": len(group),
                "states": {state: sum(row["alarm"]["state"] == state for row in group) for state in _RANK},
                "import_mw": _sum(group, "import_mw"),
                "cap_mw": cap_mw,
                "power": power_scale(cap_mw or 1.0),
                "plant_mw": _sum(group, "plant_mw"),
                "next_mw": _sum(group, "next_mw"),
                "soc": sum(mwh for mwh, _ in stored) / capacity_mwh if capacity_mwh else None,
                "energy_mwh": capacity_mwh or None,
                "stored_mwh": sum(mwh for mwh, _ in stored) if stored else None,
                "pnl": _sum(group, "pnl"),
                "against": _sum(group, "against"),
            }
        )
    return totals


def _sum(group: list[dict[str, Any]], name: str) -> float | None:
    values = [row[name] for row in group if row[name] is not None]
    return sum(values) if values else None
