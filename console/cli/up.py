"""`vpp up`: the whole plant in one command."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Annotated, Any

from cyclopts import Parameter

from console.cli.live import View
from console.cli.options import NO_OPTIONS, Common, Json, answer, out, parse_days, parse_speed, parse_time, say, table
from console.cli.stored_tables import render_entries
from console.local.device_processes import Beside, check_list, devices_beside, pace_warning
from console.local.overlap_check import refuse_decided_slots
from console.local.page import PageProcess
from console.local.prepare import Prepared, prepare
from console.local.run_history import has_sent_all
from console.local.summary import summarise
from console.local.supervisor import Live, Supervisor
from topologies.control.run_mode import forget_page, note_mode
from topologies.control.started_settings import note_started, started_settings
from topologies.sources.options import SourceOptions, note_source
from vpp.alerting.rules import load_rules
from vpp.domain import Target, iso
from vpp.errors import ConfigError, DataError
from vpp.fleet.scale import energy_text, power_text
from vpp.settings import Settings
from vpp.store import open_store

LIVE = "live:"
_ERRORS = frozenset({"mae", "mae_persistence", "bias"})
SHOWN_HORIZONS_MIN = (5, 30, 60, 120, 360, 720, 1440)


def up(
    *,
    source: Annotated[str, Parameter(help="`simulate`, a CSV(.gz) or Parquet file, or `live:NAME`")] = "simulate",
    zone: Annotated[list[str] | None, Parameter(name="--zone", help="zone to run; may be repeated [all]")] = None,
    start: Annotated[str | None, Parameter(name="--from", help="first slot, UTC")] = None,
    end: Annotated[str | None, Parameter(name="--to", help="end, UTC, exclusive")] = None,
    speed: Annotated[str | None, Parameter(help="speed as a multiple of real time, or max")] = None,
    pulse: Annotated[float | None, Parameter(help="seconds per slot, instead of a speed")] = None,
    now: Annotated[
        bool, Parameter(negative="", help="shift the file by whole weeks to the present (live mode)")
    ] = False,
    live: Annotated[
        bool, Parameter(negative="", help="replay the last days at their weekdays and hours, then run in real time")
    ] = False,
    mapping: Annotated[str | None, Parameter(help="mapping file for other column names")] = None,
    time_zone: Annotated[str | None, Parameter(help="time zone of all zones")] = None,
    market: Annotated[str | None, Parameter(help="market of all zones")] = None,
    refit: Annotated[str, Parameter(help="interval between retrainings (also after drift), or none")] = "7d",
    seed: Annotated[int, Parameter(help="seed of the simulator")] = 0,
    faults: Annotated[float, Parameter(help="probability per slot of each telemetry fault")] = 0.0,
    train: Annotated[bool, Parameter(help="train a model first if none is stored")] = True,
    fresh: Annotated[bool, Parameter(negative="", help="rename the earlier run and start a new one")] = False,
    page: Annotated[bool | None, Parameter(help="serve the operator's page [yes, but not with --until-done]")] = None,
    devices: Annotated[
        str | None, Parameter(help="device list: also run its gateways; or `simulated`: one simulated device per asset")
    ] = None,
    until_done: Annotated[bool, Parameter(negative="", help="exit with a summary when all records are stored")] = False,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Run a whole plant: embedded broker (unless one is set), all topologies, the store, and a source.

    Without a source, range or pace it simulates two zones from two days ago, two slots per second; when it reaches
    now, it continues in real time with a tick every live.pulse_s seconds. `--source live:elexon --zone GB` fetches the
    history from the service and follows it (docs/guide/live-feeds.md). Ctrl-C ends it; workers drain and commit, and
    no process stays behind. Started again in the same folder with the same source, the run continues at its next slot
    with its state of charge, ledger, models and audit.
    """
    settings = common.settings()
    options = SourceOptions(
        **_origin(source),
        zones=tuple(zone or ()),
        start=None if start is None else parse_time(start),
        end=None if end is None else parse_time(end),
        speed=parse_speed(speed),
        pulse_s=pulse,
        live=now or live,
        catch_up=live or source.startswith(LIVE),
        mapping=mapping,
        time_zone=time_zone,
        market=market,
        refit_days=parse_days(refit),
        seed=seed,
        faults=faults,
    )
    if options == SourceOptions(
        kind="simulate",
        zones=options.zones,
        time_zone=time_zone,
        market=market,
        seed=seed,
        faults=faults,
        refit_days=options.refit_days,
    ):
        options = replace(options, catch_up=True)
    if options.kind == "feed" and (options.live or options.speed is not None or options.pulse_s is not None):
        raise ConfigError("a live feed runs in real time", hint="leave --now, --live, --speed and --pulse out")
    if until_done and options.kind != "replay" and options.end is None:
        raise ConfigError(f"{source} never ends by itself", hint="give --to, or leave --until-done out")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    load_rules(settings.alert_rules)
    started = started_settings(settings, common.overrides())
    with _page(settings, enabled=not until_done if page is None else page) as (settings, keep):
        fits = partial(check_list, devices)
        prepared = prepare(options, settings, fresh=fresh, train=train, say=say, check=fits)
        if prepared.finished:
            say(f"the source has nothing after {prepared.last and iso(prepared.last)}; --fresh starts a new run")
            with open_store(settings, read_only=True) as store:
                stored_summary = summarise(
                    store, prepared.zones, restarts=0, wall_s=0.0, short_rows=prepared.short_rows
                )
            answer(stored_summary, as_json=json, render=render_summary)
            return
        options = prepared.options
        prepared = replace(prepared, settings=_by_the_clock(prepared.settings, options))
        beside = Beside(prepared.settings) if devices is None else devices_beside(prepared.settings, devices, say)
        warning = pace_warning(devices, options)
        if warning is not None:
            say(warning)
        beside = _alerts_beside(beside)
        prepared = replace(prepared, settings=beside.settings)
        refuse_decided_slots(prepared.settings, prepared.zones, options)
        note_mode(prepared.settings, options)
        note_source(prepared.settings, options)
        note_started(prepared.settings, started)
        with _stopping() as stop:
            summary = _run(prepared, stop, until_done, json, keep, beside)
    if until_done and not stop.is_set():
        answer(summary, as_json=json, render=render_summary)
        refuse_unusable(summary)


