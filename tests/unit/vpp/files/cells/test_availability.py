from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.files.cells.availability import MAX_LEAD, available_at, channel_of, is_forecast, is_published
from vpp.fleet.lookup import find_zone, shipped_fleet
from vpp.fleet.schema import Zone


def zone(name: str) -> Zone:
    result = find_zone(name)
    assert result is not None
    return result


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "channel"),
    [("price", "price_per_mwh"), ("FR:price", "FR:price_per_mwh"), ("load_mw", "load_mw"), ("raise_reg_price",) * 2],
)
def test_columns_keep_their_name_but_price_gets_its_unit(column, channel):
    assert channel_of(column) == channel


@pytest.mark.parametrize(
    ("name", "channel", "slot", "known_at"),
    [
        pytest.param("GB", "solar_forecast_da_mw", "2022-01-02T00:00", "2022-01-01T12:00", id="gb winter"),
        pytest.param("GB", "solar_forecast_da_mw", "2022-07-02T12:00", "2022-07-01T11:00", id="gb summer"),
        pytest.param("GB", "solar_forecast_da_mw", "2022-07-01T23:00", "2022-07-01T11:00", id="local midnight"),
        pytest.param("GB", "solar_forecast_da_mw", "2022-07-01T22:30", "2022-06-30T11:00", id="before local midnight"),
        pytest.param("GB", "solar_forecast_da_mw", "2022-03-27T02:00", "2022-03-26T12:00", id="day of spring change"),
        pytest.param(
            "GB", "solar_forecast_da_mw", "2022-03-28T02:00", "2022-03-27T11:00", id="day after spring change"
        ),
        pytest.param(
            "GB", "solar_forecast_da_mw", "2022-10-31T00:00", "2022-10-30T12:00", id="day after autumn change"
        ),
        pytest.param("DE_LU", "load_forecast_da_mw", "2022-01-02T11:00", "2022-01-01T09:00", id="load before auction"),
        pytest.param("DE_LU", "wind_forecast_da_mw", "2022-01-02T11:00", "2022-01-01T17:00", id="wind after auction"),
        pytest.param("DE_LU", "price_per_mwh", "2022-07-02T11:00", "2022-07-01T11:00", id="auction at 13:00 CEST"),
        pytest.param("EPEX_DE", "wind_solar_forecast_da_mw", "2016-07-02T11:00", "2016-07-01T09:00", id="benchmark"),
        pytest.param("NSW1", "temperature_forecast_d1_c", "2025-01-02T11:30", "2025-01-01T17:30", id="weather"),
        pytest.param("NSW1", "price_per_mwh", "2025-01-02T11:30", "2025-01-02T11:30", id="dispatch price"),
        pytest.param("GB", "price_per_mwh", "2025-01-02T11:30", "2025-01-02T12:00", id="imbalance price"),
        pytest.param("GB", "load_mw", "2025-01-02T11:30", "2025-01-02T12:00", id="observed"),
    ],
)
def test_when_a_value_is_known(name, channel, slot, known_at):
    assert available_at(zone(name), channel, utc(slot)) == utc(known_at)


def test_only_prices_and_forecasts_are_published():
    assert is_published(zone("DE_LU"), "price_per_mwh")
    assert not is_published(zone("GB"), "price_per_mwh")
    assert is_published(zone("GB"), "solar_forecast_da_mw")
    assert not is_published(zone("GB"), "solar_mw")
    assert is_forecast("ghi_forecast_d1_wm2")
    assert not is_forecast("price_per_mwh")


CHANNELS = ("load_mw", "price_per_mwh", "load_forecast_da_mw", "wind_forecast_da_mw", "ghi_forecast_d1_wm2")


@given(
    name=st.sampled_from([zone.zone for zone in shipped_fleet().zones]),
    channel=st.sampled_from(CHANNELS),
    hour=st.integers(0, 24 * 365 * 4),
)
def test_nothing_is_known_after_its_slot_or_earlier_than_sources_read_ahead(name, channel, hour):
    one = zone(name)
    slot = utc("2022-01-01T00:00") + timedelta(hours=hour)
    reference = available_at(one, channel, slot)
    assert slot - MAX_LEAD < reference <= slot + one.step.delta
    if is_published(one, channel):
        assert reference <= slot
