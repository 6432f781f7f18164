"""Scenarios of the benchmark: actual values, forecasts and orders of operators.

The seed determines a scenario. A forecast contains an uncertain ramp or price spike in its quantiles, at its
probability, until shortly before its first slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from vpp.domain import QUANTILE_LEVELS, QUANTILE_NAMES, horizons_min
from vpp.fleet.market import PriceKnown
from vpp.fleet.schema import Limits, Market, Share, Zone
from vpp.messages import Forecast, Order, Quantiles, RampOutlook, SlotClosed
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.quantile_distribution import probability_beyond

ZONE = "EVENING"
STEP_MIN = 30
START = datetime(2026, 1, 14, 14, tzinfo=UTC)
SLOTS = 20
REGION_MW, SERVED_MW = 1000.0, 100.0
KNOWN_AHEAD = 3
"""Number of slots before an event from which the forecast knows whether it happens."""
_Z = np.array([-1.6449, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.6449])


def bench_zone() -> Zone:
    """Return the zone of the bench: 100 MW of a region of 1 GW, an 8 MW / 16 MWh battery, a peaker, a load."""
    battery = {"kind": "battery", "asset_id": "battery-1", "energy_mwh": 16.0, "charge_mw": 8.0, "discharge_mw": 8.0}
    peaker = {"kind": "peaker", "asset_id": "peaker-1", "capacity_mw": 10.0, "ramp_mw_per_h": 20.0}
    load = {"kind": "load", "asset_id": "load-1", "capacity_mw": 4.0, "curtail_cost_per_mwh": 400.0}
    return Zone.model_validate(
        {
            "zone": ZONE,
            "share": Share(region_mw=REGION_MW, served_mw=SERVED_MW),
            "limits": Limits(ramp_limit_mw=4.0, import_cap_mw=78.0),
            "market": Market(currency="EUR", price_known=PriceKnown.DAY_AHEAD),
            "assets": [{**battery, "soc_start": 0.6}, {**peaker, "fuel_cost_per_mwh": 190.0}, load],
        }
    )


@dataclass(frozen=True, slots=True)
class Event:
    """An uncertain event: ``size`` more (MW of the region, or money per MWh) for some slots.

    ``first``: its first slot, counted from the start. ``probability``: its probability in the forecast. ``comes``:
    whether it happens.
    """

    first: int
    slots: int
    size: float
    probability: float
    comes: bool

    def shape(self, count: int) -> Floats:
        """Return its addition to each of ``count`` slots if it happens, shape (count,)."""
        added = np.zeros(count)
        added[self.first : self.first + self.slots] = self.size
        return added


@dataclass(frozen=True, slots=True)
class OrderInForce:
    """An order of an operator that is in force during the evening: a power band of the battery, or a hold.

    ``is_duty``: the operator does not end it to save money.
    """

    action: str
    reason: str
    first: int
    slots: int
    min_mw: float | None = None
    max_mw: float | None = None
    is_duty: bool = False

    def order(self, zone: Zone) -> Order:
        """Return the order as a message."""
        begin = slot_start(self.first)
        hold = self.action == "hold"
        return Order(
            zone=zone.zone,
            order_id="o-standing",
            action=self.action,
            principal="operator",
            approved_by="operator",
            reason=self.reason,
            issued_at=START - timedelta(hours=1),
            starts_at=None if hold else begin,
            expires_at=None if hold else begin + self.slots * timedelta(minutes=STEP_MIN),
            priority=10,
            asset_ids=["battery-1"],
            min_mw=self.min_mw,
            max_mw=self.max_mw,
        )


@dataclass(frozen=True, slots=True)
class Scenario:
    """One evening.

    ``net_mw``, ``price_per_mwh``: shape (SLOTS + 49,), the region's net load and the price without events; the first
    value is the slot before the start. ``ramp``, ``spike``: uncertain events. ``noise``: relative forecast error.
    ``blind_slots``: slots whose net load is not measured.
    """

    name: str
    seed: int
    net_mw: Floats
    price_per_mwh: Floats
    ramp: Event | None = None
    spike: Event | None = None
    standing: OrderInForce | None = None
    noise: float = 0.01
    blind_slots: tuple[int, ...] = ()

    @property
    def actual_net_mw(self) -> Floats:
        """Actual net load of the region, MW."""
        return _with(self.net_mw, self.ramp)

    @property
    def actual_price(self) -> Floats:
        """Actual price, per MWh."""
        return _with(self.price_per_mwh, self.spike)

    def closed(self, at: int) -> SlotClosed:
        """Return the measured slot at a position."""
        net = None if at in self.blind_slots else round(float(self.actual_net_mw[at]), 2)
        price = round(float(self.actual_price[at]), 2)
        values = {"load_mw": net, "price_per_mwh": price}
        return SlotClosed(zone=ZONE, slot=slot_start(at), step_min=STEP_MIN, values=values, net_load_mw=net)

    def forecast(self, at: int, zone: Zone) -> Forecast:
        """Return the forecast that is issued after the slot at a position has closed."""
        horizons = list(horizons_min(STEP_MIN))
        ahead: Ints = np.arange(1, len(horizons) + 1)
        rng = np.random.default_rng([self.seed, at])
        growth = np.sqrt(np.minimum(ahead, 16.0))
        net = _quantiles(self.net_mw[at + ahead], self.ramp, at, ahead, 0.35 * self.noise * REGION_MW * growth, rng)
        spread = np.maximum(self.price_per_mwh[at + ahead], 20.0) * 4.0 * self.noise * growth
        price = _quantiles(self.price_per_mwh[at + ahead], self.spike, at, ahead, spread, rng)
        observed = self.actual_net_mw[at]
        return Forecast(
            zone=ZONE,
            slot=slot_start(at),
            step_min=STEP_MIN,
            observation=self.closed(at),
            horizon_min=horizons,
            net_load=_message(net),
            price=_message(price),
            ramp_mw_per_min=float(net[3, 0] - observed) / STEP_MIN,
            ramps=_ramps(net, float(observed), zone),
        )


def slot_start(at: int) -> datetime:
    """Return the start of the slot at a position; position 0 is the slot before the evening."""
    return START + (at - 1) * timedelta(minutes=STEP_MIN)


def scripted_evening() -> Scenario:
    """Return the scripted evening: a likely ramp and price spike, and an order that prevents a response to them."""
    net, price = _usual(np.random.default_rng(7), peak=1.0)
    return Scenario(
        name="scripted evening",
        seed=7,
        net_mw=net,
        price_per_mwh=price,
        ramp=Event(first=8, slots=5, size=90.0, probability=0.6, comes=True),
        spike=Event(first=9, slots=3, size=420.0, probability=0.5, comes=True),
        standing=OrderInForce("band", "kept still for the acceptance test", first=1, slots=18, min_mw=0.0, max_mw=0.0),
    )


def seeded_evening(seed: int) -> Scenario:
    """Return a random evening. Some evenings have no order in force, in some the order is justified.

    Args:
        seed: Seed of the evening.
    """
    rng = np.random.default_rng([2026, seed])
    net, price = _usual(rng, peak=float(rng.uniform(0.8, 1.1)))
    ramp_p, spike_p = rng.uniform(0.1, 0.9, 2)
    ramp = Event(
        int(rng.integers(6, 12)), int(rng.integers(2, 6)), float(rng.uniform(40, 110)), ramp_p, rng.random() < ramp_p
    )
    spike = Event(
        int(rng.integers(5, 14)), int(rng.integers(1, 4)), float(rng.uniform(100, 600)), spike_p, rng.random() < spike_p
    )
    blind = tuple(int(at) for at in rng.choice(np.arange(2, SLOTS), 2, replace=False)) if rng.random() < 0.3 else ()
    return Scenario(
        name=f"seed {seed}",
        seed=seed,
        net_mw=net,
        price_per_mwh=price,
        ramp=ramp if rng.random() < 0.7 else None,
        spike=spike if rng.random() < 0.7 else None,
        standing=_standing(rng),
        noise=float(rng.uniform(0.005, 0.03)),
        blind_slots=blind,
    )


def _standing(rng: np.random.Generator) -> OrderInForce | None:
    first, slots = int(rng.integers(1, 8)), int(rng.integers(4, 16))
    match int(rng.integers(0, 5)):
        case 0:
            return OrderInForce("band", "kept still for a test", first, slots, 0.0, 0.0)
        case 1:
            return OrderInForce("band", "warranty: half power", first, slots, -4.0, 4.0, is_duty=True)
        case 2:
            return OrderInForce("band", "charge before the peak", first, min(slots, 4), -8.0, -2.0)
        case 3:
            return OrderInForce("hold", "smell of smoke at the container", 1, SLOTS, is_duty=True)
        case _:
            return None


def _usual(rng: np.random.Generator, *, peak: float) -> tuple[Floats, Floats]:
    """Return net load (MW of the region) and price (per MWh) of an evening and the day after, without events."""
    hours = 13.5 + 0.5 * np.arange(SLOTS + 50)
    evening = np.exp(-(((hours % 24) - 18.5) ** 2) / 8.0)
    net = 560.0 + 190.0 * peak * evening + 25.0 * np.cumsum(rng.normal(0, 0.12, len(hours)))
    price = 70.0 + 90.0 * peak * evening + 6.0 * rng.normal(0, 1, len(hours))
    return net, price


def _with(values: Floats, event: Event | None) -> Floats:
    return values + event.shape(len(values)) if event is not None and event.comes else values


def _quantiles(
    levels: Floats, event: Event | None, at: int, ahead: Ints, spread: Floats, rng: np.random.Generator
) -> Floats:
    """Return quantiles, shape (7, N): a normal error around the levels, mixed with the event at its probability.

    Args:
        levels: Levels without the event, shape (N,).
        event: The uncertain event.
        at: Position of the slot of issue.
        ahead: Slots after the issue, shape (N,).
        spread: Standard deviation of the error, shape (N,).
        rng: Random generator of the error.
    """
    centre = levels + spread * rng.normal(0, 0.5)
    usual = centre + _Z[:, None] * spread
    if event is None:
        return usual
    position = at + ahead
    running = (position >= event.first) & (position < event.first + event.slots)
    if event.first - at <= KNOWN_AHEAD:
        return usual + np.where(running, event.size * event.comes, 0.0)
    # Mixture of both outcomes: quantiles below the probability of "no event" have levels without it, others with it.
    draws = (np.arange(200) + 0.5) / 200
    normal = np.interp(draws, QUANTILE_LEVELS, _Z)
    with_event = usual.copy()
    for column in np.flatnonzero(running):
        low = centre[column] + normal * spread[column]
        both_sides = np.concatenate([low, low + event.size])
        weights = np.concatenate([np.full(200, 1 - event.probability), np.full(200, event.probability)])
        order = np.argsort(both_sides)
        with_event[:, column] = np.interp(QUANTILE_LEVELS, np.cumsum(weights[order]) / weights.sum(), both_sides[order])
    return with_event


def _message(levels: Floats) -> Quantiles:
    columns = {name: np.round(row, 3).tolist() for name, row in zip(QUANTILE_NAMES, levels, strict=True)}
    return Quantiles(source="model", model_id="bench", **columns)


def _ramps(net: Floats, observed: float, zone: Zone) -> RampOutlook:
    """Return the steps between the levels; a step has the spread of the wider of its two levels."""
    middle = np.concatenate([[observed], net[3]])
    steps = np.diff(middle)
    up, down = net[5] - net[3], net[3] - net[1]
    limit = zone.limits.ramp_limit_mw / zone.share.factor
    return RampOutlook(
        alarm_level=0.5,
        limit_mw=limit,
        step_q10_mw=np.round(steps - down, 3).tolist(),
        step_mw=np.round(steps, 3).tolist(),
        step_q90_mw=np.round(steps + up, 3).tolist(),
        p_limit=[round(probability_beyond((net[:, h] - middle[h]).tolist(), 0.0, limit), 4) for h in range(len(steps))],
    )
