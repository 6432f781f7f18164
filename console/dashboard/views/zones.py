"""The screen All zones: totals, then one line per zone, from a few bulk reads however many zones there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, pairwise
from typing import Any, NamedTuple

from agents.assets.registry import stores_of
from console.dashboard.views.alarms import code_of, is_open, title_of
from console.dashboard.views.background import Background
from console.dashboard.views.known_alerts import Known, as_of, lasting_alerts
from console.dashboard.views.texts import power_scale
from mcp_server.answers.sanitize import plain
from mcp_server.queries.context import ReadContext
from vpp.alerting.rules import AlertRules, Subject, load_rules
from vpp.fleet.scale import significant
from vpp.fleet.schema import Zone
from vpp.messages import read_decision
from vpp.store.query import FIRST_TIME, Rows
from vpp.store.tables import ALERTS, ASSETS, DECISIONS, LEDGER, SETPOINTS, TELEMETRY

DAY = timedelta(hours=24)
MAX_ZONES = 1000
_TELEMETRY_COLUMNS = ("zone", "slot", "net_load_mw", "price_per_mwh")
_ASSET_COLUMNS = ("zone", "slot", "asset_id", "power_mw", "soc")
_LEDGER_COLUMNS = ("zone", "slot", "pnl", "penalty_no_action")
_SETPOINT_COLUMNS = ("zone", "slot", "asset_id", "power_mw", "revision")
_DECISION_COLUMNS = ("zone", "slot", "for_slot", "revision", "body")
_ALERT_COLUMNS = ("zone", "slot", "alert_id", "severity", "code", "channel", "asset_id", "topic", "ended_at")
_RANK = {"critical": 0, "warning": 1, "normal": 2}


def zones(context: ReadContext, background: Background, at: datetime | None = None) -> dict[str, Any]:
    """Return totals by currency and a line per zone, for at most ``MAX_ZONES`` zones.

    Args:
        context: Store, fleet and clock of the run.
        background: Looks for alerts that last.
        at: Look back: nothing later than this is read; None: now.
    """
    names = context.zones()[:MAX_ZONES]
    last = _last_slot(context, at)
    if last is None:
        return {"zones": [], "totals": [], "now": None}
    # Alerts that last may be of any age, which some stores search for seconds: looked for each slot and each minute.
    minute = context.now().replace(second=0, microsecond=0)
    key = ("lasting alerts", at, last, minute)
    lasting = background.get(
        key, lambda: lasting_alerts(context.store, last - DAY, _known(last, at), columns=_ALERT_COLUMNS)
    )
    rows = _ZoneRows.scan(context, last, lasting or [], at)
    end = max((_end(telemetry) for telemetry in rows.telemetry.values()), default=last)
    rules = load_rules(context.settings.alert_rules)
    lines = [_line(context.config(name), name, end, rows.of(name), rules) for name in names]
    return {"zones": lines, "totals": _totals(lines), "now": end}


def _last_slot(context: ReadContext, at: datetime | None) -> datetime | None:
    """Return the newest slot of all zones that had ended ``at`` a moment; None: there is none."""
    if at is None:
        return max(context.newest().values(), default=None)
    by_zone = _grouped(context.store.scan(TELEMETRY, start=at - DAY, end=at, columns=("zone", "slot")))
    return max((row["slot"] for rows in by_zone.values() for row in _ended(rows, at)), default=None)


def _known_to(last: datetime, at: datetime | None) -> datetime | None:
    """Return the end of the times of rows that are read, exclusive; None: all of them."""
    return None if at is None else last + timedelta(seconds=1)


def _known(last: datetime, at: datetime | None) -> Known | None:
    known_to = _known_to(last, at)
    return None if at is None or known_to is None else Known(at, known_to)


def _ended(telemetry: list[dict[str, Any]], at: datetime | None) -> list[dict[str, Any]]:
    """Return the slots of one zone that had ended ``at`` a moment, the oldest first."""
    rows = sorted(telemetry, key=lambda row: row["slot"])
    return rows if at is None else [row for row in rows if row["slot"] + _step(rows) <= at]


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
    def scan(
        cls, context: ReadContext, last: datetime, lasting: Sequence[dict[str, Any]], at: datetime | None
    ) -> _ZoneRows:
        """Return the rows of the day before slot ``last``, in one scan of each table, and older alerts that last."""
        since, known_to, scan = last - DAY, _known_to(last, at), context.store.scan
        telemetry = {
            zone: _ended(rows, at)
            for zone, rows in _grouped(scan(TELEMETRY, start=since, end=known_to, columns=_TELEMETRY_COLUMNS)).items()
        }
        end = max((_end(rows) for rows in telemetry.values()), default=last)
        oldest = min((_end(rows) for rows in telemetry.values() if not _is_behind(rows, end)), default=last)
        # Setpoints are of the slot that begins where the newest ends.
        setpoints = scan(SETPOINTS, start=oldest, end=end + timedelta(seconds=1), columns=_SETPOINT_COLUMNS)
        decisions = scan(DECISIONS, start=oldest - timedelta(hours=3), end=known_to, columns=_DECISION_COLUMNS)
        alerts = as_of(scan(ALERTS, start=since, end=known_to, columns=_ALERT_COLUMNS), _known(last, at))
        return cls(
            telemetry=telemetry,
            delivered=_grouped(scan(ASSETS, start=since, end=known_to, columns=_ASSET_COLUMNS)),
            ledger=_grouped(scan(LEDGER, start=since, end=known_to, columns=_LEDGER_COLUMNS)),
            setpoints=_grouped(setpoints),
            alerts=_by_zone(chain(alerts, lasting)),
            decisions=_grouped(decisions),
        )

    def of(self, zone: str) -> _Rows:
        """Return the rows of one zone."""
        return _Rows(*(by_zone.get(zone, []) for by_zone in self))


def _grouped(chunks: Iterable[Rows]) -> dict[str, list[dict[str, Any]]]:
    return _by_zone(row for chunk in chunks for row in chunk.dicts())


def _by_zone(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    by_zone: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_zone[row["zone"]].append(row)
    return by_zone


def _step(rows: Sequence[dict[str, Any]]) -> timedelta:
    slots = sorted({row["slot"] for row in rows})
    return min((b - a for a, b in pairwise(slots)), default=timedelta(minutes=30))


def _end(telemetry: Sequence[dict[str, Any]]) -> datetime:
    """Return the end of the newest slot of one zone."""
    return max((row["slot"] for row in telemetry), default=FIRST_TIME) + _step(telemetry)


def _is_behind(telemetry: Sequence[dict[str, Any]], end: datetime) -> bool:
    """Return whether a zone lacks a whole slot before the end of the newest slot of all zones."""
    return _end(telemetry) + _step(telemetry) <= end


def _line(config: Zone | None, name: str, end: datetime, rows: _Rows, rules: AlertRules) -> dict[str, Any]:
    factor = 1.0 if config is None else config.share.factor
    cap = None if config is None else config.limits.import_cap_mw
    plant: dict[datetime, float] = defaultdict(float)
    for row in rows.delivered:
        plant[row["slot"]] += row["power_mw"] or 0.0
    telemetry = rows.telemetry
    behind = _is_behind(telemetry, end)
    imports = [
        None
        if row["net_load_mw"] is None or row["slot"] not in plant
        else significant(row["net_load_mw"] * factor - plant[row["slot"]])
        for row in telemetry
    ]
    newest = telemetry[-1] if telemetry else {}
    grid = None if behind else imports[-1]
    # A zone of longer slots than others may be within one; one that is behind is looked at where the others are.
    now = end if behind else _end(telemetry)
    last = now - _step(telemetry)
    money = sum(row["pnl"] or 0.0 for row in rows.ledger) if rows.ledger else None
    idle = -sum(row["penalty_no_action"] or 0.0 for row in rows.ledger)
    open_alerts = [_by_rules(row, rules) for row in rows.alerts if row["ended_at"] is None]
    alarm = _alarm(open_alerts, now, newest, behind=behind)
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
        "energy_mwh": sum(store.energy_mwh for store in stores_of(config).values()) if config is not None else None,
        "price": newest.get("price_per_mwh"),
        "pnl": money,
        "against": None if money is None else money - idle,
        "currency": "" if config is None else config.market.currency,
        "power": power_scale(1.0 if config is None else config.served_scale.reference_mw),
        "deviation_mw": None if grid is None or planned is None else abs(grid - planned),
        "behind": behind,
    }


def _by_rules(row: dict[str, Any], rules: AlertRules) -> dict[str, Any]:
    """Return a stored alert with the severity that the alert rules give it."""
    return {**row, "severity": rules.handling(Subject.of_row(row)).severity}


def _alarm(alerts: list[dict[str, Any]], now: datetime, newest: dict[str, Any], *, behind: bool) -> dict[str, Any]:
    worst: dict[str, Any] | None = None
    for row in sorted(alerts, key=lambda row: row["slot"], reverse=True):
        if not is_open(row, now):
            continue
        if worst is None or _RANK[row["severity"]] < _RANK[worst["severity"]]:
            worst = row
    if behind:
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
    sizes = {} if config is None else {name: store.energy_mwh for name, store in stores_of(config).items()}
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
        batteries = any(row["energy_mwh"] for row in group)
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
                "batteries": batteries,
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
