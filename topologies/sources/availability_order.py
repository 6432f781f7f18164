"""Turns rows into raw records in order of availability.

Each row gives an observation at the end of its slot and parts of publications at the times that the catalogue names.
Publications go before observations of the same time, zones in order of name. Rows are read ``MAX_LEAD`` ahead of
what is sent and never all at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
import numpy as np
import pandas as pd

from vpp.files.cells.availability import ASSET_MARK, MAX_LEAD, available_at, is_forecast, is_published
from vpp.files.slots import COVERED
from vpp.fleet.schema import Zone
from vpp.messages import AssetReading, End, Observation, Promotion, Publication, Raw, Values

WARM_UP = timedelta(days=60)
PRODUCER = "source"
_PUBLICATION, _OBSERVATION = 0, 1

Refit = Callable[[Zone, datetime], Promotion | None]
"""Trains the model of a zone on rows before ``now`` and returns its promotion, or None to keep the model in force."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which slots are sent.

    Attributes:
        start: First slot that counts; None: the first row's.
        end: End of the range, exclusive; None: all rows.
        warm_up: Rows this long before ``start`` are sent as history.
        shift: Added to every time that is sent (whole weeks, for ``--now``).
    """

    start: datetime | None = None
    end: datetime | None = None
    warm_up: timedelta = WARM_UP
    shift: timedelta = timedelta(0)

    @property
    def first_row(self) -> datetime | None:
        """First slot to read."""
        return None if self.start is None else self.start - self.warm_up

    @property
    def read_until(self) -> datetime | None:
        """End of the rows to read: publications reach past the last slot."""
        return None if self.end is None else self.end + MAX_LEAD


class Drift(Protocol):
    """What retrains models out of turn, where forecasts have drifted."""

    def zones(self, now: datetime) -> Iterable[str]:
        """Return the zones that are due at a run clock (shifted as what is sent)."""
        ...

    def retrain(self, zone: Zone, now: datetime) -> Promotion | None:
        """Retrain a zone on rows before ``now`` (unshifted), and return what came of it."""
        ...


@dataclass(frozen=True, slots=True)
class Refits:
    """Times at which models are retrained.

    Attributes:
        hook: Called at the window's start and every ``every`` after it.
        every: Time between refits; None: none after the start.
        since: From when on it is called, for a resume.
        anchor: Where refits are counted from, for a run that continues; None: the window's start.
        drift: Asked each time the clock moves on; None: refits come by the calendar only.
    """

    hook: Refit
    every: timedelta | None = None
    since: datetime | None = None
    anchor: datetime | None = None
    drift: Drift | None = None


def replay_messages(
    chunks: Iterable[pd.DataFrame],
    zones: Mapping[str, Zone],
    *,
    window: Window | None = None,
    neighbours: Mapping[str, Zone] | None = None,
    refits: Refits | None = None,
) -> Iterator[Raw]:
    """Yield the raw records of ``zones`` in order of availability, one ``end`` per zone last.

    Args:
        chunks: Rows in order of time, as ``reader.iter_chunks`` yields them; they may begin before the window.
        zones: The zones to send, by name; ``channels`` says what each has (None: every column of the chunks).
        window: Range, warm-up and shift.
        neighbours: Zones whose published values go to the zones that list them; they send nothing of their own.
        refits: The hook that promotes models at refit slots, after all that was available then.

    Yields:
        ``Observation``, ``Publication``, ``Promotion`` and ``End``. ``sent_at`` is the time of availability, which is
        the run clock; history has none.
    """
    merge = _Merge(zones, neighbours or {}, window or Window())
    plan = _RefitPlan(refits, zones) if refits else None
    for chunk in chunks:
        merge.add(chunk)
        for due, message in merge.ready():
            if plan:
                yield from plan.before(due, merge)
            yield merge.shifted(message)
    for due, message in merge.rest():
        if plan:
            yield from plan.before(due, merge)
        yield merge.shifted(message)
    for name in sorted(zones):
        last = merge.last_slot.get(name)
        yield End(zone=name, producer=PRODUCER, last_slot=None if last is None else last + merge.window.shift)


def refit_times(start: datetime, every: timedelta | None, anchor: datetime | None = None) -> Iterator[datetime]:
    """Yield the start of a run, then every refit after it, counted from ``anchor`` (by default the start)."""
    yield start
    if every is None:
        return
    first = anchor or start
    n = (start - first) // every + 1
    while True:
        yield first + n * every
        n += 1


class _RefitPlan:
    def __init__(self, refits: Refits, zones: Mapping[str, Zone]) -> None:
        self._refits = refits
        self._zones = zones
        self._times: Iterator[datetime] | None = None
        self._next: datetime | None = None
        self._last: datetime | None = None

    def before(self, instant: datetime, merge: _Merge) -> Iterator[Promotion]:
        """Yield the promotions that are due before a record available at ``instant``."""
        if self._times is None:
            if merge.start is None:
                return
            self._times = refit_times(merge.start, self._refits.every, self._refits.anchor)
            self._next = next(self._times)
        while self._next is not None and instant > self._next:
            now, self._next = self._next, next(self._times, None)
            if self._refits.since is None or now >= self._refits.since:
                for name in sorted(self._zones):
                    yield from sent(self._refits.hook(self._zones[name], now), now + merge.window.shift)
        if self._last is not None and instant > self._last and self._refits.drift is not None:
            yield from after_drift(self._refits.drift, self._zones, self._last, merge.window.shift)
        self._last = instant


def sent(promotion: Promotion | None, at: datetime) -> Iterator[Promotion]:
    """Yield a promotion as a source sends it at a time; nothing if there is none."""
    if promotion is not None:
        yield msgspec.structs.replace(promotion, available_at=at, sent_at=at)


def after_drift(
    drift: Drift, zones: Mapping[str, Zone], now: datetime, shift: timedelta = timedelta(0)
) -> Iterator[Promotion]:
    """Yield the promotions of zones that drifted, in order of name.

    Args:
        drift: Which zones drifted, and their retraining.
        zones: Those of the source.
        now: Time of the data.
        shift: Added to every time that is sent.
    """
    for name in sorted(set(drift.zones(now + shift)) & zones.keys()):
        yield from sent(drift.retrain(zones[name], now), now + shift)


@dataclass(slots=True)
class _PublicationGroup:
    """Values published at one time: channel to (slot, value), in order of slots."""

    zone: str
    step_min: int
    series: dict[str, list[tuple[datetime, float | None]]] = field(default_factory=dict)


class _Merge:
    """Rows that were read and not yet sent."""

    def __init__(self, zones: Mapping[str, Zone], neighbours: Mapping[str, Zone], window: Window) -> None:
        self.window = window
        self.start = window.start
        self.last_slot: dict[str, datetime] = {}
        self._zones = zones
        self._known = {**neighbours, **zones}
        self._receivers: dict[str, list[str]] = {}
        for name in sorted(zones):
            for other in zones[name].neighbours:
                if other in self._known:
                    self._receivers.setdefault(other, []).append(name)
        self._heap: list[tuple[datetime, int, str, int, Observation | None]] = []
        self._groups: dict[tuple[datetime, str], _PublicationGroup] = {}
        self._read_to: datetime | None = None
        self._count = 0

    def add(self, chunk: pd.DataFrame) -> None:
        """Take the next rows."""
        if chunk.empty:
            return
        slots = chunk["slot"].to_numpy()
        if self.start is None:
            self.start = _utc(slots[0])
        names = chunk["zone"].to_numpy()
        for name in dict.fromkeys(names):
            if name in self._known:
                self._add_zone(self._known[name], chunk[names == name])
        self._read_to = _utc(slots[-1])

    def ready(self) -> Iterator[tuple[datetime, Raw]]:
        """Yield what no later row can come before."""
        if self._read_to is None:
            return
        until = self._read_to - MAX_LEAD
        while self._heap and self._heap[0][0] < until:
            yield from self._pop()

    def rest(self) -> Iterator[tuple[datetime, Raw]]:
        """Yield all that is left."""
        while self._heap:
            yield from self._pop()

    def shifted(self, message: Raw) -> Raw:
        """Return the message with every time moved by the window's shift, and its run clock where it is not history."""
        shift = self.window.shift
        match message:
            case Observation():
                length = timedelta(seconds=message.duration_s) if message.duration_s else self._step(message.zone)
                sent_at = None if message.history else message.slot + length + shift
                if not shift and sent_at is None:
                    return message
                begin = None if message.run_from is None else message.run_from + shift
                return msgspec.structs.replace(message, slot=message.slot + shift, sent_at=sent_at, run_from=begin)
            case Publication():
                at = message.available_at + shift
                return msgspec.structs.replace(
                    message,
                    available_at=at,
                    first_slot=message.first_slot + shift,
                    sent_at=None if message.history else at,
                )
            case _:
                return message

    def _step(self, name: str) -> timedelta:
        return self._zones[name].step.delta

    def _pop(self) -> Iterator[tuple[datetime, Raw]]:
        due, rank, name, _, observation = heapq.heappop(self._heap)
        if rank == _OBSERVATION and observation is not None:
            if not observation.history:
                self.last_slot[name] = self._zones[name].step.floor(observation.slot)
            yield due, observation
            return
        publication = _publication(self._groups.pop((due, name)), due, history=due <= (self.start or due))
        if publication is not None:
            yield due, publication

    def _add_zone(self, zone: Zone, rows: pd.DataFrame) -> None:
        slots = [_utc(slot) for slot in rows["slot"].to_numpy()]
        names = [name for name in rows.columns if name not in ("slot", "zone", COVERED)]
        if zone.zone in self._zones:
            self._observations(zone, rows, slots, names)
            mine = [name for name in names if _has(zone, name) and is_published(zone, name)]
            self._publications(zone, zone.zone, rows, slots, mine, prefix="")
        for receiver in self._receivers.get(zone.zone, ()):
            channels = [name for name in names if is_published(zone, name)]
            self._publications(zone, receiver, rows, slots, channels, prefix=f"{zone.zone}:")

    def _observations(self, zone: Zone, rows: pd.DataFrame, slots: list[datetime], names: list[str]) -> None:
        observed = [n for n in names if not n.startswith(ASSET_MARK) and not is_forecast(n) and _has(zone, n)]
        measured = [n for n in names if n.startswith(ASSET_MARK)]
        values = _rows_of(rows, observed)
        readings = _rows_of(rows, measured)
        length = zone.step.delta
        covered = _rows_of(rows, [COVERED]) if COVERED in rows.columns else [{}] * len(rows)
        first, end, start = self.window.first_row, self.window.end, self.start or slots[0]
        for i, slot in enumerate(slots):
            if (first is not None and slot < first) or (end is not None and slot >= end):
                continue
            message = Observation(
                zone=zone.zone,
                slot=slot,
                values=values[i],
                duration_s=covered[i].get(COVERED),
                assets=_assets(readings[i]),
                history=slot < start,
                run_from=start if slot < start else None,
            )
            self._push(slot + length, _OBSERVATION, zone.zone, message)

    def _publications(
        self, zone: Zone, receiver: str, rows: pd.DataFrame, slots: list[datetime], names: list[str], *, prefix: str
    ) -> None:
        first, end = self.window.first_row, self.window.end
        columns = [(name, _rows_of(rows, [name])) for name in names]
        for i, slot in enumerate(slots):
            if first is not None and slot < first:
                continue
            for name, values in columns:
                due = available_at(zone, name, slot)
                if end is not None and due >= end:
                    continue
                group = self._groups.get((due, receiver))
                if group is None:
                    group = self._groups[(due, receiver)] = _PublicationGroup(receiver, zone.step_min)
                    self._push(due, _PUBLICATION, receiver, None)
                group.series.setdefault(prefix + name, []).append((slot, values[i][name]))

    def _push(self, due: datetime, rank: int, name: str, message: Observation | None) -> None:
        self._count += 1
        heapq.heappush(self._heap, (due, rank, name, self._count, message))


