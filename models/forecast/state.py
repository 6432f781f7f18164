"""The state of the forecast step for one zone, and its encoding as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from features.compute import RingFeatures
from features.derived_series import MAX_DEPTH_DAYS, depth_days
from features.ring import RingRecord, SlotRing
from models.forecast.price_levels import PriceLevels
from models.forecast.ramp_probability import LargeRamps
from models.forecast.scoreboard import Scoreboard
from models.forecast.step_changes import StepChanges
from models.forecast.waiting_forecasts import WaitingForecasts, load_waiting, waiting_changes
from models.guard.watch import GuardRecord, Judgement, Watch
from models.net_load.trailing_errors import Residuals
from models.served import ServedModel
from vpp.domain import Step, Target
from vpp.messages import Publication
from vpp.streams.reducer import Load
from vpp.streams.state_codec import ChangedValues, pack, unpack

EACH_SLOT = "slot"
"""The value that holds what changes with every slot: one record of the changelog in place of eight."""

_SHAPE = "forecast-4"


class Episode(msgspec.Struct, omit_defaults=True):
    """A quarantine under way: first slot, cause and channel last published, slots and MWh that were replaced.

    ``measured``: values of its slots by index, for the case that the change turns out to be real. ``evidence``: numbers
    of the alert that it began with.
    """

    since: int
    cause: str
    suspect: str
    slots: int = 0
    moved_mwh: float = 0.0
    measured: list[tuple[int, dict[str, float | None]]] = []
    evidence: dict[str, float | None] = {}


class QuarantineRelease(msgspec.Struct):
    """Order by which values are taken as measured, with who gave it, up to and with the slot of index ``until``."""

    order_id: str
    principal: str
    until: int


class ForecastHead(msgspec.Struct, omit_defaults=True):
    """The small part of the state that changes with every slot."""

    last: int | None = None
    last_live: int | None = None
    model: tuple[str, str] | None = None
    held: list[Publication] = []
    ended: bool = False
    started: bool = False
    episode: Episode | None = None
    release: QuarantineRelease | None = None

    def release_at(self, index: int) -> QuarantineRelease | None:
        """Return the order by which the values of a slot are taken as measured."""
        return self.release if self.release is not None and index <= self.release.until else None


class SlotRecord(msgspec.Struct, frozen=True):
    """What changes with every slot, part by part; empty if a part has not begun.

    ``first_errors``: by target. ``today``: scores of the day under way, by target.
    """

    head: ForecastHead
    ring: RingRecord
    errors: bytes
    price_levels: bytes
    large_ramps: bytes
    step_changes: bytes
    first_errors: list[bytes]
    today: list[bytes]
    guard: GuardRecord | None = None


@dataclass
class ForecastState:
    """Ring, waiting forecasts, trailing errors and scores of one zone.

    ``changed``: whether the value ``EACH_SLOT`` is to be kept again; the parts know of their own values.
    ``price_cache``: of the price part in force; ``judged``: what the guard says of the last slot; ``restored_to``: the
    newest slot that was read from the kept state. None of them is kept.
    """

    ring: SlotRing
    residuals: Residuals
    price_levels: PriceLevels
    large_ramps: LargeRamps
    step_changes: StepChanges
    waiting: dict[str, WaitingForecasts]
    scores: dict[str, Scoreboard]
    head: ForecastHead = field(default_factory=ForecastHead)
    changed: ChangedValues = field(default_factory=ChangedValues)
    served: ServedModel | None = None
    served_for: tuple[str, str] | None = None
    price_cache: Any = None
    features: RingFeatures | None = None
    watch: Watch = field(default_factory=Watch)
    judged: Judgement | None = None
    restored_to: int | None = None


def new_state(step: Step, horizons_min: tuple[int, ...], skill_days: int) -> ForecastState:
    """Return the state of a zone before its first message.

    Args:
        step: The zone's step.
        horizons_min: The forecast horizons.
        skill_days: Days in the window of the live skill.
    """
    steps = np.array(horizons_min, dtype=np.int64) // step.minutes
    targets = [target.value for target in Target]
    return ForecastState(
        ring=SlotRing(step, depth_days, max_days=MAX_DEPTH_DAYS),
        residuals=Residuals(horizons_min, step.per_day),
        price_levels=PriceLevels(len(horizons_min), step.per_day),
        large_ramps=LargeRamps(horizons_min, step),
        step_changes=StepChanges(horizons_min, step),
        waiting={name: WaitingForecasts(steps) for name in targets},
        scores={name: Scoreboard(f"scores.{name}", len(horizons_min), skill_days) for name in targets},
    )


def load_state(state: ForecastState, get: Load) -> ForecastState | None:
    """Fill an initial ``state`` from stored values; None if they are missing or of another version or step."""
    record = unpack(get(EACH_SLOT), SlotRecord, _SHAPE)
    if record is None or not state.ring.load(record.ring, get):
        return None
    state.head = record.head
    state.head.started = state.residuals.load(record.errors, get)
    state.price_levels.load(record.price_levels)
    state.large_ramps.load(record.large_ramps)
    state.step_changes.load(record.step_changes)
    load_waiting(list(state.waiting.values()), record.first_errors, get)
    for board, today in zip(state.scores.values(), record.today, strict=True):
        board.load(today, get)
    state.watch.load(record.guard, get)
    state.restored_to = state.head.last
    return state


def state_changes(state: ForecastState) -> Mapping[str, bytes | None]:
    """Return the values that changed since the last call, and count them as kept."""
    if not state.changed.take():
        return {}
    out: dict[str, bytes | None] = dict(state.ring.changes())
    out.update(state.residuals.changes())
    out.update(waiting_changes(list(state.waiting.values())))
    for board in state.scores.values():
        out.update(board.changes())
    out.update(state.watch.changes())
    record = SlotRecord(
        head=state.head,
        ring=state.ring.record(),
        errors=state.residuals.record() if state.head.started else b"",
        price_levels=state.price_levels.record(),
        large_ramps=state.large_ramps.record(),
        step_changes=state.step_changes.record(),
        first_errors=[each.record() for each in state.waiting.values()],
        today=[board.record() for board in state.scores.values()],
        guard=state.watch.record(),
    )
    return {**out, EACH_SLOT: pack(record, _SHAPE)}
