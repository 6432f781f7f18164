import numpy as np
import pytest

from models.price.dayahead.day_table import (
    as_known,
    as_seen_two_days_ahead,
    day_table,
    filled,
    previous_day,
    role_of,
    within_hours,
)


def _table(n_hours: int, **columns):
    first = int(np.datetime64("2025-03-28T23:00", "h").astype(int))
    given = {"price_per_mwh": np.arange(n_hours, dtype=float), **columns}
    return day_table(given, first_index=first, step_min=60, time_zone="Europe/Berlin", holidays=set())


def test_the_skipped_hour_is_the_mean_of_its_neighbours():
    table = _table(24 + 23)
    assert table.price[1, :5].tolist() == [24.0, 25.0, 25.5, 26.0, 27.0]


def test_the_repeated_hour_is_the_mean_of_both():
    first = int(np.datetime64("2025-10-25T22:00", "h").astype(int))
    table = day_table(
        {"price_per_mwh": np.arange(25.0)}, first_index=first, step_min=60, time_zone="Europe/Berlin", holidays=set()
    )
    assert table.price[0, 1:4].tolist() == [1.0, 2.5, 4.0]


def test_quarter_hours_become_hours():
    first = int(np.datetime64("2025-01-05T23:00", "m").astype(int)) // 15
    table = day_table(
        {"price_per_mwh": np.arange(96.0)}, first_index=first, step_min=15, time_zone="Europe/Berlin", holidays=set()
    )
    assert table.price[0, :2].tolist() == [1.5, 5.5]
    assert table.day_type.tolist() == [0]


def test_within_hours_a_slot_lies_where_it_usually_does():
    first = int(np.datetime64("2025-01-05T23:00", "m").astype(int)) // 15
    saw = np.tile([3.0, 1.0, -1.0, -3.0], 24 * 4)
    day = np.repeat(np.arange(4.0), 96)
    table = day_table(
        {"price_per_mwh": saw + 10.0 * day}, first_index=first, step_min=15, time_zone="Europe/Berlin", holidays=set()
    )
    shape = within_hours(table, 1)
    assert table.slots.shape == (4, 96)
    assert np.array_equal(shape[0], np.zeros(96))
    assert np.allclose(shape[1:], saw[:96])
    assert np.array_equal(within_hours(table, 2)[1], np.zeros(96))
    hourly = _table(24 + 23)
    assert hourly.slots is hourly.price
    assert not within_hours(hourly, 1).any()


@pytest.mark.parametrize(
    ("channel", "role"),
    [
        ("load_forecast_da_mw", "load"),
        ("amprion_load_forecast_da_mw", "load"),
        ("national_demand_forecast_da_mw", "load"),
        ("wind_solar_forecast_da_mw", "renewables"),
        ("load_mw", None),
        ("price_per_mwh", None),
    ],
)
def test_role_of_a_channel(channel: str, role: str | None):
    assert role_of(channel) == role


def test_under_load_only_wind_is_that_of_the_day_before():
    hours = np.arange(71, dtype=float)
    table = _table(71, load_forecast_da_mw=hours + 1000, wind_forecast_da_mw=hours)
    reference = as_known(table, "load_only")
    assert np.array_equal(reference.load, table.load)
    assert np.array_equal(reference.renewables[1], table.renewables[0])
    assert np.isnan(reference.renewables[0]).all()


def test_two_days_ahead_no_forecast_of_the_day_is_read():
    days = 12
    hours = np.arange(24 * days - 1, dtype=float)
    table = _table(24 * days - 1, load_forecast_da_mw=hours, wind_forecast_da_mw=hours)
    other = _table(
        24 * days - 1,
        load_forecast_da_mw=np.where(hours >= 24 * 11 - 1, -1e9, hours),
        wind_forecast_da_mw=np.where(hours >= 24 * 11 - 1, 1e9, hours),
    )
    a, b = as_seen_two_days_ahead(table), as_seen_two_days_ahead(other)
    assert np.array_equal(a.load[11], b.load[11])
    assert np.array_equal(a.renewables[11], b.renewables[11])


def test_gaps_are_filled_from_the_past_only():
    values = np.tile(np.arange(24.0), (9, 1))
    values[8] = np.nan
    values[2, 5] = np.nan
    out = filled(values)
    assert out[2, 5] == 5.0
    assert np.array_equal(out[8], values[1])
    values[0] = np.nan
    assert np.isnan(filled(values)[0]).all()


def test_previous_day_has_nothing_at_the_top():
    values = np.ones((3, 24))
    assert np.isnan(previous_day(values, 2)[:2]).all()
    assert np.isnan(previous_day(values, 5)).all()
