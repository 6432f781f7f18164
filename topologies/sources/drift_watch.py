"""Zones whose forecasts have drifted, from the alerts of the run, for early retraining."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from vpp.errors import UnreachableError
from vpp.messages import AlertCode
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import ALERTS

DriftedZones = Callable[[datetime], Iterable[str]]
"""Returns the zones that are due for a retraining at a run clock."""

Drifts = Iterable[tuple[str, datetime]]
"""Zone and slot of drift warnings."""

EVERY = timedelta(days=1)
DRIFTS = frozenset({AlertCode.INTERVAL_TOO_NARROW, AlertCode.SKILL_LOST})
"""What a new model may mend; a value that jumps is for the meter's owner."""


class DriftWatch:
    """Names each zone once per drift warning, and at most once a day of run time.

    Args:
        warnings: Returns the drift warnings since a time.
        since: Earlier warnings do not count.
        wait_s: Wall seconds between two looks.
        clock: Monotonic wall clock in seconds.
    """

    def __init__(
        self,
        warnings: Callable[[datetime], Drifts],
        since: datetime,
        *,
        wait_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._warnings = warnings
        self._since = since
        self._wait_s = wait_s
        self._clock = clock
        self._looked_at = -wait_s
        self._named_at: dict[str, datetime] = {}

    def __call__(self, now: datetime) -> set[str]:
        """Return the zones with a warning that is newer than their last retraining."""
        if self._clock() - self._looked_at < self._wait_s:
            return set()
        self._looked_at = self._clock()
        due = set()
        for zone, slot in self._warnings(self._since):
            named_at = self._named_at.get(zone)
            if slot <= now and (named_at is None or (slot > named_at and now - named_at >= EVERY)):
                due.add(zone)
        self._named_at |= dict.fromkeys(due, now)
        return due


def stored_drifts(settings: Settings) -> Callable[[datetime], Drifts]:
    """Return a reader of the drift warnings in the store; it finds none while the store does not answer."""

    def read(since: datetime) -> Drifts:
        try:
            with open_store(settings, read_only=True) as store:
                rows = store.read(ALERTS, start=since, columns=("zone", "slot", "code")).values
                return [(zone, slot) for zone, slot, code in rows if code in DRIFTS]
        except UnreachableError:
            return []

    return read
