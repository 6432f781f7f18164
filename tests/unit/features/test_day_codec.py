"""A day of a channel is packed without loss, in few bytes where the values have few decimals."""

import math
import struct

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
    ("values", "most_bits"),
    [
        (np.full(DAY, 0.0), 4),
        (np.arange(DAY) * 10.0 + 30_000.0, 9),
        (np.arange(DAY) * 900.0 + 30_000.0, 16),
        (np.arange(DAY) * 0.01 - 3.0, 6),
        (np.arange(DAY) * 2345.67, 22),
        (np.arange(DAY) / 7.0, 64),
        (np.arange(DAY) + 0.00001, 64),
    ],
)
def test_a_value_takes_no_more_bits_than_its_change_in_decimals_needs(values: np.ndarray, most_bits: int) -> None:
    values = np.where(np.arange(DAY) == 5, np.nan, np.round(values, 5))
    found, size = there_and_back(values)
    assert size <= most_bits * DAY / 8 + 8
    np.testing.assert_array_equal(found, values)


def test_a_sum_of_values_with_few_decimals_takes_little_more_than_one_of_them() -> None:
    load, wind = np.full(DAY, 5732.3), np.round(2842.9 + 0.1 * np.arange(DAY), 1)
    net_load = np.where(np.arange(DAY) == 5, np.nan, load - wind)
    assert (net_load[6:] != np.round(net_load[6:], 1)).any()
    found, size = there_and_back(net_load)
    assert size <= there_and_back(np.round(net_load, 1))[1] + DAY
    np.testing.assert_array_equal(found, net_load)


OLD_HEAD = struct.Struct("<HBq")


@pytest.mark.parametrize(
    ("part", "values"),
    [
        pytest.param(
            OLD_HEAD.pack(4, 0, 0) + struct.pack("<3d", 1 / 3, math.nan, 2.0), [1 / 3, math.nan, 2.0], id="raw"
        ),
        pytest.param(OLD_HEAD.pack(4, 8 + 1, -7) + bytes([0, 255, 9]), [-0.7, math.nan, 0.2], id="whole numbers"),
        pytest.param(
            OLD_HEAD.pack(4, 64 + 8 + 2, 10) + struct.pack("<3H3b", 0, 65535, 5, 0, 0, 1),
            [1.0, math.nan, math.nextafter(1.5, 2.0)],
            id="with steps",
        ),
    ],
)
def test_a_part_of_the_earlier_form_is_read(part: bytes, values: list[float]) -> None:
    row, found, end = unpack(b"xx" + part, 2, 3)
    assert (row, end) == (4, 2 + len(part))
    np.testing.assert_array_equal(found, values)


def test_a_row_without_values_takes_none() -> None:
    _, size = there_and_back(np.full(DAY, np.nan))
    assert size == 0
