"""State of one asset and what it delivered over an interval: the terms that all asset types share.

They are structs: a decision makes dozens, and a frozen dataclass takes ten times as long to make or to replace.
"""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum

import msgspec

from agents.assets.fleet_state import FleetState


class Clamp(StrEnum):
    """Reason why the power of an asset differs, or may differ, from its setpoint."""

    NOT_FINITE = "not_finite"
    UNAVAILABLE = "unavailable"
    UNKNOWN_ASSET = "unknown_asset"
    WRONG_SIGN = "wrong_sign"
    POWER_LIMIT = "power_limit"
    SOC_MIN = "soc_min"
    SOC_MAX = "soc_max"
    RAMP_LIMIT = "ramp_limit"
    MIN_LOAD = "min_load"
    MIN_RUN = "min_run"
    NOT_READY = "not_ready"
    POTENTIAL = "potential"
    NOT_CONNECTED = "not_connected"
    NEEDED_LATER = "needed_later"
    IMPORT_CAP = "import_cap"
    EXPORT_CAP = "export_cap"


class AssetState(msgspec.Struct, frozen=True):
    """One asset at the start of an interval; fields as in ``FleetState``."""

    soc: float = math.nan
    power_mw: float = 0.0
    running_min: float = 0.0
    ready_in_min: float = 0.0
    available: bool = True

    @staticmethod
    def of(state: FleetState, row: int) -> AssetState:
        """Return the state of one asset of the fleet."""
        return AssetState(
            soc=float(state.soc[row]),
            power_mw=float(state.power_mw[row]),
            running_min=float(state.running_min[row]),
            ready_in_min=float(state.ready_in_min[row]),
            available=bool(state.available[row]),
        )


class Interval(msgspec.Struct, frozen=True):
    """One interval of delivery.

    ``hours``: length, > 0. ``at``: start, aware and in the zone's time zone; None if it is not known, which an
    asset with a timetable refuses. ``potential_mw``: output of a renewable without curtailment, NaN when unknown.
    ``starts_up``: a generator that is off gets its start command; it delivers after ``ready_in_min``.
    """

    hours: float
    at: datetime | None = None
    potential_mw: float = math.nan
    starts_up: bool = False


class Response(msgspec.Struct, frozen=True):
    """Answer of an asset's physics: mean power, SoC at the end (NaN: none), the state after, the binding limit.

    ``shortfall_mwh``: energy that the users of the asset needed in this interval and did not get, at least 0.
    """

    power_mw: float
    state: AssetState
    reason: Clamp | None = None
    shortfall_mwh: float = 0.0


class Delivered(msgspec.Struct, frozen=True):
    """Delivery of an asset over an interval.

    ``power_mw``: mean power. ``energy_mwh``: ``power_mw * hours``, at the grid side. ``soc``: at the end, NaN if
    there is none. ``state``: the state after it. ``reason``: why the power differs from the setpoint, else None.
    ``shortfall_mwh``: as in ``Response``.
    """

    power_mw: float
    energy_mwh: float
    soc: float
    state: AssetState
    reason: Clamp | None
    shortfall_mwh: float = 0.0
