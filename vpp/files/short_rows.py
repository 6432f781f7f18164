"""Finds rows of a text table that have fewer fields than its header: what they lack is missing, and people are told."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from vpp.errors import DataError

SHOWN = 3
"""How many rows a note names."""


@dataclass(slots=True)
class ShortRows:
    """Rows that end early: how many, and of the first ones the number with the columns that they lack.

    ``zones`` has the numbers of the rows by what stands where their zone should.
    """

    count: int = 0
    first: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    zones: dict[str, list[int]] = field(default_factory=dict)

    def add(self, row: int, lacks: Sequence[str], zone: str | None = None) -> None:
        """Count a row, unless it lacks no column with a name."""
        named = tuple(name for name in lacks if name.strip())
        if not named:
            return
        self.count += 1
        if zone is not None:
            self.zones.setdefault(zone, []).append(row)
        if len(self.first) < SHOWN:
            self.first.append((row, named))

    def refuse_shifted(self, path: str, rows: Mapping[str, int]) -> None:
        """Refuse a file in which a zone stands in short rows alone: there another column's value stands in its place.

        Args:
            path: The file, for the message.
            rows: How many rows the file has of each zone.

        Raises:
            DataError: There is such a zone, and another one that is not so.
        """
        shifted = [zone for zone, numbers in self.zones.items() if rows.get(zone) == len(numbers)]
        if shifted and len(shifted) < len(rows):
            zone = shifted[0]
            raise DataError(
                f"{path}, row {self.zones[zone][0]} has fewer fields than the header, and its zone {zone!r} stands in "
                "no whole row: its values stand in wrong columns",
                hint="write the field that is missing into the row, or the separator in its place",
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know."""
        if not self.count:
            return ()
        shown = "; ".join(f"row {row} has no {', '.join(lacks)}" for row, lacks in self.first)
        more = f"; and {self.count - len(self.first):,} more" if self.count > len(self.first) else ""
        subject = "1 row has" if self.count == 1 else f"{self.count:,} rows have"
        note = (
            f"{subject} fewer fields than the header, and what is not there counts as missing: {shown}{more}; where "
            "another field than the last was left out, values stand in wrong columns: correct these rows"
        )
        return (note,)


def find_short_rows(
    lines: Iterable[str], header: Sequence[str], separator: str, skip_rows: int, zone_column: str | None = None
) -> ShortRows:
    """Return the rows of a text table that lack named columns of its header.

    Args:
        lines: The text by line, line ends included; a line that is empty, or empty but for separators, is no row.
        header: Column names.
        separator: Between fields; one character.
        skip_rows: Lines before the header.
        zone_column: The column with the zone, None: there is none.

    Returns:
        Rows by their number; the header is row ``skip_rows + 1``, and a row with line ends in quotes is one.
    """
    short = ShortRows()
    blank = f'{separator}" \t\r\n'
    place = header.index(zone_column) if zone_column in header else len(header)
    for row, (line, fields) in enumerate(_records(iter(lines), separator), start=1):
        size = line.count(separator) + 1 if fields is None else len(fields)
        if row <= skip_rows + 1 or size >= len(header) or not line.strip(blank):
            continue
        cells = line.rstrip("\r\n").split(separator) if fields is None else fields
        short.add(row, header[size:], cells[place].strip() if place < size else None)
    return short


def _records(lines: Iterator[str], separator: str) -> Iterator[tuple[str, list[str] | None]]:
    """Yield the first line of each record, with its fields where a field is in quotes."""
    for line in lines:
        yield line, next(csv.reader(chain((line,), lines), delimiter=separator)) if '"' in line else None
