"""State of the plant for one zone, kept as small values, each under its own name.

``head``: the fleet and where the plant stands. ``plan``: the setpoints in force and the plan behind them.
``bid:POLICY.INDEX``: a bid that waits for its slot to be decided, or a policy's last one.
``settled:CHUNK``: a dozen settled slots, for corrections. ``orders``: the orders in force.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from agents.assets.fleet_state import FleetState
from agents.assets.registry import type_of
from agents.assets.state import AssetState
from agents.orders.replay_memory import OrderMemory
from agents.plant.following import Conduct
from agents.plant.ledger import SettledSlot
from agents.plant.order_lives import OrderLives
from vpp.domain import Step, even_horizons_min
from vpp.fleet.assets import Asset
from vpp.fleet.schema import Zone
from vpp.messages import ActorBid, Alert, AssetSnapshot, Correction, Order, TraderBid
from vpp.streams.reducer import Load
from vpp.streams.state_codec import ChangedValues, ValueKey, pack, unpack

_SHAPE = "plant-1"
_AS_TEXT = frozenset({"plan", "bid"})
"""Kinds of values that came or go as messages: JSON keeps them whole."""

CHUNK_SLOTS = 12
MEMORY_DAYS = 7
Bid = ActorBid | TraderBid
Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""


class AssetKept(msgspec.Struct, omit_defaults=True):
    """One asset at the end of the last settled slot.

    ``soc`` (0-1) is None for assets without a store. ``measured``: telemetry, not the twin, says so. ``silent_slots``:
    slots in a row without a reading, None for an asset that never gave one and is not expected to; ``gap_slots``:
    slots between its last two readings. ``answers``: whether it can be reached at all; ``available``: whether it is
    planned. ``conduct``: how it follows its setpoints.
    """

    soc: float | None
    power_mw: float = 0.0
    running_min: float = 0.0
    ready_in_min: float = 0.0
    available: bool = True
    measured: bool = False
    silent_slots: int | None = None
    gap_slots: int = 1
    answers: bool = True
    conduct: Conduct = msgspec.field(default_factory=Conduct)

    @property
    def quiet(self) -> bool:
        """Whether a reading is overdue: the asset may still be planned, but follows nothing."""
        return self.silent_slots is not None and self.silent_slots >= self.gap_slots

    def reachable_state(self) -> AssetState:
        """Return the twin's state of an asset that takes commands, whether or not it is planned."""
        return msgspec.structs.replace(self.state(), available=True)

    def state(self) -> AssetState:
        """Return it as the twin's state."""
        soc = math.nan if self.soc is None else self.soc
        return AssetState(soc, self.power_mw, self.running_min, self.ready_in_min, self.available)


class Planned(msgspec.Struct, omit_defaults=True):
    """The setpoint in force of one asset, its curves as in ``Setpoint``; ``start``: a peaker gets its start command."""

    power_mw: float
    curve: list[tuple[float, float]] = []
    frequency_curve: list[tuple[float, float]] = []
    price_curve: list[tuple[float, float]] = []
    start: bool = False


class Counted(msgspec.Struct):
    """An asset whose slot counts to an order; ``without_mw``: what the plant would have done with it otherwise."""

    order_id: str
    without_mw: float


class DecidedPlan(msgspec.Struct, omit_defaults=True):
    """The last decision, for slot ``index``: its setpoints, and the look-ahead.

    ``ahead_mw``: planned power by asset; ``ahead_index``: first slot of each of its steps. ``counted``: assets whose
    slot counts to an order.
    """

    index: int
    decision_id: str
    revision: int
    setpoints: dict[str, Planned]
    ahead_index: list[int] = []
    ahead_mw: dict[str, list[float]] = {}
    counted: dict[str, Counted] = {}


class PlacedBid(msgspec.Struct, omit_defaults=True):
    """A bid and its place in the log.

    ``even_horizons``: how many horizons the bid has, where they are one slot apart and left out (``shortened``).
    """

    bid: Bid
    place: Place
    even_horizons: int = 0

    def shortened(self) -> PlacedBid:
        """Return it without horizons that are one slot apart."""
        count = len(self.bid.horizon_min)
        if self.bid.horizon_min != even_horizons_min(self.bid.step_min, count):
            return self
        return PlacedBid(msgspec.structs.replace(self.bid, horizon_min=[]), self.place, count)

    def whole(self) -> PlacedBid:
        """Return the bid before ``shortened``."""
        if not self.even_horizons:
            return self
        horizon_min = even_horizons_min(self.bid.step_min, self.even_horizons)
        return PlacedBid(msgspec.structs.replace(self.bid, horizon_min=horizon_min), self.place)

    def settled(self) -> PlacedBid:
        """Return it without the observation."""
        return PlacedBid(msgspec.structs.replace(self.bid, observation=None), self.place)


