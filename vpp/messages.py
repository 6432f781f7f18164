"""Every message on the wire: JSON objects with a ``kind``, keyed by zone, that read well in ``rpk topic consume``.

Rules of the wire:
    - ``slot`` is the UTC start of a slot; power is positive into the grid; units are in the names.
    - Missing is ``null``; NaN and infinity are not JSON and are refused.
    - The same input gives the same bytes: no wall time, offset or run id outside ``Receipt`` and ``sent_at``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from vpp.errors import MessageError

Values = dict[str, float | None]
"""Channel name (``load_mw``, ``price_per_mwh``, ...) to its value; None is missing."""


class Record(msgspec.Struct, kw_only=True, frozen=True, tag_field="kind"):
    """What all messages share: the zone they are keyed by."""

    zone: str


class AssetReading(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Measured state of one asset: mean power over the slot (MW, positive into the grid), SoC (0-1) at its end."""

    power_mw: float | None = None
    soc: float | None = None
    available: bool | None = None


# --- vpp.telemetry.raw ---------------------------------------------------------------------------------------------


class Observation(Record, kw_only=True, frozen=True, tag="observation", omit_defaults=True):
    """Measured values of one zone over ``[slot, slot + duration)``.

    ``duration_s`` is None for a whole slot (which it closes); a shorter one is a tick, averaged into its slot.
    ``history`` marks warm-up rows: they fill state and yield nothing. ``sent_at`` is the run clock of the source.
    """

    slot: datetime
    values: Values
    duration_s: float | None = None
    assets: dict[str, AssetReading] = {}
    history: bool = False
    sent_at: datetime | None = None


class Publication(Record, kw_only=True, frozen=True, tag="publication", omit_defaults=True):
    """Values published for contiguous slots, usable from ``available_at`` on: day-ahead forecasts, auction prices.

    ``series`` maps a channel to one value per slot from ``first_slot`` on; all lists have one length. A channel of
    another zone is named ``ZONE:channel``. ``step_min`` is the spacing of the values; the zone's step divides it or is equal.
    """

    available_at: datetime
    first_slot: datetime
    step_min: int
    series: dict[str, list[float | None]]
    history: bool = False
    sent_at: datetime | None = None


class Promotion(Record, kw_only=True, frozen=True, tag="promotion", omit_defaults=True):
    """The model in force for this zone from the next slot closed on; the artifact is found in the registry by its id."""

    available_at: datetime
    model_id: str
    sha256: str
    sent_at: datetime | None = None


class Deadline(Record, kw_only=True, frozen=True, tag="deadline", omit_defaults=True):
    """Live mode: ``slot`` and all before it close (raw) or are decided (bids) with what is there."""

    slot: datetime
    sent_at: datetime | None = None


class End(Record, kw_only=True, frozen=True, tag="end"):
    """The producer is through with this zone; every step forwards it under its own name."""

    producer: str
    last_slot: datetime | None = None


# --- vpp.telemetry -------------------------------------------------------------------------------------------------


class SlotClosed(Record, kw_only=True, frozen=True, tag="slot", omit_defaults=True):
    """One closed slot: means of its ticks, quality by channel, net load (null when any part that the zone has is missing).

    ``quality`` holds only channels that are not ``ok``. ``history`` slots fill state and yield no decision.
    """

    slot: datetime
    step_min: int
    values: Values
    net_load_mw: float | None
    quality: dict[str, str] = {}
    assets: dict[str, AssetReading] = {}
    history: bool = False


class Correction(Record, kw_only=True, frozen=True, tag="correction", omit_defaults=True):
    """Late or corrected values of a slot that is closed already: they decide nothing, but settle once.

    ``revision`` counts from 1 per slot; ``values`` holds only what changed; ``net_load_mw`` is the corrected one.
    """

    slot: datetime
    step_min: int
    values: Values
    net_load_mw: float | None
    revision: int


# --- vpp.forecasts -------------------------------------------------------------------------------------------------


