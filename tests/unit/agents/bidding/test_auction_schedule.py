"""Schedules for a day-ahead auction: planned on expectations, the next day in view, weighed by what experts earned."""

from __future__ import annotations

import numpy as np
import pytest

from agents.bidding import auction_schedule
from agents.bidding.auction_schedule import Quote
from vpp.numerics.arrays import Floats
from vpp.numerics.storage_dp import UnitBattery

BATTERY = UnitBattery(energy_mwh=1.8, charge_efficiency=0.9381, discharge_efficiency=0.9381, wear_per_mwh=5.0)
HOUR = np.arange(24)


def quote(day: Floats, tail: Floats, **others: Floats) -> Quote:
    prices = {"blend": np.concatenate([day, tail])}
    prices |= {name: np.concatenate([values, tail]) for name, values in others.items()}
    return Quote(prices, "blend", np.ones(48), 24)


def test_energy_is_kept_for_a_dear_morning_of_the_next_day() -> None:
    day = np.where(HOUR < 12, 20.0, 60.0)
    _, sold = auction_schedule.schedule(BATTERY, auction_schedule.initial(BATTERY, 0.5), quote(day, np.full(24, 20.0)))
    _, saved = auction_schedule.schedule(
        BATTERY, auction_schedule.initial(BATTERY, 0.5), quote(day, np.full(24, 200.0))
    )
    assert sold[-1] == pytest.approx(0.0)
    assert saved[-1] == pytest.approx(1.8)


def test_the_next_day_starts_where_the_schedule_ends() -> None:
    state = auction_schedule.initial(BATTERY, 0.5)
    day = np.where(HOUR < 12, 20.0, 60.0)
    state, first = auction_schedule.schedule(BATTERY, state, quote(day, np.full(24, 200.0)))
    state, second = auction_schedule.schedule(BATTERY, state, quote(day, day))
    assert first[0] == pytest.approx(0.9)
    assert second[0] == first[-1]
    assert max(first.max(), second.max()) <= 1.8


def test_an_expert_that_earns_more_gains_weight_in_later_schedules() -> None:
    actual = np.where(HOUR % 12 < 6, 20.0, 120.0)
    state = auction_schedule.initial(BATTERY, 0.5)
    earned = []
    for day in range(30):
        state, path = auction_schedule.schedule(BATTERY, state, quote(140.0 - actual, actual, right=actual))
        state = auction_schedule.settle(BATTERY, state, actual, day)
        earned.append(-float(np.diff(path) @ actual))
    assert earned[0] < earned[-1]
    assert earned[-1] > 100.0


def test_a_slot_without_a_price_is_left_out_of_the_schedule() -> None:
    day = np.where(HOUR < 12, 20.0, 60.0)
    day[3] = np.nan
    _, path = auction_schedule.schedule(BATTERY, auction_schedule.initial(BATTERY, 0.0), quote(day, np.full(24, 50.0)))
    assert path[4] == path[3]
