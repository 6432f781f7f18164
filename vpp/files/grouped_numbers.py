"""Whole numbers with a point between their thousands, in a file that states no convention.

``998, 1.006, 1.021`` can be read with a decimal point without an error, and is then wrong by a factor of 1000. The
cells tell: some carry no mark and reach hundreds, all others have groups of just three digits behind a point. A file
with ``;`` between its fields often has a comma for the decimal mark; there a column is refused too if no cell tells.
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
            whole = self.whole.get(column, 0.0)
            if whole < _LEAST_WHOLE and table.separator != ";":
                continue
            first = _first_grouped(table, column, with_whole=whole >= _LEAST_WHOLE)
            if first is not None:
                row, cell = first
                raise DataError(
                    f"{table.path}, row {row}: {column} {cell!r} can be {cell} or {cell.replace('.', '')}: "
                    + (
                        f"cells without a mark reach {whole:g}"
                        if whole >= _LEAST_WHOLE
                        else "all its cells have groups of three"
                    ),
                    hint='state in a mapping file how numbers are written: decimal: ".", or decimal: "," with '
                    'thousands: "."',
                )


def _first_grouped(table: SourceTable, column: str, *, with_whole: bool) -> tuple[int, str] | None:
    """Return row and text of the first cell with a mark, None if a cell is no whole number with such marks.

    A cell without a mark is such a number only ``with_whole``.
    """
    first: tuple[int, str] | None = None
    for chunk in table.chunks([column], [column], 100_000):
        for row, cell in zip(chunk.rows, chunk.cells[column].fillna("").str.strip(), strict=True):
            if _GROUPED.fullmatch(cell):
                first = first or (int(row), cell)
            elif any(sign.isdigit() for sign in cell) and not (with_whole and _WHOLE.fullmatch(cell)):
                return None
    return first
