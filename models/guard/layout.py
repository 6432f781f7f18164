"""The layout of the guard of one zone: channels, horizons, lags, and the packed state that goes with them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from features.derived_series import Terms, published_terms
from vpp.domain import LOAD, NET_LOAD, NET_LOAD_CHANNELS, Step
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats, Floats32, Ints

LONGEST_MIN = 360
HORIZONS_MIN = (60, 90, 120, 180, 240, 360)
MIDDLE_MIN = 120
SEASON_DAYS = (1, 2, 3, 6, 7, 14)
WINDOW_DAYS = 16
VARIANCE_SLOTS = 12
MAX_CHANNELS = 3
GROUPS = 48
SEEN = 8
DECKS = 4


class Shape(NamedTuple):
    """The zone's constants for the kernel; ``rows`` of a window are the channels, the primary one first, then net load.

    ``row``, ``ahead``: channel row and horizon (slots) of each of S forecast streams; those of the primary channel come
    first, by horizon. ``first``, ``middle``, ``last``: stream of the shortest, the two-hour and the six-hour horizon of
    each row. ``lags`` (slots) and ``days``: of the inputs. ``signs``: of each channel in net load. ``net``: row of net
    load, the primary row where there is one channel alone. ``companions``: number of other supply channels.
    """

    row: Ints
    ahead: Ints
    first: Ints
    middle: Ints
    last: Ints
    lags: Ints
    days: Ints
    signs: Floats
    per_day: int
    groups: int
    channels: int
    net: int
    horizons: int
    companions: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Which data the guard of a zone reads.

    ``channels``: measured parts of net load, load first. ``published``: terms of the published forecast of each row,
    None if there is none. ``companions``: other supply of the zone, witnesses of its load. ``balances``: per
    independent total its channel and the signs of its parts.
    """

    step: Step
    channels: tuple[str, ...]
    published: tuple[Terms | None, ...]
    companions: tuple[str, ...]
    balances: tuple[Terms, ...]

    @staticmethod
    def of(zone: Zone, have: Collection[str]) -> Layout | None:
        """Return the layout for a zone whose data hold the channels ``have``; None without a part of net load."""
        channels = tuple(c for c in NET_LOAD_CHANNELS if c in have)
        if not channels and NET_LOAD in have:
            channels = (NET_LOAD,)
        if not channels or (LOAD not in channels and channels != (NET_LOAD,)):
            return None
        names = channels if len(channels) == 1 else (*channels, NET_LOAD)
        published = tuple(published_terms(name, have) for name in names)
        companions = tuple(c for c in zone.companions if c in have) if len(channels) > 1 else ()
        balances: list[Terms] = [
            ((balance.total, -1.0), *balance.parts.items())
            for balance in zone.balances
            if balance.total in have and set(balance.parts) <= set(have)
        ]
        return Layout(zone.step, channels, published, companions, tuple(balances))

    @property
    def names(self) -> tuple[str, ...]:
        """Channel of each row."""
        return self.channels if len(self.channels) == 1 else (*self.channels, NET_LOAD)

    @property
    def reads(self) -> tuple[str, ...]:
        """All measured channels that it reads, totals and companions included."""
        totals = [channel for terms in self.balances for channel, _ in terms]
        return tuple(dict.fromkeys((*self.channels, *totals, *self.companions)))

    @property
    def longest(self) -> int:
        """The longest horizon in slots."""
        return max(LONGEST_MIN // self.step.minutes, 2)

    @property
    def window(self) -> int:
        """Slots of the past, the newest included, that a window holds."""
        return WINDOW_DAYS * self.step.per_day + self.longest + 4

    def shape(self) -> Shape:
        """Return the constants for the kernel."""
        minutes, per_day = self.step.minutes, self.step.per_day
        ahead = sorted({1, 2, 3, *(max(m // minutes, 1) for m in HORIZONS_MIN)})
        ahead = [h for h in ahead if h <= self.longest]
        short = sorted({1, min(max(MIDDLE_MIN // minutes, 1), self.longest), self.longest})
        rows = len(self.names)
        of_row = [ahead, *([short] * (rows - 1))]
        row = [r for r in range(rows) for _ in of_row[r]]
        steps = [h for hs in of_row for h in hs]
        starts = np.cumsum([0, *(len(hs) for hs in of_row)])
        middle = [starts[r] + of_row[r].index(short[len(short) // 2]) for r in range(rows)]
        lags = sorted({1, 2, 3, 4, 6, 12, *(m // minutes for m in (120, 360, 720, 1440, 2880, 10080))} - {0})
        signs = [1.0 if c in (LOAD, NET_LOAD) else -1.0 for c in self.channels]
        return Shape(
            row=np.array(row),
            ahead=np.array(steps),
            first=starts[:-1].copy(),
            middle=np.array(middle),
            last=starts[1:] - 1,
            lags=np.array(lags),
            days=np.array(SEASON_DAYS),
            signs=np.array(signs),
            per_day=per_day,
            groups=min(per_day, GROUPS),
            channels=len(self.channels),
            net=rows - 1,
            horizons=len(ahead),
            companions=len(self.companions),
        )


class State(NamedTuple):
    """What the guard remembers of a zone; float32 views of one buffer, so keeping it loses no bit.

    ``waiting``: forecasts (MW) by stream and origin. ``trusted``: by origin, 1 unless a quarantined value stood there.
    ``late``: absolute errors that enter the scales six hours after their slot. ``scale``: mean absolute error (MW) by
    stream and slot of the day, ``ratio``: recent error over it. ``bias``, ``gap_scale``, ``gap_ratio``, ``gaps``: the
    same of measured minus published. ``recent``: standardised one-step errors of load and net load. ``companions``:
    past values. ``seen``: the newest values by channel as measured. ``patience``: of the patient deck. ``quarantine``:
    see ``models.guard.quarantine_kernel``. ``spent``: see ``models.guard.budget_kernel``.
    ``usual_drift``: mean drift of a day, MW.
    """

    waiting: Floats32
    trusted: Floats32
    late: Floats32
    scale: Floats32
    ratio: Floats32
    bias: Floats32
    gap_scale: Floats32
    gap_ratio: Floats32
    gaps: Floats32
    recent: Floats32
    companions: Floats32
    seen: Floats32
    patience: Floats32
    quarantine: Floats32
    spent: Floats32
    usual_drift: Floats32


QUARANTINE = 8
SPENT = DECKS + 1


def state_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array of a state."""
    streams, ring = len(shape.row), int(shape.ahead.max()) + 1
    scaled = streams + 2
    return {
        "waiting": (streams, ring),
        "trusted": (ring,),
        "late": (scaled, ring),
        "scale": (scaled, shape.groups),
        "ratio": (scaled,),
        "bias": (shape.groups,),
        "gap_scale": (shape.groups,),
        "gap_ratio": (1,),
        "gaps": (shape.per_day,),
        "recent": (2, VARIANCE_SLOTS),
        "companions": (max(shape.companions, 1), ring),
        "seen": (shape.channels, SEEN),
        "patience": (2,),
        "quarantine": (QUARANTINE,),
        "spent": (SPENT,),
        "usual_drift": (1,),
    }


def view_state(buffer: Floats32, shape: Shape) -> State:
    """Return the arrays of a state as views of one buffer.

    Raises:
        ValueError: The buffer has another size.
    """
    views, at = {}, 0
    for name, size in state_shapes(shape).items():
        count = int(np.prod(size))
        views[name] = buffer[at : at + count].reshape(size)
        at += count
    if at != buffer.size:
        raise ValueError(f"a state of {buffer.size} values, but the zone's has {at}")
    return State(**views)


def state_size(shape: Shape) -> int:
    """Return the number of float32 values of a state."""
    return sum(int(np.prod(size)) for size in state_shapes(shape).values())


def new_buffer(shape: Shape) -> Floats32:
    """Return the buffer of a state that nothing is known of."""
    buffer = np.full(state_size(shape), np.nan, dtype=np.float32)
    state = view_state(buffer, shape)
    state.trusted[:] = 1.0
    state.scale[:] = 0.0
    state.ratio[:] = 1.0
    state.bias[:] = 0.0
    state.gap_scale[:] = 0.0
    state.gap_ratio[:] = 1.0
    state.patience[:] = 0.0
    state.quarantine[:] = 0.0
    state.spent[:] = 0.0
    state.usual_drift[:] = 0.0
    return buffer


def kept_rows(shape: Shape) -> tuple[Ints, Ints]:
    """Return the rows of the stored state: values that change together share a row, so a slot writes few rows.

    The first row changes with every slot. Then comes a row for each slot of the day, and one for each origin whose
    forecasts wait.

    Returns:
        Places in the buffer in the order in which they are kept, shape (size,), and where each row begins in it.
    """
    at = view_state(np.arange(state_size(shape), dtype=np.float32), shape)
    first = np.concatenate(
        [at.ratio, at.gap_ratio, *at.recent, *at.seen, at.patience, at.quarantine, at.spent, at.usual_drift]
    )
    gaps = np.array_split(at.gaps, shape.groups)
    by_group = [np.concatenate([at.scale[:, g], [at.bias[g], at.gap_scale[g]], gaps[g]]) for g in range(shape.groups)]
    rings = np.vstack([at.waiting, at.trusted, at.late, at.companions])
    rows = [first, *by_group, *rings.T]
    return np.concatenate(rows).astype(np.int64), np.cumsum([0, *(row.size for row in rows[:-1])])
