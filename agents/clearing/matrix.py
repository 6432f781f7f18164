"""The sparse matrix of the look-ahead dispatch: columns and rows of a fleet's problem.

Each asset type adds its block (``agents.assets.contract``); grid power, its penalties, orders and the previously
published plan are added to the blocks. The matrix depends only on the fleet, the steps and a few switches, so it is
built once and cached; ``agents.clearing.program`` fills in costs, bounds and right-hand sides.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from agents.assets.lp import BlockShape, Sheet
from agents.assets.registry import TYPES
from agents.clearing.highs import Matrix, Units
from vpp.numerics.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Form:
    """Key of a matrix.

    ``blocks``: kind of asset, and the parameters of each asset of this kind that the matrix depends on. ``ramp_down``
    to ``level_up``: pieces of the penalty curves (``penalties.Hinges``). ``orders``: there are bands or targets.
    ``churns``: deviations from the previous plan have a price.
    """

    blocks: tuple[tuple[str, tuple[Hashable, ...]], ...]
    shape: BlockShape
    ramp_down: int
    ramp_up: int
    level_down: int
    level_up: int
    orders: bool
    churns: bool


@dataclass(frozen=True, slots=True)
class MatrixLayout:
    """Indices of columns and rows, by name, and the matrix; names of a switch that is off are missing.

    Columns besides those of the asset types: ``grid`` (N,), ``ramp`` and ``level`` pieces (N, pieces),
    ``below_band above_band`` (A, N), ``soc_below soc_above`` (B, N), ``plan_up plan_down`` (M, N).
    Rows: ``balance ramp level`` (N,), ``band`` (A, N), ``soc_target`` (B, N), ``plan`` (M, N).
    A: all assets in the order of the types; B: those with a SoC target; M: those that keep to the plan.
    ``power_columns``, ``power_rows``: bool by column and row, True for a power or energy, False for a pure number.
    ``exclusive``: pairs of columns of which one must be 0.
    """

    matrix: Matrix
    column: dict[str, Ints]
    row: dict[str, Ints]
    power_columns: Bools
    power_rows: Bools
    exclusive: tuple[Ints, Ints]

    def units(self, power_mw: float) -> Units:
        """Return units of ``power_mw`` for powers and energies, and of one for pure numbers."""
        column, row = (np.where(is_power, power_mw, 1.0) for is_power in (self.power_columns, self.power_rows))
        return Units(column, row, power_mw)


@lru_cache(maxsize=64)
def layout_of(form: Form) -> MatrixLayout:
    """Return the layout of ``form``, from the cache when it was built before."""
    sheet = Sheet()
    steps = form.shape.steps
    for kind, forms in form.blocks:
        TYPES[kind].add_power_columns(sheet, forms, form.shape)
    sheet.add_columns("grid", steps)
    sheet.add_columns("ramp", steps, form.ramp_down + form.ramp_up)
    sheet.add_columns("level", steps, form.level_down + form.level_up)
    for kind, forms in form.blocks:
        TYPES[kind].add_energy_rows(sheet, forms, form.shape)
    _add_grid(sheet, form)
    for kind, forms in form.blocks:
        TYPES[kind].add_operating_rows(sheet, forms, form.shape)
    if form.orders:
        _add_orders(sheet, form)
    if form.churns:
        _add_plan(sheet, form)
    row, column, value = sheet.entries()
    power_columns = np.ones(sheet.columns, dtype=np.bool_)
    power_columns[np.concatenate([np.zeros(0, dtype=np.int64), *sheet.pure_numbers])] = False
    power_rows = np.zeros(sheet.rows, dtype=np.bool_)
    power_rows[row[power_columns[column]]] = True
    matrix = Matrix.of((sheet.rows, sheet.columns), row, column, value)
    pairs = [names for kind, _ in form.blocks if (names := TYPES[kind].exclusive_columns)]
    either, other = (np.concatenate([sheet.column[names[k]].ravel() for names in pairs]) for k in (0, 1))
    return MatrixLayout(matrix, sheet.column, sheet.row, power_columns, power_rows, (either, other))


def _add_grid(sheet: Sheet, form: Form) -> None:
    """G + p = net;  G[h] - G[h-1] and G[h] as anchor + pieces of their penalty curves."""
    grid = sheet.column["grid"]
    balance = sheet.add_rows("balance", *grid.shape)
    sheet.put(balance, grid, 1.0)
    for kind, _ in form.blocks:
        for name, sign in TYPES[kind].power_terms:
            sheet.put(balance[None, :], sheet.column[name], sign)
    ramp = sheet.add_rows("ramp", *grid.shape)
    sheet.put(ramp, grid, 1.0)
    sheet.put(ramp[1:], grid[:-1], -1.0)
    sheet.put(ramp[:, None], sheet.column["ramp"], _signs(form.ramp_down, form.ramp_up))
    level = sheet.add_rows("level", *grid.shape)
    sheet.put(level, grid, 1.0)
    sheet.put(level[:, None], sheet.column["level"], _signs(form.level_down, form.level_up))


def _signs(down: int, up: int) -> Floats:
    return np.concatenate([np.ones(down), -np.ones(up)])


def _add_orders(sheet: Sheet, form: Form) -> None:
    """``min <= p + below_band - above_band <= max`` per asset;  ``e + soc_below - soc_above = target``."""
    steps = form.shape.steps
    assets = sum(len(forms) for _, forms in form.blocks)
    band = sheet.add_rows("band", assets, steps)
    sheet.put(band, sheet.add_columns("below_band", assets, steps), 1.0)
    sheet.put(band, sheet.add_columns("above_band", assets, steps), -1.0)
    first = 0
    for kind, forms in form.blocks:
        _put_power(sheet, band[first : first + len(forms)], kind)
        first += len(forms)
    energies = [sheet.column[name] for kind, _ in form.blocks if (name := TYPES[kind].target_column)]
    energy = np.concatenate(energies)
    target = sheet.add_rows("soc_target", *energy.shape)
    sheet.put(target, energy, 1.0)
    sheet.put(target, sheet.add_columns("soc_below", *energy.shape), 1.0)
    sheet.put(target, sheet.add_columns("soc_above", *energy.shape), -1.0)


def _add_plan(sheet: Sheet, form: Form) -> None:
    """``p - plan_up + plan_down`` = the plan published before, for the assets that keep to it."""
    keeping = [(kind, len(forms)) for kind, forms in form.blocks if TYPES[kind].keeps_to_plan]
    count, steps = sum(number for _, number in keeping), form.shape.steps
    plan = sheet.add_rows("plan", count, steps)
    first = 0
    for kind, number in keeping:
        _put_power(sheet, plan[first : first + number], kind)
        first += number
    sheet.put(plan, sheet.add_columns("plan_up", count, steps), -1.0)
    sheet.put(plan, sheet.add_columns("plan_down", count, steps), 1.0)


def _put_power(sheet: Sheet, rows: Ints, kind: str) -> None:
    for name, sign in TYPES[kind].power_terms:
        sheet.put(rows, sheet.column[name], sign)
