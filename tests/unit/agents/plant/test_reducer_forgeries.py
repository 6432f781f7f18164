"""With a key set, no forged order moves power: each is refused where it would act, with an alert and a dead letter."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.orders.approval import PLAN_LIFE, Approval, approve, order_digest, sign_admission
from tests.worlds.builders import T0, order_of
from tests.worlds.plant_loop import WALL, Loop
from vpp.messages import Order
from vpp.store.tables import ALERTS, DLQ, SETPOINTS

KEY = b"k" * 32
OTHER_KEY = b"x" * 32
LATER = T0 + timedelta(hours=6)


def signed(order: Order, key: bytes = KEY, **given: Any) -> Order:
    fields: dict[str, Any] = {"digest": order_digest(order), "approver": "ann", "mode": "operator", "given_at": WALL}
    fields |= {"expires_at": WALL + PLAN_LIFE, **given}
    return approve(order, Approval(**fields), key)


def admitted(order: Order, key: bytes = KEY) -> Order:
    return sign_admission(msgspec.structs.replace(order, verdict="accepted"), key)


def drive(**given: Any) -> Order:
    fields: dict[str, Any] = {"asset_ids": ["gas"], "power_mw": 15.0, "expires_at": LATER, **given}
    return order_of("target", "f1", **fields)


def changed(order: Order, **given: Any) -> Order:
    return msgspec.structs.replace(order, **given)


FORGERIES = [
    pytest.param("bids", changed(drive(), verdict="accepted"), id="bids: a verdict alone"),
    pytest.param("bids", changed(drive(approved_by="ann"), verdict="accepted"), id="bids: an approver's name alone"),
    pytest.param("bids", changed(signed(drive()), verdict="accepted"), id="bids: approved, never admitted"),
    pytest.param("bids", admitted(drive()), id="bids: admitted, never approved"),
    pytest.param("bids", admitted(signed(drive(), OTHER_KEY)), id="bids: approved with another key"),
    pytest.param("bids", admitted(signed(drive()), OTHER_KEY), id="bids: admitted with another key"),
    pytest.param("bids", changed(admitted(signed(drive(power_mw=1.0))), power_mw=15.0), id="bids: content changed"),
    pytest.param("bids", changed(admitted(signed(drive())), order_id="f2"), id="bids: id changed"),
    pytest.param("bids", changed(admitted(signed(drive())), expires_at=LATER + timedelta(hours=9)), id="bids: longer"),
    pytest.param("bids", changed(admitted(signed(changed(drive(), zone="OTHER"))), zone="Z"), id="bids: other zone"),
    pytest.param("bids", admitted(signed(drive(), expires_at=WALL + timedelta(days=9))), id="bids: approved for days"),
    pytest.param("bids", admitted(signed(drive(), mode="hold")), id="bids: a hold's signature on a target"),
    pytest.param("bids", changed(signed(drive()), verdict="accepted", admission="é" * 64), id="bids: no ASCII"),
    pytest.param("bids", changed(order_of("hold", "f1"), verdict="accepted"), id="bids: an unsigned hold"),
    pytest.param("bids", changed(order_of("release", "f1"), verdict="accepted"), id="bids: an unsigned release"),
    pytest.param("orders", drive(), id="orders: nothing signed"),
    pytest.param("orders", drive(approved_by="ann", approval="v1.e30=.é"), id="orders: no ASCII"),
    pytest.param("orders", drive(approved_by="ann"), id="orders: an approver's name alone"),
    pytest.param("orders", signed(drive(), OTHER_KEY), id="orders: another key"),
    pytest.param("orders", changed(signed(drive(power_mw=1.0)), power_mw=15.0), id="orders: content changed"),
    pytest.param("orders", changed(drive(), verdict="accepted"), id="orders: a verdict"),
    pytest.param("orders", order_of("hold", "f1"), id="orders: an unsigned hold"),
    pytest.param("orders", order_of("cancel", "f1", cancels="o1", approved_by="ann"), id="orders: an unsigned cancel"),
]


def powers(loop: Loop) -> list[Any]:
    columns = ("slot", "asset_id", "power_mw", "revision")
    return loop.store.read(SETPOINTS, columns=columns).values


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Setpoints of a run that nobody attacks."""
    loop = Loop(tmp_path_factory.mktemp("calm"), key=KEY)
    loop.close_slot()
    return powers(loop)


@pytest.mark.parametrize(("topic", "forged"), FORGERIES)
def test_no_forged_order_moves_power(topic: str, forged: Order, calm: list[Any], tmp_path: Path) -> None:
    loop = Loop(tmp_path, key=KEY)
    loop.post(topic, forged)
    loop.close_slot()
    assert powers(loop) == calm
    assert len(loop.store.read(ALERTS, filters={"topic": "order"})) == 1
    if topic == "bids":
        assert loop.store.read(DLQ, columns=("reason",)).values in ([("order_admission",)], [("order_approval",)])


def test_the_order_that_the_forgeries_imitate_does_move_power(calm: list[Any], tmp_path: Path) -> None:
    loop = Loop(tmp_path, key=KEY)
    loop.post("orders", signed(drive(power_mw=3.0)))
    loop.close_slot()
    assert powers(loop) != calm
    assert len(loop.store.read(ALERTS, filters={"topic": "order"})) == 0


def test_an_order_that_is_over_by_the_run_clock_is_refused_and_reported(calm: list[Any], tmp_path: Path) -> None:
    loop = Loop(tmp_path, key=KEY)
    loop.post("orders", signed(drive(expires_at=T0 + timedelta(minutes=30))))
    loop.close_slot()
    assert powers(loop) == calm
    assert loop.store.read(DLQ, columns=("reason",)).values == [("order_over",)]
