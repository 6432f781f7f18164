"""The pace of a source and its run clock; the ticker reads it from a small file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from vpp.atomic_file import write_atomic
from vpp.domain import iso
from vpp.settings import Settings


@dataclass(frozen=True, slots=True)
class RunClock:
    """Event time as a function of wall time: at ``wall_s`` it was ``run_at``, and it runs ``speed`` times as fast.

    The wall decides when something is sent, never what is decided.
    """

    wall_s: float
    run_at: datetime
    speed: float

    def now(self, wall_s: float) -> datetime:
        """Return the run clock at a wall time (seconds since 1970)."""
        return self.run_at + timedelta(seconds=(wall_s - self.wall_s) * self.speed)

    def wall_of(self, run_at: datetime) -> float:
        """Return the wall time (seconds since 1970) at which the run clock shows ``run_at``."""
        return self.wall_s + (run_at - self.run_at).total_seconds() / self.speed

    def write(self, path: Path) -> None:
        """Write the clock for the ticker, whole or not at all."""
        body = {"wall_s": self.wall_s, "run_at": iso(self.run_at), "speed": self.speed}
        write_atomic(path, json.dumps(body))

    @classmethod
    def read(cls, path: Path) -> RunClock | None:
        """Return the clock in a file, or None if there is none yet."""
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            return cls(body["wall_s"], datetime.fromisoformat(body["run_at"]), body["speed"])
        except (OSError, ValueError, KeyError):
            return None

    @classmethod
    def wall(cls) -> RunClock:
        """Return the clock of a field feed: it shows the real time."""
        return cls(0.0, datetime.fromtimestamp(0, UTC), 1.0)


def clock_path(settings: Settings) -> Path:
    """Return the file in which a source writes its run clock."""
    return settings.data_dir / f"clock-{settings.run or 'default'}.json"


class Pace:
    """Waits until a record's run clock has come.

    Args:
        speed: Times as fast as real time; None: do not wait.
        stop: Ends every wait.
        clock_path: Where to write the run clock once it starts; None: nowhere.
        catch_up: Go on in real time from the first record on whose time has not come; the run clock starts then.
        now: Wall time in seconds; a test gives its own.
    """

    def __init__(
        self,
        speed: float | None,
        stop: Event,
        *,
        clock_path: Path | None = None,
        catch_up: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._speed = speed
        self._stop = stop
        self._clock_path = clock_path
        self._now = now
        self._clock: RunClock | None = None
        self._catching_up = catch_up
        self.is_real_time = False

    def due_in_s(self, sent_at: datetime | None) -> float:
        """Return how many seconds are left until a record may go; the first one starts the clock and goes at once."""
        if self._speed is None or sent_at is None:
            return 0.0
        if self._catching_up and sent_at.timestamp() > self._now():
            self._catching_up, self.is_real_time = False, True
            self._start(RunClock.wall())
        if self._clock is None:
            self._start(RunClock(self._now(), sent_at, self._speed))
        assert self._clock is not None
        return self._clock.wall_of(sent_at) - self._now()

    def _start(self, clock: RunClock) -> None:
        self._clock = clock
        if self._clock_path is not None and not self._catching_up:
            clock.write(self._clock_path)

    def wait(self, seconds: float) -> None:
        """Wait, at most until stopped."""
        self._stop.wait(seconds)


def speed_of(step_min: int, *, speed: float | None, pulse_s: float | None) -> float | None:
    """Return the speed as a multiple of real time: given as such, or as seconds per step; None: as fast as possible."""
    if pulse_s is not None:
        return step_min * 60.0 / pulse_s
    return speed


def whole_weeks(start: datetime, now: datetime) -> timedelta:
    """Return the shift by whole weeks that brings ``start`` to at most a week before ``now``."""
    return timedelta(weeks=(now - start) // timedelta(weeks=1))
