"""Costs, bounds and right-hand sides of the look-ahead dispatch, and what its solution says (DESIGN §7).

Per battery charge c, discharge d >= 0 and energy e; per peaker g; per curtailable load or renewable k; grid power G.

    min  sum_h dt (price (c - d) + wear d + (fuel - price') g + (cost -+ price') k) + ramp(G[h] - G[h-1]) + level(G[h])
         - sum_i value_i z_i
    e[h] = e[h-1] + eta_c dt c - dt d / eta_d,   G + sum(d - c) + sum g + sum(+-k) = net,   e[N-1] - e_min = sum_i z_i

``ramp`` and ``level`` are the expected penalties of ``agents.clearing.penalties``, each a convex curve made of pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agents.clearing.highs import Program
from agents.clearing.horizon_bounds import binding_values, commits, cut_limits, energy_band
from agents.clearing.matrix import BatteryForm, Form, Layout, PeakerForm, layout_of
from agents.clearing.penalties import Hinges, gap_hours, level_hinges, ramp_hinges
from agents.clearing.problem import ClearingProblem
from vpp.fleet.schema import Battery, CurtailableLoad, CurtailableRenewable, Peaker
from vpp.numerics.arrays import Bools, Floats, Ints

ORDER_FACTOR = 5.0
"""An order's MW weighs this many times the dearest penalty: orders go before the rest."""
LATER_ORDERS = 0.25
"""After the slot decided it weighs this much of that: an order that cannot be met for long must not turn the battery
the other way now in order to be met later (worth it only above the round-trip efficiency)."""
SAFETY_FACTOR = 20.0
"""The cap weighs this many times more wherever orders act, so that it goes before them."""
TIE_COST_PER_MWH = 1e-3
"""On charging, so that idling wins a tie against charging and discharging."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the problem's arrays by kind of asset, in file order."""

    batteries: Ints
    peakers: Ints
    cuts: Ints
    cut_sign: Floats

    @staticmethod
    def of(problem: ClearingProblem) -> Rows:
        """Return the rows of ``problem``."""

        def where(*kinds: type) -> Ints:
            return np.array([i for i, a in enumerate(problem.assets) if isinstance(a, kinds)], dtype=np.int64)

        cuts = where(CurtailableLoad, CurtailableRenewable)
        sign = np.array([1.0 if isinstance(problem.assets[i], CurtailableLoad) else -1.0 for i in cuts])
        return Rows(where(Battery), where(Peaker), cuts, sign)


@dataclass(frozen=True, slots=True)
class Model:
    """One filled-in program with what is needed to read its solution."""

    program: Program
    layout: Layout
    rows: Rows
    fixed_mw: Floats


def build(problem: ClearingProblem, *, running: Bools | None = None) -> Model:
    """Return the program of ``problem``.

    Args:
        problem: The decision.
        running: Shape (A, N): the peakers' commitment when it is decided already; the program is then an LP.
    """
    rows = Rows.of(problem)
    ramp, level = ramp_hinges(problem), level_hinges(problem)
    bands = problem.bands
    orders = bool(
        np.isfinite(bands.min_mw).any() or np.isfinite(bands.max_mw).any() or np.isfinite(bands.soc_target).any()
    )
    form = _form(problem, rows, ramp, level, orders=orders)
    layout = layout_of(form)
    sheet = _Values(problem, rows, layout)
    sheet.fill_store()
    sheet.fill_peakers()
    sheet.fill_cuts()
    sheet.fill_grid(ramp, level, orders=orders)
    sheet.fill_commitment(form, running)
    if orders:
        sheet.fill_orders()
    if form.churns:
        sheet.fill_churn()
    return Model(sheet.program(), layout, rows, sheet.fixed)


