"""The block of an asset type in the dispatch LP: columns, rows and entries, then numbers.

A block's structure depends on the fleet alone and is built once (``Sheet``); costs, bounds and right-hand sides change
from decision to decision (``Coefficients``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vpp.numerics.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class BlockShape:
    """Parameters of the structure of every block: hours per step and segments of the stored value."""

    step_h: tuple[float, ...]
    segments: int

    @property
    def steps(self) -> int:
        """Number of steps N."""
        return len(self.step_h)


class Sheet:
    """Collects columns, rows and entries of a sparse matrix by name; each place has at most one entry."""

    def __init__(self) -> None:
        self.column: dict[str, Ints] = {}
        self.row: dict[str, Ints] = {}
        self.pure_numbers: list[Ints] = []
        self.columns = 0
        self.rows = 0
        self._entries: list[tuple[Ints, Ints, Floats]] = []

    def add_columns(self, name: str, *shape: int, pure_number: bool = False) -> Ints:
        """Return the places of new columns.

        Args:
            name: Their name.
            shape: Their shape.
            pure_number: Whether they are numbers such as on or off; else they are powers or energies.

        Raises:
            ValueError: The name is taken.
        """
        self.column[name] = places = self._places(self.column, name, self.columns, shape)
        self.columns += places.size
        if pure_number:
            self.pure_numbers.append(places.ravel())
        return places

    def add_rows(self, name: str, *shape: int) -> Ints:
        """Return the places of new rows.

        Raises:
            ValueError: The name is taken.
        """
        self.row[name] = places = self._places(self.row, name, self.rows, shape)
        self.rows += places.size
        return places

    @staticmethod
    def _places(places: dict[str, Ints], name: str, first: int, shape: tuple[int, ...]) -> Ints:
        if name in places:
            raise ValueError(f"two blocks of the dispatch use the name {name!r}")
        count = int(np.prod(shape))
        return np.arange(first, first + count, dtype=np.int64).reshape(shape)

    def put(self, row: Any, column: Any, value: Any) -> None:
        """Enter ``value`` at ``(row, column)``; the three are broadcast against each other."""
        row, column, value = np.broadcast_arrays(row, column, np.asarray(value, dtype=float))
        self._entries.append((row.ravel(), column.ravel(), value.ravel()))

    def entries(self) -> tuple[Ints, Ints, Floats]:
        """Return row, column and value of all entries."""
        row, column, value = (np.concatenate([entry[k] for entry in self._entries]) for k in range(3))
        return row, column, value


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Numbers of one decision: minimise ``cost x``, ``row_low <= A x <= row_high``, ``low <= x <= high``.

    Defaults before ``fill``: ``cost`` and ``low`` 0, ``high`` infinite, rows without bounds.

    ``column``, ``row``: places by name (``Sheet``). ``integer``: 1 for columns that must be whole.
    ``fixed_mw``: shape (A, N), power that is delivered whatever the plan is, NaN if the plan is free.
    ``above_cap_mw``: shape (N,), net load above the import cap in the worst case considered, at least 0.
    ``running``: shape (A, N), on/off decisions that are made already, else None.
    ``is_ordered``: shape (A,), True where an order asks for a band of power.
    """

    column: dict[str, Ints]
    row: dict[str, Ints]
    cost: Floats
    low: Floats
    high: Floats
    row_low: Floats
    row_high: Floats
    integer: Any
    fixed_mw: Floats
    above_cap_mw: Floats
    running: Bools | None
    is_ordered: Bools

    def equal(self, row: str, value: Floats | float) -> None:
        """Set both sides of the rows of one name."""
        places = self.row[row]
        self.row_low[places] = self.row_high[places] = value


@dataclass(frozen=True, slots=True)
class LimitColumn:
    """A column whose upper bound a text names if it binds, as a limit of ``power`` (MW) or ``soc`` (MWh).

    ``both``: the text names the lower bound as well.
    """

    column: str
    kind: str
    both: bool = False


def gap_hours(step_h: Floats) -> Floats:
    """Return the hours from the centre of the step before to the centre of each step (h = 0: its own length)."""
    before = np.concatenate([step_h[:1], step_h[:-1]])
    return np.asarray((before + step_h) / 2.0)
