"""Forecasts of net load and price, and how good they turned out."""

from __future__ import annotations

import msgspec

from vpp.messages.telemetry import Record, SlotClosed
from vpp.messages.times import Time


class Quantiles(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Forecast levels of one target, one value per entry of the forecast's ``horizon_min``; never crossing.

    ``source`` is ``model`` or the name of a fallback; ``mean`` is the expected value where it differs from q50.
    """

    source: str
    model_id: str
    q05: list[float]
    q10: list[float]
    q25: list[float]
    q50: list[float]
    q75: list[float]
    q90: list[float]
    q95: list[float]
    mean: list[float] | None = None


class Spreads(msgspec.Struct, kw_only=True, frozen=True):
    """What clearing needs of the net-load errors, one value per horizon, in the region's MW.

    ``ramp_sd_mw``: spread of the error of n[h]-n[h-1]; ``level_sd_mw``: spread of the error of n[h];
    ``carry``: regression of the error at h on the error at the first horizon (no unit, 1 at the first).
    """

    ramp_sd_mw: list[float]
    level_sd_mw: list[float]
    carry: list[float]


class PriceOutlook(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What the trader weighs: prices per MWh on its own horizons (which may pass 24 h).

    ``known``: published prices, null where not yet known. ``experts``: name to expected prices (null: has none).
    ``slopes``: name to opportunity values per MWh at equal steps of SoC, lowest first. ``margins``: likewise, how far
    they lie above the price of the next slot.
    """

    horizon_min: list[int]
    known: list[float | None]
    experts: dict[str, list[float | None]]
    slopes: dict[str, list[float]] = {}
    margins: dict[str, list[float]] = {}


class Forecast(Record, kw_only=True, frozen=True, tag="forecast", omit_defaults=True):
    """The forecast issued when ``slot`` closed: horizon h speaks of slot + h; carries the closed slot along.

    A target without any basis is null and ``reason`` says why. ``ramp_mw_per_min`` is the expected slope of net load
    over the next step (region's MW). ``spec_hash``: of the features that the net-load model read; null: a fallback.
    """

    slot: Time
    step_min: int
    observation: SlotClosed
    horizon_min: list[int]
    net_load: Quantiles | None
    price: Quantiles | None
    ramp_mw_per_min: float | None
    spreads: Spreads | None = None
    outlook: PriceOutlook | None = None
    spec_hash: str | None = None
    reason: str | None = None


class Skill(Record, kw_only=True, frozen=True, tag="skill"):
    """Scores of past forecasts by horizon over the trailing window that ends with ``slot``.

    One value per entry of ``horizon_min``, which names the horizons that have scores. ``mae``, ``mae_persistence``,
    ``pinball`` in the target's unit; ``coverage_90`` a fraction; ``n`` scored forecasts.
    """

    slot: Time
    target: str
    horizon_min: list[int]
    n: list[int]
    mae: list[float]
    mae_persistence: list[float]
    pinball: list[float]
    coverage_90: list[float]
