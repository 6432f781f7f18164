"""The stochastic programme of one battery: built from a clearing problem, and evaluated for first actions.

State: energy in store × last plant power, for the ramp is the net load's change less the plant power's change, so these
two say all. The kernels are in ``agents.clearing.stochastic_kernel`` and
``stochastic_action``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from agents.assets.contract import Generator, StorageParameters
from agents.assets.lp import gap_hours
from agents.assets.registry import rows_where, store_of, store_rows, type_of
from agents.clearing.horizon_bounds import first_power
from agents.clearing.penalties import deviations
from agents.clearing.problem import ClearingProblem
from agents.clearing.stochastic_action import action_cost, best_action, best_actions, best_generation
from agents.clearing.stochastic_inputs import BatteryCell, Course, FirstSlot, GridLevel, Grids, Ramps
from agents.clearing.stochastic_kernel import backward, between_both
from vpp.numerics.arrays import Floats

ENERGY_POINTS = 25
POWER_SPANS = 23
RAMP_NODES = 7
LEVEL_NODES = 5
FIRST_NODES = 5
PRICE_PAIRS = np.array([0, 1, 2, 0, 2, 1, 0], dtype=np.int64)
"""Price node of each ramp node: seen alone, ramps of either sign and both prices are equally frequent together."""

PRICE_NODES = math.sqrt(7.0 / 4.0) * np.array([0.0, 1.0, -1.0])
"""Deviations of unit spread, as often as ``PRICE_PAIRS`` has them."""

FIRST_STEP_SHARE = 1e-3
GENERATION_CHOICES = 17


@dataclass(frozen=True, slots=True)
class Programme:
    """A solved programme, with which the first action is chosen.

    ``row``, ``generator_row``: places of the battery and the generator (None: there is none). ``value``: expected cost
    after h = 0 by energy and plant power (E, Q), money. ``course``, ``ramps``, ``level``, ``terminal``: what it was
    induced from.
    """

    problem: ClearingProblem
    row: int
    generator_row: int | None
    store: StorageParameters
    grids: Grids
    value: Floats
    battery: BatteryCell
    now: FirstSlot
    course: Course
    ramps: Ramps
    level: GridLevel
    terminal: Floats

    @property
    def first_step_mw(self) -> float:
        """Change of the first action, MW, over which its cost is differentiated."""
        return self.problem.zone.served_scale.share(FIRST_STEP_SHARE)

    @property
    def movable(self) -> frozenset[int]:
        """Places of the battery and the generator."""
        return frozenset({self.row} if self.generator_row is None else {self.row, self.generator_row})

    def cost_of(self, first_mw: Floats) -> float:
        """Return the expected cost of first powers (shape (A,), MW) and all after it; inf out of reach."""
        problem = self.problem
        generation = float(first_mw[self.generator_row]) if self.generator_row is not None else 0.0
        net = float(problem.net_mw[0])
        change = net - problem.state.grid_mw
        power = float(first_mw[self.row])
        return float(action_cost(power, generation, net, change, self.now, self.battery, self.grids, self.value))


def applies(problem: ClearingProblem) -> bool:
    """Return whether the programme covers this problem; the LP covers all.

    One free store within its band, at most one generator that needs no commitment, loads for emergencies only, nothing
    else that could be planned, no orders, no churn price, and nothing fixed but the generator's first slot.
    """
    bands, state = problem.bands, problem.state
    stores = store_rows(problem.zone)
    generators = rows_where(problem.zone, lambda kind, asset: kind.generator(asset))
    if len(stores) != 1 or len(generators) > 1 or problem.steps < 2 or problem.churn_price_per_mwh > 0:
        return False
    if not all(_is_covered(problem, i) for i in range(len(problem.assets))) or not state.available.all():
        return False
    if np.isfinite(bands.min_mw).any() or np.isfinite(bands.max_mw).any() or np.isfinite(bands.soc_target).any():
        return False
    fixed = np.isfinite(bands.fixed_mw)
    if fixed[:, 1:].any() or any(fixed[i, 0] for i in range(len(problem.assets)) if i not in generators):
        return False
    store = _store(problem, stores[0])
    return store.floor_soc - 1e-9 <= float(state.soc[stores[0]]) <= store.soc_max + 1e-9


def _is_covered(problem: ClearingProblem, row: int) -> bool:
    asset = problem.assets[row]
    kind = type_of(asset)
    shedding = kind.shedding(asset)
    if kind.commits(asset):
        return False
    if kind.generator(asset) is not None:
        return True
    if shedding is not None:
        return shedding.only_at_cap
    return kind.store(asset) is not None or kind.rests(problem, row)


def _store(problem: ClearingProblem, row: int) -> StorageParameters:
    store = store_of(problem.assets[row])
    assert store is not None
    return store


def _generator(problem: ClearingProblem, row: int | None) -> Generator | None:
    return None if row is None else type_of(problem.assets[row]).generator(problem.assets[row])


def induce(problem: ClearingProblem) -> Programme:
    """Return the programme of a problem that it applies to, with the value of the state after h = 0."""
    row = store_rows(problem.zone)[0]
    generator_row = next(iter(rows_where(problem.zone, lambda kind, asset: kind.generator(asset))), None)
    store, generator = _store(problem, row), _generator(problem, generator_row)
    capacity = 0.0 if generator is None else generator.capacity_mw
    grids = Grids(
        energy_mwh=np.linspace(store.floor_soc, store.soc_max, ENERGY_POINTS) * store.energy_mwh,
        power_mw=_power_grid(store, capacity),
        generator_mw=np.array([0.0, 0.25, 0.5, 0.75, 1.0]) * capacity if capacity else np.zeros(1),
    )
    limits, slot_h = problem.zone.limits, problem.zone.step.hours
    ramps = Ramps(
        limit_mw=limits.ramp_limit_mw * gap_hours(problem.step_h) / slot_h,
        price_per_mw=problem.service_factor * limits.ramp_penalty_per_mwh * slot_h,
        deviation_mw=problem.ramp_sd_mw[:, None] * deviations(RAMP_NODES)[None, :],
        price_node=PRICE_PAIRS,
    )
    course, level, battery = _course(problem, generator), _level(problem), _cell(store, problem.unit_mw)
    terminal = _terminal(problem, store, grids.energy_mwh)
    value = backward(course, ramps, level, battery, grids, terminal)
    now = FirstSlot(
        hours=float(problem.step_h[0]),
        price_per_mwh=float(problem.price_per_mwh[0]),
        generator_price_per_mwh=float(course.generator_price_per_mwh[0]),
        ramp_limit_mw=max(limits.ramp_limit_mw - problem.ramp_margin_mw, 0.0),
        ramp_price_per_mw=problem.service_factor * limits.ramp_penalty_per_mwh * slot_h,
        level=GridLevel(
            level.low_mw + problem.cap_margin_mw, level.high_mw - problem.cap_margin_mw, level.price_per_mwh
        ),
        shed_mw=float(course.shed_mw[0]),
        shed_price_per_mwh=float(course.shed_price_per_mwh[0]),
        energy_mwh=float(np.clip(problem.state.soc[row] * store.energy_mwh, grids.energy_mwh[0], grids.energy_mwh[-1])),
    )
    return Programme(problem, row, generator_row, store, grids, value, battery, now, course, ramps, level, terminal)


def revalued(programme: Programme, **expected: Floats) -> Floats:
    """Return the value after h = 0 where something else is expected: fields of ``Course`` by name, shape (N,) each."""
    course = programme.course._replace(**expected)
    return backward(course, programme.ramps, programme.level, programme.battery, programme.grids, programme.terminal)


def _course(problem: ClearingProblem, generator: Generator | None) -> Course:
    """Return the expected course of the horizon; shedding at its mean net price."""
    loads = [s for a in problem.assets if (s := type_of(a).shedding(a)) is not None]
    total = sum(load.capacity_mw for load in loads)
    cost = sum(load.capacity_mw * load.cost_per_mwh for load in loads) / total if total else 0.0
    fuel = 0.0 if generator is None else generator.fuel_cost_per_mwh
    return Course(
        net_mw=problem.net_mw,
        hours=problem.step_h,
        price_per_mwh=problem.price_per_mwh,
        price_deviation_per_mwh=_price_deviations(problem),
        generator_price_per_mwh=np.asarray(fuel - problem.generation_price_per_mwh),
        level_deviation_mw=problem.level_sd_mw[:, None] * deviations(LEVEL_NODES)[None, :],
        shed_mw=np.full(problem.steps, float(total)),
        shed_price_per_mwh=np.asarray(cost - problem.generation_price_per_mwh),
    )


def _price_deviations(problem: ClearingProblem) -> Floats:
    """Return price deviations (N, 3); the sign turns each step, so large ramps have no price of their own."""
    sign = np.where(np.arange(problem.steps) % 2 == 0, 1.0, -1.0)
    return np.asarray((sign * problem.price_sd_per_mwh)[:, None] * PRICE_NODES[None, :])


def _power_grid(store: StorageParameters, capacity: float) -> Floats:
    top = max(store.discharge_mw, capacity)
    spacing = (store.charge_mw + top) / POWER_SPANS
    down, up = math.ceil(store.charge_mw / spacing - 1e-9), math.ceil(top / spacing - 1e-9)
    return np.asarray(np.arange(-down, up + 1) * spacing, dtype=np.float64)


def _cell(store: StorageParameters, unit_mw: float) -> BatteryCell:
    return BatteryCell(
        charge_efficiency=store.charge_efficiency,
        discharge_efficiency=store.discharge_efficiency,
        charge_mw=store.charge_mw,
        discharge_mw=store.discharge_mw,
        wear_per_mwh=store.wear_cost_per_mwh,
        unit_mw=unit_mw,
    )


def _level(problem: ClearingProblem) -> GridLevel:
    limits = problem.zone.limits
    low = -math.inf if limits.export_cap_mw is None else -limits.export_cap_mw
    return GridLevel(low, limits.import_cap_mw, problem.service_factor * limits.cap_penalty_per_mwh)


def _terminal(problem: ClearingProblem, store: StorageParameters, energy: Floats) -> Floats:
    """Return the value of energy left at the end, on the energy grid."""
    widths = problem.stored_width * (store.soc_max - store.soc_min) * store.energy_mwh
    edges = store.soc_min * store.energy_mwh + np.concatenate([[0.0], np.cumsum(widths)])
    worth = np.concatenate([[0.0], np.cumsum(widths * problem.stored_value_per_mwh)])
    return np.asarray(np.interp(energy, edges, worth))


def first_generation(programme: Programme) -> float:
    """Return the generator's power at h = 0: as fixed, else the best over equally likely net loads of the slot."""
    problem, row = programme.problem, programme.generator_row
    generator = _generator(problem, row)
    if row is None or generator is None:
        return 0.0
    fixed = float(problem.bands.fixed_mw[row, 0])
    if not math.isnan(fixed):
        return first_power(problem, row, fixed)
    swing = generator.ramp_mw_per_h * float(problem.step_h[0])
    before = min(max(float(problem.state.power_mw[row]), 0.0), generator.capacity_mw)
    low, high = max(before - swing, 0.0), min(before + swing, generator.capacity_mw)
    net = float(problem.net_mw[0])
    return float(
        best_generation(
            np.linspace(low, high, GENERATION_CHOICES),
            float(problem.level_sd_mw[0]) * deviations(FIRST_NODES),
            net,
            net - problem.state.grid_mw,
            programme.first_step_mw,
            programme.now,
            programme.battery,
            programme.grids,
            programme.value,
        )
    )


