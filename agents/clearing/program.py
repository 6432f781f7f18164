"""Costs, bounds and right-hand sides of the look-ahead dispatch, and the plan of its solution.

The linear programme over steps h = 0..N-1 and assets a, all powers positive into the grid::

    min  sum_h sum_a cost_a[h]  +  sum_h ramp(G[h] - G[h-1])  +  sum_h level(G[h])  -  sum_i value_i z_i
         + order_price sum_h dt[h] (below + above)  +  churn_price sum_h dt[h] (up + down)
    s.t. G[h] + sum_a p_a[h] = net[h]

    battery    p = d - c          cost = dt (price (c - d) + wear d)
               e[h] = e[h-1] + eta_c dt c - dt d / eta_d,   e[N-1] - e_min = sum_i z_i
    peaker     p = g              cost = dt (fuel - price') g  +  start_cost v
    load       p = k              cost = dt (curtail - price') k
    renewable  p = -k             cost = dt (curtail + price') k
    ev_depot   p = d - c          cost = dt (price (c - d) + wear d)  +  unmet_price m
               e[h] = e[h-1] + eta_c dt c - dt d / eta_d + m[h] - what a departure takes

``dt``: hours of a step. ``net``: expected net load, ``G``: grid power (MW). ``c``, ``d``: charge and discharge (MW, at
least 0), ``e``: energy in store (MWh), ``eta_c``, ``eta_d``: efficiencies, ``e_min``: energy at soc_min. ``g``:
generation, ``v``: 1 where a peaker starts, ``k``: power shed or cut. ``m``: energy missing at a departure (MWh).
``price``: price that stores trade at, ``price'``: price that other assets are weighed at (per MWh). ``wear``, ``fuel``,
``curtail``: cost per MWh. ``z_i``: energy left in segment i of the stored value ``value_i`` (per MWh). ``ramp``,
``level``: expected penalties (``agents.clearing.penalties``), each a convex curve made of linear pieces. ``below``,
``above``: MW short of and beyond an order's band; ``up``, ``down``: MW above and below the plan published before.
The blocks of the asset types are in ``agents.assets``, one module each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from agents.assets.lp import BlockShape, Coefficients
from agents.assets.registry import TYPES
from agents.clearing.highs import Program
from agents.clearing.horizon_bounds import binding_values, curtailable_power, worst_excess
from agents.clearing.matrix import Form, MatrixLayout, layout_of
from agents.clearing.penalties import Hinges, level_hinges, ramp_hinges
from agents.clearing.problem import ClearingProblem
from vpp.numerics.arrays import Bools, Floats, Ints

ORDER_FACTOR = 5.0
"""An order's MW weighs this many times the most expensive penalty: orders go before the rest."""
LATER_ORDERS = 0.25
"""After the slot decided it weighs this much of that: an order that cannot be met for long must not turn the battery
the other way now in order to be met later (worth it only above the round-trip efficiency)."""
SAFETY_FACTOR = 20.0
"""The cap weighs this many times more wherever orders act, so it goes before them."""


@dataclass(frozen=True, slots=True)
class AssetRows:
    """Places of the problem's assets by kind, in the order of the types; file order within a kind."""

    by_kind: dict[str, Ints]

    @staticmethod
    def of(problem: ClearingProblem) -> AssetRows:
        """Return the places of ``problem``."""
        return _rows_of(tuple(asset.kind for asset in problem.assets))

    def where(self, name: str) -> Ints:
        """Return the places of the assets whose type has a true attribute ``name``."""
        chosen = [rows for kind, rows in self.by_kind.items() if getattr(TYPES[kind], name)]
        return np.concatenate([np.zeros(0, dtype=np.int64), *chosen])

    @property
    def all(self) -> Ints:
        """Places of all assets."""
        return np.concatenate(list(self.by_kind.values()))


@lru_cache(maxsize=256)
def _rows_of(kinds: tuple[str, ...]) -> AssetRows:
    return AssetRows({kind: np.array([i for i, k in enumerate(kinds) if k == kind], dtype=np.int64) for kind in TYPES})


@dataclass(frozen=True, slots=True)
class Model:
    """One filled-in program with the indices for reading its solution."""

    program: Program
    layout: MatrixLayout
    rows: AssetRows
    fixed_mw: Floats

    def power(self, value: Floats) -> Floats:
        """Return the assets' power, shape (A, N), of a solution's values by column."""
        power = np.zeros(self.fixed_mw.shape)
        for kind, rows in self.rows.by_kind.items():
            for name, sign in TYPES[kind].power_terms:
                power[rows] += sign * value[self.layout.column[name]]
        return power + 0.0

    def net_load_columns(self) -> Ints:
        """Return the columns whose bounds follow the net load."""
        return np.concatenate([self.layout.column[name].ravel() for _, name in _net_load_blocks(self.rows)])

    def net_load_bounds(self, problem: ClearingProblem) -> tuple[Floats, Floats]:
        """Return lower and upper bounds of ``net_load_columns`` at the net load of ``problem``."""
        most = curtailable_power(problem)
        bounds = [_cut_bounds(most, rows, self.fixed_mw) for rows, _ in _net_load_blocks(self.rows)]
        low, high = (np.concatenate([pair[k].ravel() for pair in bounds]) for k in (0, 1))
        return low, high


