"""The fleet file: zones, markets, limits and assets, validated, with units in the names.

A zone that no file describes gets a default fleet scaled to its history (``default_zone``), so any file of canonical
shape runs without editing one.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from vpp.domain import Step
from vpp.errors import FleetError
from vpp.fleet.assets import (
    ENTRIES,
    AnyAsset,
    Asset,
    Battery,
    CurtailableLoad,
    CurtailableRenewable,
    Name,
    Peaker,
    Strict,
    register_entry,
)
from vpp.fleet.market import RULES, MarketRule, PriceKnown
from vpp.fleet.scale import PowerScale
from vpp.local_time import check_time_zone, local_time
from vpp.validation_text import describe, one_name_each
from vpp.yaml_text import read_yaml, text_of

_A = TypeVar("_A", bound=Asset)


class Market(Strict):
    """How and when the zone's energy is priced."""

    price_known: PriceKnown = PriceKnown.AFTER
    currency: str = Field(default="EUR", min_length=3, max_length=3)
    contingent_bids: bool = Field(default=False, description="the market takes price -> power curves")
    price_floor_per_mwh: float = -1000.0
    price_cap_per_mwh: float = 20000.0
    gate_closure_local_hour: int = Field(default=12, ge=0, le=23, description="day-ahead auction, on D-1")

    @property
    def rule(self) -> MarketRule:
        """What follows from when a price is known."""
        return RULES[self.price_known]

    @model_validator(mode="after")
    def _range(self) -> Market:
        floor, cap = self.price_floor_per_mwh, self.price_cap_per_mwh
        if floor >= cap:
            raise ValueError(f"price_floor_per_mwh {floor:g} must lie below price_cap_per_mwh {cap:g}")
        return self


class Limits(Strict):
    """Grid limits of the served share and what breaking them costs.

    Ramp is the change of grid power from slot to slot; beyond ``ramp_limit_mw`` (per step) each MW over one step's
    hours costs ``ramp_penalty_per_mwh``. Grid power above ``import_cap_mw`` or below ``-export_cap_mw`` costs
    ``cap_penalty_per_mwh``.
    """

    ramp_limit_mw: float = Field(gt=0)
    ramp_penalty_per_mwh: float = Field(default=250.0, ge=0)
    import_cap_mw: float = Field(gt=0)
    export_cap_mw: float | None = Field(default=None, gt=0)
    cap_penalty_per_mwh: float = Field(default=500.0, ge=0)
    ramp_margin_mw: float = Field(default=0.0, ge=0, description="kept from the ramp limit in the slot decided")
    cap_margin_mw: float = Field(default=0.0, ge=0, description="kept from the caps in the slot decided")


class FrequencyResponse(Strict):
    """How batteries with ``droop_mw_per_hz`` answer the grid's frequency, where the zone measures it.

    Nothing within ``dead_band_hz`` of nominal, then in proportion; at and below ``fast_reserve_hz`` all they have.
    """

    nominal_hz: float = Field(default=50.0, gt=0)
    dead_band_hz: float = Field(default=0.015, ge=0)
    fast_reserve_hz: float | None = Field(default=49.5, gt=0)

    @model_validator(mode="after")
    def _below_nominal(self) -> FrequencyResponse:
        fast_hz, low_hz = self.fast_reserve_hz, self.nominal_hz - self.dead_band_hz
        if fast_hz is not None and fast_hz > low_hz:
            raise ValueError(
                f"fast_reserve_hz {fast_hz:g} must not exceed nominal_hz less dead_band_hz, {low_hz:g}: "
                "lower fast_reserve_hz, or correct nominal_hz"
            )
        return self


class Share(Strict):
    """Which part of a region's net load the plant serves: MW of the region times ``served_mw / region_mw``."""

    region_mw: float = Field(gt=0)
    served_mw: float = Field(gt=0)

    @model_validator(mode="after")
    def _part(self) -> Share:
        if self.served_mw > self.region_mw:
            raise ValueError(
                f"served_mw {self.served_mw:g} must not exceed region_mw {self.region_mw:g}: the plant serves a part "
                "of the region; state both in MW, for a site of its own both the same"
            )
        return self

    @property
    def factor(self) -> float:
        """Served MW per MW of the region."""
        return self.served_mw / self.region_mw