def _by_the_clock(settings: Settings, options: SourceOptions) -> Settings:
    """Return the settings of the workers: in a run that reaches the real time, nothing lies after it."""
    return settings.model_copy(
        update={"live": settings.live.model_copy(update={"real_time": settings.live.real_time or options.catch_up})}
    )


def _origin(source: str) -> dict[str, Any]:
    """Return the options that name a source: its kind, and its file or services."""
    if source.startswith(LIVE):
        return {"kind": "feed", "services": tuple(source.removeprefix(LIVE).split("+"))}
    return {"kind": "simulate"} if source == "simulate" else {"kind": "replay", "path": Path(source)}


@contextmanager
def _page(settings: Settings, *, enabled: bool) -> Iterator[tuple[Settings, Callable[[], None]]]:
    """Serve the page while the run lasts; yields the settings with its address, and what keeps it alive."""
    if not enabled:
        forget_page(settings)
        yield settings, lambda: None
        return
    with PageProcess(settings) as served:
        say(f"page {served.address}")
        page = settings.page.model_copy(update={"url": served.address})
        yield settings.model_copy(update={"page": page}), served.keep


def _alerts_beside(beside: Beside) -> Beside:
    """Add the worker that notifies people of alerts, where the alert rules name contacts."""
    rules = load_rules(beside.settings.alert_rules)
    if not rules.contacts:
        return beside
    for contact in rules.contacts.values():
        contact.address(os.environ)
    say(f"alerts go to {', '.join(rules.contacts)}")
    return replace(beside, processes=(*beside.processes, ("alerts", "topologies.alerts")))


