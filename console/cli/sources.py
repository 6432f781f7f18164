"""`vpp replay` and `vpp simulate` send telemetry and resume after a stop; `vpp feeds` checks live services."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from console.cli.options import (
    NO_OPTIONS,
    Common,
    Json,
    answer,
    err,
    out,
    parse_days,
    parse_speed,
    parse_time,
    say,
    table,
)
from topologies.control.running_broker import with_broker
from topologies.sources.checkpoint import Checkpoint, checkpoint_path, read_checkpoint
from topologies.sources.feeds.check import check_service
from topologies.sources.options import SourceOptions
from topologies.sources.process import run_source
from vpp.domain import iso
from vpp.errors import UnreachableError
from vpp.feeds.catalogue import SERVICES, service_named


@Parameter(name="*")
@dataclass(frozen=True)
class Sending:
    """Options of both sources."""

    zone: Annotated[list[str] | None, Parameter(name="--zone", help="zone to send; may be repeated [all]")] = None
    start: Annotated[str | None, Parameter(name="--from", help="first slot, UTC")] = None
    end: Annotated[str | None, Parameter(name="--to", help="end, UTC, exclusive")] = None
    speed: Annotated[str | None, Parameter(help="speed as a multiple of real time, or max")] = None
    pulse: Annotated[float | None, Parameter(help="seconds per slot, instead of a speed")] = None
    now: Annotated[bool, Parameter(negative="", help="shift all times by whole weeks to the present (live mode)")] = (
        False
    )
    warm_up_days: Annotated[float, Parameter(help="days of earlier rows that are sent as history")] = 60.0
    refit: Annotated[str | None, Parameter(help="interval between retrainings, e.g. 7d")] = None
    seed: Annotated[int, Parameter(help="seed of the simulator and of faults")] = 0
    faults: Annotated[float, Parameter(help="probability per slot of each telemetry fault")] = 0.0
    time_zone: Annotated[str | None, Parameter(help="time zone of all zones")] = None
    market: Annotated[str | None, Parameter(help="market of all zones")] = None
    restart: Annotated[bool, Parameter(negative="", help="send from the beginning, including records already sent")] = (
        False
    )

    def known(self) -> dict[str, Any]:
        """Return the options of the source."""
        return {
            "zones": tuple(self.zone or ()),
            "start": None if self.start is None else parse_time(self.start),
            "end": None if self.end is None else parse_time(self.end),
            "speed": parse_speed(self.speed),
            "pulse_s": self.pulse,
            "live": self.now,
            "warm_up_days": self.warm_up_days,
            "refit_days": parse_days(self.refit),
            "seed": self.seed,
            "faults": self.faults,
            "time_zone": self.time_zone,
            "market": self.market,
        }


SENDING = Sending()


def replay(
    file: Path,
    *,
    mapping: Annotated[str | None, Parameter(help="mapping file for other column names")] = None,
    sending: Sending = SENDING,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Send a file's rows to the broker, in order of availability.

    Args:
        file: A CSV, CSV.gz or Parquet file (docs/guide/data.md).
    """
    _send(SourceOptions(kind="replay", path=file, mapping=mapping, **sending.known()), sending, common, as_json=json)


