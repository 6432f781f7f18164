"""One settlement for all paths, the bound, and the simple rules beside them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.evaluation import arbitrage, arbitrage_baselines
from agents.evaluation.arbitrage import PriceHistory, bound_path, figures, rested, settled
from vpp.numerics.arrays import Floats
from vpp.numerics.storage_dp import UnitBattery

BATTERY = UnitBattery(energy_mwh=1.8, charge_efficiency=0.9381, discharge_efficiency=0.9381, wear_per_mwh=5.0)
DAYS, HISTORY = 6, 30


def market(seed: int = 1, missing: bool = False) -> PriceHistory:
    """Return hourly prices with a daily shape: a month of history, six days of test."""
    n = 24 * (HISTORY + DAYS)
    hour = np.arange(n) % 24
    price = 80.0 - 40.0 * np.cos(hour / 24.0 * 4.0 * np.pi) + np.random.default_rng(seed).normal(0.0, 10.0, n)
    if missing:
        price[-30:-27] = np.nan
    return PriceHistory(price, 1.0, 24 * HISTORY, np.arange(n) // 24 - HISTORY, hour, 1000.0 + 10.0 * price)


def money_of_stored_energy(path: Floats, price: Floats) -> float:
    """Return what a path earns, slot by slot, from nothing but stored energy and prices."""
    total = 0.0
    for before, after, paid in zip(path[:-1], path[1:], price, strict=True):
        if after > before:
            total -= paid * (after - before) / BATTERY.charge_efficiency
        elif after < before:
            total += (paid - BATTERY.wear_per_mwh) * (before - after) * BATTERY.discharge_efficiency
    return total


def rules(of: PriceHistory) -> dict[str, Floats]:
    profile = arbitrage_baselines.of_days(of, arbitrage_baselines.profile_table(of, 28))
    return {
        "profile": arbitrage_baselines.planned(BATTERY, of, profile, None),
        "profile at known prices": arbitrage_baselines.planned(BATTERY, of, profile, of.price),
        "yesterday": arbitrage_baselines.planned(BATTERY, of, arbitrage_baselines.of_day_before(of), None),
        "percentile": arbitrage_baselines.percentile(BATTERY, of, arbitrage_baselines.last_seen(of)),
        "original": arbitrage_baselines.original(BATTERY, of),
    }


@pytest.mark.parametrize("missing", [False, True])
def test_every_path_is_settled_from_its_stored_energy_and_none_beats_the_bound(missing: bool) -> None:
    of = market(missing=missing)
    price = of.price[of.test]
    best = settled(BATTERY, bound_path(BATTERY, price, 1.0), price).cash.sum()
    for name, path in rules(of).items():
        cash = settled(BATTERY, path, price).cash
        assert cash.sum() == pytest.approx(money_of_stored_energy(path, price)), name
        assert cash.sum() <= best, name
        assert (cash[np.isnan(price)] == 0.0).all(), name
        assert path.min() >= 0.0, name
        assert path.max() <= 1.8 + 1e-12, name


def test_a_path_may_not_move_where_there_is_no_price() -> None:
    with pytest.raises(ValueError, match="without a price"):
        settled(BATTERY, np.array([0.9, 1.0]), np.array([np.nan]))


def test_a_rule_reads_nothing_of_the_slots_to_come() -> None:
    of = market()
    price, net = of.price.copy(), of.net_load_mw
    assert net is not None
    later = of.first + 40
    price[later:] += np.random.default_rng(5).normal(0.0, 300.0, price.size - later)
    changed = PriceHistory(price, of.hours, of.first, of.day, of.slot, np.where(np.arange(net.size) < later, net, 0.0))
    for name, path in rules(of).items():
        assert np.array_equal(path[:41], rules(changed)[name][:41]), name


def test_figures_say_value_capture_and_cycles() -> None:
    of = market()
    price = of.price[of.test]
    bound = bound_path(BATTERY, price, 1.0)
    scores = figures(BATTERY, of, bound, bound, 3.0, 6.0)
    sold = settled(BATTERY, bound, price).discharged_mwh.sum()
    assert scores["capture_pct"] == scores["capture_pct_without_top_days"] == 100.0
    assert scores["value"] == scores["perfect"] == pytest.approx(3.0 * money_of_stored_energy(bound, price), abs=0.01)
    assert scores["cycles_per_day"] == pytest.approx(sold / 2.0 / DAYS, abs=1e-3)
    assert figures(BATTERY, of, rested(BATTERY, price.size), bound, 1.0, 2.0)["capture_pct"] == 0.0


def test_without_the_top_days_one_spike_does_not_decide() -> None:
    n = 24 * 100
    price = np.tile(np.where(np.arange(24) < 12, 20.0, 80.0), 100)
    price[24 * 50 + 20] = 10_000.0
    of = PriceHistory(price, 1.0, 0, np.arange(n) // 24, np.arange(n) % 24)
    bound = bound_path(BATTERY, price, 1.0)
    path = bound.copy()
    path[24 * 50 + 12 : 24 * 51 + 1] = path[24 * 50 + 12]
    path[24 * 51 :] = np.minimum(path[24 * 51 :], path[24 * 51])
    scores = figures(BATTERY, of, path, bound, 1.0, 2.0)
    plain, trimmed = scores["capture_pct"], scores["capture_pct_without_top_days"]
    assert plain is not None
    assert trimmed is not None
    assert trimmed > plain


@settings(max_examples=40, deadline=None)
@given(powers=st.lists(st.floats(-3.0, 3.0), min_size=24 * DAYS, max_size=24 * DAYS))
def test_whatever_is_wanted_the_store_stays_in_its_band(powers: list[float]) -> None:
    path = arbitrage_baselines.followed(BATTERY, np.array(powers), market())
    assert path.min() >= 0.0
    assert path.max() <= arbitrage.rested(BATTERY, 0)[0] * 2.0 + 1e-12
