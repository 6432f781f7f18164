"""Bucket widths and means."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.store_rows import INSTANTS, T0
from vpp.store.sampling import bucket_start, bucket_width_s


@pytest.mark.parametrize(
    ("hours", "points", "width_s"),
    [
        pytest.param(24, 25, 3600, id="a day in 25 points: hours"),
        pytest.param(24, 24, 7200, id="a day and its end do not fit 24 hours"),
        pytest.param(24 * 30, 100, 6 * 3600 * 2, id="a month in 100 points: half days"),
        pytest.param(1, 1000, 5, id="an hour in 1000 points"),
        pytest.param(0, 1, 1, id="one moment"),
    ],
)
def test_widths(hours: int, points: int, width_s: int) -> None:
    assert bucket_width_s(T0, T0 + timedelta(hours=hours), points) == width_s


@given(first=INSTANTS, span=st.timedeltas(timedelta(0), timedelta(days=40_000)), points=st.integers(1, 5000))
def test_there_are_never_more_buckets_than_points(first: datetime, span: timedelta, points: int) -> None:
    width = bucket_width_s(first, first + span, points)
    start, end = bucket_start(first, width), bucket_start(first + span, width)
    assert (end - start) // timedelta(seconds=width) + 1 <= max(points, 2)
    assert timedelta(0) <= first - start < timedelta(seconds=width)
