"""Admission: every order leaves with a verdict and a reason."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agents.orders.admission import OrdersReducer
from tests.worlds.builders import T0, ZONE, make_zone, order_of, run, said_on, slot_at
from vpp.errors import MessageError
from vpp.messages import Deadline, Order

LATER = T0 + timedelta(hours=2)


def asked(action: str, **given: Any) -> Order:
    return order_of(action, **{"approved_by": "boss", **given})


def verdict_of(order: Order) -> str | None:
    (judged,) = said_on(run(OrdersReducer(make_zone()), [order])[1], "bids")
    assert judged.verdict == ("accepted" if judged.verdict_reason is None else "refused")
    reason: str | None = judged.verdict_reason
    return None if reason is None else reason.split(":")[0]


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(asked("target", asset_ids=["bat"], power_mw=-4.0, expires_at=LATER), id="target"),
        pytest.param(asked("band", asset_ids=["gas"], max_mw=10.0, expires_at=LATER), id="band"),
        pytest.param(asked("soc_target", soc=0.8, expires_at=LATER), id="soc target of all batteries"),
        pytest.param(order_of("hold"), id="a hold needs no approval"),
        pytest.param(asked("release"), id="release"),
        pytest.param(asked("cancel", cancels="o0"), id="cancel"),
        pytest.param(asked("release_quarantine", cancels="Z-guard-1", expires_at=LATER), id="release_quarantine"),
    ],
)
def test_orders_of_good_form_are_admitted(order: Order) -> None:
    assert verdict_of(order) is None


@pytest.mark.parametrize(
    ("order", "code"),
    [
        pytest.param(asked("explode"), "unknown_action", id="unknown action"),
        pytest.param(asked("hold", principal=" "), "incomplete", id="nobody asks"),
        pytest.param(asked("hold", priority=101), "priority", id="priority"),
        pytest.param(asked("target", asset_ids=["bat"], expires_at=LATER), "incomplete", id="no value"),
        pytest.param(
            asked("band", asset_ids=["bat"], min_mw=2.0, max_mw=1.0, expires_at=LATER), "band", id="empty band"
        ),
        pytest.param(asked("target", asset_ids=["bat"], power_mw=1.0), "expiry", id="never expires"),
        pytest.param(asked("release_quarantine", cancels="Z-guard-1"), "expiry", id="no end"),
        pytest.param(asked("release_quarantine", expires_at=LATER), "incomplete", id="a release of nothing"),
        pytest.param(asked("target", asset_ids=["bat"], power_mw=1.0, expires_at=T0), "expiry", id="expired"),
        pytest.param(
            asked("target", asset_ids=["bat"], power_mw=1.0, expires_at=T0 + timedelta(days=8)), "expiry", id="too long"
        ),
        pytest.param(
            order_of("target", asset_ids=["bat"], power_mw=1.0, expires_at=LATER), "approval", id="unapproved"
        ),
        pytest.param(order_of("release"), "approval", id="unapproved release"),
        pytest.param(asked("hold", asset_ids=["moon"]), "unknown_asset", id="foreign asset"),
        pytest.param(asked("target", power_mw=1.0, expires_at=LATER), "scope", id="no asset"),
        pytest.param(asked("target", asset_ids=["bat"], power_mw=4.5, expires_at=LATER), "limit", id="too much power"),
        pytest.param(asked("band", asset_ids=["gas"], min_mw=-1.0, expires_at=LATER), "limit", id="a peaker charges"),
        pytest.param(asked("soc_target", soc=0.95, expires_at=LATER), "limit", id="beyond the band"),
        pytest.param(asked("soc_target", asset_ids=["gas"], soc=0.5, expires_at=LATER), "limit", id="no store"),
    ],
)
def test_others_are_refused_with_a_code(order: Order, code: str) -> None:
    assert verdict_of(order) == code


def test_every_order_is_audited_and_a_refusal_is_reported() -> None:
    _, outputs = run(OrdersReducer(make_zone()), [order_of("hold"), order_of("release", "o2")])
    audits = said_on(outputs, "audit")
    assert [(a.audit_id, a.verdict) for a in audits] == [("order-o1", "accepted"), ("order-o2", "refused")]
    (alert,) = said_on(outputs, "alerts")
    assert "o2" in alert.text
    assert "approval" in alert.text


def test_a_forged_verdict_is_overwritten() -> None:
    assert verdict_of(order_of("release", verdict="accepted")) == "approval"


def test_an_order_is_judged_once_also_after_a_restart() -> None:
    reducer = OrdersReducer(make_zone())
    state, _ = run(reducer, [order_of("hold")])
    saved_state = dict(reducer.changes(state))
    assert run(reducer, [order_of("hold")], reducer.load(ZONE, saved_state.get))[1] == []


def test_what_is_no_order_is_refused() -> None:
    with pytest.raises(MessageError, match="not an order"):
        run(OrdersReducer(make_zone()), [Deadline(zone=ZONE, slot=slot_at(0))])
    with pytest.raises(MessageError, match="order_id"):
        run(OrdersReducer(make_zone()), [order_of("hold", "")])
