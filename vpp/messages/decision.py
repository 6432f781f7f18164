"""The decision record: inputs, evaluation and choice of the plant for one slot; sufficient to explain and recompute it.

Outcomes are codes. Sentences are made of them where people read (``agents.plant.narrative``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from vpp.messages.bids import ActorBid, Order, TraderBid
from vpp.messages.integers import Integer
from vpp.messages.telemetry import Record, SlotClosed
from vpp.messages.times import Time

DECISION_VERSION: Literal[2] = 2
"""Form of the records that are written now. ``vpp.messages.decision_v1`` reads those of form 1."""


class Engine(StrEnum):
    """Origin of a decision: a solver, a named reflex, or the immediate rest of a hold."""

    LP = "lp"
    MILP = "milp"
    DP = "dp"
    REFLEX_LIMITS = "reflex:limits"
    REFLEX_STALE = "reflex:stale"
    REFLEX_REST = "reflex:rest"
    HOLD = "hold"


REFLEXES = frozenset({Engine.REFLEX_LIMITS, Engine.REFLEX_STALE, Engine.REFLEX_REST})
"""Engines that act without a solved plan."""


DeratingCode = Literal["not_following", "partly_following", "wrong_sign", "still"]


class Derating(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Why an asset is not planned with its full power.

    ``code``: ``not_following`` (does something else than it is set to), ``partly_following`` (a part of it),
    ``wrong_sign`` (the opposite) or ``still`` (its readings stand still). ``asked_mw``, ``measured_mw``: in the slot
    that decided it. ``reach_mw``: least and greatest power that it is planned with, each null where it is not limited;
    null: it is planned as out of reach.
    """

    code: DeratingCode
    asked_mw: float
    measured_mw: float
    reach_mw: tuple[float | None, float | None] | None = None


