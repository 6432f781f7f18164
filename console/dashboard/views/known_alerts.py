"""Alerts as they stood at a moment: an episode whose end was not known then lasts.

The store has one row per episode, which its end writes again. So the words of the guard, which are those of the end,
are left out while an episode of its lasts. A fault of telemetry has ended when its channel was sound for some hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from features.quality_alerts import QUIET_HOURS
from features.quality_alerts import TOPIC as QUALITY_TOPIC
from mcp_server.queries.alerts import GUARD_TOPIC
from vpp.messages import EPISODES
from vpp.store import Store
from vpp.store.named_queries import OPEN_EPISODES
from vpp.store.query import Rows
from vpp.store.tables import ALERTS

_WORDS_OF_THE_END = {"text": "", "effect": None, "values": None}
_QUIET = timedelta(hours=QUIET_HOURS)


@dataclass(frozen=True, slots=True)
class Known:
    """What was known at a moment.

    Attributes:
        at: The moment.
        to: End of the times of the slots that had ended by then, exclusive.
    """

    at: datetime
    to: datetime

    def ended(self, row: dict[str, Any]) -> bool:
        """Return whether the end of a stored episode was known."""
        if row["topic"] == QUALITY_TOPIC:
            return bool(row["ended_at"] + _QUIET <= self.at)
        return bool(row["ended_at"] < self.to)


def as_of(chunks: Iterable[Rows], known: Known | None) -> Iterator[dict[str, Any]]:
    """Yield stored alerts as they stood when this was known; None: as they stand."""
    for chunk in chunks:
        for row in chunk.dicts():
            yield _stood(row, known)


def _stood(row: dict[str, Any], known: Known | None) -> dict[str, Any]:
    if known is None or row["ended_at"] is None or known.ended(row):
        return row
    unknown = _WORDS_OF_THE_END if row["topic"] == GUARD_TOPIC else {}
    return {**row, **{name: value for name, value in unknown.items() if name in row}, "ended_at": None}


def lasting_alerts(
    store: Store,
    before: datetime,
    known: Known | None,
    *,
    zone: str | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Return the episodes that began before a moment and lasted, the newest first.

    Args:
        store: Where they are.
        before: End of their first slots, exclusive.
        known: What was known: an episode whose end was not lasts; None: all that is stored.
        zone: One zone; None: all.
        columns: Columns wanted, with the topic, the first slot and the end; None: all.
        limit: Most episodes to return; None: all.
    """
    if known is None:
        read = store.read(
            ALERTS, zone=zone, end=before, filters=OPEN_EPISODES, columns=columns, order="desc", limit=limit
        )
        return read.dicts()
    # A store filters by equal values only, so where ends are compared, all episodes are read.
    episodes = store.scan(ALERTS, zone=zone, end=before, filters={"code": sorted(EPISODES)}, columns=columns)
    lasting = [row for row in as_of(episodes, known) if row["ended_at"] is None]
    return sorted(lasting, key=lambda row: row["slot"], reverse=True)[:limit]
