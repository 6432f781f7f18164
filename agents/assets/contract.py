"""The interface of an asset type: all that the plant, the clearing, the ledger and the faces ask of an asset.

A type is a stateless object; its methods take the fleet file's entry. Every method has a default for assets without
that property, so a type writes only what it has. ``docs/guide/adding-an-asset-type.md`` builds one step by step.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import msgspec
import numpy as np

from agents.assets.horizon import Horizon
from agents.assets.lp import BlockShape, Coefficients, LimitColumn, Sheet
from agents.assets.state import AssetState, Interval, Response
from vpp.fleet.assets import Asset
from vpp.fleet.scale import power_text
from vpp.fleet.schema import Zone
from vpp.messages import SlotClosed
from vpp.numerics.arrays import Bools, Floats, Ints

A = TypeVar("A", bound=Asset)
Curve = list[tuple[float, float]]


class StorageParameters(msgspec.Struct, frozen=True):
    """Parameters of an asset that trades freely with a store: power in MW at the grid side, SoC as shares (0-1)."""

    energy_mwh: float
    charge_mw: float
    discharge_mw: float
    charge_efficiency: float
    discharge_efficiency: float
    soc_min: float
    soc_max: float
    reserve_soc: float
    wear_cost_per_mwh: float

    @property
    def floor_soc(self) -> float:
        """Least SoC of plans: the reserve is kept."""
        return self.soc_min + self.reserve_soc


class Generator(msgspec.Struct, frozen=True):
    """Parameters of a generator: MW, MW per hour and money per MWh; ``commits``: it has an on/off decision."""

    capacity_mw: float
    ramp_mw_per_h: float
    fuel_cost_per_mwh: float
    commits: bool


class Shedding(msgspec.Struct, frozen=True):
    """Parameters of load that may be shed; ``only_at_cap``: an emergency means, there also when the plant rests."""

    capacity_mw: float
    cost_per_mwh: float
    only_at_cap: bool


class RunningCost(msgspec.Struct, frozen=True):
    """Settled cost of one asset over one slot, in the zone's currency.

    ``wear``: of a store. ``running``: fuel, paid curtailment, or energy that an asset owed and others delivered.
    ``start``: of a generator.
    """

    wear: float = 0.0
    running: float = 0.0
    start: float = 0.0


@dataclass(frozen=True, slots=True)
class PlannedAsset:
    """One asset's part of a plan, for texts: power (N,) in MW, value of one MW more over each step (N,) per MWh.

    ``water_value_per_mwh``: value of one more MWh in store at h = 0, NaN without a store.
    """

    power_mw: Floats
    power_price_per_mwh: Floats
    water_value_per_mwh: float


class AssetType(ABC, Generic[A]):
    """One kind of asset. Power is positive into the grid; ``row`` is the asset's place in the zone's file."""

    entry: ClassVar[type[Asset]]
    """Class of the fleet file's entry."""

    trades_at_market: ClassVar[bool] = False
    """Weighed at the market price; else at the generation price."""

    published_ahead: ClassVar[bool] = True
    """Its power in the decided slot is fixed before the slot; else it may still follow the net load within the slot."""

    keeps_to_plan: ClassVar[bool] = True
    """Deviations from the previously published plan cost the zone's churn price."""

    yields_to_caps: ClassVar[bool] = False
    """The checker may reduce its power if it increases a breach of an import or export cap."""

    label: ClassVar[str | None] = None
    """Display name; None: its kind."""

    verbs: ClassVar[dict[str, int]] = {}
    """Names of its actions, and their sign: 1 into the grid, -1 out of it, 0 rest."""

    activities: ClassVar[tuple[str, str]] = ("gives", "takes")
    """Its verb in a sentence, as in "it sells": while it gives power, while it takes power."""

    # Parameters that other parts may plan with.

    def store(self, asset: A) -> StorageParameters | None:
        """Return its parameters as a freely trading store, None for other assets."""
        return None

    def generator(self, asset: A) -> Generator | None:
        """Return its parameters as a generator, None for other assets."""
        return None

    def commits(self, asset: A) -> bool:
        """Return whether ``running_column`` has an on/off decision of it."""
        generator = self.generator(asset)
        return generator is not None and generator.commits

    def shedding(self, asset: A) -> Shedding | None:
        """Return its parameters as sheddable load, None for other assets."""
        return None

    def curtail_cost_per_mwh(self, asset: A) -> float | None:
        """Return the cost of a shed or curtailed MWh, None for other assets."""
        return None

    @abstractmethod
    def power_limits_mw(self, zone: Zone, asset: A) -> tuple[float, float]:
        """Return the least and the greatest power (MW) that it is built for."""

    def shown_limits_mw(self, zone: Zone, asset: A) -> tuple[float | None, float | None]:
        """Return the limits as shown to people; None if one depends on the weather."""
        return self.power_limits_mw(zone, asset)

    def soc_limits(self, asset: A) -> tuple[float, float] | None:
        """Return the SoC band (0-1) that an order may ask for, None if it takes no SoC order."""
        return None

    def energy_mwh(self, asset: A) -> float | None:
        """Return its storage capacity, None without a store."""
        return None

    def look_ahead_h(self, asset: A) -> float:
        """Return the hours that a plan should look ahead for it."""
        return 0.0

    def start_lead_min(self, asset: A) -> float | None:
        """Return the minutes before delivery at which it must get its start command, None if it needs none."""
        return None

    # State and physics.

    def is_emergency(self, asset: A) -> bool:
        """Return whether it is an emergency means at the import cap, which also acts when the plant does not."""
        load = self.shedding(asset)
        return load is not None and load.only_at_cap

    def at_rest(self, asset: A) -> AssetState:
        """Return the state of an asset without any setpoint so far."""
        return AssetState()

    def resumed(self, asset: A, soc: float) -> A:
        """Return the entry that starts at a known SoC (0-1)."""
        return asset

    @abstractmethod
    def deliver(self, asset: A, state: AssetState, wanted_mw: float, interval: Interval) -> Response:
        """Return its delivery at a finite setpoint ``wanted_mw``; 0 if it is not available.

        Args:
            asset: The entry of the fleet file.
            state: State at the start.
            wanted_mw: Power of the setpoint, positive into the grid, finite.
            interval: Length and local time of the interval.
        """

    def measured(
        self, asset: A, before: AssetState, twin: AssetState, power_mw: float, interval: Interval
    ) -> AssetState:
        """Return the state after an interval in which ``power_mw`` was measured.

        Args:
            asset: The entry.
            before: State at the start.
            twin: State that its physics expects at the end.
            power_mw: Measured mean power.
            interval: The interval.
        """
        return twin

    def balance_error_mwh(self, asset: A, before: AssetState, after: AssetState, interval: Interval) -> float:
        """Return the error of its energy balance (MWh); ``after.power_mw`` is the interval's mean power.

        Args:
            asset: The entry of the fleet file.
            before: State at the start.
            after: State at the end; its power is the mean of the interval.
            interval: Length and local time of the interval.
        """
        return 0.0

    def started(self, before: AssetState, power_mw: float) -> bool:
        """Return whether it started up in an interval that began at ``before``."""
        return False

    def potential_mw(self, zone: Zone, asset: A, observation: SlotClosed | None) -> float:
        """Return its output without curtailment as seen last (MW), NaN when unknown and for other types."""
        return math.nan

    def blind_mw(self, asset: A, state: AssetState, interval: Interval) -> float:
        """Return its power while the net load is not measured (reflex ``stale``)."""
        return self.unplanned_mw(asset, state, interval)

    def unplanned_mw(self, asset: A, state: AssetState, interval: Interval) -> float:
        """Return its power if no plan can be made (reflex ``rest``)."""
        return 0.0

    def frequency_curve(self, zone: Zone, asset: A) -> Curve:
        """Return (Hz, MW added to the setpoint) points of its own frequency response; empty without."""
        return []

    # The look-ahead.

    @abstractmethod
    def held_mw(self, horizon: Horizon, row: int, given_mw: Floats) -> Floats:
        """Return its delivery in the first steps if its power is fixed to ``given_mw`` (shape up to (N,))."""

    def curtailable_mw(self, horizon: Horizon, row: int, above_cap_mw: Floats) -> Floats:
        """Return the MW (N,) that may be shed or cut; ``above_cap_mw`` as in ``Coefficients``."""
        return np.zeros(horizon.steps)

    def rests(self, horizon: Horizon, row: int) -> bool:
        """Return whether it needs no plan over the horizon."""
        return False

    def reflex_path(self, horizon: Horizon, row: int, fixed_mw: Floats) -> tuple[Floats, Floats]:
        """Return power and SoC (N,) of the reflex ``limits`` for an asset that does not answer limits.

        ``fixed_mw``: binding power, NaN if free; SoC is NaN without a store.
        """
        return np.where(np.isnan(fixed_mw), 0.0, fixed_mw), np.full(horizon.steps, np.nan)

    def plan_costs(self, horizon: Horizon, row: int, power_mw: Floats, running: Bools, soc: Floats) -> dict[str, float]:
        """Return its expected cost items by name besides energy, cost positive; all arrays have shape (N,).

        Args:
            horizon: The look-ahead of N steps.
            row: Place of the asset in the zone's file.
            power_mw: Planned power, positive into the grid, shape (N,).
            running: Whether it runs, shape (N,).
            soc: State of charge at the end of each step (0-1), shape (N,), NaN without a store.
        """
        return {}

    # Its block of the dispatch: the methods take all assets of the type together.

    def form(self, asset: A) -> Hashable:
        """Return its parameters that the matrix depends on."""
        return None

    @abstractmethod
    def add_power_columns(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Add the columns of its power and energy."""

    def add_energy_rows(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Add the rows of its energy balance."""

    def add_operating_rows(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Add all other rows, and columns that only they use."""

    power_terms: ClassVar[tuple[tuple[str, float], ...]]
    """Columns, shape (assets, N), whose signed sum is its power."""

    energy_column: ClassVar[str | None] = None
    """Column, shape (assets, N), of energy in store at the end of each step (MWh)."""

    water_row: ClassVar[str | None] = None
    """Row, shape (assets, N), whose dual at h = 0 is minus the value of one more MWh in store."""

    running_column: ClassVar[str | None] = None
    """Column, shape (committing assets, N), of on/off decisions: 0 or 1, in the order of the assets that commit."""

    exclusive_columns: ClassVar[tuple[str, str] | None] = None
    """Two columns of which one must be 0 in each step."""

    limit_columns: ClassVar[tuple[LimitColumn, ...]] = ()
    """Columns whose bounds are named when they bind."""

    target_column: ClassVar[str | None] = None
    """Energy column that SoC orders act on."""

    net_load_column: ClassVar[str | None] = None
    """Column whose bounds follow the net load (``curtailable_mw``)."""

    @abstractmethod
    def fill(self, values: Coefficients, horizon: Horizon, rows: Ints) -> None:
        """Write costs, bounds and right-hand sides; ``rows``: the type's assets in the zone's file."""

    # Settlement and words.

    def running_cost(self, asset: A, energy_mwh: float, *, started: bool, shortfall_mwh: float) -> RunningCost:
        """Return the cost of one settled slot with ``energy_mwh`` into the grid.

        Args:
            asset: The entry of the fleet file.
            energy_mwh: Energy of the slot, positive into the grid.
            started: Whether it started up in the slot.
            shortfall_mwh: Energy that its users needed in the slot and did not get (``Response.shortfall_mwh``).
        """
        return RunningCost()

    @abstractmethod
    def reason(self, horizon: Horizon, row: int, planned: PlannedAsset) -> str:
        """Return the reason of its power in the first slot, in one clause."""

    def soc_band(self, asset: A) -> tuple[float, float] | None:
        """Return the SoC band (0-1) outside which a start is worth a note, None without one."""
        return None

    def break_even(self, asset: A, water_value_per_mwh: float) -> str | None:
        """Return the prices at which it would change its action, in words; None without such prices."""
        return None

    def action_word(self, power_mw: float) -> str:
        """Return the verb for its action at a power other than 0."""
        return next((verb for verb, sign in self.verbs.items() if sign * power_mw > 0), "rest")

    def activity(self, power_mw: float) -> str:
        """Return its verb in a sentence at a power other than 0."""
        return self.activities[0 if power_mw > 0 else 1]

    def nameplate(self, asset: A, currency: str, reference_mw: float | None = None) -> list[tuple[str, str]]:
        """Return its limits and costs for people: label and value with unit; ``reference_mw`` chooses that of power."""
        return []

    def full_mw(self, zone: Zone, asset: A, verb: str) -> float | None:
        """Return the size (MW, at least 0) of an action at full power, None if it is not known beforehand."""
        low, high = self.power_limits_mw(zone, asset)
        return -low if self.verbs.get(verb, 1) < 0 else high


def amount(power_mw: float) -> str:
    """Return the size of a power in words."""
    return power_text(abs(power_mw))


def clip_to(wanted_mw: float, low_mw: float, high_mw: float) -> float:
    """Return the power nearest to ``wanted_mw`` within limits; never -0."""
    return min(max(wanted_mw, low_mw), high_mw) + 0.0


def with_power(state: AssetState, soc: float, power_mw: float) -> AssetState:
    """Return the state after an interval at ``power_mw``."""
    return AssetState(soc, power_mw, state.running_min, state.ready_in_min, state.available)
