"""Bids of the policies, and orders of operators and agents."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from vpp.messages.integers import Integer
from vpp.messages.telemetry import Record, SlotClosed
from vpp.messages.times import Time


class ActorBid(Record, kw_only=True, frozen=True, tag="actor_bid", omit_defaults=True):
    """The grid-response actor's bid after ``slot`` closed: the served share's net load and the value of its limits.

    All lists have one value per entry of ``horizon_min``. Empty lists and a ``reason``: no bid could be made.
    ``observation``: the closed slot; absent only in a decision record, which has it once for all bids.
    ``not_ready``: too little history is known to bid on the forecast; the policy's earlier bid no longer holds.
    """

    policy: ClassVar[str] = "actor"

    slot: Time
    step_min: Integer
    observation: SlotClosed | None = None
    horizon_min: list[Integer]
    net_mw: list[float]
    ramp_sd_mw: list[float]
    level_sd_mw: list[float]
    carry: list[float]
    hedge: float
    p_ramp: float | None
    ramp_mw_per_min: float | None
    observed_net_mw: float | None
    source: str
    model_id: str
    spec_hash: str | None = None
    reason: str | None = None
    not_ready: bool = False


class Opinion(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Action of one part of the trader in the next slot, for any stored energy and any price.

    ``water_value_per_mwh``: value of one more MWh in store after the slot, at equal steps of usable capacity, lowest
    first. A seen price p is acted on as ``expected + trust * (p - expected)``; a ``fixed`` one acts on the expected.
    """

    share: float
    expected_per_mwh: float
    trust: float = 1.0
    fixed: bool = False
    water_value_per_mwh: list[float]


class TraderBid(Record, kw_only=True, frozen=True, tag="trader_bid", omit_defaults=True):
    """The arbitrage trader's bid after ``slot`` closed: its expected prices and the value of energy left in store.

    ``price_per_mwh``: expected price per horizon, already shrunk by ``trust``. ``price_sd_per_mwh``: spread of
    each price around it, where prices are published when their slot begins (0 where it is known); empty elsewhere.
    ``stored_value_per_mwh`` with ``stored_width`` (shares of capacity, summing to 1): value of energy at the horizon's
    end, decreasing.
    ``observation``, ``not_ready``: as in ``ActorBid``.
    ``curve``: price-contingent offers of the next slot from half-full as rising (price per MWh, share of power -1..1),
    each share holding from its price up to the next, where the market takes them. ``offers``: the same for any stored
    energy, as opinions whose actions are averaged.
    """

    policy: ClassVar[str] = "trader"

    slot: Time
    step_min: Integer
    observation: SlotClosed | None = None
    horizon_min: list[Integer]
    price_per_mwh: list[float]
    trust: float
    stored_value_per_mwh: list[float]
    stored_width: list[float]
    price_sd_per_mwh: list[float] = []
    weights: dict[str, float] = {}
    curve: list[tuple[float, float]] = []
    offers: list[Opinion] = []
    source: str
    model_id: str
    reason: str | None = None
    not_ready: bool = False


BID_OF_POLICY: dict[str, type[ActorBid] | type[TraderBid]] = {bid.policy: bid for bid in (ActorBid, TraderBid)}
"""The bid's type by the name of the policy that makes it."""


INSTANT_ACTIONS = frozenset({"release", "cancel", "release_quarantine"})
"""Actions of orders that are done as soon as the plant reads them; they never stand."""


class Order(Record, kw_only=True, frozen=True, tag="order", omit_defaults=True):
    """Order of an operator or agent to assets (``vpp.orders``); once admitted, input of the plant (``vpp.bids``).

    ``action``: ``target`` (hold ``power_mw``), ``band`` (stay within ``min_mw..max_mw``), ``soc_target`` (reach ``soc``
    by ``expires_at``), ``hold`` (no automatic setpoints: go to the safe default), ``release`` (ends a hold), ``cancel``
    (ends ``cancels``), ``release_quarantine`` (ends the guard's episode whose alert is ``cancels``; until
    ``expires_at`` the zone's values are taken as measured). No ``asset_ids``: the whole fleet of the zone. Higher
    ``priority`` wins; equal: the later one.
    ``sent_at``: the run clock when it was sent.
    ``approval``: signed by the approver. ``admission``: the admission step's signature on its verdict.
    """

    order_id: str
    action: str
    principal: str
    reason: str
    issued_at: Time
    sent_at: Time | None = None
    starts_at: Time | None = None
    expires_at: Time | None = None
    asset_ids: list[str] = []
    power_mw: float | None = None
    min_mw: float | None = None
    max_mw: float | None = None
    soc: float | None = None
    cancels: str | None = None
    priority: Integer = 0
    approved_by: str | None = None
    approval: str | None = None
    verdict: str | None = None
    verdict_reason: str | None = None
    admission: str | None = None
