"""Runs one evening on the plant's reducers in one process, with the agent's MCP server and without a broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from fastmcp import Client

from agents.assets.registry import fleet_at_rest
from agents.evaluation.grid_score import Actuals, GridRun, perfect_foresight, settle
from mcp_server.actions.actions import Acts
from mcp_server.agent_bench.scenario import SLOTS, START, STEP_MIN, ZONE, Scenario, bench_zone, slot_start
from mcp_server.queries.context import ReadContext
from mcp_server.server import build_server
from topologies.backtests.deliveries import Deliveries
from topologies.control.plan_book import PlanBook
from topologies.runtime.reducers import make_reducer
from vpp.fleet.lookup import write_fleet
from vpp.messages import Message
from vpp.settings import load_settings
from vpp.store import open_store
from vpp.store.message_rows import rows_of
from vpp.store.table import Row, Table
from vpp.streams.reducer import Origin, Output

AGENT = "agent:bench"
OPERATOR = "operator"
FIXED_SLOTS = 2
"""Number of slots that are decided before an agent's first order can have an effect."""
ANSWERS_AFTER = timedelta(minutes=4)
"""Time between a plan and the answer of the simulated operator."""
_READERS = {"forecasts": ("actor", "trader"), "orders": ("orders",), "bids": ("plant",)}
_STORED_SHARE = 0.95


class Evening:
    """A plant that runs one scenario; ``post`` replaces the broker.

    Args:
        folder: Data directory, empty.
        scenario: The evening.
    """

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.zone, self.scenario = bench_zone(), scenario
        budget = {"budget_mw": 8.0, "budget_mwh_per_day": 32.0, "budget_cost_per_day": 1000.0}
        mcp = {"profile": "operate", "approval": "budget", "principal": AGENT, "calls_per_s": 1000, "burst": 1000}
        self.settings = load_settings({"data_dir": folder, "mcp": {**mcp, **budget}})
        write_fleet(folder / "run" / "default" / "fleet.yaml", [self.zone])
        self.store = open_store(self.settings)
        self.now = START
        names = ("actor", "trader", "orders", "plant")
        self._reducers: dict[str, Any] = {name: make_reducer(name, self.zone, self.settings) for name in names}
        self._states = {name: reducer.initial(ZONE) for name, reducer in self._reducers.items()}
        self._offset = 0
        self.deliveries = Deliveries(self.zone)
        self.book = PlanBook(self.store, self.post, None, self.clock)
        self.context = ReadContext(self.settings, self.store, now=self.clock)

    def clock(self) -> datetime:
        """Return the wall clock, which follows the run clock."""
        return self.now

    def begin(self) -> None:
        """Close the slot before the evening and send the order in force."""
        self.close(0)
        if self.scenario.standing is not None:
            self.post("orders", self.scenario.standing.order(self.zone))

    def close(self, at: int) -> None:
        """Close the slot at a position: forecast, bids, settlement, decision."""
        self.now = slot_start(at) + timedelta(minutes=STEP_MIN)
        self._store(Output("telemetry", self.scenario.closed(at)))
        self.post("forecasts", self.scenario.forecast(at, self.zone))

    def answer_plans(self) -> None:
        """Answer the waiting plans as an operator, some minutes later; reject a plan that would end a duty."""
        waiting = [plan for plan in self.book.recent(ZONE) if plan.status(self.now) == "proposed"]
        self.now += ANSWERS_AFTER
        standing = self.scenario.standing
        for plan in waiting:
            order = plan.proposal.order
            if standing is not None and standing.is_duty and order.action in ("cancel", "release"):
                self.book.reject(plan.plan_id, OPERATOR, standing.reason)
            else:
                self.book.approve(plan.plan_id, OPERATOR, digest=plan.digest)

    def post(self, topic: str, message: Message) -> None:
        """Deliver one message to the steps that read its topic."""
        waiting = [Output(topic, message)]
        while waiting:
            output = waiting.pop(0)
            self._store(output)
            self.deliveries.take(output.message)
            for name in _READERS.get(output.topic, ()):
                self._offset += 1
                origin = Origin(output.topic, 0, self._offset)
                self._states[name], outputs = self._reducers[name].step(self._states[name], output.message, origin)
                waiting += outputs

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client[Any]]:
        """Open a client of the plant's MCP server for the block."""
        acts = Acts(self.context, self.book, pause=lambda _: None)
        async with Client(build_server(self.context, acts)) as client:
            yield client

    def money(self) -> GridRun:
        """Return the deliveries, settled on the actual values."""
        first = self.zone.step.index(slot_start(1))
        power, soc = self.deliveries.arrays(first, SLOTS)
        fallbacks = self.deliveries.reflexes_in(first, SLOTS)
        return settle(self.zone, actuals(self.scenario), power, soc, fallbacks=fallbacks)

    def close_store(self) -> None:
        """Close the store."""
        self.store.close()

    def _store(self, *outputs: Output) -> None:
        batches: dict[Table, list[Row]] = {}
        for output in outputs:
            for table, row in rows_of(output.message, output.topic, self.now):
                batches.setdefault(table, []).append(row)
        self.store.write_all(batches)


def actuals(scenario: Scenario) -> Actuals:
    """Return the actual values of a scenario; energy left counts at 0.95 of the usual price of the next day."""
    factor = bench_zone().share.factor
    net = scenario.actual_net_mw * factor
    later = scenario.price_per_mwh[SLOTS + 1 :]
    return Actuals(
        actual_mw=net[1 : SLOTS + 1],
        before_mw=float(net[0]),
        price_per_mwh=scenario.actual_price[1 : SLOTS + 1],
        stored_value_per_mwh=_STORED_SHARE * float(np.mean(later)),
    )


def best_cost(scenario: Scenario, without: GridRun) -> float:
    """Return the lowest cost in hindsight, from the first slot that an agent can change.

    Args:
        scenario: The evening.
        without: Deliveries of the same evening without an agent; its first slots are taken unchanged.
    """
    zone, series = bench_zone(), actuals(scenario)
    first_mw, state_at_rest = without.power_mw[:, :FIXED_SLOTS], fleet_at_rest(zone)
    start = msgspec.structs.replace(state_at_rest, soc=without.soc[:, FIXED_SLOTS - 1], power_mw=first_mw[:, -1])
    remaining = replace(
        series,
        actual_mw=series.actual_mw[FIXED_SLOTS:],
        before_mw=float(without.grid_mw[FIXED_SLOTS - 1]),
        price_per_mwh=series.price_per_mwh[FIXED_SLOTS:],
    )
    best = perfect_foresight(zone, remaining, start=start)
    powers = np.concatenate([first_mw, best.power_mw], axis=1)
    socs = np.concatenate([without.soc[:, :FIXED_SLOTS], best.soc], axis=1)
    return settle(zone, series, powers, socs).cost