def best_power(programme: Programme, generation_mw: float, offset_mw: float) -> tuple[float, float]:
    """Return the battery's best power at h = 0 and its cost, when net load is off its expectation by ``offset_mw``."""
    net = float(programme.problem.net_mw[0]) + offset_mw
    change = net - programme.problem.state.grid_mw
    power, cost = best_action(
        generation_mw,
        net,
        change,
        programme.first_step_mw,
        programme.now,
        programme.battery,
        programme.grids,
        programme.value,
    )
    return float(power), float(cost)


@dataclass(frozen=True, slots=True)
class ActionCurve:
    """Points at which a first action is evaluated, shape (P,) each.

    ``places``: -1 at the first end, 0 at the programme itself, 1 at the last end. ``offsets_mw``: how far net load is
    off its expectation. ``prices_per_mwh``: price of the slot decided. ``first``, ``last``: values after the slot at
    the ends (E, Q); between an end and the programme they are interpolated.
    """

    places: Floats
    offsets_mw: Floats
    prices_per_mwh: Floats
    first: Floats
    last: Floats


def best_powers(programme: Programme, generation_mw: float, curve: ActionCurve) -> Floats:
    """Return the battery's best power at h = 0 at each point of a curve, MW, shape (P,)."""
    net = float(programme.problem.net_mw[0])
    return np.asarray(
        best_actions(
            curve.places,
            curve.offsets_mw,
            curve.prices_per_mwh,
            generation_mw,
            net,
            net - programme.problem.state.grid_mw,
            programme.first_step_mw,
            programme.now,
            programme.battery,
            programme.grids,
            curve.first,
            programme.value,
            curve.last,
        )
    )


def water_value(programme: Programme, soc: float, plant_mw: float) -> float:
    """Return the value of one more MWh after h = 0: the slope of the value table at the state, money per MWh."""
    energy, power = programme.grids.energy_mwh, programme.grids.power_mw
    de, dq = float(energy[1] - energy[0]), float(power[1] - power[0])
    place = min(max((soc * programme.store.energy_mwh - energy[0]) / de, 0.5), len(energy) - 1.5)
    column = (plant_mw - power[0]) / dq
    rise = between_both(programme.value, place + 0.5, column) - between_both(programme.value, place - 0.5, column)
    return float(-rise / de)
