"""Forecasts of net load and price, and their scores."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from vpp.domain import NET_LOAD, Quality, even_horizons_min
from vpp.messages.integers import Integer
from vpp.messages.telemetry import Record, SlotClosed, Values
from vpp.messages.times import Time


class Cause(StrEnum):
    """Why a value is rejected; ``late_or_missing``: there is no value and no replacement."""

    NONE = "none"
    SENSOR_FAULT = "sensor_fault"
    ATTACK_FORGED = "attack_forged"
    ATTACK_REPLAYED = "attack_replayed"
    ATTACK_FROZEN = "attack_frozen"
    REGIME_CHANGE = "regime_change"
    LATE_OR_MISSING = "late_or_missing"


class Verdict(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Verdict of the guard on a slot with rejected values.

    ``suspect``: the channel, ``all``, or ``total`` where the independent total itself is wrong. ``since``: first slot
    of the episode. ``score``: evidence, in powers of ten of false episodes a week; ``evidence``: the strongest members,
    likewise. ``replaced``: whether the forecast entered, not only a value held near it. ``verified``:
    the value that an independent total implies entered; ``witnessed``: one that other supply of the zone says.
    ``rolled_back``: slots before
    this one that were replaced too. ``age``: slots since the last trusted value.
    """

    cause: Cause
    suspect: str
    since: Time
    score: float
    replaced: bool = False
    verified: bool = False
    witnessed: bool = False
    rolled_back: Integer = 0
    age: Integer = 0
    evidence: dict[str, float] = {}


