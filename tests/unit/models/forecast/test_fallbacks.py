import numpy as np
import pytest

from features.derived_series import MAX_DEPTH_DAYS, depth_days
from features.ring import SlotRing
from models.forecast.fallbacks import PERSISTENCE, SEASONAL, fallback
from vpp.domain import NET_LOAD, Step, horizons_min

STEP = Step(60)
STEPS = np.array(horizons_min(60)) // 60
START = 18_628 * 24


def ring(values: list[float]) -> SlotRing:
    made = SlotRing(STEP, depth_days, max_days=MAX_DEPTH_DAYS)
    for t, value in enumerate(values):
        made.advance(START + t)
        made.put(NET_LOAD, START + t, value)
    return made


def shape(days: int, seed: int = 1) -> list[float]:
    chance = np.random.default_rng(seed)
    hours = np.arange(days * 24)
    return list(1000 + 100 * np.sin(hours / 24 * 2 * np.pi) + chance.normal(0, 5, len(hours)))


def test_without_net_load_of_the_last_hours_there_is_none() -> None:
    assert fallback(ring([np.nan] * 10), START + 9, STEPS) is None
    assert fallback(ring([100.0] + [np.nan] * 7), START + 7, STEPS) is None


def test_after_one_slot_it_is_persistence_and_wide() -> None:
    made = fallback(ring([100.0]), START, STEPS)
    assert made is not None
    assert made.source == PERSISTENCE
    assert made.mean == pytest.approx(np.full(24, 100.0))
    assert np.all(np.diff(made.quantiles, axis=1) >= 0)
    assert made.quantiles[0, 6] - made.quantiles[0, 0] > 20


def test_with_weeks_alike_it_is_now_plus_last_weeks_change_with_its_own_errors() -> None:
    chance = np.random.default_rng(4)
    values = list(np.tile(1000 + chance.normal(0, 100, 168), 5)[:720] + chance.normal(0, 5, 720))
    made = fallback(ring(values), START + 719, STEPS)
    assert made is not None
    assert made.source == SEASONAL
    week = np.array(values[720 - 168 : 720 - 168 + 24])
    assert made.mean == pytest.approx(values[-1] + week - values[-1 - 168])
    assert made.level_sd[0] == pytest.approx(1.15 * 5 * 2, rel=0.35)
    assert made.carry[0] == 1.0


def test_a_missing_slot_is_bridged_from_the_last_known_one() -> None:
    values = shape(30)
    whole = fallback(ring(values), START + len(values) - 1, STEPS)
    gap = fallback(ring([*values[:-2], np.nan, np.nan]), START + len(values) - 1, STEPS)
    assert whole is not None
    assert gap is not None
    assert np.abs(gap.mean - whole.mean).max() < 60
    assert gap.level_sd[0] > 0


def test_spreads_of_a_wild_series_are_wide() -> None:
    calm = fallback(ring(shape(30)), START + 719, STEPS)
    chance = np.random.default_rng(2)
    wild = fallback(ring(list(np.array(shape(30)) + chance.normal(0, 80, 720))), START + 719, STEPS)
    assert calm is not None
    assert wild is not None
    assert wild.level_sd[0] > 5 * calm.level_sd[0]
