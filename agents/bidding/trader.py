"""The arbitrage trader: bids expected prices and the value of stored energy.

The trader does not know the state of charge. Experts, which come with the forecast, are weighted by their trailing
profit on paper; published prices are used unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from agents.bidding import expert_mix, paper_accounts
from agents.bidding.offers import Offer, Offers
from agents.bidding.paper_accounts import Book, Rule
from vpp.domain import PRICE, Target
from vpp.errors import MessageError
from vpp.fleet.schema import Zone
from vpp.local_time import local_date
from vpp.messages import Correction, End, Forecast, Message, Opinion, TraderBid
from vpp.numerics.arrays import Floats
from vpp.numerics.decimal_rounding import rounded
from vpp.numerics.order_statistics import quantiles
from vpp.numerics.storage_dp import UnitBattery
from vpp.streams.reducer import Load, Origin, Output
from vpp.streams.state_codec import ChangedValues, pack, unpack

_SHAPE = "trader-4"
_SEGMENTS = 4
_SEGMENT_LEVELS = (0.65, 0.55, 0.45, 0.35)
_STORED_SHARE = 0.95
_TRUST_UNKNOWN = 0.5
_DECIMALS = 3
_LEAST_SHARE = 0.005
_QUARTILES_APART = 1.349
"""Distance of the quartiles of a normal distribution, in standard deviations."""


@dataclass
class TraderState:
    """Index of the last slot bid for, and the paper accounts of the experts."""

    done: int | None = None
    book: Book = field(default_factory=Book)
    changed: ChangedValues = field(default_factory=ChangedValues)


@dataclass(frozen=True, slots=True)
class Prices:
    """Known and expected prices, one value per horizon; ``experts`` include published prices."""

    horizon_min: list[int]
    published: Floats
    experts: dict[str, Floats]


class TraderReducer:
    """One bid per forecast.

    Args:
        zone: Market, batteries and flat price of the zone.
        trust: Weight of the expected price spread, 0 to 1; by default 1 where the next slot's price is
            known when it is decided, else 0.5 (found best where it is not known, ``price = mean + trust * spread``).
        rule: Whether bids may be contingent on the price; by default as the market has it.
    """

    def __init__(self, zone: Zone, trust: float | None = None, rule: Rule | None = None) -> None:
        self._zone = zone
        self._step = zone.step
        self._battery = UnitBattery.of(zone)
        self._rule = Rule.of(zone.market) if rule is None else rule
        self._known_at_start = zone.market.rule.lead_slots > 0
        self._trust = trust if trust is not None else (1.0 if zone.market.rule.published else _TRUST_UNKNOWN)

    def initial(self, zone: str) -> TraderState:
        """Return the state before the first forecast."""
        return TraderState()

    def load(self, zone: str, get: Load) -> TraderState:
        """Return the stored state, or the initial state if it cannot be read."""
        decided, book = unpack(get("done"), int, _SHAPE), unpack(get("book"), Book, _SHAPE)
        return self.initial(zone) if decided is None or book is None else TraderState(decided, book)

    def changes(self, state: TraderState) -> Mapping[str, bytes | None]:
        """Return the changed state values."""
        return {key.name: pack(getattr(state, key.kind), _SHAPE) for key in state.changed.take()}

    def step(self, state: TraderState, message: Message, origin: Origin) -> tuple[TraderState, list[Output]]:
        """Apply one message of ``forecasts``; corrections are the actor's to forward.

        Raises:
            MessageError: The message is not a forecast, correction or end, or its lists do not match.
        """
        match message:
            case Forecast():
                return state, self._step_forecast(state, message)
            case Correction():
                return state, []
            case End():
                return state, [Output("bids", End(zone=message.zone, producer="trader", last_slot=message.last_slot))]
            case _:
                raise MessageError(f"{type(message).__name__} is not a forecast", reason="schema")

    def _step_forecast(self, state: TraderState, forecast: Forecast) -> list[Output]:
        index = self._step.index(forecast.slot)
        if state.done is not None and index <= state.done:
            return []
        prices = prices_of(forecast)
        state.done = index
        state.changed.mark("done")
        state.changed.mark("book")
        self._settle_paper(state.book, forecast)
        withheld = forecast.withheld(Target.PRICE)
        if prices is None or withheld is not None:
            bid = self._empty(forecast, withheld)
        else:
            bid = self._bid(state.book, forecast, prices)
        return [Output("bids", bid)]

    def _settle_paper(self, book: Book, forecast: Forecast) -> None:
        price = forecast.observation.values.get(PRICE)
        paper_accounts.settle_planned(book, self._battery, price)
        paper_accounts.settle(book, self._battery, price, self._step.hours)
        paper_accounts.turn_day(book, self._local_day(forecast.slot))

    def _local_day(self, slot: datetime) -> int:
        return local_date(slot, self._zone.time_zone).toordinal()

    def _bid(self, book: Book, forecast: Forecast, prices: Prices) -> TraderBid:
        hours = np.diff(np.array([0, *prices.horizon_min], dtype=float)) / 60.0
        mixed = expert_mix.mixed(book, self._battery, prices.experts, _worths(forecast), hours, self._rule)
        paper_accounts.plan_fixed(book, self._battery, self._step.hours)
        offers, weights = mixed.offers, mixed.weights
        price = self._shrunk(mixed.prices, prices.published)
        values = stored_values(mixed.prices)
        quantiles = forecast.price
        return TraderBid(
            zone=forecast.zone,
            slot=forecast.slot,
            step_min=forecast.step_min,
            observation=forecast.believed,
            horizon_min=prices.horizon_min,
            price_per_mwh=rounded(price, _DECIMALS).tolist(),
            trust=self._trust,
            stored_value_per_mwh=[round(value, _DECIMALS) for value in values],
            stored_width=[1.0 / len(values)] * len(values),
            price_sd_per_mwh=self._spreads(forecast, prices),
            weights={name: round(weight, 4) for name, weight in sorted(weights.items()) if weight >= 5e-5},
            curve=self._curve(offers) if self._zone.market.contingent_bids else [],
            offers=[_opinion(share, part, offers.cell[0]) for share, part in offers.parts if share >= _LEAST_SHARE],
            source="experts" if quantiles is None else quantiles.source,
            model_id="none" if quantiles is None else quantiles.model_id,
        )

    def _shrunk(self, mixed: Floats, published: Floats) -> Floats:
        """Return ``mean + trust * (price - mean)``, published prices as they are."""
        mean = float(mixed.mean())
        return np.where(np.isfinite(published), published, mean + self._trust * (mixed - mean))

    def _spreads(self, forecast: Forecast, prices: Prices) -> list[float]:
        """Return the spread of each price around its forecast one slot earlier, if the price is known at its start.

        It is the spread of the first unknown price. Otherwise empty: day-ahead prices are known for most of the
        look-ahead, and the programme does not plan the response of a price curve.
        """
        unknown = ~np.isfinite(prices.published)
        if not self._known_at_start or forecast.price is None or not unknown.any():
            return []
        first = prices.horizon_min[int(np.argmax(unknown))]
        width = np.interp(
            first, forecast.horizon_min, np.subtract(forecast.price.level("q75"), forecast.price.level("q25"))
        )
        sd = round(max(float(width), 0.0) / _QUARTILES_APART, 1)
        return [sd if is_unknown else 0.0 for is_unknown in unknown.tolist()]

    def _curve(self, offers: Offers) -> list[tuple[float, float]]:
        """Return the offers of the next slot from a half-full battery; the lowest price is the market's floor."""
        floor = self._zone.market.price_floor_per_mwh
        curve = offers.curve(self._step.hours, self._battery.energy_mwh / 2.0)
        return [(max(round(price, _DECIMALS), floor), round(share, 4)) for price, share in curve]

    def _empty(self, forecast: Forecast, withheld: str | None) -> TraderBid:
        """Return a bid without a forecast of prices: at the flat price where there is one, unless it is withheld."""
        flat = None if withheld is not None else self._zone.energy_price_flat_per_mwh
        horizons = [] if flat is None else forecast.horizon_min
        values = [] if flat is None else [_STORED_SHARE * flat] * _SEGMENTS
        return TraderBid(
            zone=forecast.zone,
            slot=forecast.slot,
            step_min=forecast.step_min,
            observation=forecast.believed,
            horizon_min=horizons,
            price_per_mwh=[] if flat is None else [flat] * len(horizons),
            trust=1.0 if flat is not None else 0.0,
            stored_value_per_mwh=values,
            stored_width=[1.0 / _SEGMENTS] * len(values),
            source="none" if flat is None else "flat",
            model_id="none",
            reason=None if flat is not None else withheld or forecast.reason or "the forecast has no price",
            not_ready=withheld is not None,
        )


