"""A plant with a battery, a peaker and an emergency load, cleared without a solver; its bids, and what it leaves."""

from __future__ import annotations

from typing import Any

from agents.clearing.problem import ClearingProblem, Plan
from agents.clearing.reflex import reflex_plan
from agents.plant.reducer import PlantReducer
from tests.worlds.builders import (
    BATTERY,
    LOAD,
    QUICK,
    T0,
    ZONE,
    actor_bid_at,
    closed_slot,
    make_zone,
    slot_at,
    trader_bid_at,
)
from vpp.fleet.schema import Zone
from vpp.messages import (
    Correction,
    End,
    Message,
)
from vpp.store.message_rows import rows_of
from vpp.streams.reducer import Output

NETS = (500.0, 530.0, 590.0, 640.0, 600.0, 560.0)


def quick(problem: ClearingProblem) -> Plan:
    """Clear by the reflex: deterministic and without a solver, for tests of everything around it."""
    return reflex_plan(problem, reason="test")


def plant(zone: Zone | None = None, **given: Any) -> PlantReducer:
    given = {"clear": quick, "explore": False, **given}
    return PlantReducer(zone or make_zone(BATTERY, QUICK, LOAD), **given)


def bids(index: int, *, net: float | None = 500.0, price: float | None = 100.0, **given: Any) -> list[Message]:
    """Return both policies' bids after one slot, the actor's level being what was just seen."""
    seen = closed_slot(index, net, price, **given)
    level = 50.0 if net is None else net / 10.0
    return [actor_bid_at(index, [level] * 32, observation=seen), trader_bid_at(index, observation=seen)]


def week(count: int = 6) -> list[Message]:
    return [message for i in range(count) for message in bids(i, net=NETS[i % len(NETS)], price=100.0 + i)]


def correction(index: int, net: float, *, price: float | None = None) -> Correction:
    values: dict[str, float | None] = {} if price is None else {"price_per_mwh": price}
    return Correction(zone=ZONE, slot=slot_at(index), step_min=30, values=values, net_load_mw=net, revision=1)


def end(producer: str) -> End:
    return End(zone=ZONE, producer=producer, last_slot=T0)


def table_rows(outputs: list[Output]) -> dict[str, dict[tuple[Any, ...], Any]]:
    """Return what the outputs leave in a store: rows by table and key, later ones over earlier ones."""
    result: dict[str, dict[tuple[Any, ...], Any]] = {}
    for output in outputs:
        for table, row in rows_of(output.message, output.topic, T0):
            named = dict(zip(table.names, row, strict=True))
            result.setdefault(table.name, {})[tuple(named[key] for key in table.key)] = row
    return result
