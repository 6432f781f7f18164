"""Definition of a table: its columns and its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``type`` is ``time`` (aware UTC datetime), ``text``, ``real``, ``int``, ``bool`` or ``json``."""

    name: str
    type: str
    doc: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        name: Its name everywhere.
        columns: In order; rows are tuples in this order.
        key: Columns that identify a row.
        time: The column used for ranges and retention.
        doc: One sentence.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    time: str
    doc: str

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def fields(self) -> tuple[Column, ...]:
        """Columns outside the key."""
        return tuple(column for column in self.columns if column.name not in self.key)


def columns_of(text: str) -> tuple[Column, ...]:
    """Parse ``name type doc`` lines into columns."""
    lines = (line.strip().split(" ", 2) for line in text.strip().splitlines())
    return tuple(Column(name, kind, doc) for name, kind, doc in lines)
