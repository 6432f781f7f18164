"""Queries for the grid agent's looks in the audit log, and the shift report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from mcp_server.answers.looks import LookLine, LookPage, LookStep, RiskLine
from mcp_server.answers.sanitize import NAME_CHARS, plain
from mcp_server.queries.alerts import get_alerts
from mcp_server.queries.context import NOTHING_YET, ReadContext, UnknownNameError
from mcp_server.queries.forecasts import get_forecast
from mcp_server.queries.orders import list_orders
from mcp_server.queries.performance import get_performance
from vpp.domain import iso
from vpp.errors import nearest_hint
from vpp.plain_text import shell_word
from vpp.store.tables import AUDIT

START, CALL, END = "agent:start", "agent:call", "agent:end"
LOOK_BACK = timedelta(days=7)
STEP_CHARS = 400
MOST_RISKS = 5
KINDS = {
    "no_action": "asked for nothing",
    "waiting": "left a plan for a person",
    "executed": "carried out a plan",
    "refused": "was refused",
    "too_dear": "let a plan go as too dear",
    "blind": "could not judge the zone",
    "stopped": "reached its limits",
    "failed": "failed",
}
"""Results of a look as sentence parts, by kind."""


def get_looks(
    context: ReadContext,
    zone: str | None = None,
    look_id: str | None = None,
    *,
    limit: int = 20,
    until: datetime | None = None,
) -> LookPage:
    """Return the agent's looks of the last week of wall time, newest first; a single look has all its steps.

    Args:
        context: The run.
        zone: One zone; None: every zone.
        look_id: Id of one look; None: all looks.
        limit: Maximum number of looks.
        until: Only looks at slots that had ended at this run time.

    Raises:
        QuestionError: The zone or look is unknown.
    """
    chosen = None if zone is None else context.choose(zone)
    ends = _rows(context, chosen, [END])
    lines = [_line(row) for row in reversed(ends)]
    if until is not None:
        lines = [line for line in lines if line.as_of is not None and line.as_of <= until]
    if look_id is not None:
        lines = [line for line in lines if line.look_id == look_id]
        if not lines:
            ids = [_id(row) for row in ends]
            raise UnknownNameError(f"there is no look {look_id!r} of the last week", hint=nearest_hint(look_id, ids))
        lines[0].steps = [
            _step(row)
            for row in _rows(context, lines[0].zone, [START, CALL, "agent:message", END])
            if _id(row) == look_id
        ]
    hint = None if lines else "the agent has made no look yet: run `vpp agent`" if context.zones() else NOTHING_YET
    return LookPage(as_of=context.as_of(chosen), looks=lines[:limit], total=len(lines), hint=hint)


def shift_report(context: ReadContext, zone: str | None, hours: float) -> list[str]:
    """Return a shift report in sentences: money, looks and acts of the agent, open items, outlook.

    Args:
        context: The run.
        zone: Name of the zone; None if there is only one.
        hours: Length of the shift in hours; it ends with the newest slot.

    Raises:
        QuestionError: The zone is unknown.
    """
    chosen = context.choose(zone)
    as_of = None if chosen is None else context.as_of(chosen)
    if chosen is None or as_of is None:
        return [NOTHING_YET]
    start = as_of - timedelta(hours=hours)
    looks = [look for look in get_looks(context, chosen, limit=10_000).looks if look.as_of and look.as_of > start]
    words = [f"Shift of {chosen}, {iso(start)} to {iso(as_of)}.", _money(context, chosen, start, as_of)]
    words += _looks_words(looks)
    orders = list_orders(context, chosen, is_open=True).orders
    words += [
        f"Order {order.order_id} ({order.action} by {order.principal}) is {order.stage}"
        + ("." if order.expires_at is None else f" until {iso(order.expires_at)}.")
        for order in orders
    ]
    alerts = get_alerts(context, chosen, is_open=True).alerts
    words += [f"Alert since {iso(alert.started_at)}: {alert.title}" + _owner(alert.owner) for alert in alerts]
    return [*words, *_next(context, chosen)]


def _money(context: ReadContext, zone: str, start: datetime, as_of: datetime) -> str:
    money = get_performance(context, zone, start, as_of, "zone")
    if not money.total:
        return "Nothing is settled yet."
    return " ".join(
        f"The plant earned {total.pnl:,.2f} {total.currency}; penalties {total.penalty:,.2f}, "
        f"{total.penalty_no_action:,.2f} if it had done nothing."
        for total in money.total
    )


def _looks_words(looks: list[LookLine]) -> list[str]:
    if not looks:
        return ["The agent did not look in this shift."]
    kinds = Counter(look.kind for look in looks)
    counts = ", ".join(f"{KINDS.get(kind, kind)} {count} times" for kind, count in kinds.most_common())
    words = [f"The agent looked {len(looks)} times: it {counts}."]
    dearest: dict[str, RiskLine] = {}
    for look in looks:
        for risk in look.risks:
            cost = dearest.get(risk.key)
            if cost is None or (risk.money or 0.0) > (cost.money or 0.0):
                dearest[risk.key] = risk
    ranked = sorted(dearest.values(), key=lambda risk: -(risk.money or 0.0))[:MOST_RISKS]
    words += [f"Risk{'' if risk.money is None else f' of {risk.money:,.2f}'}: {risk.text}." for risk in ranked]
    words += [f"{look.text}." for look in looks if look.kind in ("executed", "refused")]
    waiting = looks[0].open_plans
    names = [plain(plan, NAME_CHARS) for plan in waiting]
    return [*words, *(f"Plan {name} waits: vpp approve {shell_word(name)}" for name in names)]


def _next(context: ReadContext, zone: str) -> list[str]:
    words = []
    for target, name in (("net_load", "Net load"), ("price", "The price")):
        forecast = get_forecast(context, target, zone, 8.0, all_quantiles=False)
        if not forecast.points:
            words.append(f"{name}: {forecast.hint}.")
            continue
        peak = max(forecast.points, key=lambda point: point[3])
        words.append(
            f"{name} peaks within 8 h at {peak[0]}: {peak[3]:,.1f} {forecast.unit} expected, {peak[4]:,.1f} at 90 %."
        )
    return words


def _owner(owner: str | None) -> str:
    return f"; owner: {owner}." if owner else "."


def _rows(context: ReadContext, zone: str | None, actions: list[str]) -> list[dict[str, Any]]:
    since = context.now() - LOOK_BACK
    rows = context.store.read(AUDIT, zone=zone, start=since, filters={"action": actions}).dicts()
    return sorted(rows, key=lambda row: (row["at"], row["audit_id"]))


def _id(row: Mapping[str, Any]) -> str:
    return str(row["audit_id"]).partition(":")[0]


def _line(row: Mapping[str, Any]) -> LookLine:
    detail = _decoded(row["detail"])
    return LookLine(
        look_id=_id(row),
        zone=row["zone"],
        at=row["at"],
        as_of=detail.get("as_of"),
        principal=row["principal"],
        kind=row["verdict"],
        text=detail.get("text", ""),
        risks=[RiskLine(key=key, text=text, money=money) for key, text, money in detail.get("risks", [])],
        changes=detail.get("changes", []),
        open_plans=detail.get("open_plans", []),
    )


def _step(row: Mapping[str, Any]) -> LookStep:
    act, detail = str(row["action"]).removeprefix("agent:"), _decoded(row["detail"])
    match act:
        case "call":
            arguments = msgspec.json.encode(detail.get("arguments", {})).decode()
            brought = detail.get("error") or msgspec.json.encode(detail.get("answer")).decode()
            text = f"{detail.get('tool')} {arguments}: {brought}"
        case "end":
            text = detail.get("text", "")
        case _:
            text = str(row["detail"])
    return LookStep(at=row["at"], act=act, verdict=row["verdict"], text=text[:STEP_CHARS])


def _decoded(text: str) -> dict[str, Any]:
    """Return a detail as an object, None if it was cut at the maximum length."""
    try:
        detail = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return detail if isinstance(detail, dict) else {}
