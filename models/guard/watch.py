"""The guard of one zone at its slot ring: judges a closed slot and writes the accepted values into the ring.

The state is one packed buffer, kept with every slot. A guard that is not seated (its training ends later than the slot)
judges nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from features.calendar import Calendar
from features.ring import SlotRing
from models.guard.layout import Layout, State, kept_rows, new_buffer, state_size, view_state
from models.guard.member_kernel import (
    BALANCE,
    CHANGE_6,
    DAY_REPEAT,
    FAR,
    GAP,
    GIVEN_SUPPLY,
    GIVEN_SUPPLY_FAR,
    LEVEL_3,
    LEVEL_6,
    MEMBERS,
    NET_FAR,
    NET_NEXT,
    NET_VARIANCE,
    NEXT,
    RAMP,
    REPEAT,
    SECOND_MIDDLE,
    SECOND_NEXT,
    SHORT_VARIANCE,
    SLOW,
    THIRD_MIDDLE,
    THIRD_NEXT,
    VARIANCE,
)
from models.guard.part import GuardPart
from models.guard.quarantine_kernel import (
    ENDED,
    LEVEL,
    LONGEST_DAYS,
    MENDED,
    OUTPUTS,
    ROLLBACK,
    SCORE,
    STARTED,
    SUSPECTED,
    TOTAL,
    TRUST,
    VERDICT,
    WITNESSED,
    judge,
)
from models.guard.reference_kernel import ACTIVE, AGE, ALL, HELD
from models.guard.series import combined, context_of
from vpp.messages import Values
from vpp.messages.forecast import Cause
from vpp.numerics.arrays import Floats, Floats32, Ints
from vpp.streams.reducer import Load
from vpp.streams.state_codec import ValueKey, pack, unpack

CODES = (
    Cause.NONE,
    Cause.ATTACK_FORGED,
    Cause.ATTACK_REPLAYED,
    Cause.ATTACK_FROZEN,
    Cause.REGIME_CHANGE,
    Cause.SENSOR_FAULT,
)
"""Cause by the kernel's number."""

EVIDENCE = {
    NET_NEXT: "net_next",
    NET_FAR: "net_6h",
    NET_VARIANCE: "net_variance",
    NEXT: "next",
    FAR: "6h",
    VARIANCE: "variance",
    SHORT_VARIANCE: "short_variance",
    GAP: "published",
    RAMP: "ramp",
    GIVEN_SUPPLY: "supply",
    GIVEN_SUPPLY_FAR: "supply_6h",
    SECOND_NEXT: "second_next",
    SECOND_MIDDLE: "second_2h",
    THIRD_NEXT: "third_next",
    THIRD_MIDDLE: "third_2h",
    LEVEL_3: "replay_3",
    LEVEL_6: "replay_6",
    CHANGE_6: "still",
    REPEAT: "repeat",
    DAY_REPEAT: "day_repeat",
    SLOW: "drift",
    BALANCE: "balance",
}
"""Name of each member's evidence in alerts."""

