"""The state of the forecast step for one zone, and how it is kept as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from features.compute import RingFeatures
from features.derived_series import MAX_DEPTH_DAYS, depth_days
from features.ring import SlotRing
from models.forecast.price_levels import PriceLevels
from models.forecast.scoreboard import WAITING_FIRST, Scoreboard, WaitingForecasts, load_waiting, waiting_changes
from models.guard.watch import Judgement, Watch
from models.net_load.trailing_errors import Residuals
from models.served import ServedModel
from vpp.domain import Step, Target
from vpp.messages import Publication
from vpp.streams.reducer import Load

VERSION = 2
EACH_SLOT = "slot"
"""The value that holds what changes with every slot: one record of the changelog in place of eight."""

_TOGETHER = frozenset(
    ["head", "ring", "errors", "guard", "price.levels", WAITING_FIRST, *(f"scores.{target}.today" for target in Target)]
)
_VALUES = msgspec.msgpack.Decoder(dict[str, bytes])


class Episode(msgspec.Struct):
    """A quarantine under way: first slot, cause and channel last published, slots and MWh that were replaced.

    ``measured``: values of its slots by index, for the case that the change turns out to be real.
    """

    since: int
    cause: str
    suspect: str
    slots: int = 0
    moved_mwh: float = 0.0
    measured: list[tuple[int, dict[str, float | None]]] = []


class ForecastHead(msgspec.Struct):
    """The small part of the state that changes with every slot."""

    last: int | None = None
    last_live: int | None = None
    model: tuple[str, str] | None = None
    held: list[Publication] = []
    ended: bool = False
    started: bool = False
    episode: Episode | None = None


@dataclass
class ForecastState:
    """Ring, waiting forecasts, trailing errors and scores of one zone.

    ``judged``: what the guard says of the last slot; it is not kept.
    """

    ring: SlotRing
    residuals: Residuals
    price_levels: PriceLevels
    waiting: dict[str, WaitingForecasts]
    scores: dict[str, Scoreboard]
    head: ForecastHead = field(default_factory=ForecastHead)
    head_dirty: bool = False
    together: dict[str, bytes] = field(default_factory=dict)
    served: ServedModel | None = None
    served_for: tuple[str, str] | None = None
    features: RingFeatures | None = None
    watch: Watch = field(default_factory=Watch)
    judged: Judgement | None = None


def new_state(step: Step, horizons_min: tuple[int, ...], skill_days: int) -> ForecastState:
    """Return the state of a zone that nothing is known of.

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
        waiting={name: WaitingForecasts(steps) for name in targets},
        scores={name: Scoreboard(f"scores.{name}", len(horizons_min), skill_days) for name in targets},
    )


def load_state(state: ForecastState, get: Load) -> ForecastState | None:
    """Fill an initial ``state`` from what was kept; None where that is missing or of another version or step."""
    raw = get(EACH_SLOT)
    if raw is None or raw[0] != VERSION:
        return None
    try:
        state.together = _VALUES.decode(raw[1:])
        head = msgspec.msgpack.decode(state.together["head"], type=ForecastHead)
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError):
        return None

    def find(name: str) -> bytes | None:
        return state.together.get(name) if name in _TOGETHER else get(name)

    if not state.ring.load(find) and find("ring") is not None:
        return None
    state.head = head
    state.residuals.load(find)
    load_waiting(list(state.waiting.values()), find)
    state.watch.load(find("guard"))
    state.price_levels.load(find)
    for board in state.scores.values():
        board.load(find)
    return state


def state_changes(state: ForecastState) -> Mapping[str, bytes | None]:
    """Return the values that changed since the last call, and count them as kept."""
    out: dict[str, bytes | None] = dict(state.ring.changes())
    out.update(state.residuals.changes())
    out.update(waiting_changes(list(state.waiting.values())))
    out.update(state.price_levels.changes())
    out.update(state.watch.changes())
    for board in state.scores.values():
        out.update(board.changes())
    if state.head_dirty:
        out["head"] = msgspec.msgpack.encode(state.head)
        state.head_dirty = False
    moved = {name: value for name, value in out.items() if name in _TOGETHER and value is not None}
    if moved:
        state.together.update(moved)
        out = {name: value for name, value in out.items() if name not in moved}
        out[EACH_SLOT] = bytes([VERSION]) + msgspec.msgpack.encode(state.together)
    return out
