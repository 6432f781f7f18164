"""`vpp alerts`: alerts for people, who acknowledged them, and who was notified."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, parse_time, say, table
from console.cli.orders.plans import plan_book
from mcp_server.queries.context import ReadContext
from topologies.control.alert_desk import AlertDesk
from topologies.control.operator_orders import issue_time, open_episode, operator_order
from topologies.control.publisher import Post
from vpp.alerting.rules import load_rules
from vpp.alerting.standing import read_acts, standing_of
from vpp.domain import iso
from vpp.errors import ConfigError, UnreachableError, nearest_hint
from vpp.messages import EPISODES, AlertAct, AlertCode, AlertEffect
from vpp.messages.alert_words import EFFECTS
from vpp.os_user import os_user
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.named_queries import OPEN_EPISODES
from vpp.store.tables import ALERTS, NOTICES, TELEMETRY

app = App(name="alerts", help="Alerts: list them, take them on, silence them, test the contacts.")

_MINUTES = {"m": 1.0, "h": 60.0, "d": 1440.0}
_LONGEST_SPAN_MIN = 3660 * 1440.0
_SPAN = re.compile(r"([0-9]*\.?[0-9]+)([mhd])|0+")
Zone = Annotated[str | None, Parameter(help="its zone; required if several zones have such an alert")]


@app.default
@app.command(name="list")
def alerts_list(
    *,
    zone: Annotated[list[str] | None, Parameter(name="--zone", help="only this zone; may be repeated")] = None,
    since: Annotated[
        str | None, Parameter(help="a time (UTC), or a span before the newest slot: 48h, 7d [all]")
    ] = None,
    open_only: Annotated[bool, Parameter(negative="", help="only episodes that have not ended")] = False,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """List the alerts of the run: one line for each episode, with start, end, effect, owner and acknowledgement."""
    settings = common.settings()
    rules, now = load_rules(settings.alert_rules), datetime.now(UTC)
    with open_store(settings, read_only=True) as store:
        start = None if since is None else since_time(store, since)
        rows = store.read(ALERTS, zone=zone, start=start, filters=OPEN_EPISODES if open_only else None).dicts()
        acts = read_acts(store, zone)
        notified = _notified(store, zone)
    entries = []
    for row in rows:
        standing = standing_of(row, rules, acts, now)
        entries.append(
            {
                **row,
                "severity": standing.handling.severity,
                "values": msgspec.json.decode(row["values"]) if row["values"] else {},
                "lasts": lasts(row),
                **standing.facts(),
                "notified": notified.get((row["zone"], row["alert_id"]), []),
            }
        )
    answer(entries, as_json=json, render=_render)


@app.command
def ack(
    alert_id: str,
    *,
    reason: Annotated[str, Parameter(name=["--reason", "-r"], help="a note for the audit")] = "",
    zone: Zone = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Acknowledge an alert: it is not escalated any further and stays in the list until its cause ends.

    Args:
        alert_id: Its id, as `vpp alerts list --json` and messages show it.
    """
    with _desk(common.settings()) as desk:
        (act,) = desk.acknowledge([alert_id], _user(), reason, zone)
    answer(_shown(act), as_json=json, render=lambda _: say(f"{act.alert_id} of {act.zone} is {act.principal}'s"))


