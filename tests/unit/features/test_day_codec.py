"""A day of a channel is packed without loss, in few bytes where the values have few decimals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.day_codec import PART, pack, unpack

DAY = 24


def there_and_back(values: np.ndarray) -> tuple[np.ndarray, int]:
    data = np.full((3, 2 * DAY), 7.0)
    data[1, DAY:] = values
    parts, chunk = pack(data, np.array([1]), DAY, DAY)
    if parts == 0:
        return np.full(DAY, np.nan), 0
    row, found, end = unpack(chunk, 0, DAY)
    assert (row, end) == (1, len(chunk))
    return found, len(chunk) - PART.size


decimals = st.builds(lambda whole, places: whole / 10**places, st.integers(-(10**7), 10**7), st.integers(0, 4))
anything = st.one_of(decimals, st.floats(allow_nan=True, allow_infinity=True), st.just(-0.0), st.just(float("nan")))


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.lists(anything, min_size=DAY, max_size=DAY), st.lists(decimals, min_size=DAY, max_size=DAY)))
def test_every_bit_comes_back(values: list[float]) -> None:
    given = np.array(values)
    found, _ = there_and_back(given)
    missing = np.isnan(given)
    np.testing.assert_array_equal(np.isnan(found), missing)
    assert found[~missing].tobytes() == given[~missing].tobytes()


@pytest.mark.parametrize(
    ("values", "width"),
    [
        (np.full(DAY, 0.0), 1),
        (np.arange(DAY) * 10.0 + 30_000.0, 1),
        (np.arange(DAY) * 900.0 + 30_000.0, 2),
        (np.arange(DAY) * 0.01 - 3.0, 1),
        (np.arange(DAY) * 2345.67, 4),
        (np.arange(DAY) / 7.0, 8),
        (np.arange(DAY) + 0.00001, 8),
    ],
)
def test_a_value_takes_no_more_bytes_than_its_range_of_decimals_needs(values: np.ndarray, width: int) -> None:
    values = np.where(np.arange(DAY) == 5, np.nan, np.round(values, 5))
    found, size = there_and_back(values)
    assert size == width * DAY
    np.testing.assert_array_equal(found, values)


def test_a_sum_of_values_with_few_decimals_takes_a_byte_more_than_one_of_them() -> None:
    load, wind = np.full(DAY, 5732.3), np.round(2842.9 + 0.1 * np.arange(DAY), 1)
    net_load = np.where(np.arange(DAY) == 5, np.nan, load - wind)
    assert (net_load[6:] != np.round(net_load[6:], 1)).any()
    found, size = there_and_back(net_load)
    assert size == (1 + 1) * DAY
    np.testing.assert_array_equal(found, net_load)


def test_a_row_without_values_takes_none() -> None:
    _, size = there_and_back(np.full(DAY, np.nan))
    assert size == 0
