"""Orders on a running plant: admission, a hold that acts at once, and what was refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer

from agents.orders.approval import PLAN_LIFE, Approval, approve, order_digest
from tests.plant_fixtures import Place
from topologies.control.running_broker import with_broker
from topologies.sources.options import SIMULATION_START
from vpp.messages import Order, encode
from vpp.store import Store, open_store
from vpp.store.tables import AUDIT, ORDERS, SETPOINTS
from vpp.streams.kafka import producer_config

pytestmark = [pytest.mark.stream, pytest.mark.slow]

ZONE = "SIM_NORTH"


def wait_for(look: Callable[[], Any], until_s: float = 90.0) -> Any:
    deadline = time.monotonic() + until_s
    while not (result := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.3)
    return result


def last_slot(store: Store) -> datetime | None:
    rows = store.latest(SETPOINTS, ZONE, columns=("slot",))
    return rows.values[0][0] if len(rows) else None


def test_a_hold_acts_at_once_and_foreign_assets_and_late_approvals_are_refused(place: Place) -> None:
    process = place.start("up", "--no-train", "--zone", ZONE, "--pulse", "0.5")
    try:
        settings = place.settings
        with open_store(settings, read_only=True) as store:
            now = wait_for(lambda: last_slot(store))
            assert now is not None
            assert now > SIMULATION_START
            settings = with_broker(settings)
            producer = Producer(producer_config(settings))
            hold = Order(
                zone=ZONE,
                order_id="h1",
                action="hold",
                principal="operator",
                reason="test",
                issued_at=now,
                approved_by="operator",
            )
            foreign = Order(
                zone=ZONE,
                order_id="f1",
                action="target",
                principal="operator",
                reason="test",
                issued_at=now,
                asset_ids=["no-such-asset"],
                power_mw=1.0,
                approved_by="operator",
            )
            release = Order(zone=ZONE, order_id="r1", action="release", principal="agent", reason="test", issued_at=now)
            hour_ago = datetime.now(UTC) - timedelta(hours=1)
            word = Approval(order_digest(release), "boss", "operator", hour_ago, hour_ago + PLAN_LIFE)
            for order in (hold, foreign, approve(release, word, None)):
                producer.produce(settings.topic_prefix + "orders", encode(order), ZONE)
            producer.flush()
            wait_for(lambda: len(store.read(ORDERS, zone=ZONE, filters={"order_id": "f1", "verdict": "refused"})))
            wait_for(lambda: len(store.read(ORDERS, zone=ZONE, filters={"order_id": "h1", "verdict": "accepted"})))
            late = wait_for(
                lambda: store.read(ORDERS, zone=ZONE, filters={"order_id": "r1", "verdict": "refused"}).dicts()
            )
            assert "sent after the plan had expired" in late[0]["verdict_reason"]
            revised = wait_for(lambda: store.read(SETPOINTS, zone=ZONE, filters={"revision": 1}).dicts())
            assert {row["power_mw"] for row in revised if "battery" in row["asset_id"]} == {0.0}
            later = wait_for(lambda: (last_slot(store) or now) > revised[0]["slot"] and last_slot(store))
            held = store.read(SETPOINTS, zone=ZONE, start=later, filters={"revision": 0}).dicts()
            assert {row["power_mw"] for row in held if "battery" in row["asset_id"]} == {0.0}
            wait_for(lambda: len(store.read(AUDIT, zone=ZONE)) >= 2)
    finally:
        process.terminate()
        assert process.wait(40) == 0
