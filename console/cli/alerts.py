"""`vpp alerts`: what a person should know, newest last."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, parse_days, parse_time, table
from vpp.domain import iso
from vpp.errors import ConfigError
from vpp.messages import EPISODES, AlertEffect
from vpp.messages.alert_words import EFFECTS
from vpp.store import Store, open_store
from vpp.store.tables import ALERTS, TELEMETRY

HOURS_PER_DAY = 24.0


def alerts(
    *,
    zone: Annotated[list[str] | None, Parameter(name="--zone", help="only this zone; may be repeated")] = None,
    since: Annotated[
        str | None, Parameter(help="a time (UTC), or a span before the newest slot: 48h, 7d [all]")
    ] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """List the alerts of the run: one line for each episode, with start, end, what it is about and its effect."""
    with open_store(common.settings(), read_only=True) as store:
        start = None if since is None else since_time(store, since)
        rows = store.read(ALERTS, zone=zone, start=start).dicts()
    entries = [
        {**row, "values": msgspec.json.decode(row["values"]) if row["values"] else {}, "lasts": lasts(row)}
        for row in rows
    ]
    answer(entries, as_json=json, render=_render)


def since_time(store: Store, text: str) -> datetime | None:
    """Return the first slot that ``--since`` means; a span counts back from the newest closed slot.

    Returns:
        The time; None where a span is given and no slot has closed yet.

    Raises:
        ConfigError: It is neither a time nor a span.
    """
    if text[-1:] not in ("h", "d") or not text[:-1].replace(".", "", 1).isdigit():
        return parse_time(text)
    days = parse_days(text, "--since") if text[-1] == "d" else (parse_days(text[:-1], "--since") or 0.0) / HOURS_PER_DAY
    if days is None:
        raise ConfigError(f"--since {text!r} is no span", hint="write 48h, 7d, or a time such as 2022-01-31T18:30")
    newest = max((slot for (slot,) in store.latest(TELEMETRY, columns=("slot",)).values), default=None)
    return None if newest is None else newest - timedelta(days=days)


def _render(entries: list[dict[str, Any]]) -> None:
    if not entries:
        out.print("no alerts")
        return
    columns = ("zone", "from", "to", "severity", "what", "about", "effect", "text")
    table(None, columns, [_cells(row) for row in entries])


def lasts(row: dict[str, Any]) -> bool:
    """Return whether a stored alert is an episode that has not ended."""
    return row["ended_at"] is None and row["code"] in EPISODES


def _cells(row: dict[str, Any]) -> list[Any]:
    ended = "lasts" if lasts(row) else "" if row["ended_at"] is None else iso(row["ended_at"])
    effect = EFFECTS[AlertEffect(row["effect"] or AlertEffect.NONE)]
    about = row["channel"] or row["asset_id"] or ""
    return [row["zone"], iso(row["slot"]), ended, row["severity"], row["code"], about, effect, row["text"]]