class _BidsOfSlot(msgspec.Struct):
    """Bids that wait for one slot by policy, and their places in the log, as an older state holds them."""

    bids: dict[str, Bid] = {}
    places: dict[str, Place] = {}


class OrdersInForce(msgspec.Struct, omit_defaults=True):
    """Orders in force in order of arrival, the memory of those accepted, so that a repeat does nothing, and lives."""

    orders: list[Order] = []
    lives: OrderLives = msgspec.field(default_factory=OrderLives)
    memory: OrderMemory = msgspec.field(default_factory=OrderMemory)


class LateCorrection(msgspec.Struct):
    """A correction that is due when slot ``after`` is settled."""

    after: int
    correction: Correction


class PlantHead(msgspec.Struct, omit_defaults=True):
    """Where the plant stands.

    ``closed``: index of the last slot settled; the next one is decided. ``first``: index of the first. ``blind_slots``:
    slots in a row without a measured net load. ``heard``: index of the last bid by policy. ``last``: index of the last
    one with content that was decided on. ``waiting``: indices of slots whose bids wait. ``standing``: alerts of
    conditions that have not ended, by name.
    """

    closed: int | None = None
    first: int | None = None
    blind_slots: int = 0
    assets: dict[str, AssetKept] = {}
    heard: dict[str, int] = {}
    last: dict[str, int] = {}
    ended: list[str] = []
    waiting: list[int] = []
    late: list[LateCorrection] = []
    standing: dict[str, Alert] = {}