def build(problem: ClearingProblem, *, running: Bools | None = None) -> Model:
    """Return the program of ``problem``.

    Args:
        problem: The decision.
        running: Shape (A, N): the generators' commitment when it is decided already; the program is then an LP.
    """
    rows = AssetRows.of(problem)
    ramp, level = ramp_hinges(problem), level_hinges(problem)
    bands = problem.bands
    orders = bool(
        np.isfinite(bands.min_mw).any() or np.isfinite(bands.max_mw).any() or np.isfinite(bands.soc_target).any()
    )
    form = _form(problem, rows, ramp, level, orders=orders)
    layout = layout_of(form)
    values = _coefficients(problem, layout, running)
    for kind, places in rows.by_kind.items():
        TYPES[kind].fill(values, problem, places)
    most = curtailable_power(problem)
    for places, name in _net_load_blocks(rows):
        columns = layout.column[name]
        values.low[columns], values.high[columns] = _cut_bounds(most, places, values.fixed_mw)
    _fill_grid(values, problem, ramp, level, orders=orders)
    if orders:
        _fill_orders(values, problem, rows)
    if form.churns:
        _fill_plan(values, problem, rows)
    program = Program(
        layout.matrix,
        values.cost,
        values.low,
        values.high,
        values.row_low,
        values.row_high,
        values.integer,
        None if problem.unit_mw == 1.0 else layout.units(problem.unit_mw),
    )
    return Model(program, layout, rows, values.fixed_mw)


def _coefficients(problem: ClearingProblem, layout: MatrixLayout, running: Bools | None) -> Coefficients:
    columns, lines = layout.matrix.columns, layout.matrix.rows
    return Coefficients(
        column=layout.column,
        row=layout.row,
        cost=np.zeros(columns),
        low=np.zeros(columns),
        high=np.full(columns, np.inf),
        row_low=np.full(lines, -np.inf),
        row_high=np.full(lines, np.inf),
        integer=np.zeros(columns, dtype=np.int32),
        fixed_mw=binding_values(problem),
        above_cap_mw=worst_excess(problem),
        running=running,
        is_ordered=np.asarray((np.isfinite(problem.bands.min_mw) | np.isfinite(problem.bands.max_mw)).any(axis=1)),
    )


def _form(problem: ClearingProblem, rows: AssetRows, ramp: Hinges, level: Hinges, *, orders: bool) -> Form:
    blocks = [
        (kind, tuple(TYPES[kind].form(problem.assets[i]) for i in places)) for kind, places in rows.by_kind.items()
    ]
    return Form(
        blocks=tuple(blocks),
        shape=BlockShape(tuple(problem.step_h.tolist()), len(problem.stored_value_per_mwh)),
        ramp_down=ramp.down_mw.shape[1] + 1,
        ramp_up=ramp.up_mw.shape[1],
        level_down=level.down_mw.shape[1] + 1,
        level_up=level.up_mw.shape[1],
        orders=orders,
        churns=problem.churn_price_per_mwh > 0 and bool(np.isfinite(problem.reference_mw).any()),
    )


def _net_load_blocks(rows: AssetRows) -> list[tuple[Ints, str]]:
    return [(places, name) for kind, places in rows.by_kind.items() if (name := TYPES[kind].net_load_column)]


def _cut_bounds(most_mw: Floats, places: Ints, fixed_mw: Floats) -> tuple[Floats, Floats]:
    """Return the bounds of what some assets shed or are cut by, shape (K, N) each."""
    fixed = np.abs(fixed_mw[places])
    free = np.isnan(fixed)
    return np.where(free, 0.0, fixed), np.where(free, most_mw[places], fixed)


def _fill_grid(values: Coefficients, problem: ClearingProblem, ramp: Hinges, level: Hinges, *, orders: bool) -> None:
    """Grid power and the pieces of its penalties."""
    values.low[values.column["grid"]] = -np.inf
    values.equal("balance", problem.net_mw)
    for name, hinges in (("ramp", ramp), ("level", level)):
        anchor, widths, costs = hinges.segments()
        if name == "ramp" and not np.isnan(problem.state.grid_mw):
            anchor = anchor.copy()
            anchor[0] += problem.state.grid_mw
        if name == "level" and orders:
            costs = costs * SAFETY_FACTOR
        values.equal(name, anchor)
        values.high[values.column[name]] = widths
        values.cost[values.column[name]] = costs


def _fill_orders(values: Coefficients, problem: ClearingProblem, rows: AssetRows) -> None:
    """Write bands and targets of orders as soft limits: an unreachable one is missed by as little as possible."""
    row, column, places = values.row, values.column, rows.all
    limits = problem.zone.limits
    order_price = (
        ORDER_FACTOR
        * max(problem.service_factor, 1.0)
        * max(limits.ramp_penalty_per_mwh, limits.cap_penalty_per_mwh, 100.0)
    )
    values.row_low[row["band"]] = problem.bands.min_mw[places]
    values.row_high[row["band"]] = problem.bands.max_mw[places]
    price = order_price * problem.step_h
    price[1:] *= LATER_ORDERS
    values.cost[column["below_band"]] = values.cost[column["above_band"]] = price
    values.cost[column["soc_below"]] = values.cost[column["soc_above"]] = order_price
    for b, i in enumerate(rows.where("target_column")):
        capacity = TYPES[problem.assets[i].kind].energy_mwh(problem.assets[i])
        if np.isfinite(problem.bands.soc_target[i]) and capacity is not None:
            place = row["soc_target"][b, int(problem.bands.soc_target_step[i])]
            values.row_low[place] = values.row_high[place] = problem.bands.soc_target[i] * capacity


def _fill_plan(values: Coefficients, problem: ClearingProblem, rows: AssetRows) -> None:
    """Departures from the plan before."""
    reference = problem.reference_mw[rows.where("keeps_to_plan")]
    finite = np.isfinite(reference)
    places = values.row["plan"]
    values.row_low[places] = np.where(finite, reference, -np.inf)
    values.row_high[places] = np.where(finite, reference, np.inf)
    price = problem.churn_price_per_mwh * problem.step_h
    for name in ("plan_up", "plan_down"):
        values.cost[values.column[name]] = np.broadcast_to(price, reference.shape)
