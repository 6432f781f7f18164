"""`vpp trace`: the path of one slot from telemetry to the store, with times."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, table
from topologies.control.slot_trace import find_trace
from vpp.domain import iso
from vpp.store import open_store


def trace(slot: str, *, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Show one slot's way: telemetry, forecast, actor and trader, plant, store, with times and latency.

    Args:
        slot: ZONE@TIME (the closed slot that holds the time, UTC) or ZONE@latest (the last one decided).
    """
    settings = common.settings()
    with open_store(settings, read_only=True) as store:
        way = find_trace(store, slot)
    answer(asdict(way), as_json=json, render=_render)


def _render(document: dict[str, Any]) -> None:
    decided = document["decided_s"]
    end = "not decided" if decided is None else f"decided after {_ms(decided)}"
    out.print(f"{document['zone']} {iso(document['slot'])}  trace {document['trace_id']}", markup=False)
    out.print(
        f"arrived {iso(document['arrived_at'])}, {end}, all stored after {_ms(document['total_s'])}", markup=False
    )
    table(
        None,
        ("step", "taken at", "waited", "worked", "stored after"),
        [
            (step["step"], iso(step["taken_at"]), *(_ms(step[name]) for name in ("waited_s", "worked_s", "stored_s")))
            for step in document["steps"]
        ],
    )
    if document["missing"]:
        out.print("not stored: " + ", ".join(document["missing"]), markup=False)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"
