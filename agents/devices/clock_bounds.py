"""Bounds of the true time from the records of a log, for a gateway whose own clock may be wrong.

Every record has a time stamp of the log's clock. A record is stamped before this gateway reads it. A record that this
gateway writes is stamped after it is sent and before it is acknowledged. With m the monotonic time of this machine (s)
and T(m) = m + d the log's time (s since 1970), a stamp s gives

    d >= s - m(read),    s - m(acknowledged) <= d <= s - m(sent).

The narrowest bounds from the records of the last ``KEPT_S`` hold, so the drift of the clocks stays far below a second.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

BUCKET_S = 60.0
BUCKETS = 10
KEPT_S = BUCKET_S * BUCKETS

OFF_S = 1.0
"""A smaller error of the clock is not corrected."""


@dataclass(slots=True)
class _Bucket:
    number: int
    least_s: float = -math.inf
    most_s: float = math.inf


@dataclass(slots=True)
class ClockBounds:
    """Bounds of d, the log's time minus this machine's monotonic time (s). Reads no clock."""

    _buckets: deque[_Bucket] = field(default_factory=lambda: deque(maxlen=BUCKETS))

    def note_read(self, stamped_s: float, read_at_s: float) -> None:
        """Take the stamp of a record that was read.

        Args:
            stamped_s: Its stamp, seconds since 1970.
            read_at_s: Monotonic time at which it was read.
        """
        self._note(read_at_s, stamped_s - read_at_s, math.inf)

    def note_written(self, stamped_s: float, sent_at_s: float, acknowledged_at_s: float) -> None:
        """Take the stamp that the log gave to a record of ours.

        Args:
            stamped_s: Its stamp, seconds since 1970.
            sent_at_s: Monotonic time at which it was sent.
            acknowledged_at_s: Monotonic time at which its acknowledgement arrived.
        """
        self._note(acknowledged_at_s, stamped_s - acknowledged_at_s, stamped_s - sent_at_s)

    def correction_s(self, wall_s: float, at_s: float) -> float:
        """Return the correction of a wall clock (s) to agree with the log; 0 within ``OFF_S``.

        Args:
            wall_s: The wall clock, seconds since 1970.
            at_s: Monotonic time of the same moment.
        """
        own_s = wall_s - at_s
        least_s = max((bucket.least_s for bucket in self._buckets), default=-math.inf)
        most_s = min((bucket.most_s for bucket in self._buckets), default=math.inf)
        if least_s - OFF_S <= own_s <= most_s + OFF_S:
            return 0.0
        return (least_s if own_s < least_s else most_s) - own_s

    def _note(self, at_s: float, least_s: float, most_s: float) -> None:
        if any(least_s > bucket.most_s or most_s < bucket.least_s for bucket in self._buckets):
            self._buckets.clear()  # the log's own clock was set: only its present time counts
        number = int(at_s // BUCKET_S)
        if not self._buckets or self._buckets[-1].number != number:
            self._buckets.append(_Bucket(number))
        newest = self._buckets[-1]
        newest.least_s, newest.most_s = max(newest.least_s, least_s), min(newest.most_s, most_s)