def _publication(group: _PublicationGroup, due: datetime, *, history: bool) -> Publication | None:
    series = {name: points for name, points in group.series.items() if any(v is not None for _, v in points)}
    if not series:
        return None
    first = min(points[0][0] for points in series.values())
    last = max(points[-1][0] for points in series.values())
    step = timedelta(minutes=group.step_min)
    length = (last - first) // step + 1
    filled: dict[str, list[float | None]] = {}
    for name, points in series.items():
        values: list[float | None] = [None] * length
        for slot, value in points:
            values[(slot - first) // step] = value
        filled[name] = values
    return Publication(
        zone=group.zone,
        available_at=due,
        first_slot=first,
        step_min=group.step_min,
        series=filled,
        history=history,
    )


def _has(zone: Zone, channel: str) -> bool:
    return zone.channels is None or channel in zone.channels


def _rows_of(rows: pd.DataFrame, names: list[str]) -> list[Values]:
    columns: list[list[float | None]] = []
    for name in names:
        values = rows[name].to_numpy(dtype=np.float64)
        plain: list[float | None] = values.tolist()
        for i in np.flatnonzero(np.isnan(values)):
            plain[i] = None
        columns.append(plain)
    if not names:
        return [{} for _ in range(len(rows))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _assets(readings: Values) -> dict[str, AssetReading]:
    fields: dict[str, dict[str, float]] = {}
    for name, value in readings.items():
        if value is not None:
            asset, _, reading = name.removeprefix(ASSET_MARK).rpartition(":")
            fields.setdefault(asset, {})[reading] = value
    return {asset: AssetReading(**values) for asset, values in fields.items()}  # type: ignore[arg-type]


def _utc(stamp: Any) -> datetime:
    return datetime.fromtimestamp(int(stamp.astype("datetime64[s]").astype(np.int64)), UTC)
