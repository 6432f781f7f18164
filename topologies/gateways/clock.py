"""The time of a gateway: the wall clock within the bounds of the log, and the run clock of slots."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from agents.devices.clock_bounds import ClockBounds
from topologies.sources.pace import RunClock

LOOK_EVERY_S = 1.0


class GatewayClock:
    """Wall time for devices, run time for slots; they differ only in a paced replay.

    In real time the slots of all machines go by the log's clock. A wall clock that the log's records prove to be off is
    corrected: this machine may have started without network time. Beside a source, which shares its wall clock and
    writes the run clock, nothing is corrected.

    Args:
        path: The file in which the source beside it writes the run clock; None: real time.
        waits: The source has yet to write it; until then there is no run time. Else a missing file means real time.
        asks_log: Records of a log will be noted; the clock is not checked before one of ours was acknowledged.
        wall_s: Wall time in seconds since 1970; a test gives its own.
        monotonic_s: A time in seconds that is never set; a test gives its own.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        waits: bool = False,
        asks_log: bool = False,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        self._run = RunClock.wall()
        self._has_run_file = False
        self._waits = waits
        self._looked_s = -LOOK_EVERY_S
        self._bounds = ClockBounds()
        self._unchecked = asks_log
        self._lock = Lock()

    def note_read(self, stamped_s: float, read_at_s: float) -> None:
        """Take the stamp of a record that was read (s since 1970), and when it was there (monotonic)."""
        with self._lock:
            self._bounds.note_read(stamped_s, read_at_s)

    def note_written(self, stamped_s: float | None, sent_at_s: float) -> None:
        """Take the log's stamp of a record of ours that is acknowledged now.

        Args:
            stamped_s: Seconds since 1970; None: this log leaves stamps to writers, so it proves nothing.
            sent_at_s: Monotonic time at which it was sent.
        """
        with self._lock:
            self._unchecked = False
            if stamped_s is not None:
                self._bounds.note_written(stamped_s, sent_at_s, self._monotonic_s())

    @property
    def is_checked(self) -> bool:
        """Whether commands may go by this clock: it was compared with the log's, or need not be."""
        self._clock()
        return self._waits or self._has_run_file or not self._unchecked

    @property
    def off_s(self) -> float:
        """Seconds by which the wall clock of this machine is ahead of the log's; 0 if none can be proven."""
        return -self._correction_s(self._wall_s())

    def now(self) -> datetime:
        """Return the wall time."""
        return datetime.fromtimestamp(self._now_s(), UTC)

    def run_now(self) -> datetime:
        """Return the run time."""
        return self._clock().now(self._now_s())

    def wall_of(self, run_at: datetime) -> datetime:
        """Return the wall time at which the run clock shows ``run_at``."""
        return datetime.fromtimestamp(self._clock().wall_of(run_at), UTC)

    @property
    def speed(self) -> float:
        """Seconds of the run per second."""
        return self._clock().speed

    def _now_s(self) -> float:
        wall_s = self._wall_s()
        return wall_s + self._correction_s(wall_s)

    def _correction_s(self, wall_s: float) -> float:
        self._clock()
        if self._waits or self._has_run_file:
            return 0.0
        with self._lock:
            return self._bounds.correction_s(wall_s, self._monotonic_s())

    def _clock(self) -> RunClock:
        moment = time.monotonic()
        if self._path is not None and moment - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = moment
            run = RunClock.read(self._path)
            if run is not None:
                self._run, self._waits, self._has_run_file = run, False, True
        return self._run

    @property
    def is_running(self) -> bool:
        """Whether the slot is known: the run clock has started, or goes by real time."""
        self._clock()
        return not self._waits
