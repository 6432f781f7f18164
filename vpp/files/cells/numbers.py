"""Numbers written as text: one reader for every place of a file where a number can be text.

A cell is read by the stated convention (decimal mark, thousands mark, marks of missing) or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from vpp.files.cells.units import UNITS, without_unit

MISSING_MARKS = frozenset(
    {
        "",
        "-",
        "--",
        "---",
        "\u2013",
        "\u2014",
        "?",
        ".",
        "..",
        "*",
        "n/a",
        "na",
        "n.a.",
        "n/e",
        "nan",
        "null",
        "none",
        "nil",
        "k.a.",
        "n.v.",
        "\\n",
        "not available",
        "<na>",
        "#n/a",
        "#na",
        "#n/v",
        "#nv",
        "#div/0!",
        "#value!",
        "#ref!",
        "#null!",
        "#num!",
        "#wert!",
        "inf",
        "-inf",
        "infinity",
        "-infinity",
    }
)
"""Cells that mean missing everywhere, in lower case; a mapping adds its own."""

_ALIKE = {" ": " \u00a0\u202f\u2009", "'": "'\u2019"}
_ZEROS = (0x0660, 0x06F0, 0x0966, 0xFF10)
_PLAIN = {zero + digit: str(digit) for zero in _ZEROS for digit in range(10)} | str.maketrans(
    "\u2212\uff0d\uff0e\uff0c", "--.,"
)
"""Arabic, Persian, Devanagari and full-width digits, and other forms of the marks."""
_ARABIC = str.maketrans({"\u066b": ".", "\u066c": ","})
"""Marks of Arabic numbers: they have one meaning, whatever the convention of the file."""
_STYLES = ((".", ""), (",", ""), (",", "."), (".", ","), (",", " "), (".", " "), (".", "'"), (",", "'"))


@dataclass(frozen=True)
class NumberStyle:
    """How numbers are written.

    Attributes:
        decimal: Decimal mark.
        thousands: Mark between groups of thousands; empty: none is allowed.
        missing: Marks of missing cells besides ``MISSING_MARKS``.
    """

    decimal: str = "."
    thousands: str = ""
    missing: tuple[str, ...] = ()

    @cached_property
    def marks(self) -> frozenset[str]:
        """All marks of missing cells, in lower case."""
        return MISSING_MARKS | {mark.strip().casefold() for mark in self.missing}

    @property
    def is_plain(self) -> bool:
        """Whether pandas' own reader reads numbers by just this convention."""
        return not self.thousands

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        decimal = re.escape(self.decimal)
        integer = r"\d+"
        if self.thousands:
            mark = f"[{re.escape(_ALIKE.get(self.thousands, self.thousands))}]"
            integer = rf"(?:[1-9]\d{{0,2}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}|\d+)"
        return re.compile(rf"[+-]?(?:{integer}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?")

    def parse(self, cell: str) -> float | None:
        """Return the number in a cell, NaN for a missing one, None for a cell that this convention does not read."""
        text = cell.strip().translate(_PLAIN)
        arabic = text.translate(_ARABIC)
        if arabic != text:
            return _ARABIC_STYLE.parse(arabic)
        if self._pattern.fullmatch(text):
            for mark in _ALIKE.get(self.thousands, self.thousands):
                text = text.replace(mark, "")
            value = float(text.replace(self.decimal, "."))
            return value if np.isfinite(value) else np.nan
        return np.nan if text.casefold() in self.marks else None