@app.command
def release(
    alert_id: str,
    *,
    reason: Annotated[str, Parameter(name=["--reason", "-r"], help="why, for the audit")],
    lasts: Annotated[str, Parameter(name="--for", help="how long by the run's clock: 30m, 6h, 1d")] = "6h",
    zone: Zone = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Release a quarantine of the guard: its episode ends, and the zone's values are used as measured.

    It is an order like all others: signed, admitted, written to the audit, and verified by the guard. Slots of the
    quarantine are corrected, also in the ledger. Until the order expires the guard starts no new quarantine in the
    zone.

    Args:
        alert_id: The alert of the open quarantine, as `vpp alerts list --open-only --json` shows it.
    """
    settings = common.settings()
    with plan_book(settings) as book:
        its_zone = open_episode(book.store, alert_id, zone)
        order = operator_order(
            book.store,
            its_zone,
            "release_quarantine",
            principal=_user(),
            reason=reason,
            now=book.now(),
            key=book.key,
            expires_at=issue_time(book.store, its_zone) + parse_span(lasts),
            cancels=alert_id,
        )
        book.send(order)
    document = {"order_id": order.order_id, "zone": order.zone, "alert_id": alert_id, "expires_at": order.expires_at}
    answer(document, as_json=json, render=lambda _: say(f"release of {alert_id} sent as {order.order_id}"))


@app.command
def silence(
    zone: str,
    *,
    reason: Annotated[str, Parameter(name=["--reason", "-r"], help="why, for the audit")],
    lasts: Annotated[str, Parameter(name="--for", help="how long: 30m, 2h, 3d; 0 ends the silence")] = "1h",
    alert: Annotated[str | None, Parameter(help="only the alert of this id")] = None,
    code: Annotated[str | None, Parameter(help="only alerts of this code, such as flat or cap_breach")] = None,
    asset: Annotated[str | None, Parameter(help="only alerts of this asset")] = None,
    channel: Annotated[str | None, Parameter(help="only alerts of this telemetry channel")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Send no notices of a zone's alerts, or of some of them, for a limited time; the alerts are still listed.

    Args:
        zone: The zone.
    """
    with _desk(common.settings(), zone) as desk:
        act = desk.silence(
            zone, _user(), reason, parse_span(lasts), alert_id=alert, code=_code(code), asset_id=asset, channel=channel
        )
    until = act.until or act.at
    words = f"silent until {iso(until)}" if until > act.at else "silent no longer"
    answer(_shown(act), as_json=json, render=lambda _: say(f"{zone}: {words}"))


@app.command
def maintenance(
    zone: str,
    *,
    reason: Annotated[str, Parameter(name=["--reason", "-r"], help="why, for the audit")],
    since: Annotated[str, Parameter(name="--from", help="start of the work (UTC)")],
    lasts: Annotated[str, Parameter(name="--for", help="how long: 30m, 2h, 3d; 0 ends the window")] = "4h",
    code: Annotated[str | None, Parameter(help="only alerts of this code")] = None,
    asset: Annotated[str | None, Parameter(help="only alerts of this asset")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Plan work: nobody is notified of alerts that begin meanwhile; they are listed all the same.

    A window of the same start and scope is replaced. `--for 0` ends it; alerts that began in it still notify nobody.

    Args:
        zone: The zone.
    """
    start, span = parse_time(since), parse_span(lasts)
    with _desk(common.settings(), zone) as desk:
        if span:
            act = desk.maintain(zone, _user(), reason, start, start + span, code=_code(code), asset_id=asset)
        else:
            act = desk.end_maintenance(zone, _user(), reason, start, code=_code(code), asset_id=asset)
    words = f"maintenance from {iso(start)} until {iso(act.until or start)}" if span else "maintenance has ended"
    answer(_shown(act), as_json=json, render=lambda _: say(f"{zone}: {words}"))


@app.command
def silences(*, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """List the active silences and the maintenance windows that have not ended, with author and end."""
    now = datetime.now(UTC)
    with open_store(common.settings(), read_only=True) as store:
        book = read_acts(store)
    acts = [*book.silences(now), *book.windows(now)]
    columns = ("zone", "kind", "from", "until", "alert", "code", "asset", "channel", "by", "reason")
    rows = [
        (a.zone, a.action, a.since or a.at, a.until, a.alert_id, a.code, a.asset_id, a.channel, a.principal, a.reason)
        for a in acts
    ]
    answer(
        [_shown(act) for act in acts],
        as_json=json,
        render=lambda _: table(None, columns, rows) if rows else out.print("no silences and no maintenance"),
    )


@app.command(name="test")
def alerts_test(
    contact: Annotated[str | None, Parameter(help="only this contact")] = None,
    *,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Check the alert rules and send each contact a test message; exit code 3 if a message was not delivered."""
    from topologies.alerting.contacts import open_services  # Apprise is slow to load, and only this needs it

    rules = load_rules(common.settings().alert_rules)
    if not rules.contacts:
        raise ConfigError("the alert rules have no contact", hint="set VPP_ALERT_RULES (docs/guide/alerts.md)")
    if contact is not None and contact not in rules.contacts:
        raise ConfigError(f"there is no contact {contact!r}", hint=nearest_hint(contact, sorted(rules.contacts)))
    services = open_services(rules, os.environ)
    results = []
    for name, service in services.items():
        if contact in (None, name):
            receipt = service.send("[TEST] Virtual power plant", "A test message: no alert, nothing to do.\n", "info")
            results.append(
                {
                    "contact": name,
                    "service": service.shown,
                    "delivered": receipt.is_delivered,
                    "reason": receipt.reason or None,
                }
            )
    answer(results, as_json=json, render=lambda rows: table(None, rows[0], [row.values() for row in rows]))
    failed = [str(row["contact"]) for row in results if not row["delivered"]]
    if failed:
        raise UnreachableError(f"not delivered: {', '.join(failed)}", hint="check address and service")


def since_time(store: Store, text: str) -> datetime | None:
    """Return the first slot that ``--since`` means; a span counts back from the newest closed slot.

    Returns:
        The time; None where a span is given and no slot has closed yet.

    Raises:
        ConfigError: It is neither a time nor a span.
    """
    if _SPAN.fullmatch(text) is None:
        return parse_time(text)
    span = parse_span(text, "--since")
    newest = max((slot for (slot,) in store.latest(TELEMETRY, columns=("slot",)).values), default=None)
    return None if newest is None else newest - span


def parse_span(text: str, option: str = "--for") -> timedelta:
    """Return a span written as ``30m``, ``2h`` or ``3d``; ``0`` is none.

    Raises:
        ConfigError: It is not a span, or longer than 10 years.
    """
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ConfigError(f"{option} {text!r} is not a span", hint="write 30m, 2h or 3d; 0 ends it")
    span_min = float(match[1] or 0) * _MINUTES[match[2] or "m"]
    if span_min > _LONGEST_SPAN_MIN:
        raise ConfigError(f"{option} {text!r} is longer than 10 years", hint="give a shorter span")
    return timedelta(minutes=span_min)


def lasts(row: dict[str, Any]) -> bool:
    """Return whether a stored alert is an episode that has not ended."""
    return row["ended_at"] is None and row["code"] in EPISODES


def _notified(store: Store, zone: list[str] | None) -> dict[tuple[str, str], list[str]]:
    """Return the contacts that were notified of each alert."""
    contacts: dict[tuple[str, str], list[str]] = {}
    for row in store.read(NOTICES, zone=zone, filters={"outcome": "delivered"}).dicts():
        names = contacts.setdefault((row["zone"], row["alert_id"]), [])
        if row["contact"] not in names:
            names.append(row["contact"])
    return contacts


def _render(entries: list[dict[str, Any]]) -> None:
    if not entries:
        out.print("no alerts")
        return
    columns = ("zone", "from", "to", "severity", "what", "about", "effect", "text", "owner", "state")
    table(None, columns, [_cells(row) for row in entries])


def _cells(row: dict[str, Any]) -> list[Any]:
    ended = "lasts" if row["lasts"] else "" if row["ended_at"] is None else iso(row["ended_at"])
    effect = EFFECTS[AlertEffect(row["effect"] or AlertEffect.NONE)]
    about = row["channel"] or row["asset_id"] or ""
    return [
        row["zone"],
        iso(row["slot"]),
        ended,
        row["severity"],
        row["code"],
        about,
        effect,
        row["text"],
        row["owner"],
        _state(row),
    ]


def _state(row: dict[str, Any]) -> str:
    if row["acknowledged_by"]:
        return f"acknowledged by {row['acknowledged_by']}"
    if row["silenced_until"]:
        return f"silenced until {iso(row['silenced_until'])}"
    if row["in_maintenance"]:
        return "in maintenance"
    return f"notified {', '.join(row['notified'])}" if row["notified"] else ""


@contextmanager
def _desk(settings: Settings, zone: str | None = None) -> Iterator[AlertDesk]:
    """Open the desk; a zone that the run does not have is an error."""
    with open_store(settings, read_only=True) as store:
        if zone is not None:
            ReadContext(settings, store).choose(zone)
        yield AlertDesk(store, Post(settings, "cli"))


def _code(name: str | None) -> AlertCode | None:
    if name is None:
        return None
    try:
        return AlertCode(name)
    except ValueError as error:
        raise ConfigError(f"there is no alert code {name!r}", hint=nearest_hint(name, list(AlertCode))) from error


def _shown(act: AlertAct) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(act)
    return {name: value for name, value in row.items() if name != "kind"}


def _user() -> str:
    return f"local:{os_user()}"
