"""What a forecast leaves out because it stands elsewhere in it comes back whole."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.builders import quantiles_around
from vpp.domain import QUANTILE_NAMES
from vpp.messages import PriceOutlook

STEP_MIN = 30
prices = st.floats(-500.0, 15000.0)
outlooks = st.integers(1, 80).flatmap(
    lambda n: st.tuples(
        st.lists(st.none() | prices, min_size=n, max_size=n),
        st.dictionaries(st.text(max_size=5), st.lists(st.none() | prices, min_size=n, max_size=n), min_size=1),
    )
)


@given(outlooks, st.integers(0, 48), st.lists(st.integers(0, 80), min_size=1))
def test_a_shortened_outlook_has_the_same_prices_where_they_count(outlook: Any, published: int, ends: Any) -> None:
    known, experts = outlook
    first = next(iter(experts.values()))
    shared = [max(len(known) - end, 0) for end in ends]
    experts = {
        name: values[:start] + first[start:]
        for (name, values), start in zip(experts.items(), itertools.cycle(shared), strict=False)
    }
    whole = PriceOutlook(horizon_min=[STEP_MIN * (i + 1) for i in range(len(known))], known=known, experts=experts)
    first_unknown = known.index(None) if None in known else len(known)
    q50 = [*known[: min(published, first_unknown)], *[1.0] * 48]
    again = whole.shortened(STEP_MIN, min(published, first_unknown)).whole(STEP_MIN, q50)
    assert (again.horizon_min, again.known) == (whole.horizon_min, known)
    assert {name: values[first_unknown:] for name, values in again.experts.items()} == {
        name: values[first_unknown:] for name, values in experts.items()
    }


def test_the_end_that_experts_share_is_written_once() -> None:
    experts: dict[str, list[float | None]] = {
        "next_day": [1.0, 7.0, 8.0, 9.0],
        "mix": [2.0, 7.0, 8.0, 9.0],
        "last_week": [5.0, 5.0, 5.0, 9.0],
    }
    outlook = PriceOutlook(horizon_min=[30, 60, 90, 120], known=[None] * 4, experts=experts)
    short = outlook.shortened(STEP_MIN, 0)
    assert (short.experts, short.tail) == (
        {"next_day": [1.0], "mix": [2.0], "last_week": [5.0, 5.0, 5.0]},
        [7.0, 8.0, 9.0],
    )
    assert short.whole(STEP_MIN, []) == outlook
    in_another_order = msgspec.structs.replace(short, experts=dict(sorted(short.experts.items())))
    assert in_another_order.whole(STEP_MIN, []) == outlook


def test_horizons_that_are_not_one_slot_apart_stay_as_they_are() -> None:
    outlook = PriceOutlook(horizon_min=[30, 60, 120], known=[1.0, None, None], experts={"past": [1.0, 2.0, 3.0]})
    assert outlook.shortened(STEP_MIN, 1) == outlook == outlook.whole(STEP_MIN, [9.0])


def test_every_level_of_a_published_price_is_its_median() -> None:
    forecast = quantiles_around([50.0], mean=[51.0])
    mixed = msgspec.structs.replace(forecast, published=2, q50=[10.0, 20.0, 50.0])
    for name in QUANTILE_NAMES:
        assert mixed.level(name) == [10.0, 20.0, *forecast.level(name)]
    assert (forecast.expected, mixed.expected) == ([51.0], [10.0, 20.0, 51.0])