def prices_of(forecast: Forecast) -> Prices | None:
    """Return the experts' prices of a forecast, or None if it has none.

    The published forecast is an expert itself (``forecast``). An expert that lacks a price for some horizon is left
    out; so is the forecast where the outlook's horizons go beyond it.

    Raises:
        MessageError: A list does not match its horizons.
    """
    quantiles = forecast.price
    outlook = None
    if forecast.outlook is not None:
        outlook = forecast.outlook.whole(forecast.step_min, [] if quantiles is None else quantiles.q50)
    horizons = forecast.horizon_min if outlook is None else outlook.horizon_min
    published_prices: list[float | None] = [None] * len(horizons) if outlook is None else outlook.known
    experts: dict[str, list[float | None]] = {} if outlook is None else dict(outlook.experts)
    if quantiles is not None:
        level = quantiles.expected
        if len(level) != len(forecast.horizon_min):
            raise MessageError(
                f"a list has {len(level)} values for {len(forecast.horizon_min)} horizons", reason="schema"
            )
        by_horizon = dict(zip(forecast.horizon_min, level, strict=True))
        experts[expert_mix.LEADER] = [by_horizon.get(minutes) for minutes in horizons]
    for values in (published_prices, *experts.values()):
        if len(values) != len(horizons):
            raise MessageError(f"a list has {len(values)} values for {len(horizons)} horizons", reason="schema")
    published = _floats(published_prices)
    filled = {name: np.where(np.isfinite(published), published, _floats(values)) for name, values in experts.items()}
    usable = {name: values for name, values in filled.items() if np.isfinite(values).all()}
    if not usable and np.isfinite(published).all() and len(published):
        usable = {"published": published}
    return Prices(horizons, published, usable) if usable and horizons else None


