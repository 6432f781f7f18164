"""What must hold of every market rule, whichever there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.domain import Step
from vpp.fleet.market import RULES, Delivery, MarketRule, PriceKnown, real_time_kind
from vpp.fleet.schema import Market
from vpp.local_time import local_date

each_rule = pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.price_known.value) for rule in RULES.values()])
deliveries = st.builds(
    lambda number, step_min, time_zone, hour: Delivery(
        datetime(2024, 1, 1, tzinfo=UTC) + number * timedelta(minutes=step_min), Step(step_min), time_zone, hour
    ),
    st.integers(0, 366 * 24),
    st.sampled_from([5, 15, 30, 60]),
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Melbourne", "America/Chicago"]),
    st.integers(0, 23),
)


def test_every_kind_has_one_rule() -> None:
    assert list(RULES) == list(PriceKnown)
    assert all(Market(price_known=kind).rule is RULES[kind] for kind in PriceKnown)


@each_rule
@given(delivery=deliveries)
def test_a_published_price_is_known_by_the_start_of_its_slot_and_no_other(rule: MarketRule, delivery: Delivery) -> None:
    moment = rule.available_at(delivery)
    assert (moment <= delivery.slot) == rule.published
    assert moment <= delivery.slot + delivery.step.delta


@each_rule
@given(delivery=deliveries)
def test_an_auction_prices_the_slots_of_a_local_day_together(rule: MarketRule, delivery: Delivery) -> None:
    later = Delivery(
        delivery.slot + delivery.step.delta, delivery.step, delivery.time_zone, delivery.gate_closure_local_hour
    )
    same_day = local_date(delivery.slot, delivery.time_zone) == local_date(later.slot, later.time_zone)
    if rule.by_auction:
        assert (rule.available_at(delivery) == rule.available_at(later)) == same_day


@each_rule
def test_power_depends_on_a_price_only_where_it_is_not_known(rule: MarketRule) -> None:
    assert rule.takes_curves != rule.published
    assert rule.published or rule.lead_slots == 0


@each_rule
def test_a_mean_of_slots_is_known_only_after_the_last_of_them(rule: MarketRule) -> None:
    if rule.of_means is not None:
        assert not RULES[rule.of_means].published


@pytest.mark.parametrize("published", [True, False])
def test_a_real_time_kind_has_no_auction(published: bool) -> None:
    rule = RULES[real_time_kind(published=published)]
    assert not rule.by_auction
    assert rule.published == published