@dataclass
class PlantState:
    """The plant's memory of one zone.

    ``waiting``: bids by slot index and policy. ``last``: each policy's last bid with content, without its observation,
    which is settled and not read again. ``changed``: the values to keep anew.
    """

    head: PlantHead = field(default_factory=PlantHead)
    plan: DecidedPlan | None = None
    standing: OrdersInForce = field(default_factory=OrdersInForce)
    waiting: dict[int, dict[str, PlacedBid]] = field(default_factory=dict)
    last: dict[str, PlacedBid] = field(default_factory=dict)
    settled: dict[int, SettledSlot] = field(default_factory=dict)
    changed: ChangedValues = field(default_factory=ChangedValues)

    def wait(self, index: int, placed: PlacedBid) -> None:
        """Keep a bid until its slot is decided."""
        self.waiting.setdefault(index, {})[placed.bid.policy] = placed
        self.mark_bid(placed.bid.policy, index)

    def keep_last(self, index: int, placed: PlacedBid) -> None:
        """Take ``placed`` as its policy's last bid, made after slot ``index``; it replaces the one before."""
        policy = placed.bid.policy
        self.forget_last(policy)
        self.last[policy], self.head.last[policy] = placed.settled(), index

    def forget_last(self, policy: str) -> None:
        """Drop a policy's last bid."""
        self.last.pop(policy, None)
        index = self.head.last.pop(policy, None)
        if index is not None:
            self.mark_bid(policy, index)

    def mark_bid(self, policy: str, index: int) -> None:
        """Count a bid as changed: a new one, or one that is no longer held."""
        self.changed.mark(*_bid_key(policy, index))

    def bid(self, policy: str, index: int) -> PlacedBid | None:
        """Return a policy's stored bid after slot ``index``, None if there is none."""
        waiting = self.waiting.get(index, {}).get(policy)
        return waiting or (self.last.get(policy) if self.head.last.get(policy) == index else None)

    def keep_settled(self, slot: SettledSlot) -> None:
        """Remember a settled slot."""
        self.settled[slot.index] = slot
        self.changed.mark("settled", slot.index // CHUNK_SLOTS)

    def forget_before(self, index: int) -> None:
        """Drop whole chunks of settled slots that lie before ``index``."""
        edge = index // CHUNK_SLOTS * CHUNK_SLOTS
        for old in [slot for slot in self.settled if slot < edge]:
            del self.settled[old]
            self.changed.mark("settled", old // CHUNK_SLOTS)


def fleet_at_start(zone: Zone, soc: Mapping[str, float]) -> dict[str, AssetKept]:
    """Return the fleet at rest; ``soc`` gives known states of charge (0-1) by asset."""
    return {asset.asset_id: asset_at_rest(asset, soc) for asset in zone.assets}


def asset_at_rest(asset: Asset, soc: Mapping[str, float]) -> AssetKept:
    """Return an asset without any setpoint so far; it joins the fleet in this state."""
    state = type_of(asset).at_rest(asset)
    start = None if math.isnan(state.soc) else soc.get(asset.asset_id, state.soc)
    return AssetKept(soc=start, ready_in_min=state.ready_in_min)


def reach_of(assets: Mapping[str, AssetKept | AssetSnapshot]) -> dict[str, tuple[float | None, float | None]]:
    """Return the power limits (MW) of the assets that are derated to a part of their power, None if not limited."""
    deratings = {
        asset_id: asset.conduct.derating if isinstance(asset, AssetKept) else asset.derating
        for asset_id, asset in assets.items()
    }
    return {
        asset_id: derating.reach_mw
        for asset_id, derating in deratings.items()
        if derating is not None and derating.reach_mw is not None
    }


def fleet_state(zone: Zone, assets: Mapping[str, AssetKept | AssetSnapshot], grid_mw: float | None) -> FleetState:
    """Return the assets as arrays in the order of the zone's file; ``grid_mw`` is of the closed slot."""
    rows = [assets[asset.asset_id] for asset in zone.assets]
    return FleetState(
        soc=np.array([math.nan if row.soc is None else row.soc for row in rows], dtype=float),
        power_mw=np.array([row.power_mw for row in rows], dtype=float),
        running_min=np.array([row.running_min for row in rows], dtype=float),
        ready_in_min=np.array([row.ready_in_min for row in rows], dtype=float),
        available=np.array([row.available for row in rows], dtype=bool),
        grid_mw=math.nan if grid_mw is None else grid_mw,
    )


def load_state(get: Load, policies: tuple[str, ...], memory_slots: int) -> PlantState:
    """Return the stored state, or the initial state without a readable head."""
    head = unpack(get("head"), PlantHead, _SHAPE)
    if head is None:
        return PlantState()
    state = PlantState(head=head)
    state.plan = unpack(get("plan"), DecidedPlan, _SHAPE, as_text=True)
    state.standing = unpack(get("orders"), OrdersInForce, _SHAPE) or OrdersInForce()
    for policy in policies:
        for index in head.waiting:
            waits = unpack(get(_bid_key(policy, index).name), PlacedBid, _SHAPE, as_text=True)
            if waits is not None:
                state.waiting.setdefault(index, {})[policy] = waits.whole()
        if policy in head.last:
            last = unpack(get(_bid_key(policy, head.last[policy]).name), PlacedBid, _SHAPE, as_text=True)
            if last is not None:
                state.last[policy] = last.whole().settled()
    _take_older_bids(state, get, policies)
    if head.closed is not None:
        first = max((head.closed - memory_slots) // CHUNK_SLOTS, (head.first or 0) // CHUNK_SLOTS)
        for chunk in range(first, head.closed // CHUNK_SLOTS + 1):
            for slot in unpack(get(f"settled:{chunk}"), list[SettledSlot], _SHAPE) or []:
                state.settled[slot.index] = slot
    return state


def _take_older_bids(state: PlantState, get: Load, policies: tuple[str, ...]) -> None:
    """Take bids of an older state, ``waiting:INDEX`` and ``last:POLICY``; the next record moves them to ``bid``."""
    for index in state.head.waiting:
        older = unpack(get(ValueKey("waiting", index).name), _BidsOfSlot, _SHAPE, as_text=True)
        if older is None:
            continue
        state.changed.mark("waiting", index)
        for policy in [policy for policy in policies if policy in older.bids]:
            state.wait(index, PlacedBid(older.bids[policy], older.places[policy]))
    for policy in policies:
        last = unpack(get(ValueKey("last", policy).name), PlacedBid, _SHAPE, as_text=True)
        if last is None:
            continue
        state.changed.mark("last", policy)
        state.changed.mark("head")
        if policy not in state.head.last:
            index = Step.of(last.bid.step_min).index(last.bid.slot)
            state.keep_last(index, last)
            state.mark_bid(policy, index)


def _bid_key(policy: str, index: int) -> ValueKey:
    return ValueKey("bid", (policy, index))


def changed_values(state: PlantState) -> dict[str, bytes | None]:
    """Return the changed values as bytes, None for removed ones, and mark them as stored."""
    state.head.waiting = sorted(state.waiting)
    changes: dict[str, bytes | None] = {}
    for key in state.changed.take():
        value = _value(state, key)
        changes[key.name] = None if value is None else pack(value, _SHAPE, as_text=key.kind in _AS_TEXT)
    return changes


def _value(state: PlantState, key: ValueKey) -> object | None:
    match key:
        case ValueKey("head"):
            return state.head
        case ValueKey("plan"):
            return state.plan
        case ValueKey("orders"):
            return state.standing
        case ValueKey("bid", (str(policy), int(index))):
            placed = state.bid(policy, index)
            return None if placed is None else placed.shortened()
        case ValueKey("settled", int(chunk)):
            slots = range(chunk * CHUNK_SLOTS, (chunk + 1) * CHUNK_SLOTS)
            return [state.settled[index] for index in slots if index in state.settled] or None
        case ValueKey("waiting" | "last"):
            return None
        case _:
            raise KeyError(key.name)