class Quantiles(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Forecast levels of one target, one value per entry of the forecast's ``horizon_min``; never crossing.

    ``source`` is ``model`` or the name of a fallback; ``mean`` is the expected value where it differs from q50.
    """

    source: str
    model_id: str
    q05: list[float]
    q10: list[float]
    q25: list[float]
    q50: list[float]
    q75: list[float]
    q90: list[float]
    q95: list[float]
    mean: list[float] | None = None


class Spreads(msgspec.Struct, kw_only=True, frozen=True):
    """What clearing needs of the net-load errors, one value per horizon, in the region's MW.

    ``ramp_sd_mw``: spread of the error of n[h]-n[h-1]; ``level_sd_mw``: spread of the error of n[h];
    ``carry``: regression of the error at h on the error at the first horizon (no unit, 1 at the first).
    """

    ramp_sd_mw: list[float]
    level_sd_mw: list[float]
    carry: list[float]


class PriceOutlook(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What the trader weighs: prices per MWh on its own horizons (which may pass 24 h).

    ``known``: published prices, null where not yet known. ``experts``: name to expected prices (null: has none).
    ``slopes``: name to opportunity values per MWh at equal steps of SoC, lowest first.
    """

    horizon_min: list[int]
    known: list[float | None]
    experts: dict[str, list[float | None]]
    slopes: dict[str, list[float]] = {}


class Forecast(Record, kw_only=True, frozen=True, tag="forecast", omit_defaults=True):
    """The forecast issued when ``slot`` closed: horizon h speaks of slot + h; carries the closed slot for the next steps.

    A target without any basis is null and ``reason`` says why. ``ramp_mw_per_min`` is the expected slope of net load
    over the next step (region's MW).
    """

    slot: datetime
    step_min: int
    observation: SlotClosed
    horizon_min: list[int]
    net_load: Quantiles | None
    price: Quantiles | None
    ramp_mw_per_min: float | None
    spreads: Spreads | None = None
    outlook: PriceOutlook | None = None
    reason: str | None = None


class Skill(Record, kw_only=True, frozen=True, tag="skill"):
    """Score of past forecasts at one horizon over the trailing window that ends with ``slot``.

    ``mae``, ``mae_persistence``, ``pinball`` in the target's unit; ``coverage_90`` is a fraction; ``n`` scored forecasts.
    """

    slot: datetime
    target: str
    horizon_min: int
    n: int
    mae: float
    mae_persistence: float
    pinball: float
    coverage_90: float


# --- vpp.bids ------------------------------------------------------------------------------------------------------


class ActorBid(Record, kw_only=True, frozen=True, tag="actor_bid", omit_defaults=True):
    """The grid-response actor's bid after ``slot`` closed: the served share's net load and what its limits are worth.

    All lists have one value per entry of ``horizon_min``. Empty lists and a ``reason``: no bid could be made.
    """

    slot: datetime
    step_min: int
    observation: SlotClosed
    horizon_min: list[int]
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
    reason: str | None = None


class TraderBid(Record, kw_only=True, frozen=True, tag="trader_bid", omit_defaults=True):
    """The arbitrage trader's bid after ``slot`` closed: prices it trusts and what energy left in store is worth.

    ``price_per_mwh``: expected price per horizon, already shrunk by ``trust``. ``stored_value_per_mwh`` with
    ``stored_width`` (shares of capacity, summing to 1): value of energy at the horizon's end, decreasing.
    ``curve``: price-contingent offers of the next slot as (price per MWh, share of power -1..1), where the market takes them.
    """

    slot: datetime
    step_min: int
    observation: SlotClosed
    horizon_min: list[int]
    price_per_mwh: list[float]
    trust: float
    stored_value_per_mwh: list[float]
    stored_width: list[float]
    weights: dict[str, float] = {}
    curve: list[tuple[float, float]] = []
    source: str
    model_id: str
    reason: str | None = None


class Order(Record, kw_only=True, frozen=True, tag="order", omit_defaults=True):
    """What an operator or agent wants of assets (``vpp.orders``), and, admitted, what the plant must weigh (``vpp.bids``).

    ``action``: ``target`` (hold ``power_mw``), ``band`` (stay within ``min_mw..max_mw``), ``soc_target`` (reach ``soc`` by
    ``expires_at``), ``hold`` (no automatic setpoints: go to the safe default), ``release`` (ends a hold), ``cancel``
    (ends ``cancels``). No ``asset_ids``: the whole fleet of the zone. Higher ``priority`` wins; equal: the later one.
    """

    order_id: str
    action: str
    principal: str
    reason: str
    issued_at: datetime
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    asset_ids: list[str] = []
    power_mw: float | None = None
    min_mw: float | None = None
    max_mw: float | None = None
    soc: float | None = None
    cancels: str | None = None
    priority: int = 0
    approved_by: str | None = None
    approval: str | None = None
    verdict: str | None = None
    verdict_reason: str | None = None


# --- what the plant says -------------------------------------------------------------------------------------------


class Setpoint(Record, kw_only=True, frozen=True, tag="setpoint", omit_defaults=True):
    """Planned power of one asset over ``slot``, with the short curve a device follows inside it.

    ``curve``: (seen net load of the served share MW, power MW) points, interpolated, flat outside; empty: constant.
    ``valid_until`` is the slot's end; after it the device falls back to ``fallback_mw``.
    """

    slot: datetime
    asset_id: str
    power_mw: float
    curve: list[tuple[float, float]] = []
    fallback_mw: float = 0.0
    valid_until: datetime
    decision_id: str
    reason: str
    revision: int = 0


class AssetStatus(Record, kw_only=True, frozen=True, tag="asset", omit_defaults=True):
    """Delivered power of one asset over ``slot`` (MW, positive into the grid) and its state at the slot's end."""

    slot: datetime
    asset_id: str
    asset_kind: str
    power_mw: float
    energy_mwh: float
    soc: float | None
    planned_mw: float | None
    source: str
    available: bool = True


class LedgerEntry(Record, kw_only=True, frozen=True, tag="ledger"):
    """Settlement of one asset and slot, or of the zone's penalties (``asset_id`` ``zone``); money in the zone's currency.

    ``pnl = revenue - wear_cost - fuel_cost - start_cost - penalty``. A null price gives a null revenue, which counts as
    nothing in ``pnl`` until a correction brings it. ``revision`` 0 is the first entry; a correction is the difference.
    """

    slot: datetime
    asset_id: str
    revision: int
    energy_mwh: float | None
    price_per_mwh: float | None
    revenue: float | None
    wear_cost: float
    fuel_cost: float
    start_cost: float
    penalty: float
    penalty_no_action: float
    pnl: float
    currency: str


class Trade(Record, kw_only=True, frozen=True, tag="trade"):
    """Energy bought (``buy``: charged) or sold (``sell``: discharged) at the actual price; energy is positive."""

    slot: datetime
    asset_id: str
    revision: int
    side: str
    energy_mwh: float
    price_per_mwh: float | None
    revenue: float | None
    currency: str


class Receipt(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Where a decision's inputs stand in the log; the only place for offsets, outside the decision's hash."""

    offsets: dict[str, tuple[str, int, int]] = {}


class Decision(Record, kw_only=True, frozen=True, tag="decision", omit_defaults=True):
    """One decision of the plant: made after ``slot`` closed, for ``for_slot``; enough to explain and recompute it.

    ``engine``: ``lp``, ``dp`` or the named reflex. ``state`` is the plant's state before; ``bids`` the messages that it
    weighed; ``plan`` the look-ahead (columns of equal length); ``duals`` shadow prices; ``binding`` the limit that
    bound the first slot, in words; ``alternatives`` maps an action to its value against the plan.
    """

    slot: datetime
    for_slot: datetime
    decision_id: str
    revision: int
    engine: str
    objective: float | None
    binding: str | None
    missing: list[str] = []
    state: dict[str, Any] = {}
    bids: dict[str, Any] = {}
    orders: list[dict[str, Any]] = []
    verdicts: list[dict[str, Any]] = []
    plan: dict[str, list[Any]] = {}
    duals: dict[str, Any] = {}
    alternatives: dict[str, float] = {}
    spec_hash: str | None = None
    model_id: str | None = None
    versions: dict[str, str] = {}
    receipt: Receipt = Receipt()


class Alert(Record, kw_only=True, frozen=True, tag="alert", omit_defaults=True):
    """Something that a person should know; ``alert_id`` is stable, so a repeat is the same row."""

    slot: datetime
    alert_id: str
    severity: str
    topic: str
    text: str
    values: dict[str, float | None] = {}


# --- vpp.dlq, vpp.audit --------------------------------------------------------------------------------------------


class DeadLetter(Record, kw_only=True, frozen=True, tag="dead_letter", omit_defaults=True):
    """A record that could not be used; (topic, partition, offset) identifies it, ``raw`` is its value in base64."""

    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    raw: str
    truncated: bool = False


class Audit(Record, kw_only=True, frozen=True, tag="audit", omit_defaults=True):
    """One act on the plant, append-only: who asked for what, with which verdict."""

    audit_id: str
    at: datetime
    principal: str
    action: str
    verdict: str
    detail: str = ""
    digest: str | None = None


Raw = Observation | Publication | Promotion | Deadline | End
Telemetry = SlotClosed | Publication | Promotion | Correction | End
Forecasts = Forecast | Correction | End
Bids = ActorBid | TraderBid | Order | Correction | Deadline | End
Message = (
    Observation
    | Publication
    | Promotion
    | Deadline
    | End
    | SlotClosed
    | Correction
    | Forecast
    | Skill
    | ActorBid
    | TraderBid
    | Order
    | Setpoint
    | AssetStatus
    | LedgerEntry
    | Trade
    | Decision
    | Alert
    | DeadLetter
    | Audit
)

_encoder = msgspec.json.Encoder()


def encode(message: Message) -> bytes:
    """Return ``message`` as JSON; NaN and infinity become null, as missing values do."""
    return _encoder.encode(message)


class Decoder:
    """Decodes the messages of one topic; anything else is a ``MessageError`` with its reason code.

    Args:
        union: The union of message types that the topic carries.
    """

    def __init__(self, union: Any) -> None:
        self._decode = msgspec.json.Decoder(union).decode

    def __call__(self, payload: bytes | None, *, key: str | None = None) -> Any:
        """Return the message in ``payload``.

        Args:
            payload: The record's value.
            key: The record's key where it must equal the message's zone, else None.

        Raises:
            MessageError: With reason ``empty``, ``not_json``, ``schema`` or ``key``.
        """
        if not payload:
            raise MessageError("the record has no value", reason="empty")
        try:
            message = self._decode(payload)
        except msgspec.ValidationError as error:
            raise MessageError(str(error), reason="schema") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MessageError(str(error), reason="not_json") from error
        if key is not None and message.zone != key:
            raise MessageError(
                f"key {key!r} is not the zone {message.zone!r}", reason="key"
            )
        return message
