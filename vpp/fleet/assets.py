"""Fleet file entries of the asset types: one class per ``kind``, registered by that name.

An entry holds what a user writes in the fleet file. What an asset does with it (physics, its part of the dispatch, its
money) is in ``agents/assets``, one module per kind.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SerializeAsAny,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from vpp.validation_text import number_checked


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    _numbers = field_validator("*", mode="before")(classmethod(number_checked))


Name = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Name of a zone or an asset: any text on one line."""


class Asset(Strict):
    """What every entry has: its ``kind``, which selects the class, and an id that is unique in its zone.

    ``LIVE``: keys that may change while the zone runs (``vpp.fleet.live_change``); all others need a restart.
    """

    LIVE: ClassVar[frozenset[str]] = frozenset()

    kind: str
    asset_id: Name

    @property
    def needed_channel(self) -> str | None:
        """Telemetry channel without which the asset cannot run; None: it needs none."""
        return None

    @classmethod
    def default_for(cls, zone_name: str, served_mw: float) -> Asset | None:
        """Return the asset of this kind for a zone that no fleet file describes; None: such a zone has none."""
        return None


ENTRIES: dict[str, type[Asset]] = {}
"""Entry class by ``kind``, in the order of registration; a default fleet follows it."""

AssetKind = Literal["battery", "peaker", "load", "renewable", "ev_depot"]
"""The kinds that come with the package."""

_E = TypeVar("_E", bound=type[Asset])


LocalTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
"""A time of day in the zone's time zone, as ``"18:00"``."""


def register_entry(entry: _E) -> _E:
    """Add an entry class under the default of its ``kind`` field; a class decorator.

    Raises:
        ValueError: The class has no default ``kind``, or another class has it.
    """
    fields: dict[str, Any] = dict(entry.__pydantic_fields__)
    kind = fields["kind"].default
    if not isinstance(kind, str) or ENTRIES.get(kind, entry) is not entry:
        raise ValueError(f"{entry.__name__}: its kind {kind!r} is missing or taken")
    ENTRIES[kind] = entry
    return entry


