import numpy as np
import pytest

from models.price.contract import PUBLISHED, PriceForecast, with_published
from vpp.local_time import local_minutes

HOUR = 60


def _index(stamp: str, step_min: int) -> int:
    return int(np.datetime64(stamp, "m").astype(int)) // step_min


def test_local_clock_skips_the_hour_that_summer_time_skips():
    first = _index("2025-03-30T00:00", HOUR)
    minutes = local_minutes(first, first + 3, step_min=HOUR, time_zone="Europe/Berlin")
    assert (minutes % 1440 // 60).tolist() == [1, 3, 4]


def test_local_clock_repeats_the_hour_that_winter_time_repeats():
    first = _index("2025-10-26T00:00", HOUR)
    minutes = local_minutes(first, first + 3, step_min=HOUR, time_zone="Europe/Berlin")
    assert (minutes % 1440 // 60).tolist() == [2, 2, 3]


@pytest.mark.parametrize(("zone", "offset_min"), [("UTC", 0), ("Australia/Brisbane", 600), ("Asia/Kathmandu", 345)])
def test_local_clock_across_a_year_boundary(zone: str, offset_min: int):
    first = _index("2024-12-31T23:00", HOUR)
    minutes = local_minutes(first, first + 2, step_min=HOUR, time_zone=zone)
    assert (minutes - 60 * np.arange(first, first + 2)).tolist() == [offset_min, offset_min]


def _forecast(source: str = "model") -> PriceForecast:
    return PriceForecast(source, np.tile([[1.0], [2.0]], (1, 7)), np.array([1.0, 2.0]), (60, 120), np.zeros(2), {})


def test_a_published_price_stands_in_place_of_the_forecast():
    merged = with_published(_forecast(), np.array([50.0, np.nan]))
    assert merged.source == "model"
    assert merged.mean.tolist() == [50.0, 2.0]
    assert merged.quantiles[0].tolist() == [50.0] * 7
    assert merged.quantiles[1].tolist() == [2.0] * 7


def test_a_forecast_of_published_prices_alone_says_so():
    assert with_published(_forecast(), np.array([50.0, 60.0])).source == PUBLISHED


def test_the_outlook_has_null_for_what_is_unknown():
    reference, experts = np.array([5.00049, np.nan]), {"yesterday": np.array([np.nan, 1])}
    forecast = PriceForecast("model", np.zeros((2, 7)), np.zeros(2), (60, 120), reference, experts)
    outlook = forecast.outlook()
    assert outlook.known == [5.0, None]
    assert outlook.experts == {"yesterday": [None, 1.0]}
