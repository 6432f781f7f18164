"""A small plant in one process: orders are admitted, slots decided and stored at once, without a broker."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agents.plant.reducer import PlantReducer
from mcp_server.actions.actions import Acts
from mcp_server.queries.context import ReadContext
from tests.worlds.builders import (
    BATTERY,
    LOAD,
    QUICK,
    ZONE,
    actor_bid_at,
    closed_slot,
    forecast_at,
    make_zone,
    quantiles_around,
    trader_bid_at,
)
from topologies.control.plan_book import PlanBook
from topologies.runtime.reducers import make_reducer
from vpp.domain import horizons_min
from vpp.fleet.lookup import write_fleet
from vpp.fleet.schema import Limits, Zone
from vpp.messages import Message, Order
from vpp.settings import Settings, load_settings
from vpp.store import Store, open_store
from vpp.store.message_rows import rows_of
from vpp.store.table import Row, Table
from vpp.streams.reducer import Origin, Output

ASSETS = (BATTERY, QUICK, LOAD)
PLANT = make_zone(*ASSETS, limits=Limits(ramp_limit_mw=3.0, import_cap_mw=60.0))
PRICES = [100.0] * 8 + [200.0] * 4 + [100.0] * 20
NET = [50.0, 50.0, 51.0, 52.0, 54.0, 55.0, 56.0, 57.0, 58.0, 58.0, 57.0, 55.0, *[50.0] * 20]
WALL = datetime(2026, 1, 1, 12, tzinfo=UTC)


def swing(first: int) -> list[float]:
    """Return 32 half hours of a served net load (MW) that rises and falls by more than the ramp limit."""
    return [50.0 + 9.0 * math.sin(i / 2.0) for i in range(first, first + 32)]


def price_at(index: int) -> float:
    """Return a price that is low for four half hours and high for four."""
    return 60.0 if index % 8 < 4 else 180.0


class Loop:
    """The zone ``Z`` of ``tests.worlds.builders``; ``post`` is what a broker would be.

    Args:
        folder: Data directory.
        key: Signs approvals.
        swings: Whether net load and price rise and fall as both bids foresee; else they stay where they are, whatever
            the bids say.
        zone: Another configuration of the zone.
        mcp: Settings of the MCP server.
    """

    def __init__(
        self, folder: Path, *, key: bytes | None = None, swings: bool = False, zone: Zone = PLANT, **mcp: Any
    ) -> None:
        given: dict[str, Any] = {"data_dir": folder, "mcp": {"profile": "operate", **mcp}}
        if key is not None:
            given["approval_key"] = key.decode()
        self.settings: Settings = load_settings(given)
        write_fleet(folder / "run" / "default" / "fleet.yaml", [zone])
        self.store: Store = open_store(self.settings)
        self.now = WALL
        self.posted: list[tuple[str, Message]] = []
        self._orders = make_reducer("orders", zone, self.settings)
        self._plant = PlantReducer(zone, explore=True, approval_key=key)
        self._states: dict[str, Any] = {"orders": self._orders.initial(ZONE), "bids": self._plant.initial(ZONE)}
        self._offset = 0
        self._swings = swings
        self.next_slot = 0
        for _ in range(2):
            self.close_slot()

    def clock(self) -> datetime:
        """The wall clock, which stands still until somebody moves it."""
        return self.now

    def wait(self, **time: float) -> None:
        """Move the wall clock."""
        self.now += timedelta(**time)

    def close_slot(self) -> None:
        """Close the next slot: both policies bid, the plant settles and decides."""
        index = self.next_slot
        self.next_slot += 1
        net, prices, before = NET, PRICES, 50.0
        if self._swings:
            net, prices, before = swing(index + 1), [price_at(i) for i in range(index + 1, index + 33)], swing(index)[0]
        seen = closed_slot(index, 10.0 * before, price_at(index) if self._swings else 100.0)
        self._keep(Output("telemetry", seen))
        self.post("bids", actor_bid_at(index, net, observation=seen, observed_net_mw=before))
        self.post("bids", trader_bid_at(index, prices, observation=seen))

    def post(self, topic: str, message: Message) -> None:
        """Take one message as a broker would, and run what reads it."""
        self.posted.append((topic, message))
        waiting, done = [Output(topic, message)], []
        while waiting:
            output = waiting.pop(0)
            done.append(output)
            reducer: Any = {"orders": self._orders, "bids": self._plant}.get(output.topic)
            if reducer is None:
                continue
            self._offset += 1
            origin = Origin(output.topic, 0, self._offset)
            self._states[output.topic], said = reducer.step(self._states[output.topic], output.message, origin)
            waiting += said
        self._keep(*done)

    def orders(self) -> list[Order]:
        """The orders that were sent."""
        return [message for topic, message in self.posted if topic == "orders" and isinstance(message, Order)]

    def _keep(self, *outputs: Output) -> None:
        batches: dict[Table, list[Row]] = {}
        for output in outputs:
            for table, row in rows_of(output.message, output.topic, self.now):
                batches.setdefault(table, []).append(row)
        self.store.write_all(batches)


def acts_of(loop: Loop, key: bytes | None = None) -> Acts:
    """Return what acts on the plant: every order arrives at once; ``key`` signs approvals."""
    book = PlanBook(loop.store, loop.post, key, loop.clock, loop.settings.one_person)
    return Acts(ReadContext(loop.settings, loop.store, now=loop.clock), book, pause=lambda _: None)


def foresee_peak(loop: Loop) -> None:
    """Write the forecast of an evening peak that cap and firm power do not cover at 90 %."""
    levels = [500.0] * 12 + [860.0] * 4 + [500.0] * 40
    quantiles = quantiles_around(levels[: len(horizons_min(30))], 15.0)
    loop.post("forecasts", forecast_at(loop.next_slot - 1, net_load=quantiles))
