"""Whole numbers with a point between their thousands, in a file that states no convention.

``998, 1.006, 1.021`` can be read with a decimal point without an error, and is then wrong by a factor of 1000. The
cells tell: some carry no mark and reach hundreds, all others have groups of just three digits behind a point.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vpp.errors import DataError
from vpp.files.table import SourceTable

_LEAST_WHOLE = 100.0
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
_WHOLE = re.compile(r"[+-]?\d{1,3}")


@dataclass(slots=True)
class GroupedNumbers:
    """Takes the numbers of columns as read with a decimal point.

    Attributes:
        whole: Column to its largest whole number.
        fractions: Columns with a fraction.
        cleared: Columns that hold a number which no whole number with such marks can be.
    """

    whole: dict[str, float] = field(default_factory=dict)
    fractions: set[str] = field(default_factory=set)
    cleared: set[str] = field(default_factory=set)

    def add(self, column: str, values: Any) -> None:
        """Take the next values of a column (NaN: missing)."""
        if column in self.cleared:
            return
        sizes = np.abs(values[~np.isnan(values)])
        thousandths = np.round(sizes * 1000.0)
        is_whole = sizes == np.floor(sizes)
        fractions = sizes[~is_whole]
        if np.any(sizes >= 1000.0) or np.any(fractions < 1.0) or np.any(np.abs(thousandths / 1000.0 - sizes) > 1e-9):
            self.cleared.add(column)
            return
        if len(fractions):
            self.fractions.add(column)
        if is_whole.any():
            self.whole[column] = max(self.whole.get(column, 0.0), float(sizes[is_whole].max()))

    def refuse(self, table: SourceTable) -> None:
        """Refuse a column whose cells are whole numbers with marks between thousands; its text is read for this.

        Raises:
            DataError: There is one; names the row and what to state.
        """
        for column in sorted(self.fractions - self.cleared):
            if self.whole.get(column, 0.0) < _LEAST_WHOLE:
                continue
            first = _first_grouped(table, column)
            if first is not None:
                row, cell = first
                raise DataError(
                    f"{table.path}, row {row}: {column} {cell!r} can be {cell} or {cell.replace('.', '')}: "
                    f"cells without a mark reach {self.whole[column]:g}",
                    hint='state in a mapping file how numbers are written: decimal: ".", or decimal: "," with '
                    'thousands: "."',
                )


def _first_grouped(table: SourceTable, column: str) -> tuple[int, str] | None:
    first: tuple[int, str] | None = None
    for chunk in table.chunks([column], [column], 100_000):
        for row, cell in zip(chunk.rows, chunk.cells[column].fillna("").str.strip(), strict=True):
            if _GROUPED.fullmatch(cell):
                first = first or (int(row), cell)
            elif any(sign.isdigit() for sign in cell) and not _WHOLE.fullmatch(cell):
                return None
    return first
