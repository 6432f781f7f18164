"""Recomputes a stored decision and compares it with the store bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from agents.plant.recompute import recompute
from vpp.fleet.schema import Zone
from vpp.messages import DECISION_VERSION, Decision, OrderVerdict, Receipt, unjudged, unjudged_digest
from vpp.store import Store
from vpp.store.decisions import StoredDecision
from vpp.store.tables import ASSETS, BIDS, ORDERS

_STATE = ("soc", "power_mw", "available")


@dataclass(frozen=True, slots=True)
class Departure:
    """One difference: its place, the stored and the recomputed value."""

    where: str
    stored: Any
    again: Any


@dataclass(frozen=True, slots=True)
class Replayed:
    """Outcome of a repeated decision.

    ``size_bytes``: length of the record compared. ``departures``: what the record and the new decision differ in.
    ``inputs``: inputs of the record that differ from their own tables. ``checked``: inputs that agree;
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
        """Whether the decision was made again, from inputs that agree with their own tables."""
        return not self.departures and not self.inputs


def replay_decision(store: Store, zone: Zone, stored: StoredDecision) -> Replayed:
    """Make a stored decision again from its record, and hold its inputs against the tables of bids, assets and orders.

    Args:
        store: Where it is.
        zone: The zone as it was configured then.
        stored: The decision.

    Raises:
        RefusedError: The zone's configuration is another one, or the record is not whole.
    """
    decision = stored.decision
    recomputed = _json(_comparable(recompute(zone, decision), decision.version))
    recorded = stored.body if decision.version == DECISION_VERSION else _json(_comparable(decision, decision.version))
    departures: list[Departure] = []
    if recomputed != recorded:
        departures = list(_departures("", msgspec.json.decode(recorded), msgspec.json.decode(recomputed)))
    pairs = dict(_inputs(store, decision))
    inputs = [
        gap for name, (mine, other) in pairs.items() if other is not None for gap in _departures(name, other, mine)
    ]
    wrong = {gap.where.partition(".")[0] for gap in inputs}
    return Replayed(
        decision_id=decision.decision_id,
        size_bytes=len(stored.body.encode()),
        departures=tuple(departures),
        inputs=tuple(inputs),
        checked=tuple(name for name, (_, other) in pairs.items() if other is not None and name not in wrong),
        gone=tuple(name for name, (_, other) in pairs.items() if other is None),
    )


def _comparable(decision: Decision, version: int) -> Decision:
    """Return the fields in which a decision and its repetition must agree: all except log positions.

    A record of form 1 (``version``) holds words where there are codes now, and its id is a hash of that form: neither
    is compared.
    """
    bare = msgspec.structs.replace(decision, receipt=Receipt())
    if version == DECISION_VERSION:
        return bare
    return msgspec.structs.replace(
        bare,
        version=DECISION_VERSION,
        decision_id="",
        binding=None,
        notes=[],
        verdicts=[
            OrderVerdict(order_id=verdict.order_id, action=verdict.action, outcome=verdict.outcome, code=verdict.code)
            for verdict in decision.verdicts
        ],
    )


def _inputs(store: Store, decision: Decision) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield each input by name: as the decision repeats it, and as its own table holds it (None: it does not)."""
    zone = decision.zone
    for policy, bid in decision.bids.items():
        rows = store.read(BIDS, zone=zone, filters={"slot": bid.slot, "policy": policy}, limit=1).dicts()
        stored = msgspec.json.decode(rows[0]["body"]) if rows else None
        if stored is not None:
            stored.pop("observation", None)
        yield f"bid of {policy}", (_plain(bid), stored)
    assets = store.read(ASSETS, zone=zone, filters={"slot": decision.slot}).dicts()
    by_id = {row["asset_id"]: row for row in assets}
    for asset_id, snapshot in decision.state.assets.items():
        row = by_id.get(asset_id)
        stored = None if row is None else {name: row[name] for name in _STATE}
        yield f"state of {asset_id}", ({name: getattr(snapshot, name) for name in _STATE}, stored)
    for order in decision.orders:
        mine = {"order_id": order.order_id, "digest": unjudged_digest(order)}
        rows = store.read(ORDERS, zone=zone, filters=mine, limit=1).dicts()
        stored = msgspec.json.decode(rows[0]["body"]) if rows else None
        yield f"order {order.order_id}", (_plain(unjudged(order)), stored)


def _departures(place: str, stored: Any, recomputed: Any) -> Iterator[Departure]:
    """Yield every leaf in which two JSON values differ."""
    if isinstance(stored, Mapping) and isinstance(recomputed, Mapping):
        for key in sorted(stored.keys() | recomputed.keys()):
            yield from _departures(f"{place}.{key}" if place else key, stored.get(key), recomputed.get(key))
    elif stored != recomputed:
        yield Departure(place, stored, recomputed)


def _plain(value: Any) -> Any:
    return msgspec.json.decode(_json(value))


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
