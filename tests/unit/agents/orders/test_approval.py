import base64
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.orders.admission import OrdersReducer, refuse
from agents.orders.approval import PLAN_LIFE, Approval, approve, order_digest, refuse_approval
from tests.worlds.builders import BATTERY, T0, make_zone
from vpp.messages import Order
from vpp.streams.reducer import Origin

KEY = b"k" * 32
ZONE = make_zone()


def order(**given) -> Order:
    fields = {
        "zone": ZONE.zone,
        "order_id": "p1",
        "action": "target",
        "principal": "agent",
        "reason": "evening peak",
        "issued_at": T0,
        "starts_at": T0 + timedelta(hours=1),
        "expires_at": T0 + timedelta(hours=2),
        "asset_ids": [BATTERY.asset_id],
        "power_mw": 2.0,
    }
    return Order(**{**fields, **given})


def word_for(asked: Order, **given) -> Approval:
    fields = {
        "digest": order_digest(asked),
        "approver": "ann",
        "mode": "operator",
        "given_at": T0,
        "expires_at": T0 + timedelta(minutes=10),
    }
    return Approval(**{**fields, **given})


@pytest.mark.parametrize("key", [None, KEY])
def test_an_approved_order_is_admitted(key: bytes | None) -> None:
    approved = approve(order(), word_for(order()), key)
    assert approved.approved_by == "ann"
    assert refuse(ZONE, approved, key) is None


@pytest.mark.parametrize("name", ["given_at", "expires_at"])
@pytest.mark.parametrize("when", ["2022-01-03T00:05:00", "9999-12-31T23:59:59Z"])
def test_an_approval_with_a_time_that_cannot_be_reckoned_with_is_none(name: str, when: str) -> None:
    body = msgspec.json.encode(msgspec.to_builtins(word_for(order())) | {name: when})
    approved = msgspec.structs.replace(
        order(), approved_by="ann", approval=f"v1.{base64.urlsafe_b64encode(body).decode()}."
    )
    refusal = refuse(ZONE, approved, None, T0)
    assert refusal is not None
    assert "it cannot be read" in refusal.detail


def test_a_verdict_does_not_change_the_digest() -> None:
    judged = msgspec.structs.replace(order(), verdict="accepted", approved_by="ann", approval="x")
    assert order_digest(judged) == order_digest(order())


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param({"power_mw": 4.0}, "another order", id="more power"),
        pytest.param({"expires_at": T0 + timedelta(hours=9)}, "another order", id="longer"),
        pytest.param({"order_id": "p2"}, "another order", id="replayed under another id"),
        pytest.param({"approved_by": "eve"}, "given by ann", id="other approver"),
        pytest.param({"approval": None}, "not signed", id="only a name"),
        pytest.param({"approval": "v1.e30."}, "signature", id="no signature"),
        pytest.param({"approval": "v9.x.y"}, "version", id="other version"),
    ],
)
def test_an_edited_order_is_refused(given, reason: str) -> None:
    edited = msgspec.structs.replace(approve(order(), word_for(order()), KEY), **given)
    refusal = refuse(ZONE, edited, KEY)
    assert refusal is not None
    assert refusal.code == "approval"
    assert reason in refusal.detail


def test_a_key_of_another_site_does_not_sign_here() -> None:
    assert refuse_approval(approve(order(), word_for(order()), b"x" * 32), KEY) == "its signature is wrong"


def test_an_approval_after_the_plan_expired_does_not_hold() -> None:
    late = word_for(order(), given_at=T0 + timedelta(minutes=10))
    assert refuse_approval(approve(order(), late, KEY), KEY) == "the plan had expired"


@pytest.mark.parametrize(
    ("after_min", "why"),
    [
        pytest.param(9.9, None, id="in time"),
        pytest.param(10.5, None, id="clocks differ"),
        pytest.param(12.0, "approval: the approval does not hold: it was sent after the plan had expired", id="kept"),
    ],
)
def test_an_approval_is_not_for_later(after_min: float, why: str | None) -> None:
    release = order(action="release", starts_at=None, expires_at=None, power_mw=None)
    approved = approve(release, word_for(release), KEY)
    reducer = OrdersReducer(ZONE, approval_key=KEY)
    origin = Origin("orders", 0, 0, T0 + timedelta(minutes=after_min))
    _, outputs = reducer.step(reducer.initial(ZONE.zone), approved, origin)
    assert outputs[0].message.verdict_reason == why


def test_a_hold_needs_nobodys_word_but_with_a_key_the_signature_of_the_server_that_took_it() -> None:
    hold = order(action="hold", asset_ids=[], power_mw=None, expires_at=None)
    taken = Approval(order_digest(hold), hold.principal, "hold", T0, T0 + PLAN_LIFE)
    assert refuse(ZONE, hold) is None
    assert refuse(ZONE, hold, KEY) is not None
    assert refuse(ZONE, approve(hold, taken, KEY), KEY) is None
    release = msgspec.structs.replace(hold, action="release")
    lifted = approve(release, msgspec.structs.replace(taken, digest=order_digest(release)), KEY)
    assert "mode hold" in str(refuse(ZONE, lifted, KEY))


@given(st.text(max_size=200))
def test_no_text_passes_for_an_approval(text: str) -> None:
    forged = msgspec.structs.replace(order(), approved_by="ann", approval=text)
    assert refuse_approval(forged, KEY) is not None
    assert refuse_approval(forged, None) is not None