def simulate(
    *,
    step: Annotated[int, Parameter(help="slot length in minutes")] = 30,
    measured_assets: Annotated[bool, Parameter(negative="", help="also report a battery per zone")] = False,
    sending: Sending = SENDING,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Send seeded synthetic telemetry to the broker: 60 days of history, then one slot per second."""
    options = SourceOptions(kind="simulate", step_min=step, measured_assets=measured_assets, **sending.known())
    _send(options, sending, common, as_json=json)


def _send(options: SourceOptions, sending: Sending, common: Common, *, as_json: bool) -> None:
    from topologies.sources.refit import retraining_of

    settings = with_broker(common.settings())
    path = checkpoint_path(settings)
    if sending.restart:
        path.unlink(missing_ok=True)
    checkpoint = read_checkpoint(path)
    if checkpoint is not None and checkpoint.identity == options.identity:
        say(
            "already sent; --restart sends it again"
            if checkpoint.finished
            else f"continuing after {checkpoint.sent:,} records"
        )
    with _stopping() as stop, _progress() as on_progress:
        state = run_source(options, settings, stop, refit=retraining_of, on_progress=on_progress)
    result = {
        "finished": state.finished,
        "records": state.sent,
        "run_at": None if state.run_at is None else iso(state.run_at),
    }
    answer(result, as_json=as_json, render=_render)


def _render(result: dict[str, Any]) -> None:
    outcome = "sent" if result["finished"] else "stopped; the same command continues from here;"
    out.print(f"{outcome} {result['records']:,} records, up to {result['run_at'] or 'the end of the history'}")


@contextmanager
def _progress() -> Iterator[Callable[[Checkpoint], None]]:
    """Show a bar on a terminal, nothing elsewhere."""
    if not err.is_terminal:
        yield lambda _state: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err) as bar:
        task = bar.add_task("history", total=None)

        def show(state: Checkpoint) -> None:
            if state.run_at is None:
                bar.update(task, completed=state.sent)
                return
            total = None if state.end is None or state.first is None else (state.end - state.first).total_seconds()
            replayed_s = None if state.first is None else (state.run_at - state.first).total_seconds()
            hours = 3600.0
            bar.update(
                task,
                description=iso(state.run_at),
                total=None if total is None else round(total / hours),
                completed=state.sent if replayed_s is None else round(replayed_s / hours),
            )

        yield show


@contextmanager
def _stopping() -> Iterator[Event]:
    stop = Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


feeds = App(name="feeds", help="Live services: which there are, and whether they still answer as documented.")

CHECKED_ZONE = "GB"
"""Of a service that has data of any zone."""


@feeds.command(name="list")
def list_feeds(*, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """List the live services with their zones, data sets and terms."""
    settings = common.settings().feeds
    rows: list[dict[str, Any]] = [
        {
            "name": service.name,
            "title": service.title,
            "zones": list(service.zones),
            "datasets": [dataset.name for dataset in service.datasets((service.zones or (CHECKED_ZONE,))[0], settings)],
            "step_min": service.step_min,
            "use": f"live:{service.name}" if service.closing else f"second, such as live:elexon+{service.name}",
            "key_needed": service.key_needed,
            "terms": service.terms,
        }
        for service in SERVICES.values()
    ]
    answer(rows, as_json=json, render=_render_list)


@feeds.command(name="check")
def check_feed(
    name: str,
    /,
    *,
    zone: Annotated[str | None, Parameter(help="zone to request [the service's first]")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Request the last two days from a live service and report for each data set whether the answer is readable.

    Args:
        name: Name of the service, as in `vpp feeds list`.
    """
    service = service_named(name)
    zone_name = zone or (service.zones or (CHECKED_ZONE,))[0]
    checks = check_service(service, zone_name, common.settings().feeds, datetime.now(UTC))
    answer([asdict(check) for check in checks], as_json=json, render=_render_checks)
    bad = [check for check in checks if check.outcome != "ok"]
    if bad:
        names = ", ".join(f"{check.dataset} ({check.outcome})" for check in bad)
        text = f"{service.title}: {len(bad)} of {len(checks)} data sets cannot be read: {names}"
        raise UnreachableError(text, hint=bad[0].next_step)


def _render_list(rows: list[dict[str, Any]]) -> None:
    columns = ("name", "zones", "datasets", "step_min", "use", "terms")
    table(
        "Live feeds", columns, [[", ".join(v) if isinstance(v := row[k], list) else v for k in columns] for row in rows]
    )


def _render_checks(checks: list[dict[str, Any]]) -> None:
    for check in checks:
        newest = check["newest"]
        detail = check["detail"] if newest is None else f"{check['values']} values, the newest of {iso(newest)}"
        out.print(f"{check['service']} {check['dataset']}: {check['outcome']}, {detail}", soft_wrap=True)
