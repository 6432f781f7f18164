"""Text of a message to a contact: short plain text with the action and the command to acknowledge."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from vpp.alerting.notifier import ENDED, ESCALATED, AlertMessage, DueNotice
from vpp.messages import Alert
from vpp.messages.alert_words import EFFECTS, TITLES
from vpp.plain_text import plain_line, shell_word

SHOWN = 20
NAME_CHARS = 80
TEXT_CHARS = 300
ID_CHARS = 200


def title_of(alert: Alert) -> str:
    """Return the title of an alert with its asset or channel."""
    about = alert.asset_id or alert.channel
    more = f" and {len(alert.also)} more" if alert.also else ""
    return f"{plain_line(about)[:NAME_CHARS]}{more}: {TITLES[alert.code]}" if about else TITLES[alert.code]


def subject_line(delivery: AlertMessage) -> str:
    """Return the subject of a message: the most severe alert, and the number of others."""
    first = delivery.notices[0]
    word = "ENDED" if first.stage == ENDED else first.handling.severity.upper()
    zone = plain_line(first.alert.zone)[:NAME_CHARS]
    more = f" (and {len(delivery.notices) - 1} more)" if len(delivery.notices) > 1 else ""
    return f"[{word}] {zone}: {title_of(first.alert)}{more}"


def message_text(delivery: AlertMessage, page: str | None = None) -> str:
    """Return the text of a message.

    Args:
        delivery: The notices of the message.
        page: Address of the operator's page; None: no link.
    """
    blocks = ["\n".join(_lines(notice)) for notice in delivery.notices[:SHOWN]]
    more = len(delivery.notices) - SHOWN
    if more > 0:
        blocks.append(f"And {more} more: vpp alerts list")
    if page:
        zones = {notice.alert.zone for notice in delivery.notices}
        blocks.append(f"Page: {page}/" + _query(zones))
    return "\n\n".join(blocks) + "\n"


def _lines(notice: DueNotice) -> list[str]:
    alert, handling = notice.alert, notice.handling
    zone = plain_line(alert.zone)[:NAME_CHARS]
    if notice.stage == ENDED:
        return [f"Ended: {zone}: {title_of(alert)}", f"  {_span(alert)}"]
    word = "Not acknowledged" if notice.stage.startswith(ESCALATED) else handling.severity.capitalize()
    lines = [f"{word}: {zone}: {title_of(alert)}", f"  {_span(alert)}", f"  {plain_line(alert.text)[:TEXT_CHARS]}"]
    effect = EFFECTS[alert.effect]
    if effect:
        lines.append(f"  Effect: {effect}.")
    if handling.action:
        lines.append(f"  Do: {handling.action}.")
    return [*lines, f"  Owner: {handling.owner}.", f"  Acknowledge: {_command(alert)}"]


def _command(alert: Alert) -> str:
    # Both names may come from a forged record, and the line is meant to be copied into a shell.
    if _is_word(alert.alert_id, ID_CHARS) and _is_word(alert.zone, NAME_CHARS):
        return f"vpp alerts ack {shell_word(alert.alert_id)} --zone {shell_word(alert.zone)}"
    return "vpp alerts list"


def _is_word(name: str, limit: int) -> bool:
    """Return whether a name can stand in a command: short, visible, and no option."""
    return 0 < len(name) <= limit and plain_line(name) == name and not name.startswith("-")


def _query(zones: set[str]) -> str:
    zone = next(iter(zones))
    return f"?zone={quote(zone, safe='')}" if len(zones) == 1 and len(zone) <= NAME_CHARS else "?screen=zones"


def _span(alert: Alert) -> str:
    start = _time(alert.slot)
    return f"{start} to {_time(alert.ended_at)}" if alert.ended_at is not None else f"since {start}"


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
