"""The grid-response actor: the expected net load of the served share, and its uncertainty.

The actor does not know the plant's state. The plant matches the bid with its batteries and peakers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vpp.domain import QUANTILE_NAMES, Target
from vpp.errors import MessageError
from vpp.fleet.schema import Zone
from vpp.messages import ActorBid, Correction, End, Forecast, Message, Quantiles, Spreads
from vpp.numerics.decimal_rounding import rounded
from vpp.numerics.quantile_distribution import probability_beyond
from vpp.streams.reducer import Load, Origin, Output
from vpp.streams.state_codec import ChangedValues, pack, unpack

_SHAPE = "actor-1"
_SHARE_DECIMALS = 4
_Z90_TO_10 = 2.5631031310892007


@dataclass
class ActorState:
    """``done``: index of the last slot with a bid; ``changed``: values to store."""

    done: int | None = None
    changed: ChangedValues = field(default_factory=ChangedValues)


class ActorReducer:
    """One bid per forecast, scaled to the share that the plant serves; forwards corrections.

    Args:
        zone: Share, limits and hedge of the zone.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._step = zone.step

    def initial(self, zone: str) -> ActorState:
        """Return the state before the first forecast."""
        return ActorState()

    def load(self, zone: str, get: Load) -> ActorState:
        """Return the stored state, or the initial state if it cannot be read."""
        return ActorState(done=unpack(get("done"), int, _SHAPE))

    def changes(self, state: ActorState) -> Mapping[str, bytes | None]:
        """Return the changed state values."""
        return {key.name: pack(state.done, _SHAPE) for key in state.changed.take()}

    def step(self, state: ActorState, message: Message, origin: Origin) -> tuple[ActorState, list[Output]]:
        """Apply one message of ``forecasts``.

        Raises:
            MessageError: The message is not a forecast, correction or end, or its lists do not match.
        """
        match message:
            case Forecast():
                return state, self._bid(state, message)
            case Correction():
                return state, [Output("bids", message)]
            case End():
                return state, [Output("bids", End(zone=message.zone, producer="actor", last_slot=message.last_slot))]
            case _:
                raise MessageError(f"{type(message).__name__} is not a forecast", reason="schema")

    def _bid(self, state: ActorState, forecast: Forecast) -> list[Output]:
        index = self._step.index(forecast.slot)
        if state.done is not None and index <= state.done:
            return []
        bid = actor_bid(self._zone, forecast)
        state.done = index
        state.changed.mark("done")
        return [Output("bids", bid)]


def actor_bid(zone: Zone, forecast: Forecast) -> ActorBid:
    """Return the actor's bid for one forecast, in MW of the served share, rounded to the decimals of its power scale.

    Without a net-load forecast, or with too little history for one, the lists are empty and ``reason`` gives the cause.

    Raises:
        MessageError: A list of the forecast does not match its horizons.
    """
    factor = zone.share.factor
    observed = forecast.used_net_load_mw
    served = None if observed is None else zone.served_scale.rounded(observed * factor)
    quantiles = forecast.net_load
    withheld = forecast.withheld(Target.NET_LOAD)
    if quantiles is None or withheld is not None:
        return _bid_of(zone, forecast, served, Spreads(ramp_sd_mw=[], level_sd_mw=[], carry=[]), withheld=withheld)
    horizons = len(forecast.horizon_min)
    spreads = forecast.spreads or spreads_of(quantiles)
    mean = quantiles.expected
    columns = [quantiles.level(name) for name in QUANTILE_NAMES]
    for values in (*columns, mean, spreads.ramp_sd_mw, spreads.level_sd_mw, spreads.carry):
        if len(values) != horizons:
            raise MessageError(f"a list has {len(values)} values for {horizons} horizons", reason="schema")
    first = [column[0] * factor for column in columns]
    return _bid_of(zone, forecast, served, spreads, mean=mean, first=first)


def _bid_of(
    zone: Zone,
    forecast: Forecast,
    served: float | None,
    spreads: Spreads,
    *,
    mean: list[float] | None = None,
    first: list[float] | None = None,
    withheld: str | None = None,
) -> ActorBid:
    factor, decimals = zone.share.factor, zone.served_scale.forecast_decimals
    quantiles = forecast.net_load
    limit = zone.limits.ramp_limit_mw
    has_forecast = served is not None and first is not None
    p_ramp = probability_beyond(first or [], served or 0.0, limit) if has_forecast else None
    slope = forecast.ramp_mw_per_min
    return ActorBid(
        zone=forecast.zone,
        slot=forecast.slot,
        step_min=forecast.step_min,
        observation=forecast.believed,
        horizon_min=[] if mean is None else forecast.horizon_min,
        net_mw=_scaled(mean or [], factor, decimals),
        ramp_sd_mw=_scaled(spreads.ramp_sd_mw, factor, decimals),
        level_sd_mw=_scaled(spreads.level_sd_mw, factor, decimals),
        carry=_scaled(spreads.carry, 1.0, _SHARE_DECIMALS),
        hedge=zone.hedge,
        p_ramp=None if p_ramp is None else round(p_ramp, _SHARE_DECIMALS),
        ramp_mw_per_min=None if slope is None else round(slope * factor, zone.served_scale.decimals + 2),
        observed_net_mw=served,
        source="none" if quantiles is None else quantiles.source,
        model_id="none" if quantiles is None else quantiles.model_id,
        spec_hash=forecast.spec_hash,
        reason=None if mean is not None else withheld or forecast.reason or "the forecast has no net load",
        not_ready=withheld is not None,
    )


def _scaled(values: list[float], factor: float, decimals: int) -> list[float]:
    scaled: list[float] = rounded(np.array(values, dtype=float) * factor, decimals).tolist()
    return scaled


def spreads_of(quantiles: Quantiles) -> Spreads:
    """Return spreads derived from the quantiles, for a forecast without spreads.

    The level's spread is (q90 - q10) / 2.563, as for a normal error. The errors are taken as a random walk: a ramp's
    variance is the growth of the level's variance, and an error stays in full at all later horizons (``carry`` 1).
    """
    level = [
        (high - low) / _Z90_TO_10 for low, high in zip(quantiles.level("q10"), quantiles.level("q90"), strict=True)
    ]
    growth = [later**2 - before**2 for before, later in itertools.pairwise(level)]
    ramp = [level[0], *(math.sqrt(max(value, 0.0)) for value in growth)] if level else []
    return Spreads(ramp_sd_mw=ramp, level_sd_mw=level, carry=[1.0] * len(level))
