"""The mode of a data directory's run: live, or a replay at some speed; written by `vpp up`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from topologies.sources.options import SIMULATION_PULSE_S, SourceOptions
from topologies.sources.pace import RunClock, clock_path
from vpp.atomic_file import write_atomic
from vpp.settings import Settings

CAUGHT_UP_S = 3600.0
"""A run whose own clock is closer than this to the wall clock, and as fast, is live."""


@dataclass(frozen=True, slots=True)
class RunMode:
    """``live``: the run clock follows the wall. ``speed``: times as fast as real time; None: as fast as it goes."""

    live: bool
    speed: float | None = None
    pulse_s: float | None = None

    def speed_at(self, step_min: int) -> float | None:
        """Return the speed of a zone with slots of ``step_min`` minutes; None: as fast as it goes."""
        return self.speed if self.pulse_s is None else step_min * 60.0 / self.pulse_s


def note_mode(settings: Settings, options: SourceOptions) -> None:
    """Store the mode of the run that starts now."""
    pulse_s = options.pulse_s
    if pulse_s is None and options.speed is None:
        by_kind = SIMULATION_PULSE_S if options.kind == "simulate" else None
        pulse_s = settings.live.pulse_s if options.live else by_kind
    speed = None if options.speed is None or math.isinf(options.speed) else options.speed
    mode = RunMode(options.live or options.kind == "feed", speed, pulse_s)
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(asdict(mode)))


def read_mode(settings: Settings) -> RunMode | None:
    """Return the mode of the run, None if it was not stored; a run that has caught up with the wall clock is live."""
    try:
        mode = RunMode(**json.loads(_path(settings).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return RunMode(live=True) if not mode.live and _has_caught_up(settings) else mode


def _has_caught_up(settings: Settings) -> bool:
    clock = RunClock.read(clock_path(settings))
    if clock is None or clock.speed != 1.0 or abs(clock.wall_s - clock.run_at.timestamp()) > CAUGHT_UP_S:
        return False
    try:
        return clock_path(settings).stat().st_mtime >= _path(settings).stat().st_mtime  # else it is of the run before
    except OSError:
        return False


def mode_words(mode: RunMode | None, step_min: int) -> str:
    """Return the mode of a run in words: ``live``, ``replay ×240``, ``replay, as fast as it goes`` or ``stored run``.

    Args:
        mode: As ``read_mode`` has it.
        step_min: Slot length of the zone that is looked at (min).
    """
    if mode is None:
        return "stored run"
    if mode.live:
        return "live"
    speed = mode.speed_at(step_min)
    return "replay, as fast as it goes" if speed is None else f"replay ×{speed:,.0f}"


def _path(settings: Settings) -> Path:
    return settings.data_dir / "run" / (settings.run or "default") / "mode.json"


@dataclass(frozen=True, slots=True)
class RunPage:
    """The page of a run: its address, whose port may not be that of the settings, and why it is down, if it is."""

    address: str
    fault: str | None = None


def note_page(settings: Settings, page: RunPage) -> None:
    """Write down where the page of this run is, or that it is down."""
    path = _path(settings).with_name("page.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(asdict(page)))


def forget_page(settings: Settings) -> None:
    """Remove the note on the page of an earlier run."""
    _path(settings).with_name("page.json").unlink(missing_ok=True)


def read_page(settings: Settings) -> RunPage | None:
    """Return the page of the run, or its last one; None if it had none."""
    try:
        return RunPage(**json.loads(_path(settings).with_name("page.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def note_restarts(settings: Settings, restarts: dict[str, int]) -> None:
    """Write down how often each worker was restarted in this run."""
    path = _path(settings).with_name("restarts.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(restarts))


def read_restarts(settings: Settings) -> dict[str, int]:
    """Return the number of restarts of each worker, empty without a supervisor."""
    try:
        restarts = json.loads(_path(settings).with_name("restarts.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): int(count) for name, count in restarts.items()} if isinstance(restarts, dict) else {}
