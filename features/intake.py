"""The intake: turns raw observations of one zone into closed slots with a quality per channel, in order, once.

Slot t closes with a whole-slot record, the first later tick, or a deadline. A gap yields empty slots, so later steps
receive every slot. A repeat is dropped. A late or changed value becomes a correction, which is settled and changes no
decision. A tick with only readings of assets, as sent by gateways, closes no slot: its mean is added when the slot
closes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from features.clock_jump import MAX_HELD_BYTES, jump_alert
from features.intake_state import FREQUENCY_CLASS_HZ, MEMORY_DAYS, IntakeHead, IntakeState, SlotReadings, Ticks
from features.publications import check_publication, due_at_begin, keep_until_begin
from features.quality import Checks, check_readings, check_series, check_values
from features.quality_alerts import follow_faults, published_alerts
from features.ring import SlotRing
from vpp.domain import FREQUENCY, NET_LOAD_CHANNELS, Quality, iso, net_load_mw
from vpp.errors import MessageError
from vpp.files.cells.availability import is_forecast
from vpp.fleet.schema import Zone
from vpp.messages import (
    AssetReading,
    Correction,
    Deadline,
    End,
    Message,
    Observation,
    Order,
    Promotion,
    Publication,
    SlotClosed,
    Values,
    encode,
)
from vpp.streams.reducer import Load, Origin, Output
from vpp.streams.state_codec import pack, unpack

HEAD = "head"
_SHAPE = "intake-4"
MAX_GAP_DAYS = 7
FUTURE = timedelta(minutes=10)
PARTIAL_BELOW = 0.5
MAX_OPEN_READINGS = 8
"""Readings of assets wait for so many slots to be closed by what else the zone sends."""


class IntakeReducer:
    """Closes slots of one zone. See the module text for the rules.

    Args:
        zone: The zone; its step, channels and price limits decide what is plausible.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._step = zone.step
        self._max_gap = MAX_GAP_DAYS * zone.step.per_day

    def initial(self, zone: str) -> IntakeState:
        """Return the state of a zone before its first message."""
        return IntakeState(SlotRing(self._step, lambda _: MEMORY_DAYS, max_days=MEMORY_DAYS))

    def step(self, state: IntakeState, message: Message, origin: Origin) -> tuple[IntakeState, list[Output]]:
        """Apply one raw record.

        Raises:
            MessageError: The record cannot be read as a whole (reasons ``slot``, ``future``, ``late``,
                ``empty_values``, ``publication``); the state is unchanged. An implausible value alone is missing.
        """
        match message:
            case Observation():
                return state, self._observe(state, message, origin)
            case Publication():
                return state, self._publish(state, message)
            case Promotion() | Order():
                return state, [Output("telemetry", message)]
            case Deadline():
                return state, self._deadline(state, message, origin)
            case End():
                return state, self._end(state, message, origin)
            case _:
                raise MessageError(f"{type(message).__name__} is not a raw record", reason="schema")

    def load(self, zone: str, get: Load) -> IntakeState:
        """Return the stored state, or the initial state if it cannot be read."""
        head = unpack(get(HEAD), IntakeHead, _SHAPE)
        if head is None:
            return self.initial(zone)
        state = self.initial(zone)
        state.head, state.ticks = head, head.open
        if head.ring is None or not state.ring.load(head.ring, get):
            head.first = None
        return state

    def changes(self, state: IntakeState) -> Mapping[str, bytes | None]:
        """Return the changed state values."""
        if not state.changed:
            return {}
        state.changed = False
        changes = dict(state.ring.changes())
        state.head.open, state.head.ring = state.ticks, state.ring.record()
        return {**changes, HEAD: pack(state.head, _SHAPE)}

    def _observe(self, state: IntakeState, message: Observation, origin: Origin) -> list[Output]:
        index = self._slot_of(message)
        if not message.values and not message.assets:
            raise MessageError("the observation has no values", reason="empty_values")
        state.check_channels(message.values)
        last = state.head.last
        if last is not None and index <= last:
            return self._late(state, index, message)
        self._check_sent(index, message)
        if not message.values and message.duration_s is not None:
            return self._read_assets(state, index, message)
        warms_up = message.history and state.head.clock.may_warm_up(origin.appended_at)
        if self._is_jump(state, index, origin) and not (warms_up and self._gap(state, index) <= self._max_gap):
            return self._hold(state, message, origin)
        outputs = [*self._take_held(state, index, origin), *self._drop_held(state)]
        return [*outputs, *self._take(state, message, origin, warms_up=warms_up)]

    def _take(self, state: IntakeState, message: Observation, origin: Origin, *, warms_up: bool) -> list[Output]:
        index = self._step.index(message.slot)
        state.head.clock.note(self._gap(state, index), self._step, origin.appended_at, history=warms_up)
        if message.history and message.run_from is not None:
            state.head.run_from = self._step.index(message.run_from)
        values: Values = {channel: _finite(message.values[channel]) for channel in sorted(message.values)}
        assets, marks = check_readings(message.assets, self._zone)
        outputs: list[Output] = []
        covers_slot = message.duration_s is None or message.duration_s >= self._step.seconds
        if state.ticks is not None and state.ticks.index < index:
            outputs += self._close_until(state, state.ticks.index)
        if state.head.last is not None and index - state.head.last <= self._max_gap:
            outputs += self._close_until(state, index - 1, history=message.history)
        if not message.history:
            state.head.run_from = None
        state.head.channels = sorted({*state.head.channels, *values})
        state.changed = True
        if covers_slot:
            ticks, state.ticks = state.ticks, None
            outputs += self._close(state, index, values, assets, message.history, marks, ticks=ticks)
        else:
            self._tick(state, index, message, values, assets, marks)
        return outputs

    # Jumps in time: one record from the future may be a broken clock or a forgery, several in sequence are a real gap.
    def _gap(self, state: IntakeState, index: int) -> int:
        """Return how many slots the zone's clock would move on; 1 where it has not begun."""
        last = state.head.last if state.ticks is None else state.ticks.index
        return 1 if last is None else index - last

    def _is_jump(self, state: IntakeState, index: int, origin: Origin) -> bool:
        return not state.head.clock.explains(self._gap(state, index), self._step, origin.appended_at)

    def _newest(self, state: IntakeState) -> datetime:
        return self._step.start((state.head.last or 0) if state.ticks is None else state.ticks.index)

    def _hold(self, state: IntakeState, message: Observation, origin: Origin) -> list[Output]:
        clock, newest = state.head.clock, self._newest(state)
        if len(encode(message)) > MAX_HELD_BYTES:
            raise MessageError(f"slot {iso(message.slot)} lies {message.slot - newest} ahead", reason="future")
        is_next = clock.is_followed_by(message, self._step)
        outputs = [] if is_next else [*clock.drop(newest), jump_alert(self._zone.zone, newest, message.slot)]
        clock.hold(message, origin)
        state.changed = True
        if not clock.is_confirmed(origin.appended_at):
            return outputs
        return [*outputs, *self._release(state, origin)]

    def _release(self, state: IntakeState, origin: Origin) -> list[Output]:
        outputs = self._use(state, state.head.clock.release(), origin)
        state.head.clock.lead = 0.0
        return outputs

    def _take_held(self, state: IntakeState, index: int, origin: Origin) -> list[Output]:
        """Apply the waiting records of slots before ``index``: the clock has reached them at the run's pace."""
        return self._use(state, state.head.clock.release_before(index, self._step), origin)

    def _use(self, state: IntakeState, observations: list[Observation], origin: Origin) -> list[Output]:
        newest = self._newest(state)
        outputs = [jump_alert(self._zone.zone, newest, observations[0].slot, confirmed=True)] if observations else []
        for message in observations:
            outputs += self._take(state, message, origin, warms_up=message.history)
        return outputs

    def _drop_held(self, state: IntakeState) -> list[Output]:
        if not state.head.clock.held:
            return []
        state.changed = True
        return state.head.clock.drop(self._newest(state))

    def _slot_of(self, message: Observation) -> int:
        if message.slot.tzinfo is None:
            raise MessageError(f"slot {message.slot} has no time zone", reason="slot")
        index = self._step.index(message.slot)
        covers_slot = message.duration_s is None
        if covers_slot and self._step.start(index) != message.slot:
            raise MessageError(
                f"slot {iso(message.slot)} is not a slot start of {self._step.minutes} min", reason="slot"
            )
        if message.duration_s is not None and not 0 < message.duration_s <= self._step.seconds:
            raise MessageError(f"duration {message.duration_s} s is not within the slot", reason="slot")
        return index

    def _check_sent(self, index: int, message: Observation) -> None:
        if message.sent_at is not None and self._step.start(index) > message.sent_at + FUTURE:
            raise MessageError(
                f"slot {iso(message.slot)} lies after its sending time {iso(message.sent_at)}", reason="future"
            )

    def _late(self, state: IntakeState, index: int, message: Observation) -> list[Output]:
        old = state.closed(index)
        if old is None:
            raise MessageError(
                f"slot {iso(message.slot)} lies before the first slot, or closed more than {MEMORY_DAYS} days ago",
                reason="late",
            )
        if message.duration_s is not None and message.duration_s < self._step.seconds:
            raise MessageError(f"a tick came after slot {iso(self._step.start(index))} closed", reason="late")
        values: Values = {channel: _finite(message.values[channel]) for channel in sorted(message.values)}
        memory = Checks(seen=dict(state.head.checks.seen), level=dict(state.head.checks.level))
        checked, _ = check_values(values, self._zone, memory, self._step)
        changed: Values = {c: v for c, v in checked.items() if v is not None and v != old.get(c)}
        if not changed or message.history:
            return []
        revision = state.correct(index, changed)
        correction = Correction(
            zone=message.zone,
            slot=self._step.start(index),
            step_min=self._step.minutes,
            values=changed,
            net_load_mw=net_load_mw({**old, **changed}, self._absent(state)),
            revision=revision,
        )
        return [Output("telemetry", correction)]

    def _tick(
        self,
        state: IntakeState,
        index: int,
        message: Observation,
        values: Values,
        assets: dict[str, AssetReading],
        marks: dict[str, str],
    ) -> None:
        ticks = state.ticks if state.ticks is not None and state.ticks.index == index else Ticks(index)
        stamp = message.slot.timestamp()
        if stamp in ticks.seen:
            return
        ticks.seen.append(stamp)
        ticks.seconds += message.duration_s or 0.0
        ticks.history = message.history
        checked, quality = check_values(values, self._zone, _memory(state), self._step)
        ticks.marks |= {**marks, **{c: mark for c, mark in quality.items() if values[c] is not None}}
        for channel, value in checked.items():
            if value is not None:
                total, n = ticks.sums.get(channel, (0.0, 0))
                ticks.sums[channel] = (total + value, n + 1)
        hertz = checked.get(FREQUENCY)
        if hertz is not None:
            number = math.floor(hertz / FREQUENCY_CLASS_HZ)
            total, n = ticks.frequency.get(number, (0.0, 0))
            ticks.frequency[number] = (total + hertz, n + 1)
        ticks.assets.update(assets)
        state.ticks = ticks

    def _read_assets(self, state: IntakeState, index: int, message: Observation) -> list[Output]:
        if self._gap(state, index) > self._max_gap:
            raise MessageError(f"slot {iso(message.slot)} lies too far ahead for readings of assets", reason="future")
        open_slots = state.head.readings
        if index not in open_slots and len(open_slots) >= MAX_OPEN_READINGS:
            raise MessageError(
                f"readings of {MAX_OPEN_READINGS} slots wait, and nothing closes them",
                reason="future",
                hint="a zone needs a source of its load, or the ticker (live mode)",
            )
        slot = open_slots.setdefault(index, SlotReadings())
        slot.add(message.slot.timestamp(), *check_readings(message.assets, self._zone))
        state.changed = True
        return []

    def _close_until(self, state: IntakeState, index: int, *, history: bool = False) -> list[Output]:
        """Close every slot up to and with ``index``: the open one with its ticks, others empty."""
        outputs: list[Output] = []
        ticks = state.ticks
        if state.head.last is None and ticks is None:
            return outputs
        first = ticks.index if state.head.last is None and ticks is not None else (state.head.last or 0) + 1
        for slot in range(first, index + 1):
            if ticks is not None and slot == ticks.index:
                means: Values = {channel: total / n for channel, (total, n) in sorted(ticks.sums.items())}
                partial = ticks.seconds < PARTIAL_BELOW * self._step.seconds
                marks = dict.fromkeys(means, Quality.PARTIAL.value) if partial else {}
                refused = {channel: mark for channel, mark in ticks.marks.items() if channel not in means}
                outputs += self._close(
                    state, slot, means, ticks.assets, ticks.history, {**refused, **marks}, ticks=ticks
                )
                state.ticks = ticks = None
            else:
                outputs += self._close(state, slot, {}, {}, history or state.is_before_run(slot), {})
        return outputs

    def _close(
        self,
        state: IntakeState,
        index: int,
        values: Values,
        assets: dict[str, AssetReading],
        history: bool,
        marks: dict[str, str],
        *,
        ticks: Ticks | None = None,
    ) -> list[Output]:
        start = self._step.start(index)
        waiting = state.take_readings(index)
        assets = {**{asset_id: mean.mean() for asset_id, mean in waiting.assets.items()}, **assets}
        marks = {**waiting.marks, **marks}
        full: Values = {channel: values.get(channel) for channel in self._channels(state, values)}
        checked, quality = check_values(full, self._zone, state.head.checks, self._step)
        closed = SlotClosed(
            zone=self._zone.zone,
            slot=start,
            step_min=self._step.minutes,
            values=checked,
            net_load_mw=net_load_mw(checked, self._absent(state)),
            quality={**marks, **quality, **{c: mark for c, mark in marks.items() if checked.get(c) is None}},
            assets=dict(sorted(assets.items())),
            history=history,
            frequency_shares=[] if ticks is None else ticks.frequency_shares(),
        )
        state.close(index, checked)
        outputs = [Output("telemetry", closed)]
        if not history:
            outputs += due_at_begin(state.head.published_before, index)
            outputs += follow_faults(self._zone, self._step, index, quality, len(full), state.head.faults)
        return outputs

    def _channels(self, state: IntakeState, values: Values) -> list[str]:
        names = (channel for channel in self._zone.channels or () if not is_forecast(channel))
        return sorted({*names, *state.head.channels, *values})

    def _absent(self, state: IntakeState) -> frozenset[str]:
        """Return the parts of net load that the zone does not have; they count as 0."""
        have = self._zone.channels if self._zone.channels is not None else state.head.channels
        return frozenset(channel for channel in NET_LOAD_CHANNELS if channel not in have)

    def _deadline(self, state: IntakeState, message: Deadline, origin: Origin) -> list[Output]:
        index = self._step.index(message.slot)
        if self._is_jump(state, index, origin):
            raise MessageError(f"the deadline {iso(message.slot)} lies too far ahead", reason="future")
        if index > (state.head.last or index):
            outputs = self._take_held(state, index + 1, origin)
            state.head.clock.note(self._gap(state, index), self._step, origin.appended_at)
            return [*outputs, *self._close_until(state, index)]
        return self._close_until(state, index)

    def _publish(self, state: IntakeState, message: Publication) -> list[Output]:
        check_publication(message, self._step)
        plain = {channel: [_finite(value) for value in values] for channel, values in message.series.items()}
        series, refused = check_series(plain, self._zone, state.head.checks)
        state.changed = True
        outputs = [Output("telemetry", message if series == message.series else _with_series(message, series))]
        alerts = published_alerts(self._zone, message, refused)
        if message.history:
            keep_until_begin(state.head.published_before, message, self._step, alerts)
            return outputs
        return [*outputs, *(Output("alerts", alert) for alert in alerts)]

    def _end(self, state: IntakeState, message: End, origin: Origin) -> list[Output]:
        silent = state.head.clock.is_silent(origin.appended_at, slots=1.0)
        outputs = self._release(state, origin) if silent else self._drop_held(state)
        outputs += [] if state.ticks is None else self._close_until(state, state.ticks.index)
        last = None if state.head.last is None else self._step.start(state.head.last)
        end = End(zone=message.zone, producer="telemetry", last_slot=last)
        return [*outputs, Output("telemetry", end), Output("alerts", end)]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _with_series(message: Publication, series: dict[str, list[float | None]]) -> Publication:
    return msgspec.structs.replace(message, series=series)


def _memory(state: IntakeState) -> Checks:
    """Return the gate's memory of values without that of slots, because a tick is not a slot."""
    return Checks(seen=state.head.checks.seen, level=state.head.checks.level)
