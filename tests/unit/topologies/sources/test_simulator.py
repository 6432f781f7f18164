from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from topologies.sources.noise import slow
from topologies.sources.simulator import CHANNELS, PLACES, Simulator, place_of, simulated_names
from topologies.sources.weather import clear_sky_wm2
from vpp.fleet.lookup import find_zone
from vpp.fleet.schema import Zone

START = datetime(2025, 1, 1, tzinfo=UTC)
NAMES = (*PLACES, "SIM_001")


def shipped(name: str) -> Zone:
    result = find_zone(name)
    assert result is not None
    return result


def simulator(*names, seed=3, **options):
    return Simulator(tuple(shipped(name) for name in names), seed, **options)


@pytest.fixture(scope="module")
def years():
    return {name: simulator(name).frame(shipped(name), START, START + timedelta(days=365)) for name in NAMES}


def test_the_same_seed_gives_the_same_rows_however_they_are_asked_for():
    one = simulator("SIM_NORTH", "SIM_SOUTH")
    whole = pd.concat(one.chunks(START, START + timedelta(days=9)), ignore_index=True)
    parts = [
        *one.chunks(START, START + timedelta(days=2.5)),
        *one.chunks(START + timedelta(days=2.5), START + timedelta(days=9)),
    ]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole, check_exact=True)
    other = pd.concat(simulator("SIM_NORTH", "SIM_SOUTH", seed=4).chunks(START, START + timedelta(days=9)))
    assert not np.array_equal(other["load_mw"].to_numpy(), whole["load_mw"].to_numpy())


def test_a_zone_does_not_depend_on_the_others():
    alone = pd.concat(simulator("SIM_EAST").chunks(START, START + timedelta(days=3)), ignore_index=True)
    among = pd.concat(simulator("SIM_WEST", "SIM_EAST").chunks(START, START + timedelta(days=3)))
    mine = among[among["zone"] == "SIM_EAST"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, alone, check_exact=True)


def test_rows_are_sorted_and_nothing_is_missing():
    rows = pd.concat(simulator("SIM_SOUTH", "SIM_NORTH").chunks(START, START + timedelta(days=5)), ignore_index=True)
    assert rows[["slot", "zone"]].apply(tuple, axis=1).is_monotonic_increasing
    assert len(rows) == 2 * 5 * 48
    assert not rows[list(CHANNELS)].isna().any().any()


def test_without_an_end_it_goes_on():
    chunks = simulator("SIM_NORTH").chunks(START, None)
    assert [len(next(chunks)) for _ in range(3)] == [192, 192, 192]


@pytest.mark.parametrize("name", NAMES)
def test_a_year_is_plausible(years, name):
    frame, place, zone = years[name], place_of(name), shipped(name)
    net = frame["load_mw"] - frame["solar_mw"] - frame["wind_mw"]
    night = frame.index.hour.isin([23, 0, 1])
    assert (frame.loc[night, "solar_mw"] == 0).all()
    assert 0.09 < frame["solar_mw"].mean() / place.solar_mw < 0.17
    assert 0.22 < frame["wind_mw"].mean() / place.wind_mw < 0.40
    assert frame[["solar_mw", "wind_mw"]].min().min() >= 0.0
    assert frame["solar_mw"].max() <= place.solar_mw
    assert frame["wind_mw"].max() <= place.wind_mw
    assert 0.9 < net.max() / zone.share.region_mw < 1.08
    share_over_cap = (net * zone.share.factor > zone.limits.import_cap_mw).mean()
    assert 0.003 < share_over_cap < 0.06
    breaches = (net.diff().abs() * zone.share.factor > zone.limits.ramp_limit_mw).mean()
    assert 0.05 < breaches < 0.25
    workday, sunday = frame.index.day_of_week < 5, frame.index.day_of_week == 6
    assert frame["load_mw"][workday].mean() > 1.05 * frame["load_mw"][sunday].mean()
    assert frame["temperature_c"]["2025-01"].mean() < 6.0 < 15.0 < frame["temperature_c"]["2025-07"].mean()
    assert 49.8 < frame["frequency_hz"].min() < frame["frequency_hz"].max() < 50.2
    assert frame["frequency_hz"].mean() == pytest.approx(50.0, abs=0.005)


def test_prices_follow_net_load_with_scarcity_and_negative_hours(years):
    frame = years["SIM_NORTH"]
    price = frame["price_per_mwh"]
    net = frame["load_mw"] - frame["solar_mw"] - frame["wind_mw"]
    assert price.rank().corr(net.rank()) > 0.7
    assert 0.01 < (price < 0).mean() < 0.2
    assert price.max() > 400
    assert 40 < price.mean() < 100


def test_day_ahead_forecasts_are_good_but_not_perfect(years):
    for frame in years.values():
        for name, largest in (("load", 0.02), ("wind", 0.2), ("solar", 0.35)):
            actual, ahead = frame[f"{name}_mw"], frame[f"{name}_forecast_da_mw"]
            error = (ahead - actual).abs().mean() / actual.mean()
            assert 0.002 < error < largest


def test_zones_share_weather_in_part(years):
    wind = np.corrcoef(years["SIM_NORTH"]["wind_mw"], years["SIM_SOUTH"]["wind_mw"])[0, 1]
    assert 0.3 < wind < 0.9


def test_slow_noise_has_unit_variance_and_the_wanted_correlation():
    hours = np.arange(0, 24 * 2000, dtype=float) + 480_000
    noise = slow(1, 2, 3, hours, 0.9)
    assert np.std(noise) == pytest.approx(1.0, abs=0.1)
    assert np.corrcoef(noise[1:], noise[:-1])[0, 1] == pytest.approx(0.9, abs=0.02)


def test_the_sun_is_highest_at_solar_noon_and_gone_at_night():
    june = np.arange(24, dtype=float) + datetime(2025, 6, 20, tzinfo=UTC).timestamp() / 3600
    sun = clear_sky_wm2(50.0, june)
    assert sun.argmax() in (11, 12)
    assert sun.max() > 700
    assert sun[0] == 0.0


def test_names_for_load_tests_are_as_many_as_asked_for():
    assert simulated_names(2) == ("SIM_NORTH", "SIM_SOUTH")
    assert simulated_names(200)[-1] == "SIM_200"
