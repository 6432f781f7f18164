"""Daily budgets at admission: one count for all servers, by principal and UTC day."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.orders.admission import OrdersReducer
from agents.orders.approval import PLAN_LIFE, Approval, approve, order_digest
from agents.orders.budget import Budget, Spending, beyond, charge, effect
from tests.worlds.builders import T0, ZONE, make_zone, order_of, run, said_on
from vpp.messages import Order

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BUDGET = Budget(4.0, 10.0, 100.0)


def asked(order_id: str, *, mwh: float | None = 4.0, at: datetime = NOON, mode: str = "budget", **given: Any) -> Order:
    fields: dict[str, Any] = {
        "asset_ids": ["bat"],
        "power_mw": 2.0,
        "expires_at": T0 + timedelta(hours=2),
        "principal": "agent",
        **given,
    }
    order = order_of(fields.pop("action", "target"), order_id, **fields)
    return approve(order, Approval(order_digest(order), "agent", mode, at, at + PLAN_LIFE, 2.0, mwh, 20.0), None)


def reasons(*orders: Order, budget: Budget = BUDGET) -> list[str | None]:
    reducer = OrdersReducer(make_zone(), budget=budget)
    return [order.verdict_reason for order in said_on(run(reducer, orders)[1], "bids")]


def test_the_third_plan_of_a_day_is_beyond_it_and_the_next_day_is_new() -> None:
    result = reasons(asked("o1"), asked("o2"), asked("o3"), asked("o4", at=NOON + timedelta(days=1)))
    assert result == [None, None, "budget: 12 MWh today would exceed the budget of 10 MWh", None]


def test_principals_have_their_own() -> None:
    assert reasons(asked("o1", mwh=9.0), asked("o2", mwh=9.0, principal="other")) == [None, None]


@pytest.mark.parametrize("mode", ["operator", "elicit"])
def test_what_a_person_approved_is_not_counted(mode: str) -> None:
    assert reasons(asked("o1", mwh=99.0, mode=mode), asked("o2", mwh=9.0)) == [None, None]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param(asked("o1", action="release"), "needs a person", id="release"),
        pytest.param(asked("o1", action="cancel", cancels="o0"), "needs a person", id="cancel"),
        pytest.param(asked("o1", mwh=None), "not priced", id="unpriced"),
        pytest.param(asked("o1", mwh=math.nan), "not priced", id="not a number"),
    ],
)
def test_what_no_budget_covers_is_refused(order: Order, expected: str) -> None:
    assert expected in (reasons(order)[0] or "")


def test_a_site_without_budget_admits_nothing_by_budget() -> None:
    assert "the budget allows 0 MW" in (reasons(asked("o1"), budget=Budget())[0] or "")


def test_the_count_outlives_a_restart() -> None:
    reducer = OrdersReducer(make_zone(), budget=BUDGET)
    state, _ = run(reducer, [asked("o1", mwh=8.0)])
    again = OrdersReducer(make_zone(), budget=BUDGET)
    _, outputs = run(again, [asked("o2", mwh=8.0)], again.load(ZONE, dict(reducer.changes(state)).get))
    assert said_on(outputs, "bids")[0].verdict == "refused"


def test_an_old_day_does_not_come_back() -> None:
    result = reasons(*(asked(f"o{n}", at=NOON + timedelta(days=n)) for n in (1, 2, 0)))
    assert result == [None, None, "budget: 2026-01-01 is over"]


@given(st.lists(st.tuples(st.floats(0, 6), st.floats(-60, 60)), max_size=12))
def test_what_is_admitted_never_passes_the_budget(plans: list[tuple[float, float]]) -> None:
    spending, energy, cost = Spending(), 0.0, 0.0
    for n, (mwh, money) in enumerate(plans):
        approval = Approval("d", "agent", "budget", NOON, NOON + PLAN_LIFE, 1.0, mwh, money)
        spending, why = charge(BUDGET, spending, order_of("target", f"o{n}", principal="agent"), approval)
        if why is None:
            energy, cost = energy + mwh, cost + max(money, 0.0)
    assert energy <= BUDGET.energy_mwh_per_day + 1e-9
    assert cost <= BUDGET.cost_per_day + 1e-9


def test_a_limit_itself_is_within() -> None:
    assert beyond(BUDGET, effect(4.0, 40.0), 4.0, effect(-6.0, 60.0)) is None
    assert beyond(replace(BUDGET, power_mw=3.9), effect(0.0, 0.0), 4.0, effect(0.0, 0.0)) is not None


def test_spending_is_kept_as_plain_data() -> None:
    spending, _ = charge(BUDGET, Spending(), asked("o1"), Approval("d", "a", "budget", NOON, NOON, 1.0, 2.0, 3.0))
    assert msgspec.to_builtins(spending) == {"days": {"2026-01-01": {"agent": {"energy_mwh": 2.0, "cost": 3.0}}}}
