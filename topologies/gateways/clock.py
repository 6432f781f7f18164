"""The time of a gateway: the wall, and the run clock that slots go by."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from topologies.sources.pace import RunClock

LOOK_EVERY_S = 1.0


class GatewayClock:
    """Wall time for devices, run time for slots; they differ only in a paced replay.

    Args:
        path: The file in which the source beside it writes the run clock; None: real time.
        waits: The source has yet to write it; until then there is no run time. Else a missing file means real time.
        wall_s: Wall time in seconds since 1970; a test gives its own.
    """

    def __init__(
        self, path: Path | None = None, *, waits: bool = False, wall_s: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._wall_s = wall_s
        self._run = RunClock.wall()
        self._waits = waits
        self._looked_s = -LOOK_EVERY_S

    def now(self) -> datetime:
        """Return the wall time."""
        return datetime.fromtimestamp(self._wall_s(), UTC)

    def run_now(self) -> datetime:
        """Return the run time."""
        return self._clock().now(self._wall_s())

    def wall_of(self, run_at: datetime) -> datetime:
        """Return the wall time at which the run clock shows ``run_at``."""
        return datetime.fromtimestamp(self._clock().wall_of(run_at), UTC)

    @property
    def speed(self) -> float:
        """Seconds of the run per second."""
        return self._clock().speed

    def _clock(self) -> RunClock:
        moment = time.monotonic()
        if self._path is not None and moment - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = moment
            run = RunClock.read(self._path)
            if run is not None:
                self._run, self._waits = run, False
        return self._run

    @property
    def is_running(self) -> bool:
        """Whether the slot is known: the run clock has started, or goes by real time."""
        self._clock()
        return not self._waits