def cut_bounds(problem: ClearingProblem, rows: Rows, fixed_mw: Floats) -> tuple[Floats, Floats]:
    """Return the bounds of what loads shed and renewables are cut by, shape (K, N) each.

    Args:
        problem: The decision.
        rows: Its assets by kind.
        fixed_mw: Shape (A, N), their binding power, NaN where free.
    """
    fixed, most = np.abs(fixed_mw[rows.cuts]), cut_limits(problem)[rows.cuts]
    free = np.isnan(fixed)
    return np.where(free, 0.0, fixed), np.where(free, most, fixed)


def _form(problem: ClearingProblem, rows: Rows, ramp: Hinges, level: Hinges, *, orders: bool) -> Form:
    batteries = [problem.assets[i] for i in rows.batteries]
    return Form(
        batteries=tuple(
            BatteryForm(b.charge_efficiency, b.discharge_efficiency) for b in batteries if isinstance(b, Battery)
        ),
        peakers=tuple(_peaker_form(problem.assets[i]) for i in rows.peakers),
        cuts=tuple(rows.cut_sign.tolist()),
        step_h=tuple(problem.step_h.tolist()),
        segments=len(problem.stored_value_per_mwh),
        ramp_down=ramp.down_mw.shape[1] + 1,
        ramp_up=ramp.up_mw.shape[1],
        level_down=level.down_mw.shape[1] + 1,
        level_up=level.up_mw.shape[1],
        orders=orders,
        churns=problem.churn_price_per_mwh > 0 and bool(np.isfinite(problem.reference_mw).any()),
    )


def _peaker_form(peaker: object) -> PeakerForm:
    assert isinstance(peaker, Peaker)
    return PeakerForm(
        capacity_mw=peaker.capacity_mw,
        min_load_mw=peaker.min_load_mw,
        ramp_mw_per_h=peaker.ramp_mw_per_h,
        min_run_min=peaker.min_run_min,
        start_time_min=peaker.start_time_min,
        commits=commits(peaker),
    )