SHOWN = 3
_ROW = "guard-row-1"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Judgement of the guard on one slot.

    ``channels``: what it watches. ``used``: what entered the ring in place of measured values, by channel. ``trust``:
    0-1 by channel, where below 1. ``cause``, ``suspect``: see ``vpp.messages.forecast.Verdict``. ``age``: slots
    since the last trusted value. ``evidence``: the strongest members, in powers of ten of false episodes a week.
    ``is_distrusted``: whether a forecast stands in for any value. ``is_verified``: the used values are those that an
    independent total implies. ``is_witnessed``: they are distrusted, but follow other supply of the zone, slot by slot.
    """

    channels: tuple[str, ...]
    score: float
    trust: Mapping[str, float]
    used: Values
    is_distrusted: bool
    is_verified: bool
    is_witnessed: bool
    is_replaced: bool
    started: bool
    ended: bool
    cause: Cause
    suspect: str
    age: int
    rolled_back: int
    evidence: Mapping[str, float]


class GuardRecord(msgspec.Struct, frozen=True):
    """State of a guard that has judged a slot: the index of that slot, and float32 values.

    ``buffer``: the first row of what is kept (``kept_rows``). ``rows``: how many more are kept under names of their
    own; 0: it is the whole buffer, as it was kept before there were rows.
    """

    last: int
    buffer: bytes
    rows: int = 0


@dataclass
class Watch:
    """State of the guard of one zone; ``last``: index of the slot that it judged last."""

    buffer: Floats32 | None = None
    last: int = -1
    _seated: GuardPart | None = None
    _loaded: tuple[GuardRecord, Floats32] | None = None
    _rows: tuple[Ints, Ints] = (np.empty(0, np.int64), np.empty(0, np.int64))
    _written: Floats32 | None = None
    _day: int = -1
    _context: Floats = field(default_factory=lambda: np.empty((4, 0)))

    def take(self, part: GuardPart | None) -> None:
        """Activate a newly trained guard; values learned since its training are kept if shapes agree.

        Its tables know the last episodes, so its budget is whole again.
        """
        if part is self._seated:
            return
        if part is not None:
            self._rows = kept_rows(part.shape)
            self._unfold()
        if part is None or (self.buffer is not None and self.buffer.size != state_size(part.shape)):
            self.buffer = self._written = None
        if part is not None and self.buffer is not None and self._seated is not None:
            view_state(self.buffer, part.shape).spent[:] = 0.0
        self._loaded = None
        self._seated, self._day = part, -1

    def _unfold(self) -> None:
        """Arrange the loaded state in the order of the buffer if it has the shape of the active guard."""
        order, _ = self._rows
        if self._loaded is None or self._loaded[1].size != order.size:
            return
        record, values = self._loaded
        self.buffer = values.copy()
        if record.rows:
            self.buffer[order] = self._written = values

    def judge(
        self, ring: SlotRing, index: int, values: Values, calendar: Calendar, *, released: bool = False
    ) -> Judgement | None:
        """Judge the slot whose measured values are in the ring; rejected values are replaced in the ring.

        Args:
            ring: The zone's slots; net load included.
            index: The closed slot.
            values: All channels as measured.
            calendar: The zone's calendar.
            released: Somebody vouches for the values: a quarantine ends, and none begins.

        Returns:
            None if the guard is not seated.
        """
        part = self._seated
        if part is None or not self._sit(part, index):
            return None
        assert self.buffer is not None
        layout, shape = part.layout, part.shape
        at, ahead = layout.window - 1, layout.longest
        first = index - at
        window = np.stack([ring.window(name, first, index + 1) for name in layout.names])
        published = np.stack([_published(layout, ring, row, first, index + 1 + ahead) for row in range(len(window))])
        measured = window[:, at].copy()
        columns = {name: np.array([math.nan if value is None else value]) for name, value in values.items()}
        supply = np.array([_value(values, name) for name in layout.companions])
        totals = np.array([combined(terms, columns, 1)[0] for terms in layout.balances])
        member_levels, out = np.empty(MEMBERS), np.empty(OUTPUTS)
        context = self._context_of(calendar, layout, first, index + 1 + ahead, shape.groups)
        state, fit = view_state(self.buffer, shape), part.fit
        if released:
            totals[:] = math.nan
            fit = fit._replace(alarm=np.full_like(fit.alarm, math.inf))
            state.quarantine[HELD] = LONGEST_DAYS * shape.per_day
        judge(window, published, supply, totals, context, at, index, shape, state, fit, member_levels, out)
        self.last = index
        rolled = int(out[ROLLBACK])
        for row, name in enumerate(layout.names):
            for back in range(rolled + 1):
                value = window[row, at - back]
                ring.put(name, index - back, None if math.isnan(value) else float(value))
        return _judgement(layout, out, member_levels, measured, window[:, at], state)

    def _sit(self, part: GuardPart, index: int) -> bool:
        """Return whether the guard can judge ``index``; after a gap the windows of its state restart."""
        if self.buffer is None:
            if index <= part.last:
                return False
            self.buffer, self.last = part.start.copy(), part.last
        if index != self.last + 1:
            _forget_windows(self.buffer, part)
        return True

    def _context_of(self, calendar: Calendar, layout: Layout, first: int, last: int, groups: int) -> Floats:
        per_day = layout.step.per_day
        day = last // per_day
        begin = (day * per_day) - layout.window - layout.longest - 2 * per_day
        if day != self._day:
            self._context = context_of(calendar, begin, (day + 1) * per_day + layout.longest, groups)
            self._day = day
        return np.ascontiguousarray(self._context[:, first - begin : last - begin])

    def changes(self) -> Mapping[str, bytes]:
        """Return the rows that changed since the last call, but the first, and count them as kept."""
        if self.buffer is None:
            return {}
        order, starts = self._rows
        values = self.buffer[order]
        changed = np.ones(values.size, np.bool_)
        if self._written is not None:
            changed = values.view(np.int32) != self._written.view(np.int32)
        self._written = values
        rows = np.split(values, starts[1:])
        numbers = np.flatnonzero(np.logical_or.reduceat(changed, starts)).tolist()
        return {_row_key(n): pack(rows[n].tobytes(), _ROW) for n in numbers if n > 0}

    def record(self) -> GuardRecord | None:
        """Return the state that changes with every slot, after ``changes``; None before the first judged slot."""
        if self._written is None:
            return None if self._loaded is None else self._loaded[0]
        _, starts = self._rows
        return GuardRecord(self.last, self._written[: starts[1]].tobytes(), len(starts) - 1)

    def load(self, record: GuardRecord | None, get: Load) -> None:
        """Fill from kept values.

        Args:
            record: As ``record`` returned it.
            get: Reads a row by name.
        """
        if record is None:
            return
        self.last = record.last
        rows = [unpack(get(_row_key(n)), bytes, _ROW) for n in range(1, record.rows + 1)]
        values = b"".join([record.buffer, *(row or b"" for row in rows)])
        self._loaded = record, np.frombuffer(values, np.float32)


def _row_key(number: int) -> str:
    return ValueKey("guard", number).name


def _forget_windows(buffer: Floats32, part: GuardPart) -> None:
    """Keep learned values and drop waiting forecasts and errors, which belong to other slots."""
    state, fresh = view_state(buffer, part.shape), view_state(new_buffer(part.shape), part.shape)
    for name in ("waiting", "trusted", "late", "gaps", "recent", "companions", "seen", "quarantine"):
        getattr(state, name)[:] = getattr(fresh, name)


def _published(layout: Layout, ring: SlotRing, row: int, first: int, last: int) -> Floats:
    terms = layout.published[row]
    if terms is None:
        return np.full(last - first, np.nan)
    return combined(terms, {name: ring.window(name, first, last) for name, _ in terms}, last - first)


def _value(values: Values, name: str) -> float:
    value = values.get(name)
    return math.nan if value is None else value


def _judgement(
    layout: Layout, out: Floats, member_levels: Floats, measured: Floats, entered: Floats, state: State
) -> Judgement:
    suspect, distrusted = int(out[SUSPECTED]), out[LEVEL] > 0.0
    changed = [row for row in range(len(measured)) if measured[row] != entered[row] and not math.isnan(measured[row])]
    names = layout.channels if suspect == ALL else layout.channels[suspect : suspect + 1] if suspect >= 0 else ()
    trust = round(float(out[TRUST]), 3)
    strongest = np.argsort(-member_levels, kind="stable")[:SHOWN]
    ended = bool(out[ENDED])
    return Judgement(
        channels=layout.channels,
        score=round(float(out[SCORE]), 3),
        trust=dict.fromkeys(names if distrusted else layout.channels[:1], trust) if trust < 1.0 else {},
        used={layout.names[row]: float(entered[row]) for row in changed},
        is_distrusted=bool(distrusted and not out[MENDED]),
        is_verified=bool(out[MENDED]),
        is_witnessed=bool(distrusted and out[WITNESSED]),
        is_replaced=bool(out[LEVEL] == 2.0 and not out[MENDED]),
        started=bool(out[STARTED]),
        ended=ended,
        cause=CODES[int(out[VERDICT])] if distrusted or ended else Cause.NONE,
        suspect="all" if suspect == ALL else "total" if suspect == TOTAL else names[0] if names else "",
        age=int(state.quarantine[AGE]) if state.quarantine[ACTIVE] == 1.0 else 0,
        rolled_back=int(out[ROLLBACK]),
        evidence={EVIDENCE[int(n)]: round(float(member_levels[n]), 2) for n in strongest if member_levels[n] > 0.0},
    )