class Quantiles(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Forecast levels of one target, one value per entry of the forecast's ``horizon_min``; never crossing.

    ``source`` is ``model`` or the name of a fallback; ``mean`` is the expected value where it differs from q50.
    ``published``: of how many first horizons the value is published. There every level is ``q50``, and the lists of the
    other levels and of the mean begin behind them; ``level`` gives them whole.
    ``xgboost_weight``: weight of XGBoost's correction in a model's net load, 0 if it is linear; of the first
    horizons, beyond which there is none.
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
    published: Integer = 0
    xgboost_weight: list[float] | None = None

    def level(self, name: str) -> list[float]:
        """Return one of ``QUANTILE_NAMES`` with a value for each horizon."""
        values: list[float] = getattr(self, name)
        return values if name == "q50" or not self.published else self.q50[: self.published] + values

    @property
    def expected(self) -> list[float]:
        """Expected value at each horizon."""
        return self.q50 if self.mean is None else self.q50[: self.published] + self.mean


class Spreads(msgspec.Struct, kw_only=True, frozen=True):
    """Parameters of the net-load errors for clearing, one value per horizon, in the region's MW.

    ``ramp_sd_mw``: spread of the error of n[h]-n[h-1]; ``level_sd_mw``: spread of the error of n[h];
    ``carry``: regression of the error at h on the error at the first horizon (no unit, 1 at the first).
    """

    ramp_sd_mw: list[float]
    level_sd_mw: list[float]
    carry: list[float]


class RampOutlook(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Changes of net load within the horizon, one value per horizon, in the region's MW.

    ``large_mw``: the size of the largest tenth of the past six weeks' changes over as many minutes.
    ``p_rise``, ``p_fall``: probability that net load lies at the horizon by at least that above, or below, the closed
    slot's. All three are empty until two weeks are known. ``alarm_level``: the probability from which a ramp within six
    hours raises the alarm.

    ``step_mw``: the change over the step that ends at the horizon, its median; it has a forecast of its own, so it is
    not the difference of neighbouring levels. ``step_q10_mw``, ``step_q90_mw``: its quantiles. ``limit_mw``: the ramp
    limit over one slot (over a longer step as many times that); ``p_limit``: probability that the step passes it, up or
    down.
    """

    alarm_level: float
    limit_mw: float
    step_q10_mw: list[float]
    step_mw: list[float]
    step_q90_mw: list[float]
    p_limit: list[float]
    large_mw: list[float] = []
    p_rise: list[float] = []
    p_fall: list[float] = []


class PriceOutlook(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Inputs of the trader: prices per MWh on its own horizons (which may exceed 24 h).

    ``known``: published prices, null where not yet known. ``experts``: name to expected prices (null: has none).
    Where horizons are one slot apart, ``horizon_min`` is empty and nothing is written twice (``shortened``): ``known``
    begins behind the first ``carried`` slots, whose prices are ``q50`` of the forecast, and ends with the last price
    that is known; experts begin behind the slots up to the first price that is not known. ``tail``: how the first
    expert ends, and each other one whose list is shorter than it is with the tail. ``whole`` undoes it.
    ``slopes``: name to opportunity values per MWh at equal steps of SoC, lowest first. ``margins``: likewise, how far
    they lie above the price of the next slot.
    """

    horizon_min: list[Integer] = []
    known: list[float | None] = []
    experts: dict[str, list[float | None]] = {}
    tail: list[float | None] = []
    carried: Integer = 0
    slopes: dict[str, list[float]] = {}
    margins: dict[str, list[float]] = {}

    def shortened(self, step_min: int, carried: int) -> PriceOutlook:
        """Return a whole outlook without what can be left out; as it is where horizons are not one slot apart.

        Args:
            step_min: Length of a slot.
            carried: Of how many first slots the forecast's ``q50`` is the published price.
        """
        if self.horizon_min != even_horizons_min(step_min, len(self.horizon_min)):
            return self
        published, prices = _published(self.known), self.known
        first, end = min(carried, published), len(prices)
        while end > published and prices[end - 1] is None:
            end -= 1
        experts, tail = _without_tail({name: values[published:] for name, values in self.experts.items()})
        known = prices[first:end]
        return msgspec.structs.replace(self, horizon_min=[], known=known, experts=experts, tail=tail, carried=first)

    def whole(self, step_min: int, q50: list[float]) -> PriceOutlook:
        """Return the outlook with a value for each horizon, null where an expert's price does not count.

        Args:
            step_min: Length of a slot.
            q50: Of the forecast that carries the outlook.
        """
        if self.horizon_min:
            return self
        prices = [*q50[: self.carried], *self.known]
        published = _published(prices)
        experts = _with_tail(self.experts, self.tail)
        slots = max(len(prices), *(published + len(values) for values in experts.values()), 0)
        return msgspec.structs.replace(
            self,
            horizon_min=even_horizons_min(step_min, slots),
            known=prices + [None] * (slots - len(prices)),
            experts={name: [None] * published + values for name, values in experts.items()},
            tail=[],
            carried=0,
        )


_Experts = dict[str, list[float | None]]


def _without_tail(experts: _Experts) -> tuple[_Experts, list[float | None]]:
    """Return experts of one length without the ends that they share with the first one, and the longest of these."""
    if len(experts) < 2:
        return experts, []
    first, *others = experts.values()
    ends = [_shared_end(first, values) for values in others]
    longest = max(ends)
    cut = {
        name: values[: len(values) - end] for (name, values), end in zip(experts.items(), [longest, *ends], strict=True)
    }
    return cut, first[len(first) - longest :]


def _with_tail(experts: _Experts, tail: list[float | None]) -> _Experts:
    """Return the experts before ``_without_tail``."""
    if not tail:
        return experts
    whole = min(map(len, experts.values()), default=0) + len(tail)
    return {name: values + tail[len(tail) - (whole - len(values)) :] for name, values in experts.items()}


def _shared_end(one: list[float | None], other: list[float | None]) -> int:
    """Return with how many equal values two lists end."""
    count = 0
    for ours, theirs in zip(reversed(one), reversed(other), strict=False):
        if ours != theirs:
            break
        count += 1
    return count


def _published(prices: list[float | None]) -> int:
    """Return the number of leading prices that are known."""
    return prices.index(None) if None in prices else len(prices)


class KnownLags(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Completeness of the history behind a forecast: ``known`` of ``asked`` lags of its target.

    ``imputed``: lags replaced by a forecast of the guard. The others are missing, and the model imputes them.
    ``ready``: whether policies may bid on the forecast. ``restored``: of the known lags, how many a restarted worker
    read from its changelog; it is part of the worker's status alone.
    """

    asked: Integer
    known: Integer
    imputed: Integer = 0
    restored: Integer = 0
    ready: bool = True

    def __str__(self) -> str:
        """Return the counts as a clause."""
        return f"{self.known} of {self.asked} lags are known, {self.imputed} imputed"


class Forecast(Record, kw_only=True, frozen=True, tag="forecast", omit_defaults=True):
    """The forecast issued when ``slot`` closed: horizon h has the target slot + h; it carries the closed slot along.

    A target without any basis is null and ``reason`` gives the cause. ``ramp_mw_per_min`` is the expected slope of net
    load over the next step (region's MW). ``spec_hash``: of the features that the net-load model read; null: a
    fallback.

    ``observation``: the measured slot. ``used``: values that replaced measured ones in forecasts and learning, by
    channel, with net load; empty if none was replaced. ``trust``: 0-1 by channel, 1 if not listed. ``verdict``: the
    cause. ``lags``: by target, where a lag of it is not known. ``released_by``: id of the order by which values are
    taken as measured.
    """

    slot: Time
    step_min: Integer
    observation: SlotClosed
    horizon_min: list[Integer]
    net_load: Quantiles | None
    price: Quantiles | None
    ramp_mw_per_min: float | None
    spreads: Spreads | None = None
    ramps: RampOutlook | None = None
    outlook: PriceOutlook | None = None
    spec_hash: str | None = None
    reason: str | None = None
    used: Values = {}
    trust: dict[str, float] = {}
    verdict: Verdict | None = None
    lags: dict[str, KnownLags] = {}
    released_by: str | None = None

    def withheld(self, target: str) -> str | None:
        """Return why no policy may bid on a target's forecast, None if it may."""
        lags = self.lags.get(target)
        return None if lags is None or lags.ready else f"not ready: {lags}"

    @property
    def used_net_load_mw(self) -> float | None:
        """Net load that the forecast rests on: as measured, or what entered in its place."""
        return self.used.get(NET_LOAD, self.observation.net_load_mw)

    @property
    def believed(self) -> SlotClosed:
        """The observation with the replacements of rejected values, marked ``distrusted``.

        Net load is marked, too, where it is a forecast alone: nothing then follows it inside a slot.

        Bids carry it on, so nothing is settled or decided on forged values.
        """
        if self.verdict is None or not self.used:
            return self.observation
        observation = self.observation
        channels = {name: value for name, value in self.used.items() if name != NET_LOAD}
        verdict = self.verdict
        follows = verdict.verified or verdict.witnessed or not verdict.replaced
        marks = dict.fromkeys(channels if follows else (*channels, NET_LOAD), Quality.DISTRUSTED.value)
        return msgspec.structs.replace(
            observation,
            values={**observation.values, **channels},
            net_load_mw=self.used_net_load_mw,
            quality={**observation.quality, **marks},
        )


class Skill(Record, kw_only=True, frozen=True, tag="skill"):
    """Scores of past forecasts by horizon over the trailing window that ends with ``slot``.

    One value per entry of ``horizon_min``, which names the horizons that have scores. ``mae``, ``mae_persistence``,
    ``pinball`` in the target's unit; ``coverage_90`` a fraction; ``n`` scored forecasts.
    """

    slot: Time
    target: str
    horizon_min: list[Integer]
    n: list[Integer]
    mae: list[float]
    mae_persistence: list[float]
    pinball: list[float]
    coverage_90: list[float]
