"""Alerts as they stood at a moment: an episode that ended later lasts.

The store has one row per episode, which its end writes again. So the words of the guard, which are those of the end,
are left out while an episode of its lasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from mcp_server.queries.alerts import GUARD_TOPIC
from vpp.messages import EPISODES
from vpp.store import Store
from vpp.store.named_queries import OPEN_EPISODES
from vpp.store.query import Rows
from vpp.store.tables import ALERTS

_WORDS_OF_THE_END = {"text": "", "effect": None, "values": None}


def as_of(chunks: Iterable[Rows], known_to: datetime | None) -> Iterator[dict[str, Any]]:
    """Yield stored alerts as they stood when only slots before ``known_to`` were known; None: as they stand."""
    for chunk in chunks:
        for row in chunk.dicts():
            yield _stood(row, known_to)


def _stood(row: dict[str, Any], known_to: datetime | None) -> dict[str, Any]:
    if known_to is None or row["ended_at"] is None or row["ended_at"] < known_to:
        return row
    unknown = _WORDS_OF_THE_END if row["topic"] == GUARD_TOPIC else {}
    return {**row, **{name: value for name, value in unknown.items() if name in row}, "ended_at": None}


def lasting_alerts(
    store: Store,
    before: datetime,
    known_to: datetime | None,
    *,
    zone: str | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Return the episodes that began before a moment and lasted, the newest first.

    Args:
        store: Where they are.
        before: End of their first slots, exclusive.
        known_to: End of the slots that were known, exclusive: what ended later lasts; None: all are known.
        zone: One zone; None: all.
        columns: Columns wanted, with the topic, the first slot and the end; None: all.
        limit: Most episodes to return; None: all.
    """
    if known_to is None:
        read = store.read(
            ALERTS, zone=zone, end=before, filters=OPEN_EPISODES, columns=columns, order="desc", limit=limit
        )
        return read.dicts()
    # A store filters by equal values only, so where ends are compared, all episodes are read.
    episodes = store.scan(ALERTS, zone=zone, end=before, filters={"code": sorted(EPISODES)}, columns=columns)
    lasting = [row for row in as_of(episodes, known_to) if row["ended_at"] is None]
    return sorted(lasting, key=lambda row: row["slot"], reverse=True)[:limit]