_ARABIC_STYLE = NumberStyle(".", ",")


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column as float64, NaN for missing; ``unreadable`` marks the cells that the convention does not read."""

    values: Any
    unreadable: Any

    @property
    def is_text(self) -> bool:
        """Whether no cell holds a number and some are unreadable."""
        return bool(self.unreadable.any()) and bool(np.isnan(self.values).all())


def read_numbers(column: pd.Series[Any], style: NumberStyle, unit: str | None = None) -> Numbers:
    """Return a column's numbers.

    Args:
        column: Numbers, or text as in the file.
        style: How numbers are written.
        unit: Unit of the column: cells may carry it (``1.5 MW``); a cell with another unit is unreadable.
    """
    if pd.api.types.is_bool_dtype(column):
        return Numbers(np.full(len(column), np.nan), np.ones(len(column), dtype=bool))
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
        values[~np.isfinite(values)] = np.nan
        return Numbers(values, np.zeros(len(column), dtype=bool))
    values = np.full(len(column), np.nan)
    unreadable = np.zeros(len(column), dtype=bool)
    parsed: dict[str, float | None] = {}
    for i, cell in enumerate(column.to_numpy(dtype=object)):
        if isinstance(cell, str):
            if cell not in parsed:
                parsed[cell] = _parsed(cell, style, unit)
            number = parsed[cell]
            if number is None:
                unreadable[i] = True
            else:
                values[i] = number
        elif cell is not None and cell is not pd.NA:
            try:
                values[i] = float(cell)
            except (TypeError, ValueError):
                unreadable[i] = True
    return Numbers(values, unreadable)


def readable_styles(columns: Iterable[pd.Series[Any]], style: NumberStyle) -> list[NumberStyle]:
    """Return the conventions that read every cell of these columns, with the missing marks of ``style``."""
    cells = {cell for column in columns for cell in column.to_numpy(dtype=object) if isinstance(cell, str)}
    tried = [NumberStyle(decimal, thousands, style.missing) for decimal, thousands in _STYLES]
    return [
        style
        for style in tried
        if _uses(cells, style.thousands) and all(style.parse(cell) is not None for cell in cells)
    ]


def number_hint(column: pd.Series[Any], style: NumberStyle, unit: str | None = None) -> str:
    """Return the next step for a column with unreadable cells; each step named was tried on the column first."""
    cells = {cell for cell in column.to_numpy(dtype=object) if isinstance(cell, str)}
    if not cells:
        return "write numbers, or leave the column out with ignore: in a mapping file"
    of_share = unit in (None, "percent", "fraction")
    cell_units = {name for cell in cells for name in _units_in(cell, style)}
    written = sorted(name for name in cell_units if of_share or name != "percent")
    if len(written) == 1 and written[0] != unit and all(_parsed(cell, style, written[0]) is not None for cell in cells):
        return f"its cells are in {written[0]}: state it in a mapping file: {{from: {column.name}, unit: {written[0]}}}"
    if len(written) > 1:
        return f"its cells are in {' and '.join(written)}: write the whole column in one unit"
    if any(re.fullmatch(r"\(.*\)|.*\d\s*-", cell.strip()) for cell in cells if style.parse(cell) is None):
        return "write a negative value with a minus sign in front (-12.5), and others without brackets"
    if unit is not None:
        cells = {without_unit(cell, unit) or cell for cell in cells}
        column = pd.Series(sorted(cells), dtype="str")
    other_styles = [other for other in readable_styles([column], style) if other != style]
    readable = [_stated(other.decimal, other.thousands) for other in other_styles]
    if readable:
        return f"state in a mapping file (--mapping) how numbers are written: {', or '.join(readable)}"
    bad = sorted({cell.strip() for cell in cells if style.parse(cell) is None})
    words = ", ".join("'" + word.replace("'", "''") + "'" for word in bad[:5])  # YAML reads escapes in double quotes
    if len(bad) <= 5 and not any(any(sign.isdigit() for sign in word) for word in bad):
        return f"leave missing values empty, or list their marks in a mapping file: missing: [{words}]"
    return "leave missing values empty, correct the cell, or state decimal: and thousands: in a mapping file"


def _parsed(cell: str, style: NumberStyle, unit: str | None) -> float | None:
    number = style.parse(cell)
    if number is None and unit is not None:
        bare = without_unit(cell, unit)
        number = None if bare is None else style.parse(bare)
    return number


def _units_in(cell: str, style: NumberStyle) -> list[str]:
    if style.parse(cell) is not None:
        return []
    return [unit for unit in UNITS if (bare := without_unit(cell, unit)) is not None and style.parse(bare) is not None]


def _uses(cells: set[str], thousands: str) -> bool:
    return not thousands or any(mark in cell for cell in cells for mark in _ALIKE.get(thousands, thousands))


def _stated(decimal: str, thousands: str) -> str:
    return f'decimal: "{decimal}"' + (f' with thousands: "{thousands}"' if thousands else "")