class _Values:
    """The vectors of one program, filled block by block."""

    def __init__(self, problem: ClearingProblem, rows: Rows, layout: Layout) -> None:
        self.problem, self.rows, self.layout = problem, rows, layout
        columns, lines = layout.matrix.columns, layout.matrix.rows
        self.cost = np.zeros(columns)
        self.low, self.high = np.zeros(columns), np.full(columns, np.inf)
        self.row_low, self.row_high = np.full(lines, -np.inf), np.full(lines, np.inf)
        self.integer: npt.NDArray[np.int32] = np.zeros(columns, dtype=np.int32)
        self.fixed = binding_values(problem)
        limits = problem.zone.limits
        self.order_price = (
            ORDER_FACTOR
            * max(problem.service_factor, 1.0)
            * max(limits.ramp_penalty_per_mwh, limits.cap_penalty_per_mwh, 100.0)
        )

    def program(self) -> Program:
        return Program(self.layout.matrix, self.cost, self.low, self.high, self.row_low, self.row_high, self.integer)

    def _equal(self, row: str, value: Floats | float) -> None:
        places = self.layout.row[row]
        self.row_low[places] = self.row_high[places] = value

    def fill_store(self) -> None:
        """Batteries: power, energy, worth of what is left."""
        problem, column = self.problem, self.layout.column
        dt, price = problem.step_h, problem.price_per_mwh
        for b, i in enumerate(self.rows.batteries):
            battery = problem.assets[i]
            assert isinstance(battery, Battery)
            c, d, e, z = (column[name][b] for name in ("charge", "discharge", "energy", "stored"))
            on = 1.0 if problem.state.available[i] else 0.0
            fixed = self.fixed[i]
            free = np.isnan(fixed)
            self.high[c] = np.where(free, on * battery.charge_mw, np.maximum(-fixed, 0.0))
            self.high[d] = np.where(free, on * battery.discharge_mw, np.maximum(fixed, 0.0))
            self.low[c] = np.where(free, 0.0, self.high[c])
            self.low[d] = np.where(free, 0.0, self.high[d])
            self.cost[c] = dt * (price + TIE_COST_PER_MWH)
            self.cost[d] = dt * (battery.wear_cost_per_mwh - price)
            start = float(problem.state.soc[i])
            path = energy_band(problem, i, fixed)
            self.low[e], self.high[e] = path.low_mwh, path.high_mwh
            self.high[d[path.below & free]] = 0.0
            self.high[c[path.above & free]] = 0.0
            soc_row = self.layout.row["soc"][b]
            self.row_low[soc_row] = self.row_high[soc_row] = 0.0
            self.row_low[soc_row[0]] = self.row_high[soc_row[0]] = start * battery.energy_mwh
            empty = battery.soc_min * battery.energy_mwh
            left = self.layout.row["left"][b]
            self.row_low[left] = self.row_high[left] = empty
            self.cost[z] = -problem.stored_value_per_mwh
            self.high[z] = problem.stored_width * (battery.soc_max - battery.soc_min) * battery.energy_mwh
            self.low[z[0]], self.high[z[-1]] = -np.inf, np.inf

    def fill_peakers(self) -> None:
        """Peakers: power, fuel net of the price, ramps."""
        problem = self.problem
        swing = self.layout.row["swing"]
        gap = gap_hours(problem.step_h)
        for p, i in enumerate(self.rows.peakers):
            peaker = problem.assets[i]
            assert isinstance(peaker, Peaker)
            g = self.layout.column["gen"][p]
            fixed = self.fixed[i]
            free = np.isnan(fixed)
            most = peaker.capacity_mw if problem.state.available[i] else 0.0
            self.high[g] = np.where(free, most, fixed)
            self.low[g] = np.where(free, 0.0, fixed)
            self.cost[g] = problem.step_h * (peaker.fuel_cost_per_mwh - problem.generation_price_per_mwh)
            if commits(peaker) or not problem.state.available[i]:
                continue
            before = float(np.clip(problem.state.power_mw[i], 0.0, peaker.capacity_mw))
            limit = np.where(free, peaker.ramp_mw_per_h * gap, np.inf)
            self.row_low[swing[p]], self.row_high[swing[p]] = -limit, limit
            self.row_low[swing[p, 0]] += before
            self.row_high[swing[p, 0]] += before

    def fill_cuts(self) -> None:
        """Curtailable loads (paid, and saving energy) and renewables (losing energy)."""
        problem, columns = self.problem, self.layout.column["cut"]
        self.low[columns], self.high[columns] = cut_bounds(problem, self.rows, self.fixed)
        for k, i in enumerate(self.rows.cuts):
            asset = problem.assets[i]
            assert isinstance(asset, CurtailableLoad | CurtailableRenewable)
            earned = self.rows.cut_sign[k] * problem.generation_price_per_mwh
            self.cost[columns[k]] = problem.step_h * (asset.curtail_cost_per_mwh - earned)

    def fill_grid(self, ramp: Hinges, level: Hinges, *, orders: bool) -> None:
        """Grid power and the pieces of its penalties."""
        problem, column = self.problem, self.layout.column
        self.low[column["grid"]] = -np.inf
        self._equal("balance", problem.net_mw)
        for name, hinges in (("ramp", ramp), ("level", level)):
            anchor, widths, costs = hinges.segments()
            if name == "ramp" and not np.isnan(problem.state.grid_mw):
                anchor = anchor.copy()
                anchor[0] += problem.state.grid_mw
            if name == "level" and orders:
                costs = costs * SAFETY_FACTOR
            self._equal(name, anchor)
            self.high[column[name]] = widths
            self.cost[column[name]] = costs

    def fill_commitment(self, form: Form, running: Bools | None) -> None:
        """On/off decisions: minimum run and start time of what is under way, start cost, or the given commitment."""
        problem, row, column = self.problem, self.layout.row, self.layout.column
        begin_min = np.concatenate([[0.0], np.cumsum(problem.step_h)[:-1]]) * 60.0
        for name in ("most", "fall", "run"):
            self.row_high[row[name]] = 0.0
        self.row_high[row["rise"]] = 0.0
        self.row_low[row["least"]] = 0.0
        self._equal("logic", 0.0)
        self.row_high[row["fresh"]] = self.row_high[row["rest"]] = 1.0
        units = [p for p, peaker in enumerate(form.peakers) if peaker.commits]
        for unit, place in enumerate(units):
            i = int(self.rows.peakers[place])
            peaker = problem.assets[i]
            assert isinstance(peaker, Peaker)
            u, v, w = (column[name][unit] for name in ("on", "start", "stop"))
            ran, before = float(problem.state.running_min[i]), float(problem.state.power_mw[i])
            was_on = ran > 0 or before > 1e-9
            before = float(np.clip(before, 0.0, peaker.capacity_mw))
            self.row_high[row["rise"][unit, 0]] = before + peaker.ramp_mw_per_h * float(problem.step_h[0]) * was_on
            self.row_high[row["fall"][unit, 0]] = -before
            self.row_low[row["logic"][unit, 0]] = self.row_high[row["logic"][unit, 0]] = float(was_on)
            self.row_high[row["fresh"][unit, 0]] = 1.0 - was_on
            self.high[np.concatenate([u, v, w])] = 1.0
            self.integer[u] = 1
            self.cost[v] = peaker.start_cost
            bound = ~np.isnan(self.fixed[i])
            must_run = (begin_min < peaker.min_run_min - ran - 1e-9) & was_on
            cannot = (begin_min < problem.state.ready_in_min[i] - 1e-9) & (not was_on)
            if bound.any():
                self._commit_fixed(unit, u, self.fixed[i], bound)
            else:
                self.low[u[must_run]] = 1.0
                self.high[u[cannot]] = 0.0
            if running is not None:
                self.low[u] = self.high[u] = running[i].astype(float)
                self.integer[u] = 0

    def _commit_fixed(self, unit: int, u: Ints, fixed: Floats, bound: Bools) -> None:
        """Take a peaker's commitment from what it will deliver anyway; that may break the rows of a free choice."""
        row = self.layout.row
        self.low[u[bound]] = self.high[u[bound]] = (fixed[bound] > 1e-9).astype(float)
        for name in ("rise", "fall", "most", "run", "rest", "fresh"):
            self.row_high[row[name][unit][bound]] = np.inf
        self.row_low[row["least"][unit][bound]] = -np.inf

    def fill_orders(self) -> None:
        """Bands and targets of orders, soft: what is out of reach is missed by as little as can be."""
        problem, row, column = self.problem, self.layout.row, self.layout.column
        movers = np.concatenate([self.rows.batteries, self.rows.peakers, self.rows.cuts])
        self.row_low[row["order"]] = problem.bands.min_mw[movers]
        self.row_high[row["order"]] = problem.bands.max_mw[movers]
        price = self.order_price * problem.step_h
        price[1:] *= LATER_ORDERS
        self.cost[column["lack"]] = self.cost[column["excess"]] = price
        self.cost[column["early"]] = self.cost[column["late"]] = self.order_price
        for b, i in enumerate(self.rows.batteries):
            battery = problem.assets[i]
            assert isinstance(battery, Battery)
            if np.isfinite(problem.bands.soc_target[i]):
                place = row["target"][b, int(problem.bands.soc_target_step[i])]
                self.row_low[place] = self.row_high[place] = problem.bands.soc_target[i] * battery.energy_mwh

    def fill_churn(self) -> None:
        """Departures from the plan before."""
        movers = np.concatenate([self.rows.batteries, self.rows.peakers])
        reference = self.problem.reference_mw[movers]
        known = np.isfinite(reference)
        places = self.layout.row["churn"]
        self.row_low[places] = np.where(known, reference, -np.inf)
        self.row_high[places] = np.where(known, reference, np.inf)
        price = self.problem.churn_price_per_mwh * self.problem.step_h
        for name in ("dearer", "cheaper"):
            self.cost[self.layout.column[name]] = np.broadcast_to(price, reference.shape)
