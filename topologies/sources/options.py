"""Options of a source: one structure for the command line, the supervisor and the worker process."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Literal

from topologies.sources.availability_order import WARM_UP, Window
from topologies.sources.faults import Faults
from topologies.sources.feed import SIMULATED_HISTORY, Feed, open_file, open_simulator
from topologies.sources.pace import speed_of, whole_weeks
from topologies.sources.simulator import simulated_names
from vpp.atomic_file import write_atomic
from vpp.domain import iso
from vpp.errors import ConfigError
from vpp.files.dataset import size_and_change
from vpp.files.zone_fitting import Overrides
from vpp.fleet.schema import load_fleet
from vpp.settings import Settings

SIMULATION_START = datetime(2025, 6, 2, tzinfo=UTC)
"""First simulated slot unless said otherwise: fixed, so a run can be repeated."""
SIMULATION_PULSE_S = 1.0
CATCH_UP_PULSE_S = 0.5
CATCH_UP_DAYS = 2
SourceKind = Literal["replay", "simulate", "feed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """One run of a source.

    Attributes:
        kind: ``replay`` a file, ``simulate``, or ``feed``: live services.
        path: The file to replay.
        services: Names of the live services, the one with the measured values first.
        zones: Zones to send; none: all of the file, or two simulated ones.
        start: First slot (UTC); None: the file's first, or a fixed day.
        end: End of the range (UTC), exclusive; None: to the end, or for ever.
        speed: Times as fast as real time, infinite for as fast as possible; None and no pulse: as fast as possible for
            a file, one step per second for the simulator, the pulse of the settings where times are shifted to now.
        pulse_s: Seconds per step, instead of a speed.
        live: Shift all times by whole weeks to now (``--now``).
        catch_up: Send the past at the pace, then continue in real time with ticks.
        shift_weeks: Weeks that ``live`` shifts times by; None: as many as bring the start to at most a week before now.
        mapping: Mapping file or name of a shipped one.
        time_zone: Time zone of all zones, instead of what is known by name.
        market: Market of all zones, by name or by when the price is known.
        warm_up_days: Days of earlier rows sent as history.
        refit_days: Days between refits of the model; None: none after the first.
        refit_from: Where refits are counted from; None: the first slot.
        seed: Seed of the simulator and of faults.
        step_min: Slot length of the simulator.
        faults: Chance per slot of each telemetry fault.
        measured_assets: The simulator also reports power and SoC of one battery per zone.
    """

    kind: SourceKind
    path: Path | None = None
    services: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    speed: float | None = None
    pulse_s: float | None = None
    live: bool = False
    catch_up: bool = False
    shift_weeks: int | None = None
    mapping: str | None = None
    time_zone: str | None = None
    market: str | None = None
    warm_up_days: float = WARM_UP / timedelta(days=1)
    refit_days: float | None = None
    refit_from: datetime | None = None
    seed: int = 0
    step_min: int = 30
    faults: float = 0.0
    measured_assets: bool = False

    def arguments(self) -> list[str]:
        """Return the command line of ``python -m topologies.KIND`` for these options."""
        arguments: list[str] = [str(self.path)] if self.path is not None else []
        arguments += ["+".join(self.services)] if self.services else []
        for zone in self.zones:
            arguments += ["--zone", zone]
        options = {
            "--from": self.start and iso(self.start),
            "--to": self.end and iso(self.end),
            "--speed": "max" if self.speed == math.inf else self.speed,
            "--pulse": self.pulse_s,
            "--mapping": self.mapping,
            "--time-zone": self.time_zone,
            "--market": self.market,
            "--warm-up-days": self.warm_up_days,
            "--refit-days": self.refit_days,
            "--refit-from": self.refit_from and iso(self.refit_from),
            "--shift-weeks": self.shift_weeks,
        }
        if self.kind == "simulate":
            options |= {"--seed": self.seed, "--step": self.step_min}
        if self.faults:
            options |= {"--faults": self.faults, "--seed": self.seed}
        for name, value in options.items():
            if value is not None:
                arguments += [name, str(value)]
        arguments += ["--now"] if self.live else []
        arguments += ["--catch-up"] if self.catch_up else []
        return arguments + (["--measured-assets"] if self.measured_assets else [])

    @property
    def is_live(self) -> bool:
        """Whether slots close and are decided by deadlines, once the source has reached now."""
        return self.live or self.catch_up

    @property
    def identity(self) -> str:
        """Hash of all that decides which records are sent, their order and times; not how fast."""
        plain = replace(self, speed=None, pulse_s=None)
        state = size_and_change(self.path) if self.path is not None and self.path.exists() else None
        described = f"{plain}|{state}"
        return sha256(described.encode()).hexdigest()[:16]


def parse_options(kind: SourceKind, argv: Sequence[str] | None = None) -> SourceOptions:
    """Return the options on a command line of ``python -m topologies.KIND``."""
    parser = argparse.ArgumentParser(prog=f"python -m topologies.{kind}", allow_abbrev=False)
    if kind == "replay":
        parser.add_argument("path", type=Path, help="a .csv, .csv.gz or .parquet file (docs/guide/data.md)")
    if kind == "feed":
        parser.add_argument("services", type=lambda text: tuple(text.split("+")), help="NAME, or NAME+NAME")
    parser.add_argument("--zone", action="append", default=[], help="zone to send; may be repeated")
    parser.add_argument("--from", dest="start", type=_time, help="first slot, UTC")
    parser.add_argument("--to", dest="end", type=_time, help="end of the range, UTC, exclusive")
    parser.add_argument("--speed", type=_speed, help="times as fast as real time, or max")
    parser.add_argument("--pulse", type=float, dest="pulse_s", help="seconds per step, instead of a speed")
    parser.add_argument("--now", action="store_true", dest="live", help="shift all times by whole weeks to now")
    parser.add_argument("--catch-up", action="store_true", help="send the past, then continue in real time with ticks")
    parser.add_argument("--shift-weeks", type=int, help="weeks that --now shifts by")
    parser.add_argument("--mapping", help="mapping file, or the name of a shipped one")
    parser.add_argument("--time-zone")
    parser.add_argument("--market")
    parser.add_argument("--warm-up-days", type=float, default=WARM_UP / timedelta(days=1))
    parser.add_argument("--refit-days", type=float)
    parser.add_argument("--refit-from", type=_time, help="time that refits are counted from, UTC")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--step", type=int, dest="step_min", default=30, help="slot length of the simulator, minutes")
    parser.add_argument("--faults", type=float, default=0.0, help="chance per slot of each telemetry fault")
    parser.add_argument("--measured-assets", action="store_true")
    parser.add_argument("--zones", type=int, dest="count", help="number of simulated zones")
    arguments = vars(parser.parse_args(argv))
    count, names = arguments.pop("count"), tuple(arguments.pop("zone"))
    if count is not None:
        names = tuple(simulated_names(count))
    return SourceOptions(kind=kind, zones=names, **arguments)


def open_feed(options: SourceOptions, settings: Settings) -> Feed:
    """Open what the options ask for.

    Raises:
        DataError: The file cannot be read.
        ConfigError: Zones, mapping, market or range are wrong.
    """
    own_fleet = load_fleet(settings.fleet) if settings.fleet else None
    overrides = Overrides(options.time_zone, options.market)
    start = options.start or (SIMULATION_START if options.kind == "simulate" else None)
    if start and options.end and options.end <= start:
        raise ConfigError(
            f"the range ends at {iso(options.end)}, before it begins at {iso(start)}", hint="--to must be after --from"
        )
    if options.kind == "simulate":
        return open_simulator(
            options.zones or tuple(simulated_names(2)),
            start=options.start or SIMULATION_START,
            history=max(SIMULATED_HISTORY, timedelta(days=options.warm_up_days)),
            seed=options.seed,
            step_min=options.step_min,
            own_fleet=own_fleet,
            overrides=overrides,
            measured_assets=options.measured_assets,
        )
    if options.path is None:
        raise ConfigError("no file to replay", hint="give a .csv, .csv.gz or .parquet file")
    return open_file(
        options.path,
        names=options.zones,
        start=options.start,
        mapping=options.mapping,
        own_fleet=own_fleet,
        overrides=overrides,
        cache_dir=settings.data_dir / "cache",
    )


def window_of(options: SourceOptions, feed: Feed, now: datetime) -> Window:
    """Return the range, warm-up and shift of a run that began at wall time ``now``."""
    start = options.start or (SIMULATION_START if options.kind == "simulate" else None)
    shift = whole_weeks(start or feed.first, now) if options.live else timedelta(0)
    if options.live and options.shift_weeks is not None:
        shift = timedelta(weeks=options.shift_weeks)
    return Window(start=start, end=options.end, warm_up=timedelta(days=options.warm_up_days), shift=shift)


def first_slot(options: SourceOptions, now: datetime) -> datetime | None:
    """Return the first slot that counts, None for a file's first; catching up begins on a day's start, two days ago."""
    if options.start is not None or options.kind == "replay":
        return options.start
    if options.catch_up or options.kind == "feed":
        return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=CATCH_UP_DAYS)
    return SIMULATION_START


def pace_of(options: SourceOptions, step_min: int, settings_pulse_s: float) -> float | None:
    """Return how many times as fast as real time records are sent, None for as fast as possible."""
    pulse_s = options.pulse_s
    if pulse_s is None and options.speed is None:
        pulse_s = SIMULATION_PULSE_S if options.kind == "simulate" else None
        if options.live:
            pulse_s = settings_pulse_s
        if options.catch_up:
            pulse_s = CATCH_UP_PULSE_S
    speed = None if options.speed == math.inf else options.speed
    return speed_of(step_min, speed=speed, pulse_s=pulse_s)


def faults_of(options: SourceOptions) -> Faults:
    """Return the faults that are asked for."""
    return Faults.all_at(options.faults, options.seed)


def note_source(settings: Settings, options: SourceOptions) -> None:
    """Write down what the run's source was asked for, for those who read its rows again."""
    path = _noted_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps({"kind": options.kind, "arguments": options.arguments()}))


def noted_source(settings: Settings) -> SourceOptions | None:
    """Return what the run's source was asked for, None if nobody noted it."""
    try:
        noted = json.loads(_noted_path(settings).read_text(encoding="utf-8"))
        return parse_options(noted["kind"], noted["arguments"])
    except (OSError, ValueError, KeyError):
        return None


def _noted_path(settings: Settings) -> Path:
    return settings.data_dir / "run" / (settings.run or "default") / "source.json"


def _time(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _speed(text: str) -> float:
    speed = math.inf if text == "max" else float(text)
    if not speed > 0.0:
        raise argparse.ArgumentTypeError("a speed is above 0, or max")
    return speed
