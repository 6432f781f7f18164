"""What the plants of a run continue from, read from the store: the embedded broker keeps no log between two starts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from agents.plant.order_lives import OrderLife, OrderLives
from agents.plant.recompute import Resumption
from mcp_server.queries.orders import one_by_id
from vpp.messages import ENDED_STAGES, Order, OrderStage
from vpp.store import Store
from vpp.store.tables import ASSETS, BIDS, DECISIONS, LEDGER, ORDER_STATES, ORDERS, SETPOINTS, TELEMETRY

_OF_EACH_SLOT = (TELEMETRY, BIDS, LEDGER, DECISIONS)
_OF_ASSETS = (ASSETS, SETPOINTS)
_ACTED = frozenset({OrderStage.ACTING, OrderStage.CLAMPED})


def last_whole_slot(store: Store, zones: tuple[str, ...], step: timedelta) -> datetime | None:
    """Return the last slot that is whole in the store in all zones which have rows; None where a zone has none.

    After a kill one table may be ahead of another. A slot that lacks rows in one of them is sent again; a row that is
    there already is written with the same content.

    Args:
        store: The run's store.
        zones: Zones of the run.
        step: Length of a slot; a setpoint is of the slot after the one that was settled.
    """
    newest: dict[str, dict[str, datetime]] = {}
    for table in (*_OF_EACH_SLOT, *_OF_ASSETS):
        ahead = step if table is SETPOINTS else timedelta(0)
        for zone, time in store.latest(table, zones, columns=("zone", table.time)).values:
            newest.setdefault(zone, {})[table.name] = time - ahead
    if any(table.name not in times for times in newest.values() for table in _OF_EACH_SLOT):
        return None
    return min((min(times.values()) for times in newest.values()), default=None)


def stored_resumptions(store: Store, zones: Iterable[str], slot: datetime, key: bytes | None) -> dict[str, Resumption]:
    """Return what the plant of each zone knew after ``slot``: its decision, and the orders that had not ended.

    Args:
        store: The run's store.
        zones: Its zones.
        slot: The last settled slot.
        key: The secret that admissions are signed with; None takes them unsigned.
    """
    resumptions = {}
    for zone in zones:
        end = slot + timedelta(seconds=1)
        bodies = store.read(DECISIONS, zone=zone, start=slot, end=end, columns=("revision", "body")).values
        if bodies:
            _, body = max(bodies)
            resumptions[zone] = Resumption(body, _lives(store, zone, key))
    return resumptions


def _lives(store: Store, zone: str, key: bytes | None) -> OrderLives:
    states: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(store.read(ORDER_STATES, zone=zone).dicts(), key=lambda row: row["number"]):
        states.setdefault(row["order_id"], []).append(row)
    lives = OrderLives(number=max((rows[-1]["number"] for rows in states.values()), default=0))
    for order_id, rows in states.items():
        if OrderStage(rows[-1]["stage"]) in ENDED_STAGES:
            continue
        for order_row in one_by_id(store.read(ORDERS, zone=zone, filters={"order_id": order_id}).dicts(), key):
            lives.open[order_id] = _life(order_row, rows)
    return lives


def _life(order_row: dict[str, Any], states: list[dict[str, Any]]) -> OrderLife:
    judged = {name: order_row[name] for name in ("verdict", "verdict_reason", "admission")}
    counted = next((row for row in reversed(states) if row["lost"] is not None), {"moved_mwh": 0.0, "lost": 0.0})
    return OrderLife(
        order=msgspec.structs.replace(msgspec.json.decode(order_row["body"], type=Order), **judged),
        stage=OrderStage(states[-1]["stage"]),
        acted=not _ACTED.isdisjoint(OrderStage(row["stage"]) for row in states),
        moved_mwh=counted["moved_mwh"],
        lost=counted["lost"],
    )
