"""`vpp redteam --live`: forged values in a running plant, and the verdicts of its guard."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from topologies.sources.attacks import ALL_CHANNELS, ATTACKS, Attack
from topologies.sources.drill import LONGEST_DAYS, Drill, drill_path, read_drill, write_drill
from vpp.domain import iso
from vpp.errors import ConfigError, UnreachableError
from vpp.fleet.in_force import zone_in_force
from vpp.fleet.schema import Zone
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.tables import ALERTS, FORECASTS, TELEMETRY

GUARD = "guard"
EXAMPLES = {
    "replay": "replay day",
    "freeze": "freeze",
    "step": "step 10 %",
    "scale": "scale 10 %",
    "ramp": "ramp 20 %",
    "half_sine": "half_sine 20 %",
    "noise": "noise 5 %",
    "pulse": "pulse 10 %",
    "time_shift": "time shift 2",
}
"""The attack that a kind alone stands for."""

TAKEN_WITHIN_S = 120.0
POLL_S = 0.5
LONGEST_ROLLBACK = timedelta(days=1)
"""The guard dates a slow attack back to its likely onset, which may lie before the first forged slot."""

SETTLED_S = 10.0
"""An alert and a forecast of one slot reach the store on separate topics, in either order; this long apart at most."""


def live_attack(name: str, channel: str | None) -> Attack:
    """Return the attack of a name or a kind.

    Raises:
        ConfigError: There is none.
    """
    attack_name = EXAMPLES.get(name, name)
    chosen = next((attack for attack in ATTACKS if attack.name == attack_name), None)
    if chosen is None:
        raise ConfigError(f"unknown attack {name!r}", hint=f"one of {', '.join(EXAMPLES)}, or a name from the report")
    if channel is None:
        return chosen
    return Attack(chosen.name, chosen.kind, chosen.size_pct, channel, True, chosen.lag, chosen.noise_pct)


def run_drill(
    settings: Settings,
    attack: Attack,
    *,
    zone: str | None,
    hours: float,
    sign: int,
    seed: int,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Let the running source forge, wait for the end, and return the guard's alerts of episodes that reach into it.

    Args:
        settings: Of the running plant.
        attack: What is forged.
        zone: Where; None: the only zone.
        hours: For how long, in the run's own time.
        sign: 1 or -1, its direction.
        seed: Chance.
        say: Called with a line about each step.

    Raises:
        ConfigError: No such zone or channel, or a drill is under way.
        UnreachableError: No source took it, or the plant stopped meanwhile.
    """
    path = drill_path(settings)
    if read_drill(path) is not None:
        raise ConfigError(
            f"a drill is under way, or {path} was left behind", hint="wait for its end, or remove the file"
        )
    with open_store(settings, read_only=True) as store:
        place = _zone(store, settings, zone)
        slots = max(round(hours * 60 / place.step_min), 1)
        if slots > LONGEST_DAYS * place.step.per_day:
            raise ConfigError(f"--hours {hours:g} is too long", hint=f"a drill lasts at most {24 * LONGEST_DAYS} hours")
        target = "all channels" if attack.channel == ALL_CHANNELS else attack.channel
        say(f"{attack.name} on {target} of {place.zone} for {slots} slots")
        drill = Drill(
            zone=place.zone,
            attack=attack.name,
            kind=attack.kind,
            size_pct=attack.size_pct,
            channel=attack.channel,
            lag=attack.lag,
            noise_pct=attack.noise_pct,
            slots=slots,
            sign=sign,
            seed=seed,
        )
        write_drill(path, drill)
        try:
            return _watched(store, settings, place, slots, say)
        finally:
            path.unlink(missing_ok=True)


def _zone(store: Store, settings: Settings, name: str | None) -> Zone:
    running = sorted(zone for (zone,) in store.latest(TELEMETRY, columns=("zone",)).values)
    zone_name = running[0] if name is None and len(running) == 1 else name
    chosen = zone_in_force(settings, str(zone_name)) if zone_name in running else None
    if chosen is None:
        problem = "no zone runs here" if not running else f"give one zone with --zone, not {name}"
        raise ConfigError(problem, hint=", ".join(running) or "start a plant with vpp up")
    return chosen


def _watched(
    store: Store, settings: Settings, zone: Zone, slots: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Report the guard's alerts until the drill and its episodes are over and settled; return them."""
    since = _begun(drill_path(settings), say)
    last = since + (slots + 2) * zone.step.delta
    patience_s = max(TAKEN_WITHIN_S, settings.live.pulse_s * 4)
    newest, moved_at = None, time.monotonic()
    over_since: float | None = None
    texts: dict[str, str] = {}
    while True:
        now = time.monotonic()
        latest = _latest_forecast(store, zone.zone)
        if latest != newest:
            newest, moved_at = latest, now
        rows = episodes(store, zone.zone, since)
        if _report_news(rows, texts, say):
            over_since = None
        ended = all(row["ended_at"] is not None for row in rows)
        is_over = newest is not None and newest >= last and (ended or newest >= last + timedelta(days=1))
        over_since = (over_since or now) if is_over else None
        if over_since is not None and now - over_since >= SETTLED_S:
            return rows
        if over_since is None and now - moved_at > patience_s:
            raise UnreachableError("the plant no longer moves", hint="see vpp status", retry_after_s=None)
        time.sleep(POLL_S)


def _begun(path: Path, say: Callable[[str], None]) -> datetime:
    """Wait until a source takes the drill; return its first forged slot."""
    end = time.monotonic() + TAKEN_WITHIN_S
    while (drill := read_drill(path)) is None or drill.since is None:
        if time.monotonic() > end:
            raise UnreachableError("no running source took the drill", hint="start one with vpp up", retry_after_s=None)
        time.sleep(POLL_S)
    say(f"the source forges from {iso(drill.since)} on")
    return drill.since


def _latest_forecast(store: Store, zone: str) -> datetime | None:
    """Return the last slot that the guard has judged: it does so in the forecast step, maybe behind the telemetry."""
    rows = store.latest(FORECASTS, zone=zone, columns=("issued_at",)).values
    return next((issued_at for (issued_at,) in rows), None)


def _report_news(rows: list[dict[str, Any]], texts: dict[str, str], say: Callable[[str], None]) -> bool:
    """Report each alert that is new or has another text than in ``texts``; return whether there was one."""
    news = [row for row in rows if texts.get(row["alert_id"]) != row["text"]]
    for row in news:
        texts[row["alert_id"]] = row["text"]
        say(f"{iso(row['slot'])} {row['severity']}: {row['text']}")
    return bool(news)


def episodes(store: Store, zone: str, since: datetime) -> list[dict[str, Any]]:
    """Return the guard's alerts whose episode was open at ``since`` or later."""
    rows = store.read(ALERTS, zone=zone, start=since - LONGEST_ROLLBACK, filters={"topic": GUARD}).dicts()
    return [row for row in rows if row["ended_at"] is None or row["ended_at"] > since]
