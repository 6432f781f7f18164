"""A stored decision made again and compared with what the store holds of it, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from agents.plant.recompute import recompute
from vpp.fleet.schema import Zone
from vpp.messages import Decision, Receipt
from vpp.store import Store
from vpp.store.decisions import Found
from vpp.store.tables import ASSETS, BIDS, ORDERS

_VERDICT = ("verdict", "verdict_reason")


@dataclass(frozen=True, slots=True)
class Departure:
    """One value that is not what it should be: where it stands, as stored and as found again."""

    where: str
    stored: Any
    again: Any


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a decision made again.

    ``size_bytes``: length of the record compared. ``departures``: what the record and the new decision differ in.
    ``inputs``: inputs of the record that other tables tell otherwise. ``checked``: inputs that they tell the same;
    ``gone``: inputs that no table holds any more, or that came after the decision.
    """

    decision_id: str
    size_bytes: int
    departures: tuple[Departure, ...]
    inputs: tuple[Departure, ...]
    checked: tuple[str, ...]
    gone: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the decision was made again, from inputs that the log tells the same."""
        return not self.departures and not self.inputs


def replay_decision(store: Store, zone: Zone, found: Found) -> Replayed:
    """Make a stored decision again from its record, and hold its inputs against the tables of bids, assets and orders.

    Args:
        store: Where it is.
        zone: The zone as it was configured then.
        found: The decision.

    Raises:
        RefusedError: The zone's configuration is another one, or the record is not whole.
    """
    decision = found.decision
    again = _json(msgspec.structs.replace(recompute(zone, decision), receipt=Receipt()))
    departures: list[Departure] = []
    if again != found.body:
        departures = list(_departures("", msgspec.json.decode(found.body), msgspec.json.decode(again)))
    told = dict(_inputs(store, decision))
    inputs = [
        gap for name, (mine, stored) in told.items() if stored is not None for gap in _departures(name, stored, mine)
    ]
    wrong = {gap.where.partition(".")[0] for gap in inputs}
    return Replayed(
        decision_id=decision.decision_id,
        size_bytes=len(found.body.encode()),
        departures=tuple(departures),
        inputs=tuple(inputs),
        checked=tuple(name for name, (_, stored) in told.items() if stored is not None and name not in wrong),
        gone=tuple(name for name, (_, stored) in told.items() if stored is None),
    )


def _inputs(store: Store, decision: Decision) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield each input by name: as the decision repeats it, and as its own table holds it (None: it does not)."""
    zone = decision.zone
    for policy, bid in decision.bids.items():
        slot = msgspec.convert(bid["slot"], type=datetime)
        rows = store.read(BIDS, zone=zone, filters={"slot": slot, "policy": policy}, limit=1).dicts()
        stored = msgspec.json.decode(rows[0]["body"]) if rows else None
        if stored is not None:
            stored.pop("observation", None)
        yield f"bid of {policy}", (_plain(bid), stored)
    assets = store.read(ASSETS, zone=zone, filters={"slot": decision.slot}).dicts()
    by_id = {row["asset_id"]: row for row in assets}
    for asset_id, state in decision.state.get("assets", {}).items():
        row = by_id.get(asset_id)
        kept = None if row is None else {name: row[name] for name in ("soc", "power_mw", "available")}
        yield f"state of {asset_id}", ({name: state[name] for name in ("soc", "power_mw", "available")}, kept)
    for order in decision.orders:
        rows = store.read(ORDERS, zone=zone, filters={"order_id": order["order_id"]}, limit=1).dicts()
        stored = msgspec.json.decode(rows[0]["body"]) if rows else None
        mine = {name: value for name, value in _plain(order).items() if name not in _VERDICT}
        yield f"order {order['order_id']}", (mine, stored)


def _departures(where: str, stored: Any, again: Any) -> Iterator[Departure]:
    """Yield every leaf in which two JSON values differ."""
    if isinstance(stored, Mapping) and isinstance(again, Mapping):
        for key in sorted(stored.keys() | again.keys()):
            yield from _departures(f"{where}.{key}" if where else key, stored.get(key), again.get(key))
    elif stored != again:
        yield Departure(where, stored, again)


def _plain(value: Any) -> Any:
    return msgspec.json.decode(_json(value))


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
