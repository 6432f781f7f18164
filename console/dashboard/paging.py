"""Pages of a table in order of time: a cursor holds the last row's time and the number of rows already sent for it.

New rows arrive at the end, so a page never shifts while somebody reads on.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from mcp_server.queries.context import QuestionError
from vpp.domain import iso
from vpp.messages.times import EARLIEST, LATEST
from vpp.store import Store
from vpp.store.table import Table


class TablePage(BaseModel):
    """Fields of every page besides its items."""

    as_of: datetime | None = Field(default=None, description="end of the newest closed slot")
    window: str | None = Field(default=None, description="effective start/end")
    next_cursor: str | None = Field(default=None, description="null: this is the last page")


def page_of(
    store: Store,
    table: Table,
    zone: str,
    window: tuple[datetime, datetime],
    columns: Sequence[str],
    filters: dict[str, Any] | None,
    limit: int,
    cursor: str | None,
) -> tuple[list[dict[str, Any]], str | None]:
    """Return up to ``limit`` rows as dicts, and the cursor of the next page, None after the last.

    Args:
        store: Where the rows are.
        table: The table.
        zone: The zone.
        window: First time and end, exclusive.
        columns: Columns wanted; the table's time is among them.
        filters: Columns that must have a value.
        limit: Most rows to return.
        cursor: From the page before, None for the first.

    Raises:
        QuestionError: The cursor is not valid.
    """
    start, skip = (window[0], 0) if cursor is None else _read(cursor)
    rows = store.read(
        table, zone=zone, start=start, end=window[1], filters=filters, columns=columns, limit=skip + limit + 1
    ).dicts()
    selected = rows[skip : skip + limit]
    if len(rows) <= skip + limit or not selected:
        return selected, None
    last = selected[-1][table.time]
    # Rows of the last time that were given, on this page and, where it began in the same moment, on those before.
    repeats = sum(row[table.time] == last for row in rows[: skip + limit])
    return selected, _written(last, repeats)


def _written(instant: datetime, repeats: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([iso(instant), repeats]).encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[datetime, int]:
    try:
        text, repeats = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        instant = datetime.fromisoformat(text)
        is_time = instant.tzinfo is not None and EARLIEST <= instant < LATEST
        if not is_time or not isinstance(repeats, int) or not 0 < repeats <= 100_000:
            raise ValueError(text)
    except (ValueError, TypeError) as error:
        raise QuestionError("the cursor is not valid", hint="leave cursor out to start at the first page") from error
    return instant, repeats