class Balance(Strict):
    """A total that is metered apart from its parts: ``total = sum of sign x part`` at every slot."""

    total: str
    parts: dict[str, float] = Field(description="channel to its sign in the total, 1 or -1")


Batteries = tuple[Battery, ...]


def _country(value: str) -> str:
    if not (len(value) == 2 and value.isascii() and value.isupper()):
        raise ValueError(f"must be an ISO code of two capital letters, such as DE, not {value!r}")
    return value


Country = Annotated[str, AfterValidator(_country)]


class Zone(Strict):
    """One zone: the stream key, its market, limits and assets."""

    zone: Name
    time_zone: str = "UTC"
    country: Country | None = Field(default=None, description="ISO code for public holidays, e.g. GB or DE")
    subdivision: str | None = None
    step_min: int = 30
    synthetic: bool = False
    channels: tuple[str, ...] | None = Field(default=None, description="channels it has; None: as in the file's header")
    neighbours: tuple[str, ...] = ()
    balances: tuple[Balance, ...] = Field(default=(), description="totals metered apart, witnesses of forged channels")
    companions: tuple[str, ...] = Field(default=(), description="other supply of the zone, witnesses of its load")
    alarms_per_week: float = Field(
        default=1.0, gt=0, description="false episodes a week that the guard of its telemetry may have"
    )
    market: Market = Market()
    share: Share
    limits: Limits
    frequency: FrequencyResponse = FrequencyResponse()
    energy_price_flat_per_mwh: float | None = Field(
        default=None,
        description="price used for energy where the zone has no price at all",
    )
    generation_price_flat_per_mwh: float | None = Field(
        default=None,
        description="price that peakers and loads are weighed at where their fuel follows the market",
    )
    service_factor: float = Field(default=1.5, ge=0, description="priority dial on penalties when trading jointly")
    hedge: float = Field(default=0.6, ge=0, le=1)
    churn_price_per_mwh: float = Field(
        default=0.0, ge=0, description="cost of departing from the plan published before"
    )
    assets: tuple[AnyAsset, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_time_zone(value)

    @field_validator("step_min")
    @classmethod
    def _whole_slots(cls, value: int) -> int:
        Step(value)
        return value

    @model_validator(mode="after")
    def _unique_assets(self) -> Zone:
        ids = [asset.asset_id for asset in self.assets]
        if "zone" in (name.casefold() for name in ids):
            raise ValueError("no asset may be named 'zone', which stands for the whole zone: name it another way")
        problem = one_name_each("asset", ids)
        if problem is not None:
            raise ValueError(problem)
        return self

    @property
    def step(self) -> Step:
        """The zone's slot length."""
        return Step.of(self.step_min)

    @property
    def region_scale(self) -> PowerScale:
        """The scale of the region's net load: forecasts are written by it."""
        return PowerScale.of(self.share.region_mw)

    @property
    def served_scale(self) -> PowerScale:
        """The scale of the served share: bids and decisions are written and weighed by it."""
        return PowerScale.of(self.share.served_mw)

    @property
    def config_hash(self) -> str:
        """A hash of the whole configuration, so that a decision can be recomputed on the same.

        Fields with default values are left out, so a field that a later version adds does not change the configuration.
        """
        return hashlib.blake2b(self.model_dump_json(exclude_defaults=True).encode(), digest_size=8).hexdigest()

    def local(self, instant: datetime) -> datetime:
        """Return an aware time in the zone's time zone."""
        return local_time(instant, self.time_zone)

    def of_kind(self, entry: type[_A]) -> tuple[_A, ...]:
        """Return the assets of one entry class, in file order."""
        return tuple(asset for asset in self.assets if isinstance(asset, entry))

    @property
    def batteries(self) -> Batteries:
        """Batteries in file order."""
        return self.of_kind(Battery)

    @property
    def peakers(self) -> tuple[Peaker, ...]:
        """Peakers in file order."""
        return self.of_kind(Peaker)

    @property
    def renewables(self) -> tuple[CurtailableRenewable, ...]:
        """Curtailable renewables in file order."""
        return self.of_kind(CurtailableRenewable)

    @property
    def loads(self) -> tuple[CurtailableLoad, ...]:
        """Curtailable loads in file order."""
        return self.of_kind(CurtailableLoad)


class Fleet(Strict):
    """All zones of one plant."""

    zones: tuple[Zone, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _zones_by_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("zones"), dict):
            for name, body in data["zones"].items():
                if body is not None and not isinstance(body, dict):
                    raise ValueError(f"zones.{name} must hold keys (share, limits, ...), not {body!r}")
            zones = [{"zone": name, **(body or {})} for name, body in data["zones"].items()]
            return {**data, "zones": zones}
        return data

    @model_validator(mode="after")
    def _unique_zones(self) -> Fleet:
        problem = one_name_each("zone", [zone.zone for zone in self.zones])
        if problem is not None:
            raise ValueError(problem)
        return self

    def get(self, name: str) -> Zone | None:
        """Return the zone of this name, or None."""
        return next((zone for zone in self.zones if zone.zone == name), None)

    def merged(self, other: Fleet) -> Fleet:
        """Return this fleet with ``other``'s zones added, ``other`` winning."""
        mine = {zone.zone: zone for zone in self.zones}
        mine.update({zone.zone: zone for zone in other.zones})
        return Fleet(zones=tuple(mine.values()))


def load_fleet(path: Path) -> Fleet:
    """Read and validate a fleet file.

    Raises:
        FleetError: The file is missing, is not YAML, describes no zone, or breaks the schema; the message names the
            place and, for an unknown key, the nearest valid one.
    """
    try:
        text = text_of(path, FleetError)
    except OSError as error:
        raise FleetError(
            f"cannot read {path}: {error.strerror}",
            hint="give an existing file with --fleet",
        ) from error
    return parse_fleet(text, str(path))


def parse_fleet(text: str, name: str) -> Fleet:
    """Validate the text of a fleet file; ``name`` appears in errors.

    Raises:
        FleetError: As ``load_fleet``.
    """
    data = read_yaml(text, name, FleetError)
    if data is None or data == {} or (isinstance(data, dict) and data.get("zones", ()) in (None, {}, [])):
        raise FleetError(
            f"{name} describes no zone",
            hint="state zones: with at least one (docs/guide/fleet.md), write one with vpp init FILE, "
            "or leave out --fleet for default fleets",
        )
    try:
        return Fleet.model_validate(data)
    except ValidationError as error:
        keys = {key for model in (*_MODELS, *ENTRIES.values()) for key in model.model_fields}
        raise FleetError(f"{name}: {describe(error, keys)}", hint="see docs/guide/fleet.md") from error


_MODELS: tuple[type[BaseModel], ...] = (Market, Limits, FrequencyResponse, Share, Balance, Zone, Fleet)


def add_asset_kind(entry: type[Asset]) -> None:
    """Register an entry class of a new asset kind, so fleet files may name it.

    Raises:
        ValueError: As ``vpp.fleet.assets.register_entry``.
    """
    register_entry(entry)
    Zone.model_rebuild(force=True)
    Fleet.model_rebuild(force=True)


def default_zone(
    name: str, *, step_min: int, region_mw: float, ramp_mw: float, served_mw: float = 100.0, **fields: Any
) -> Zone:
    """Return a fleet for a zone that no file describes, scaled to its history.

    The plant serves ``served_mw`` of the region's highest net load; of 100 MW, with an 8 MW / 16 MWh battery, a 15 MW
    peaker and 6 MW of emergency curtailment, of another share with as much more or less. The cap is 86 % of the served
    peak and the ramp limit the history's 85 % quantile.

    Args:
        name: Zone name.
        step_min: Slot length in minutes.
        region_mw: Highest net load of the history (MW of the region).
        ramp_mw: 85 % quantile of the absolute net-load change per step (MW of the region).
        served_mw: What the plant serves of it.
        **fields: Zone fields that are known otherwise (time zone, market, country, channels).
    """
    factor = served_mw / region_mw
    defaults = (entry.default_for(name, served_mw) for entry in ENTRIES.values())
    return Zone(
        zone=name,
        step_min=step_min,
        share=Share(region_mw=region_mw, served_mw=served_mw),
        limits=Limits(ramp_limit_mw=max(ramp_mw * factor, 0.001 * served_mw), import_cap_mw=0.86 * served_mw),
        assets=tuple(asset for asset in defaults if asset is not None),
        **fields,
    )
