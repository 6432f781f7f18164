"""The memory of orders: by id and time, so that no flood of others pushes an id out."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from agents.orders.admission import OrdersReducer
from agents.orders.approval import PLAN_LIFE, Approval, approve, order_digest
from agents.orders.replay_memory import HOLDS_WITHIN, KEPT_FOR, MAX_HOLDS, OrderMemory
from agents.plant.reducer import PlantReducer
from tests.worlds.builders import BATTERY, LOAD, PEAKER, actor_bid_at, make_zone, order_of, trader_bid_at
from vpp.messages import Order
from vpp.streams.reducer import Origin, Output

KEY = b"k" * 32
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ZONE = make_zone(BATTERY, PEAKER, LOAD)


def signed(order: Order, mode: str = "operator", given_at: datetime = NOW) -> Order:
    given = Approval(order_digest(order), "ann", mode, given_at, given_at + PLAN_LIFE)
    return approve(order, given, KEY)


def at(offset: int, seconds: float = 0.0) -> Origin:
    return Origin("orders", 0, offset, NOW + timedelta(seconds=seconds))


def judged(outputs: list[Output]) -> list[tuple[str, str | None]]:
    return [(o.message.order_id, o.message.verdict) for o in outputs if isinstance(o.message, Order)]


@pytest.mark.parametrize("reducer", ["admission", "plant"])
def test_a_release_put_again_after_a_flood_of_other_orders_does_nothing(reducer: str) -> None:
    orders = OrdersReducer(ZONE, approval_key=KEY)
    plant = PlantReducer(ZONE, explore=False, approval_key=KEY)
    state, standing = orders.initial("Z"), plant.initial("Z")
    for slot in range(2):
        for bid in (actor_bid_at(slot), trader_bid_at(slot)):
            plant.step(standing, bid, at(0))

    def admit(order: Order, offset: int, seconds: float) -> list[Order]:
        outputs = orders.step(state, order, at(offset, seconds))[1]
        return [o.message for o in outputs if o.topic == "bids" and isinstance(o.message, Order)]

    (release,) = admit(signed(order_of("release", "r1", approved_by="ann")), 1, 0.0)
    plant.step(standing, release, at(1))
    (hold,) = admit(signed(order_of("hold", "crew"), "hold"), 2, 1.0)
    plant.step(standing, hold, at(2, 1.0))
    for n in range(520):
        for one in admit(signed(order_of("hold", f"h{n}", principal=f"p{n}"), "hold"), 3 + n, 2.0):
            plant.step(standing, one, at(3 + n, 2.0))
    if reducer == "admission":
        assert admit(signed(order_of("release", "r1")), 600, 3.0) == []
    else:
        assert plant.step(standing, release, at(600, 3.0))[1] == []
    assert "crew" in [order.order_id for order in standing.standing.orders]


def test_an_id_is_free_again_only_when_its_approval_is_void() -> None:
    memory = OrderMemory()
    order = signed(order_of("release", "r1"))
    memory.note(order, at(1))
    memory.note(order_of("release", "r2"), at(2, KEPT_FOR.total_seconds() - 1.0))
    assert memory.has(order)
    memory.note(order_of("release", "r3"), at(3, KEPT_FOR.total_seconds() + 1.0))
    assert not memory.has(order)


@pytest.mark.parametrize("set_back_s", [1.0, 60.0, PLAN_LIFE.total_seconds()])
def test_an_order_whose_id_is_forgotten_cannot_be_dated_back(set_back_s: float) -> None:
    orders, plant = OrdersReducer(ZONE, approval_key=KEY), PlantReducer(ZONE, explore=False, approval_key=KEY)
    state, standing = orders.initial("Z"), plant.initial("Z")

    def admit(order: Order, offset: int, seconds: float) -> list[Order]:
        outputs = orders.step(state, order, at(offset, seconds))[1]
        admitted = [o.message for o in outputs if o.topic == "bids" and isinstance(o.message, Order)]
        for one in admitted:
            plant.step(standing, one, at(offset, seconds))
        return [one for one in admitted if one.verdict == "accepted"]

    old = signed(order_of("release", "r1"))
    (admitted,) = admit(old, 1, set_back_s)
    later_s = KEPT_FOR.total_seconds() + 3600.0
    new = signed(order_of("release", "r2"), given_at=NOW + timedelta(seconds=later_s))
    assert admit(new, 2, later_s)
    assert not state.memory.has(old)
    assert admit(old, 3, set_back_s) == []
    outputs = plant.step(standing, admitted, at(3, set_back_s))[1]
    assert [o.topic for o in outputs] == ["alerts", "dlq"]


def test_an_unsigned_order_does_not_occupy_the_id_of_a_plan() -> None:
    orders = OrdersReducer(ZONE, approval_key=KEY)
    state = orders.initial("Z")
    forged = order_of("release", "r1", approved_by="ann", reason="forged")
    assert judged(orders.step(state, forged, at(1))[1]) == [("r1", "refused")]
    assert judged(orders.step(state, signed(order_of("release", "r1")), at(2))[1]) == [("r1", "accepted")]


def test_holds_are_limited_per_principal_and_time_and_those_given_stand() -> None:
    orders = OrdersReducer(ZONE)
    state = orders.initial("Z")
    verdicts = [judged(orders.step(state, order_of("hold", f"h{n}"), at(n))[1])[0][1] for n in range(MAX_HOLDS + 1)]
    assert verdicts == ["accepted"] * MAX_HOLDS + ["refused"]
    other = msgspec.structs.replace(order_of("hold", "h-other"), principal="bob")
    assert judged(orders.step(state, other, at(50))[1]) == [("h-other", "accepted")]
    later = at(51, HOLDS_WITHIN.total_seconds() + 1.0)
    assert judged(orders.step(state, order_of("hold", "h-later"), later)[1]) == [("h-later", "accepted")]
