"""Input and output of the price models: the ring's view, local slots, and the published forecast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from vpp.messages import PriceOutlook
from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

MODEL = "model"
PUBLISHED = "published"
FALLBACK_PROFILE = "fallback_profile"
FALLBACK_LAST_PRICE = "fallback_last_price"
NO_PRICE = "none"
_PUBLISHED_DECIMALS, _EXPECTED_DECIMALS = 3, 2


class RingView(Protocol):
    """Read access to a zone's slot ring."""

    def window(self, channel: str, first_index: int, last_index_exclusive: int) -> Floats:
        """Return one value per slot of ``[first_index, last_index_exclusive)``, NaN if missing or not yet known."""
        ...

    def windows(self, channels: Sequence[str], first_index: int, last_index_exclusive: int) -> Floats:
        """Return the windows of several channels, shape (channels, slots)."""
        ...

    def stamp(self, channels: Iterable[str]) -> object:
        """Return a value that is another one once any of ``channels`` has changed."""
        ...


@dataclass(frozen=True, slots=True)
class PriceForecast:
    """Prices per MWh expected after a slot closed; H horizons as ``vpp.domain.horizons_min`` gives them.

    ``quantiles``: shape (H, 7), sorted along the levels, NaN if nothing is known. ``mean``: shape (H,).
    ``outlook_min``: the outlook's own horizons in minutes; ``known`` and each expert have one value per entry, NaN
    where the price is not published or the expert has none. ``slopes``: opportunity values per MWh at equal steps of
    SoC, lowest first; ``margins``: how far they lie above the next slot's price. ``takes_levels``: whether the
    quantiles were read at the levels that the stream adapts. ``message``: what ``outlook`` returns, if at hand.
    """

    source: str
    quantiles: Floats
    mean: Floats
    outlook_min: tuple[int, ...]
    known: Floats
    experts: dict[str, Floats]
    slopes: dict[str, Floats] = field(default_factory=dict)
    margins: dict[str, Floats] = field(default_factory=dict)
    takes_levels: bool = False
    message: PriceOutlook | None = None

    def outlook(self) -> PriceOutlook:
        """Return the outlook as its message: NaN becomes null, prices are rounded, published ones to 0.001."""
        if self.message is not None:
            return self.message
        published = _nullable(self.known, _PUBLISHED_DECIMALS)
        experts = {name: _nullable(prices, _EXPECTED_DECIMALS) for name, prices in self.experts.items()}
        return PriceOutlook(
            horizon_min=list(self.outlook_min),
            known=published,
            experts=experts,
            slopes={name: [round(float(v), 3) for v in values] for name, values in self.slopes.items()},
            margins={name: [round(float(v), 3) for v in values] for name, values in self.margins.items()},
        )


def with_published(forecast: PriceForecast, published_prices: Floats) -> PriceForecast:
    """Return ``forecast`` with the published prices in place of the forecast ones.

    Args:
        forecast: Forecast with the horizons of ``vpp.domain.horizons_min``.
        published_prices: Published price per horizon, shape (H,), NaN if there is none.
    """
    published = np.isfinite(published_prices)
    if not published.any():
        return forecast
    source = PUBLISHED if published.all() else forecast.source
    quantiles = np.where(published[:, None], published_prices[:, None], forecast.quantiles)
    return replace(
        forecast, source=source, quantiles=quantiles, mean=np.where(published, published_prices, forecast.mean)
    )


@kernel
def from_scaled(base: Floats, scale: Floats, scaled: Floats, floor: float, cap: float) -> Floats:
    """Return ``base + scale × scaled`` (n, H) within floor and cap, NaN if missing; ``scale``: shape (n,).

    Args:
        base: Profile at the target, shape (n, H).
        scale: Scale of deviations, shape (n,).
        scaled: Scaled deviations, shape (n, H).
        floor: Least price per MWh.
        cap: Greatest price per MWh.
    """
    out = np.empty(scaled.shape)
    for n in range(scaled.shape[0]):
        for h in range(scaled.shape[1]):
            value = base[n, h] + scale[n] * scaled[n, h]
            out[n, h] = cap if value > cap else floor if value < floor else value
    return out


def _nullable(values: Floats, decimals: int) -> list[float | None]:
    """Return values (H,) as a list, rounded, with None if nothing is known."""
    rounded = np.round(values, decimals)
    missing = ~np.isfinite(rounded)
    nullable = rounded.astype(object) if missing.any() else rounded
    nullable[missing] = None
    row: list[float | None] = nullable.tolist()
    return row


Arrays = dict[str, "np.ndarray[Any, Any] | bytes"]


class PricePart(Protocol):
    """What serves prices of one zone."""

    def new_cache(self) -> Any:
        """Return an empty cache of one zone's stream, for ``forecast`` to fill and read; it belongs to this part."""
        ...

    def forecast(self, ring: RingView, slot_index: int, levels: Floats = ..., cache: Any = None) -> PriceForecast:
        """Return the forecast issued when slot ``slot_index`` closed, from the values in the ring.

        Args:
            ring: Values up to that slot and published values of later ones.
            slot_index: Index of the last closed slot.
            levels: Levels that replace the nominal ones, shape (H, 7), as ``PriceLevels`` adapts them. A part that
                adapts its own (``PriceForecast.takes_levels`` false) does not read them.
            cache: As ``new_cache`` returned it; None computes everything. The forecast is the same, bit for bit.
        """
        ...

    def to_arrays(self) -> Arrays:
        """Return everything that ``part_from_arrays`` needs to make the same part again."""
        ...
