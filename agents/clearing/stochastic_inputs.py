"""Inputs of the stochastic dynamic programme, as named tuples that compiled code takes."""

from __future__ import annotations

from typing import NamedTuple

from vpp.numerics.arrays import Floats, Ints, Places


class BatteryCell(NamedTuple):
    """A battery: one-way efficiencies, limits (MW, at least 0) at the grid side, wear per MWh discharged.

    ``unit_mw``: ``ClearingProblem.unit_mw``; the tolerance of comparisons is a billionth of it.
    """

    charge_efficiency: float
    discharge_efficiency: float
    charge_mw: float
    discharge_mw: float
    wear_per_mwh: float
    unit_mw: float


class GridLevel(NamedTuple):
    """Limits of grid power (MW) and the cost of each MWh beyond them."""

    low_mw: float
    high_mw: float
    price_per_mwh: float


class FirstSlot(NamedTuple):
    """Inputs of the cost of a first action.

    ``hours``: length of the slot. ``price_per_mwh``: price of the battery's trades. ``generator_price_per_mwh``: net
    cost of the generator's energy. ``ramp_limit_mw`` and ``ramp_price_per_mw`` beyond it. ``level``: limits of grid
    power. ``shed_mw``, ``shed_price_per_mwh``: emergency shedding. ``energy_mwh``: energy in store at the start.
    """

    hours: float
    price_per_mwh: float
    generator_price_per_mwh: float
    ramp_limit_mw: float
    ramp_price_per_mw: float
    level: GridLevel
    shed_mw: float
    shed_price_per_mwh: float
    energy_mwh: float


class Ramps(NamedTuple):
    """Ramp limits (N,) and the cost of a MW beyond; deviations of the ramp (N, J) and the price node (J,) of each."""

    limit_mw: Floats
    price_per_mw: float
    deviation_mw: Floats
    price_node: Ints


class Course(NamedTuple):
    """Expected course of the look-ahead, shape (N,) each unless noted.

    ``net_mw``: net load. ``hours``: length of steps. ``price_per_mwh``: price of the battery's trades.
    ``price_deviation_per_mwh``: (N, K); where the last one is 0, the first serves all ramps.
    ``generator_price_per_mwh``: net cost of the generator's energy. ``level_deviation_mw``: equally likely deviations
    of the level (N, K). ``shed_mw``, ``shed_price_per_mwh``: emergency shedding.
    """

    net_mw: Floats
    hours: Floats
    price_per_mwh: Floats
    price_deviation_per_mwh: Floats
    generator_price_per_mwh: Floats
    level_deviation_mw: Floats
    shed_mw: Floats
    shed_price_per_mwh: Floats


class Grids(NamedTuple):
    """Equally spaced grids: energy in store (E,), MWh, and plant power (Q,), MW; generator powers (G,), MW."""

    energy_mwh: Floats
    power_mw: Floats
    generator_mw: Floats


class Moves(NamedTuple):
    """Stored energy after a step of ``hours``, by plant power (Q) and generator power (G).

    Runs are neighbouring energies that stay neighbours. Shape (runs,) each: ``power``, ``generator``:
    their places on the grids; ``first``: the first energy; ``length``: how many; ``below``: grid point at or below the
    first energy after the move. ``part`` (Q, G, E): share of the way from the point below to the next one. Places are
    unsigned, so that compiled loops over a run need not look for negative ones and become vectors.
    """

    hours: float
    power: Places
    generator: Places
    first: Places
    length: Places
    below: Places
    part: Floats