class _ByKind:
    """Makes pydantic validate an asset by the registered class of its ``kind`` (a discriminated union)."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {kind: handler.generate_schema(entry) for kind, entry in ENTRIES.items()}
        return core_schema.tagged_union_schema(choices, discriminator="kind")


AnyAsset = SerializeAsAny[Annotated[Asset, _ByKind]]


@register_entry
class Battery(Asset):
    """A battery. Power limits are at the grid side; efficiency is split over charge and discharge.

    ``wear_cost_per_mwh`` is per MWh discharged at the grid side.
    """

    LIVE: ClassVar[frozenset[str]] = frozenset(
        {
            "charge_mw",
            "discharge_mw",
            "charge_efficiency",
            "discharge_efficiency",
            "soc_min",
            "soc_max",
            "reserve_soc",
            "wear_cost_per_mwh",
            "droop_mw_per_hz",
        }
    )

    kind: Literal["battery"] = "battery"
    energy_mwh: float = Field(gt=0)
    charge_mw: float = Field(gt=0)
    discharge_mw: float = Field(gt=0)
    charge_efficiency: float = Field(default=0.9381, gt=0, le=1)
    discharge_efficiency: float = Field(default=0.9381, gt=0, le=1)
    soc_min: float = Field(default=0.05, ge=0, le=1)
    soc_max: float = Field(default=0.95, ge=0, le=1)
    soc_start: float = Field(default=0.5, ge=0, le=1)
    reserve_soc: float = Field(default=0.0, ge=0, le=1, description="kept above soc_min for emergencies")
    wear_cost_per_mwh: float = Field(default=5.0, ge=0)
    droop_mw_per_hz: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _band(self) -> Battery:
        if self.soc_min + self.reserve_soc >= self.soc_max:
            raise ValueError("soc_min + reserve_soc must lie below soc_max")
        return self

    @classmethod
    def default_for(cls, zone_name: str, served_mw: float) -> Battery:
        """Return 8 MW / 16 MWh per 100 MW served."""
        size = served_mw / 100.0
        return cls(
            asset_id=f"{zone_name}-battery-1", energy_mwh=16.0 * size, charge_mw=8.0 * size, discharge_mw=8.0 * size
        )


@register_entry
class Peaker(Asset):
    """A dispatchable generator: 0, or between minimum load and capacity."""

    LIVE: ClassVar[frozenset[str]] = frozenset(
        {
            "capacity_mw",
            "min_load_mw",
            "ramp_mw_per_h",
            "fuel_cost_per_mwh",
            "start_cost",
            "start_time_min",
            "min_run_min",
        }
    )

    kind: Literal["peaker"] = "peaker"
    capacity_mw: float = Field(gt=0)
    min_load_mw: float = Field(default=0.0, ge=0)
    ramp_mw_per_h: float = Field(gt=0)
    fuel_cost_per_mwh: float = Field(ge=0)
    start_cost: float = Field(default=0.0, ge=0)
    start_time_min: float = Field(default=0.0, ge=0)
    min_run_min: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _band(self) -> Peaker:
        if self.min_load_mw > self.capacity_mw:
            raise ValueError(f"min_load_mw {self.min_load_mw:g} must not exceed capacity_mw {self.capacity_mw:g}")
        return self

    @classmethod
    def default_for(cls, zone_name: str, served_mw: float) -> Peaker:
        """Return 15 MW per 100 MW served."""
        size = served_mw / 100.0
        return cls(
            asset_id=f"{zone_name}-peaker-1",
            capacity_mw=15.0 * size,
            ramp_mw_per_h=16.0 * size,
            fuel_cost_per_mwh=160.0,
        )


@register_entry
class CurtailableLoad(Asset):
    """Load that may be shed: power is positive, up to ``capacity_mw``; paid ``curtail_cost_per_mwh``.

    ``only_at_cap``: emergency shedding that is also there when the plant does not act (as in "no action").
    """

    LIVE: ClassVar[frozenset[str]] = frozenset(
        {
            "capacity_mw",
            "curtail_cost_per_mwh",
            "only_at_cap",
        }
    )

    kind: Literal["load"] = "load"
    capacity_mw: float = Field(gt=0)
    curtail_cost_per_mwh: float = Field(ge=0)
    only_at_cap: bool = True

    @classmethod
    def default_for(cls, zone_name: str, served_mw: float) -> CurtailableLoad:
        """Return 6 MW of emergency shedding per 100 MW served."""
        size = served_mw / 100.0
        return cls(asset_id=f"{zone_name}-load-1", capacity_mw=6.0 * size, curtail_cost_per_mwh=300.0)


@register_entry
class CurtailableRenewable(Asset):
    """Renewable plant of the served share whose output may be cut: power is negative, up to the measured output.

    ``channel`` names the telemetry channel of its output; ``share`` is its part of the served share of that channel.
    """

    LIVE: ClassVar[frozenset[str]] = frozenset(
        {
            "share",
            "curtail_cost_per_mwh",
        }
    )

    kind: Literal["renewable"] = "renewable"
    channel: str = "wind_mw"
    share: float = Field(default=1.0, gt=0, le=1)
    curtail_cost_per_mwh: float = Field(ge=0)

    @property
    def needed_channel(self) -> str:
        """Its output."""
        return self.channel


@register_entry
class EvDepot(Asset):
    """Charging depot of electric vehicles, taken together: connected from one local time to the next departure.

    Every day the vehicles leave at ``departure`` with at least ``departure_mwh`` aboard and come back at
    ``connected_from`` with ``arrival_mwh``, and with whatever they had above their need. What is missing at a departure
    is charged elsewhere at ``unmet_price_per_mwh``. ``energy_mwh`` is the usable capacity of all vehicles.
    ``discharge_mw`` 0 means charge only; else the depot is bidirectional. Power limits are at the grid side, with all
    vehicles connected; ``wear_cost_per_mwh`` is per MWh discharged. ``start_mwh``: energy aboard when a run begins.
    """

    LIVE: ClassVar[frozenset[str]] = frozenset(
        {
            "charge_mw",
            "discharge_mw",
            "charge_efficiency",
            "discharge_efficiency",
            "connected_from",
            "departure",
            "departure_mwh",
            "arrival_mwh",
            "unmet_price_per_mwh",
            "wear_cost_per_mwh",
        }
    )

    kind: Literal["ev_depot"] = "ev_depot"
    energy_mwh: float = Field(gt=0)
    charge_mw: float = Field(gt=0)
    discharge_mw: float = Field(default=0.0, ge=0)
    charge_efficiency: float = Field(default=0.94, gt=0, le=1)
    discharge_efficiency: float = Field(default=0.94, gt=0, le=1)
    connected_from: LocalTime
    departure: LocalTime
    departure_mwh: float = Field(gt=0)
    arrival_mwh: float = Field(ge=0)
    unmet_price_per_mwh: float = Field(default=500.0, ge=0)
    wear_cost_per_mwh: float = Field(default=20.0, ge=0)
    start_mwh: float | None = Field(default=None, ge=0)

    @property
    def connected_h(self) -> float:
        """Hours from ``connected_from`` to ``departure`` on a day without a clock change."""
        begin, end = (int(text[:2]) + int(text[3:]) / 60.0 for text in (self.connected_from, self.departure))
        return (end - begin) % 24.0

    @model_validator(mode="after")
    def _day(self) -> EvDepot:
        if not self.arrival_mwh < self.departure_mwh <= self.energy_mwh:
            raise ValueError("arrival_mwh must lie below departure_mwh, and departure_mwh must not exceed energy_mwh")
        if self.start_mwh is not None and self.start_mwh > self.energy_mwh:
            raise ValueError("start_mwh must not exceed energy_mwh")
        if not 1.0 <= self.connected_h <= 23.0:
            raise ValueError("connected_from and departure must leave at least 1 h connected and 1 h away")
        most = self.charge_mw * self.charge_efficiency * self.connected_h
        if self.departure_mwh - self.arrival_mwh > most:
            raise ValueError(
                f"{self.departure_mwh - self.arrival_mwh:g} MWh are needed, but {self.connected_h:g} h at charge_mw "
                f"give {most:.3g} MWh: raise charge_mw or connect earlier"
            )
        return self