class AssetSnapshot(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One asset before a decision.

    ``soc`` (0-1) is null for assets without a store. ``power_mw``: delivered in the closed slot, positive into the
    grid. ``running_min``, ``ready_in_min``: minutes that a generator has run, and until it can. ``silent_slots``: slots
    in a row without a reading, null for an asset that never gave one; ``gap_slots``: slots between its last readings.
    ``derating``: null if the asset is planned in full. ``soc_reading``: a rejected reading; ``soc`` is then computed
    from the measured energy.
    """

    soc: float | None
    power_mw: float
    running_min: float
    ready_in_min: float
    available: bool
    silent_slots: Integer | None = None
    gap_slots: Integer = 1
    derating: Derating | None = None
    soc_reading: float | None = None


class PublishedPlan(msgspec.Struct, kw_only=True, frozen=True):
    """The look-ahead published before a decision: start of each step, and power (MW) by asset, one value per step."""

    starts: list[Time]
    power_mw: dict[str, list[float]]


class PlantSnapshot(msgspec.Struct, kw_only=True, frozen=True):
    """The plant before a decision.

    ``grid_mw``: grid power of the closed slot, from which the next ramp is counted; null where it is unknown.
    ``blind_slots``: slots in a row without a measured net load. ``observation``: the closed slot, null where it never
    came. ``previous``: the plan published before, where departing from it has a price.
    """

    assets: dict[str, AssetSnapshot] = {}
    grid_mw: float | None = None
    blind_slots: Integer = 0
    observation: SlotClosed | None = None
    previous: PublishedPlan | None = None


class MissingBid(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A policy without a current bid; its last one was used, shifted.

    ``cause``: ``no_bid`` (none came in time), ``empty`` (it came without content) or ``not_ready`` (the policy knows
    too little of the past; its last bid is not used either). ``detail``: the policy's reason.
    """

    policy: str
    cause: Literal["no_bid", "empty", "not_ready"]
    detail: str | None = None


class SetpointCheck(msgspec.Struct, kw_only=True, frozen=True):
    """Change of one planned setpoint by the independent checker (MW); ``reason`` is its code."""

    asset_id: str
    outcome: Literal["clamped", "refused"]
    reason: str | None
    wanted_mw: float
    power_mw: float


class OrderVerdict(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Outcome of one order in the decided slot.

    ``code`` is null where the order is met: else ``limited`` (by physics or a grid limit: ``asset_id`` gives
    ``power_mw``), ``out_of_reach`` (``asset_id`` reaches ``soc`` of ``wanted_soc`` in time), ``outranked`` (a stronger
    order rules) or ``not_started`` (it acts from ``starts_at``). ``detail``: the words of a form-1 record.
    """

    order_id: str
    action: str
    outcome: Literal["accepted", "clamped", "waiting", "superseded"]
    code: Literal["limited", "out_of_reach", "outranked", "not_started"] | None = None
    asset_id: str | None = None
    power_mw: float | None = None
    soc: float | None = None
    wanted_soc: float | None = None
    starts_at: Time | None = None
    detail: str | None = None


NoteCode = Literal[
    "soc_outside_band",
    "order_missed",
    "soc_target_missed",
    "fixed_power_missed",
    "order_energy_limited",
    "search_ended",
    "no_solution",
    "words",
]


class PlanNote(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A demand that a plan could not meet, or a limit of its solution.

    ``values`` by ``code``:
        - ``soc_outside_band``: the battery starts at ``soc`` outside ``soc_min`` to ``soc_max`` and is led back.
        - ``order_missed``: power misses its order by ``short_mw`` at ``step`` (``steps`` in all), best is ``power_mw``.
        - ``soc_target_missed``: ``soc`` is reached of ``wanted_soc``.
        - ``fixed_power_missed``: ``wanted_mw`` was fixed, best is ``power_mw``.
        - ``order_energy_limited``: an order can be followed for ``minutes``, then the battery is empty or full.
        - ``search_ended``: branch and bound stopped after ``nodes``; a better plan may exist.
        - ``no_solution``: the solver gave no plan; ``detail`` is its status.
        - ``words``: a note of a form-1 record; ``detail`` holds it.
    """

    code: NoteCode
    asset_id: str | None = None
    values: dict[str, float] = {}
    detail: str | None = None


class AssetPlan(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Planned power (MW) of one asset by step, and for a store its SoC (0-1) at the end of each step."""

    power_mw: list[float]
    soc: list[float] = []


class PlanTable(msgspec.Struct, kw_only=True, frozen=True):
    """The look-ahead as columns of equal length, one value per step.

    ``horizon_min``: minutes from the start of the decided slot to each step's end. ``net_mw``: expected net load of the
    served share. ``grid_mw``: planned grid power, ``net_mw`` less the assets' power.
    """

    horizon_min: list[Integer]
    net_mw: list[float]
    price_per_mwh: list[float]
    grid_mw: list[float]
    assets: dict[str, AssetPlan] = {}


class Duals(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Shadow prices of a plan.

    ``water_value_per_mwh``: value of one more MWh in store, by battery. By step: ``power_price_per_mwh`` (worth of one
    MW more from the plant), ``ramp_price_per_mw`` (positive: a rise of grid power costs, negative: its fall) and
    ``cap_price_per_mw`` (positive at the import cap, negative at the export cap).
    """

    water_value_per_mwh: dict[str, float] = {}
    power_price_per_mwh: list[float] = []
    ramp_price_per_mw: list[float] = []
    cap_price_per_mw: list[float] = []


class Receipt(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Positions of a decision's inputs in the log. Offsets are only here, outside the decision's hash."""

    offsets: dict[str, tuple[str, Integer, Integer]] = {}


class Decision(Record, kw_only=True, frozen=True, tag="decision", omit_defaults=True):
    """One decision of the plant: made after ``slot`` closed, for ``for_slot``; enough to explain and recompute it.

    ``version``: form in which the record was written, now 2; 1 for a record read from form 1. ``state``: the plant
    before. ``bids``: the bid of each policy in the decision, without the observation, which is in ``state``.
    ``orders``: in force, each with its entry in ``verdicts``. ``checks``: setpoints that the checker changed. ``plan``:
    the look-ahead, null where nothing was solved. ``costs``: expected cost items over it, cost positive.
    ``binding``: binding limit of the first slot, in words. ``alternatives`` maps an action of the free batteries to its
    extra cost. ``spec_hash``: of the features behind the net-load forecast. ``versions``: of the solver and of the
    zone's configuration.
    """

    version: Literal[1, 2]
    slot: Time
    for_slot: Time
    decision_id: str
    revision: Integer
    engine: Engine
    objective: float | None
    binding: str | None
    missing: list[MissingBid] = []
    state: PlantSnapshot = PlantSnapshot()
    bids: dict[str, ActorBid | TraderBid] = {}
    orders: list[Order] = []
    verdicts: list[OrderVerdict] = []
    checks: list[SetpointCheck] = []
    notes: list[PlanNote] = []
    plan: PlanTable | None = None
    duals: Duals = Duals()
    costs: dict[str, float] = {}
    alternatives: dict[str, float] = {}
    spec_hash: str | None = None
    model_id: str | None = None
    versions: dict[str, str] = {}
    receipt: Receipt = Receipt()

    @property
    def is_reflex(self) -> bool:
        """Whether a named reflex acted in place of a solved plan."""
        return self.engine in REFLEXES