def stored_values(prices: Floats) -> list[float]:
    """Return the value per MWh of energy left in store, in four segments of capacity from empty to full, decreasing.

    The values lie around 0.95 of the mean price over the last half of the horizon: the first MWh left is sold in a slot
    with a high price, the last one in a slot with a low price. They are at least 0, because energy may stay in store.

    Args:
        prices: Expected prices, shape (N,).
    """
    tail = prices[len(prices) // 2 :]
    levels = np.array(quantiles(tail, _SEGMENT_LEVELS))
    worths = _STORED_SHARE * (float(tail.mean()) + levels - levels.mean())
    return [max(value, 0.0) for value in worths.tolist()]


def _worths(forecast: Forecast) -> expert_mix.Worths:
    outlook = forecast.outlook
    return (
        expert_mix.Worths() if outlook is None else expert_mix.Worths(_arrays(outlook.slopes), _arrays(outlook.margins))
    )


def _arrays(by_name: Mapping[str, list[float]]) -> dict[str, Floats]:
    return {name: np.asarray(values, dtype=float) for name, values in by_name.items() if len(values) > 1}


def _opinion(share: float, offer: Offer, spacing_mwh: float) -> Opinion:
    return Opinion(
        share=round(share, 4),
        expected_per_mwh=round(offer.expected_per_mwh, _DECIMALS),
        trust=round(offer.trust, _DECIMALS),
        fixed=offer.fixed,
        water_value_per_mwh=np.round(np.diff(offer.value) / spacing_mwh, _DECIMALS).tolist(),
    )


def offers_of(bid: TraderBid, battery: UnitBattery) -> Offers | None:
    """Return a bid's offers for any stored energy, or None if it has none."""
    if not bid.offers:
        return None
    cell = battery.cell(len(bid.offers[0].water_value_per_mwh) + 1)
    total = sum(opinion.share for opinion in bid.offers)
    parts = []
    for opinion in bid.offers:
        value = np.concatenate([[0.0], np.cumsum(opinion.water_value_per_mwh) * cell[0]])
        parts.append((opinion.share / total, Offer(value, opinion.expected_per_mwh, opinion.trust, opinion.fixed)))
    return Offers(tuple(parts), cell)


def _floats(values: list[float | None]) -> Floats:
    return np.array(values, dtype=float)  # None is read as NaN
