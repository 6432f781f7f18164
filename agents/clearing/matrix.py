"""The sparse matrix of the look-ahead dispatch: which columns and rows a fleet's problem has.

The matrix depends on the fleet, the steps and a few switches alone, so it is built once and kept; what changes from
decision to decision (costs, bounds, right-hand sides) is filled in by ``agents.clearing.program``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from agents.clearing.highs import Matrix
from vpp.numerics.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class BatteryForm:
    """What of a battery is in the matrix."""

    charge_efficiency: float
    discharge_efficiency: float


@dataclass(frozen=True, slots=True)
class PeakerForm:
    """What of a peaker is in the matrix; ``commits`` is True when it has an on/off decision."""

    capacity_mw: float
    min_load_mw: float
    ramp_mw_per_h: float
    min_run_min: float
    start_time_min: float
    commits: bool


@dataclass(frozen=True, slots=True)
class Form:
    """Key of a matrix. ``cuts``: +1 per curtailable load, -1 per renewable. Pieces are those of ``penalties.Hinges``.

    Switches: ``orders``: bands or targets are wanted; ``churns``: the
    plan before has a price.
    """

    batteries: tuple[BatteryForm, ...]
    peakers: tuple[PeakerForm, ...]
    cuts: tuple[float, ...]
    step_h: tuple[float, ...]
    segments: int
    ramp_down: int
    ramp_up: int
    level_down: int
    level_up: int
    orders: bool
    churns: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of columns and rows, by name, and the matrix; arrays of indices are empty where a switch is off.

    Columns: ``charge discharge energy`` (B, N), ``stored`` (B, S), ``gen`` (P, N), ``cut`` (K, N), ``grid`` (N,),
    ``ramp`` and ``level`` pieces (N, pieces), ``lack excess`` (B+P+K, N), ``early late`` (B, N),
    ``dearer cheaper`` (B+P, N), ``on start stop`` (U, N).
    Rows: ``soc`` (B, N), ``left`` (B,), ``swing`` (P, N), ``balance ramp level`` (N,),
    ``order`` (B+P+K, N), ``target`` (B, N), ``churn`` (B+P, N), ``most least rise fall logic fresh`` (U, N),
    ``run rest`` (U, N).
    """

    matrix: Matrix
    column: dict[str, Ints]
    row: dict[str, Ints]


class _Sheet:
    """Collects columns, rows and entries."""

    def __init__(self) -> None:
        self.column: dict[str, Ints] = {}
        self.row: dict[str, Ints] = {}
        self.columns = 0
        self.rows = 0
        self._entries: list[tuple[Ints, Ints, Floats]] = []

    def add_columns(self, name: str, *shape: int) -> Ints:
        count = int(np.prod(shape))
        self.column[name] = np.arange(self.columns, self.columns + count, dtype=np.int64).reshape(shape)
        self.columns += count
        return self.column[name]

    def add_rows(self, name: str, *shape: int) -> Ints:
        count = int(np.prod(shape))
        self.row[name] = np.arange(self.rows, self.rows + count, dtype=np.int64).reshape(shape)
        self.rows += count
        return self.row[name]

    def put(self, row: Any, column: Any, value: Any) -> None:
        row, column, value = np.broadcast_arrays(row, column, np.asarray(value, dtype=float))
        self._entries.append((row.ravel(), column.ravel(), value.ravel()))

    def layout(self) -> Layout:
        row = np.concatenate([entry[0] for entry in self._entries])
        column = np.concatenate([entry[1] for entry in self._entries])
        value = np.concatenate([entry[2] for entry in self._entries])
        return Layout(Matrix.of((self.rows, self.columns), row, column, value), self.column, self.row)


@lru_cache(maxsize=64)
def layout_of(form: Form) -> Layout:
    """Return the layout of ``form``, from the cache when it was built before."""
    sheet = _Sheet()
    steps = len(form.step_h)
    batteries, peakers, cuts = len(form.batteries), len(form.peakers), len(form.cuts)
    sheet.add_columns("charge", batteries, steps)
    sheet.add_columns("discharge", batteries, steps)
    sheet.add_columns("energy", batteries, steps)
    sheet.add_columns("stored", batteries, form.segments)
    sheet.add_columns("gen", peakers, steps)
    sheet.add_columns("cut", cuts, steps)
    sheet.add_columns("grid", steps)
    sheet.add_columns("ramp", steps, form.ramp_down + form.ramp_up)
    sheet.add_columns("level", steps, form.level_down + form.level_up)
    _store(sheet, form)
    _grid(sheet, form)
    _swing(sheet)
    _commit(sheet, form)
    if form.orders:
        _order(sheet, form)
    if form.churns:
        _churn(sheet, batteries + peakers, steps)
    return sheet.layout()


def _store(sheet: _Sheet, form: Form) -> None:
    """e[h] = e[h-1] + eta_c dt c - dt d / eta_d;  e[N-1] - sum(z) = e_min."""
    c, d, e, z = (sheet.column[name] for name in ("charge", "discharge", "energy", "stored"))
    dt = np.array(form.step_h)
    into = np.array([b.charge_efficiency for b in form.batteries]).reshape(-1, 1)
    out = np.array([b.discharge_efficiency for b in form.batteries]).reshape(-1, 1)
    soc = sheet.add_rows("soc", *e.shape)
    sheet.put(soc, e, 1.0)
    sheet.put(soc[:, 1:], e[:, :-1], -1.0)
    sheet.put(soc, c, -into * dt)
    sheet.put(soc, d, dt / out)
    left = sheet.add_rows("left", e.shape[0])
    sheet.put(left, e[:, -1], 1.0)
    sheet.put(left[:, None], z, -1.0)