def _run(
    prepared: Prepared,
    stop: Event,
    until_done: bool,
    quiet: bool,
    keep_page: Callable[[], None],
    beside: Beside,
) -> dict[str, Any]:
    began = time.monotonic()
    settings, zones, options = prepared.settings, prepared.zones, prepared.options
    with Supervisor(
        settings,
        zones,
        prepared.source,
        ticker=options.is_live,
        beside=beside.processes,
        has_ended=has_sent_all(settings, options),
    ) as supervisor:
        broker = supervisor.settings.kafka.bootstrap_servers
        say(f"zones {', '.join(zones)}; broker {broker}; data in {settings.data_dir}; Ctrl-C ends it")
        with open_store(supervisor.settings, read_only=True) as store:
            view = View(store, quiet=quiet)

            def on_pulse(live: Live) -> None:
                view(live)
                keep_page()

            with view.shown():
                supervisor.watch(until_done=until_done, on_pulse=on_pulse, should_stop=stop.is_set)
        restarts = supervisor.restarts
        wall_s = time.monotonic() - began
        say("ending: workers drain and commit")
    if not until_done or stop.is_set():
        return {}
    with open_store(supervisor.settings, read_only=True) as store:
        return summarise(store, zones, restarts=restarts, wall_s=wall_s, short_rows=prepared.short_rows)


def render_summary(summary: dict[str, Any]) -> None:
    """Print the summary of a finished run for people."""
    out.print(
        f"{summary['slots']:,} slots, {summary['forecasts']:,} forecasts, {summary['dead_letters']:,} dead letters, "
        f"{summary['restarts']} restarts, energy balance error {energy_text(summary['energy_balance_error_mwh'])}, "
        f"{summary['wall_s']:.0f} s"
    )
    for line in what_was_not_used(summary):
        out.print(line)
    skill = [row for row in summary["skill"] if row["horizon_min"] in SHOWN_HORIZONS_MIN]
    if skill:
        table("Forecasts (median; all horizons with --json)", skill[0], [_errors(row).values() for row in skill])
    if summary["ledger"]:
        render_entries("Ledger", summary["ledger"])


def _errors(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of scores, errors of net load in the unit that fits them."""
    if row["target"] != Target.NET_LOAD.value:
        return row
    return {name: power_text(row[name]) if name in _ERRORS and row[name] is not None else row[name] for name in row}


def what_was_not_used(summary: dict[str, Any]) -> list[str]:
    """Return lines on records that died, values that count as missing, and slots without a price, with numbers."""
    lines = []
    if summary["dead_letter_reasons"]:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in summary["dead_letter_reasons"].items())
        lines.append(f"dead letters by reason: {reasons} (vpp export dlq)")
    if summary["short_rows"]:
        lines.append(f"rows of the file with fewer fields than its header: {summary['short_rows']:,} (vpp inspect)")
    for zone, counts in summary["bad_values"].items():
        faults = ", ".join(f"{n:,} {kind.replace('_', ' ')}" for kind, n in counts.items())
        lines.append(f"{zone}: values by fault: {faults}")
    lines += [
        f"{row['asset_id']}: {row['slots_without_price']:,} of {row['slots']:,} slots had no price; their energy is in "
        "no sum of money"
        for row in summary["ledger"]
        if row["slots_without_price"]
    ]
    return lines


def refuse_unusable(summary: dict[str, Any]) -> None:
    """Fail a run in which a zone had nothing usable.

    Raises:
        DataError: Names zone and reason.
    """
    if summary["slots"] and not summary["forecasts"] and summary["dead_letters"]:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in summary["dead_letter_reasons"].items())
        raise DataError(f"no slot was forecast; dead letters: {reasons}", hint="see vpp export dlq for the details")
    if summary["unusable"]:
        faults = "; ".join(f"{zone}: {reason}" for zone, reason in summary["unusable"].items())
        raise DataError(f"nothing usable came in for {faults}", hint="look at the source with vpp inspect FILE")


@contextmanager
def _stopping() -> Iterator[Event]:
    """Turn SIGINT and SIGTERM into an event; a second one says that the run is ending already."""
    stop = Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            sys.stderr.write("vpp: still ending; waiting for the workers to drain\n")
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
