"""Times of records by the broker, from the stamps of its log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

AHEAD = timedelta(minutes=10)
"""By so much a producer's clock may be ahead of the broker's."""
_LAST_MS = 253_402_300_799_999
"""End of the year 9999."""


def broker_time(stamp_ms: int) -> datetime:
    """Return the broker's time of a record from its timestamp (ms since 1970).

    A broker that leaves the timestamp to producers, as the embedded one does, would take any number: none is earlier
    than 1970 or later than now.
    """
    stamped = datetime.fromtimestamp(min(max(stamp_ms, 0), _LAST_MS) / 1000, UTC)
    return min(stamped, datetime.now(UTC) + AHEAD)