def _grid(sheet: _Sheet, form: Form) -> None:
    """G + p = net;  G[h] - G[h-1] and G[h] as anchor + pieces of their penalty curves."""
    grid = sheet.column["grid"]
    balance = sheet.add_rows("balance", *grid.shape)
    sheet.put(balance, grid, 1.0)
    for name, sign in _powers(form):
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


def _powers(form: Form) -> list[tuple[str, Any]]:
    cuts = np.array(form.cuts).reshape(-1, 1)
    return [("discharge", 1.0), ("charge", -1.0), ("gen", 1.0), ("cut", cuts)]


def _swing(sheet: _Sheet) -> None:
    """-R <= g[h] - g[h-1] <= R."""
    gen = sheet.column["gen"]
    swing = sheet.add_rows("swing", *gen.shape)
    sheet.put(swing, gen, 1.0)
    sheet.put(swing[:, 1:], gen[:, :-1], -1.0)


def _commit(sheet: _Sheet, form: Form) -> None:
    """Unit commitment with on u, start v, stop w (Rajan and Takriti 2005 for the run and rest rows).

    min u <= g <= cap u;  u[h] - u[h-1] = v[h] - w[h];  v[h] <= 1 - u[h-1];  starts of the last ``min_run`` <= u;
    stops of the last ``start_time`` <= 1 - u;  a start may jump to the minimum load, a stop may leave it.
    """
    units = [p for p, peaker in enumerate(form.peakers) if peaker.commits]
    steps = len(form.step_h)
    on, start, stop = (sheet.add_columns(name, len(units), steps) for name in ("on", "start", "stop"))
    rows = {
        name: sheet.add_rows(name, len(units), steps)
        for name in ("most", "least", "rise", "fall", "logic", "fresh", "run", "rest")
    }
    dt = np.array(form.step_h)
    gap = (np.concatenate([dt[:1], dt[:-1]]) + dt) / 2.0
    begin_min = np.concatenate([[0.0], np.cumsum(dt)[:-1]]) * 60.0
    for unit, place in enumerate(units):
        peaker, gen = form.peakers[place], sheet.column["gen"][place]
        u, v, w = on[unit], start[unit], stop[unit]
        most, least, rise, fall, logic, fresh, run, rest = (rows[name][unit] for name in rows)
        swing = peaker.ramp_mw_per_h * gap
        jump = np.maximum(peaker.min_load_mw, swing)
        sheet.put(most, gen, 1.0)
        sheet.put(most, u, -peaker.capacity_mw)
        sheet.put(least, gen, 1.0)
        sheet.put(least, u, -peaker.min_load_mw)
        for row, sign, before, edge in ((rise, 1.0, u[:-1], v), (fall, -1.0, u[1:], w)):
            sheet.put(row, gen, sign)
            sheet.put(row[1:], gen[:-1], -sign)
            sheet.put(row[1:], before, -swing[1:])
            sheet.put(row, edge, -jump)
        sheet.put(fall[0], u[0], -swing[0])
        sheet.put(logic, u, 1.0)
        sheet.put(logic[1:], u[:-1], -1.0)
        sheet.put(logic, v, -1.0)
        sheet.put(logic, w, 1.0)
        sheet.put(fresh, v, 1.0)
        sheet.put(fresh[1:], u[:-1], 1.0)
        sheet.put(run, u, -1.0)
        sheet.put(rest, u, 1.0)
        for h in range(steps):
            sheet.put(run[h], v[_since(begin_min, h, peaker.min_run_min)], 1.0)
            sheet.put(rest[h], w[_since(begin_min, h, peaker.start_time_min)], 1.0)


def _since(begin_min: Floats, h: int, minutes: float) -> slice:
    """Return the steps whose event at their start still rules step h: it lies less than ``minutes`` back."""
    first = int(np.searchsorted(begin_min, begin_min[h] - minutes, side="right"))
    return slice(min(first, h), h + 1)


def _order(sheet: _Sheet, form: Form) -> None:
    """Min <= p + lack - excess <= max per asset;  e + early - late = target."""
    steps, batteries, peakers = len(form.step_h), len(form.batteries), len(form.peakers)
    movers = batteries + peakers + len(form.cuts)
    order = sheet.add_rows("order", movers, steps)
    sheet.put(order, sheet.add_columns("lack", movers, steps), 1.0)
    sheet.put(order, sheet.add_columns("excess", movers, steps), -1.0)
    sheet.put(order[:batteries], sheet.column["discharge"], 1.0)
    sheet.put(order[:batteries], sheet.column["charge"], -1.0)
    sheet.put(order[batteries : batteries + peakers], sheet.column["gen"], 1.0)
    sheet.put(order[batteries + peakers :], sheet.column["cut"], np.array(form.cuts).reshape(-1, 1))
    target = sheet.add_rows("target", batteries, steps)
    sheet.put(target, sheet.column["energy"], 1.0)
    sheet.put(target, sheet.add_columns("early", batteries, steps), 1.0)
    sheet.put(target, sheet.add_columns("late", batteries, steps), -1.0)


def _churn(sheet: _Sheet, movers: int, steps: int) -> None:
    """P - up + down = the plan published before, for batteries and peakers."""
    batteries = sheet.column["charge"].shape[0]
    churn = sheet.add_rows("churn", movers, steps)
    sheet.put(churn[:batteries], sheet.column["discharge"], 1.0)
    sheet.put(churn[:batteries], sheet.column["charge"], -1.0)
    sheet.put(churn[batteries:], sheet.column["gen"], 1.0)
    sheet.put(churn, sheet.add_columns("dearer", movers, steps), -1.0)
    sheet.put(churn, sheet.add_columns("cheaper", movers, steps), 1.0)
