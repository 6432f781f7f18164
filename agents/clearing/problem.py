"""The clearing problem and its plan: input and output of one look-ahead decision, as plain arrays.

Rows of two-dimensional arrays are the assets in the order of ``zone.assets`` (A of them), columns are the steps h
(N of them): h = 0 is the slot decided, h = 1..N-1 the future. Steps need not be equally long. Power is positive into
the grid; grid power is ``net_mw - sum(power_mw)``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import ArrayLike

from agents.assets.fleet_state import FleetState
from agents.assets.horizon import Horizon, unit_mw
from agents.assets.registry import fleet_at_rest, rows_where
from vpp.fleet.assets import Asset
from vpp.fleet.schema import Zone
from vpp.messages import REFLEXES, Engine, PlanNote
from vpp.numerics.arrays import Bools, Floats, Ints

LEAST_SAVING_PER_MW = 0.005
"""A plan that saves no more than this, in money per MW served, is not worth a search."""


class Bands(msgspec.Struct, frozen=True):
    """What orders and circumstances say of the assets' power.

    ``min_mw``, ``max_mw``: shape (A, N), wanted by orders; soft at ``order_price_per_mwh``; -inf and inf if none is.
    ``fixed_mw``: shape (A, N), what will be delivered whatever is planned (a hold, an unreachable asset that may still
    be running, the peaker's published setpoint); NaN = free. Only values in an unbroken run from h = 0 are binding.
    ``soc_target``: shape (A,), SoC (0-1) wanted at the end of step ``soc_target_step``; NaN = none; soft.
    """

    min_mw: Floats
    max_mw: Floats
    fixed_mw: Floats
    soc_target: Floats
    soc_target_step: Ints

    @staticmethod
    def none(assets: int, steps: int) -> Bands:
        """Return bands that ask for nothing."""
        return Bands(
            min_mw=np.full((assets, steps), -np.inf),
            max_mw=np.full((assets, steps), np.inf),
            fixed_mw=np.full((assets, steps), np.nan),
            soc_target=np.full(assets, np.nan),
            soc_target_step=np.zeros(assets, dtype=np.int64),
        )


class Effort(msgspec.Struct, frozen=True):
    """How far a solve may go before the reflex takes over.

    Simplex iterations and tree nodes are counted, not seconds, so a repeat ends at the same place;
    ``time_limit_s`` is the last resort of a machine in trouble.
    """

    simplex_iterations: int = 200_000
    tree_nodes: int = 80
    time_limit_s: float = 10.0


class ClearingProblem(Horizon, frozen=True):
    """One look-ahead decision: the horizon with the bids and the orders.

    ``ramp_sd_mw``: spread of the error of ``net[h] - net[h-1]``; ``level_sd_mw``: spread of the error of ``net[h]``;
    ``carry``: regression of the error at h on the error at 0 (1 at h = 0). ``price_sd_per_mwh``: spread of the price
    that will be seen before each step is decided (read by the stochastic programme). All shape (N,).
    ``service_factor``: multiplies ramp and cap penalties in the choice (1 for service only); it is not
    in the plan's cost items. ``cap_margin_mw``, ``ramp_margin_mw``: tighter limits at h = 0 for an inner loop.
    ``reference_mw``: shape (A, N), the plan published before, NaN if none; each MWh of departure costs
    ``churn_price_per_mwh``.
    """

    ramp_sd_mw: Floats
    level_sd_mw: Floats
    carry: Floats
    price_sd_per_mwh: Floats
    bands: Bands
    reference_mw: Floats
    hedge: float = 0.6
    service_factor: float = 1.0
    cap_margin_mw: float = 0.0
    ramp_margin_mw: float = 0.0
    churn_price_per_mwh: float = 0.0
    effort: Effort = Effort()

    @property
    def unit_mw(self) -> float:
        """Unit of the solver's powers and of thresholds, MW: 1 for a zone that serves 100 MW."""
        return unit_mw(self.zone)

    @property
    def assets(self) -> tuple[Asset, ...]:
        """The zone's assets, in the order of the arrays' rows."""
        return self.zone.assets

    def index_of(self, asset_id: str) -> int:
        """Return the row of an asset.

        Raises:
            KeyError: The zone has no such asset.
        """
        for row, asset in enumerate(self.zone.assets):
            if asset.asset_id == asset_id:
                return row
        raise KeyError(asset_id)


def same_cost(zone: Zone) -> float:
    """Return the cost difference (money) up to which two plans of a zone count as equal."""
    return LEAST_SAVING_PER_MW * zone.share.served_mw


class ClearingInputs(msgspec.Struct, frozen=True):
    """What a clearing problem is made of; a scalar given for an array of shape (N,) fills it.

    Fields as in ``ClearingProblem``. None takes the default: the fleet at rest, the zone's step, the zone's flat price
    (else 100), generation at the price of energy, energy left worth 0.95 of the mean price and in one segment, no
    output to cut, no bands, no plan before, the zone's hedge.
    """

    net_mw: ArrayLike
    state: FleetState | None = None
    step_h: ArrayLike | None = None
    ramp_sd_mw: ArrayLike = 0.0
    level_sd_mw: ArrayLike = 0.0
    carry: ArrayLike = 1.0
    price_per_mwh: ArrayLike | None = None
    price_sd_per_mwh: ArrayLike = 0.0
    generation_price_per_mwh: ArrayLike | None = None
    stored_value_per_mwh: ArrayLike | None = None
    stored_width: ArrayLike | None = None
    potential_mw: ArrayLike | None = None
    start: datetime | None = None
    bands: Bands | None = None
    reference_mw: ArrayLike | None = None
    hedge: float | None = None
    service_factor: float = 1.0
    cap_margin_mw: float = 0.0
    ramp_margin_mw: float = 0.0
    churn_price_per_mwh: float = 0.0
    effort: Effort = Effort()


def clearing_problem(zone: Zone, inputs: ClearingInputs) -> ClearingProblem:
    """Return the problem of a zone, with every array in its full shape.

    Args:
        zone: The zone.
        inputs: Bids, orders and state.

    Raises:
        ValueError: An array has the wrong shape, or a value that must be known is NaN.
    """
    net = np.asarray(inputs.net_mw, dtype=float)
    steps, assets = len(net), len(zone.assets)
    flat = 100.0 if zone.energy_price_flat_per_mwh is None else zone.energy_price_flat_per_mwh
    price = _row(inputs.price_per_mwh, flat, steps)
    values = np.atleast_1d(_row(inputs.stored_value_per_mwh, 0.95 * float(price.mean()), 1))
    problem = ClearingProblem(
        zone=zone,
        state=fleet_at_rest(zone) if inputs.state is None else inputs.state,
        step_h=_row(inputs.step_h, zone.step.hours, steps),
        net_mw=net,
        ramp_sd_mw=_row(inputs.ramp_sd_mw, 0.0, steps),
        level_sd_mw=_row(inputs.level_sd_mw, 0.0, steps),
        carry=_row(inputs.carry, 1.0, steps),
        price_per_mwh=price,
        price_sd_per_mwh=_row(inputs.price_sd_per_mwh, 0.0, steps),
        generation_price_per_mwh=_row(inputs.generation_price_per_mwh, price, steps),
        stored_value_per_mwh=values,
        stored_width=_row(inputs.stored_width, 1.0 / len(values), len(values)),
        potential_mw=_table(inputs.potential_mw, 0.0, (assets, steps)),
        start=inputs.start,
        bands=inputs.bands or Bands.none(assets, steps),
        reference_mw=_table(inputs.reference_mw, np.nan, (assets, steps)),
        hedge=zone.hedge if inputs.hedge is None else inputs.hedge,
        service_factor=inputs.service_factor,
        cap_margin_mw=inputs.cap_margin_mw,
        ramp_margin_mw=inputs.ramp_margin_mw,
        churn_price_per_mwh=inputs.churn_price_per_mwh,
        effort=inputs.effort,
    )
    _verify(problem)
    return problem


def _row(value: ArrayLike | None, default: ArrayLike, steps: int) -> Floats:
    array = np.asarray(default if value is None else value, dtype=float)
    return np.full(steps, float(array)) if array.ndim == 0 else array


def _table(value: ArrayLike | None, default: float, shape: tuple[int, int]) -> Floats:
    return np.full(shape, default) if value is None else np.asarray(value, dtype=float)


_BY_STEP = (
    "step_h",
    "net_mw",
    "ramp_sd_mw",
    "level_sd_mw",
    "carry",
    "price_per_mwh",
    "price_sd_per_mwh",
    "generation_price_per_mwh",
)


def _verify(problem: ClearingProblem) -> None:
    steps, assets = problem.steps, len(problem.assets)
    if steps == 0:
        raise ValueError("a clearing problem needs at least one step")
    for name in _BY_STEP:
        array = getattr(problem, name)
        if array.shape != (steps,):
            raise ValueError(f"{name} has shape {array.shape}, expected ({steps},)")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds a value that is not finite; a bid states every step or carries a reason")
    if problem.step_h.min() <= 0:
        raise ValueError("step_h must be positive")
    for name in ("potential_mw", "reference_mw"):
        if getattr(problem, name).shape != (assets, steps):
            raise ValueError(f"{name} has shape {getattr(problem, name).shape}, expected ({assets}, {steps})")
    if np.any(np.diff(problem.stored_value_per_mwh) > 1e-9):
        raise ValueError("stored_value_per_mwh must not increase: energy is worth less the more there is")


class Binding(msgspec.Struct, frozen=True):
    """A limit that binds in the plan, and the saving by one more unit of it.

    ``kind``: ``power``, ``soc``, ``ramp``, ``cap``, ``export_cap``, ``peaker_ramp``, ``order`` or ``available``.
    ``value_per_unit`` is in money per MW (power, ramp, cap) or per MWh (soc), at least 0.
    """

    kind: str
    step: int
    asset_id: str | None
    limit: float
    value_per_unit: float


class ActionCosts(Protocol):
    """The solved programme behind a plan, which prices first actions without another solve."""

    @property
    def problem(self) -> ClearingProblem:
        """The problem that it was solved for."""

    @property
    def movable(self) -> frozenset[int]:
        """Places of the assets whose first action may differ."""

    def cost_of(self, first_mw: Floats) -> float:
        """Return the expected cost of first powers (shape (A,), MW) and all after it; inf out of reach."""


class Plan(msgspec.Struct, frozen=True):
    """The cleared plan.

    ``power_mw``: shape (A, N). ``grid_mw``: shape (N,), at the expected net load. ``soc``: shape (A, N), at the end of
    each step, NaN if the asset has no store. ``running``: shape (A, N), True while a generator, or another
    asset with an on/off decision, runs.
    ``objective``: money, cost positive, in the choice's own terms (with service factor); ``costs``: items of expected
    cost by name in real money (``energy``, ``wear``, ``fuel``, ``start``, ``curtail``, ``ramp``, ``cap``, ``stored``,
    and what asset types add), stored energy negative.
    ``water_value_per_mwh``: shape (A,), value of one more MWh in store at h = 0, NaN if the asset has no store.
    ``power_price_per_mwh``: shape (N,), value of one MW more from the plant over step h, per MWh, with all limits.
    ``ramp_price_per_mw``: shape (N,), positive = the grid's rise is what costs, negative = its fall.
    ``cap_price_per_mw``: shape (N,), positive at the import cap, negative at the export cap.
    ``status``: ``optimal``, ``nearest`` (see ``notes``) or why the reflex acts. ``engine``: what made the plan.
    ``binding``: binding limit of the first slot, in words; ``notes``: what could not be met.
    ``curve_net_mw``: shape (P,), ``curve_mw``: shape (A, P), battery power by seen net load in slot 0; P = 0 without.
    ``price_curve_per_mwh``: shape (K,), ``price_curve_mw``: shape (A, K), battery power by the slot's seen price at the
    expected net load; K = 0 without.
    ``action_costs``: of a ``dp`` plan, what prices other first actions of the same problem.
    """

    power_mw: Floats
    grid_mw: Floats
    soc: Floats
    running: Bools
    objective: float
    costs: dict[str, float]
    water_value_per_mwh: Floats
    power_price_per_mwh: Floats
    ramp_price_per_mw: Floats
    cap_price_per_mw: Floats
    status: str
    engine: Engine
    solver: str
    binding: str
    bindings: tuple[Binding, ...] = ()
    notes: tuple[PlanNote, ...] = ()
    curve_net_mw: Floats = msgspec.field(default_factory=lambda: np.zeros(0))
    curve_mw: Floats = msgspec.field(default_factory=lambda: np.zeros((0, 0)))
    price_curve_per_mwh: Floats = msgspec.field(default_factory=lambda: np.zeros(0))
    price_curve_mw: Floats = msgspec.field(default_factory=lambda: np.zeros((0, 0)))
    action_costs: ActionCosts | None = None

    @property
    def cost(self) -> float:
        """Sum of the cost items, in real money."""
        return float(sum(self.costs.values()))

    @property
    def is_reflex(self) -> bool:
        """Whether a named reflex acts in place of a solved plan."""
        return self.engine in REFLEXES


def seen(problem: ClearingProblem, plan: Plan, seen_net_mw: float) -> ClearingProblem:
    """Return the problem of the second pass: measured net load in slot 0, and assets fixed before the slot as planned.

    Args:
        problem: The first pass.
        plan: Its plan, whose power at h = 0 is published already for some assets.
        seen_net_mw: Mean net load of slot 0, seen or estimated.
    """
    return with_seen(fixed_ahead(problem, plan), seen_net_mw)


def with_seen(problem: ClearingProblem, seen_net_mw: float) -> ClearingProblem:
    """Return the problem with ``net[h] += carry[h] * (seen - net[0])``, ``carry[0] = 1``; ``seen`` in MW."""
    carry = problem.carry.copy()
    carry[0] = 1.0
    return replace(problem, net_mw=problem.net_mw + carry * (seen_net_mw - problem.net_mw[0]))


def fixed_ahead(problem: ClearingProblem, plan: Plan) -> ClearingProblem:
    """Return the problem with the first power of the assets whose setpoint is fixed before the slot, as planned."""
    fixed = problem.bands.fixed_mw.copy()
    rows = rows_where(problem.zone, lambda kind, _: kind.published_ahead)
    fixed[rows, 0] = plan.power_mw[rows, 0]
    return replace(problem, bands=replace(problem.bands, fixed_mw=fixed))
