"""The command reducer: a device's commands from setpoint to measured power, each executed once and none after its end.

A command has a number that grows and never repeats. The state is written to a journal before a command is transmitted;
after a restart only the newest command, and only while it is valid, may be transmitted again, under the same number.
Each difference between command and measurement gets a name, after two readings in a row that agree on it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from agents.devices.events import (
    DeviceAction,
    DeviceAnswered,
    DeviceEvent,
    DeviceRead,
    DeviceReading,
    DeviceSilent,
    GatewayStarted,
    HeartbeatSent,
    RecordProof,
    SendCommand,
    SetpointCame,
    TimePassed,
)
from agents.devices.rules import DeviceRules
from agents.devices.verdict import condition_of, outcome_of, usable_reading
from vpp.messages import AssetReading, CommandCause, CommandOutcome, DeviceCommand, Setpoint

MAX_RESTORED = 3
"""Most commands per setpoint to a device that loses them."""

CONFIRMATIONS = 2
"""Readings in a row that must agree on a difference before it is named."""

MOST_SEQUENCE = 2**31 - 1
"""A greater number in a device is none of a command: a wrong word order, or a register that holds another thing."""


class WaitingSetpoint(msgspec.Struct, frozen=True):
    """A setpoint whose slot has not begun, or that is about to be made a command."""

    setpoint: Setpoint
    starts_at: datetime
    ends_at: datetime


class CommandState(msgspec.Struct):
    """What is remembered of one device; it is journalled before each transmission.

    Attributes:
        sequence: Number of the newest command.
        newest: (slot, revision) of the newest setpoint that was taken or refused as too late.
        command: The newest command with its proof so far.
        waiting: The next setpoint, until its slot begins.
        before_mw: Power of the command before it.
        start_mw: Measured power when the command was sent.
        tried_at: When it was last transmitted.
        restored: How often it was rebuilt because the device lost it.
        suspect: A difference seen once, waiting for a second reading.
        ahead: Readings in a row that show a number greater than the command's.
        condition: What the last reading says of the device whatever it was asked for, ``local_mode`` or
            ``implausible``; ``conditions``: in so many readings in a row.
        measures: It has given its power at least once.
        heard_at: Last sign of life.
        beat_at: Last heartbeat that the device took.
        reading: Last reading, without the numbers that the device cannot have.
    """

    sequence: int = 0
    newest: tuple[datetime, int] | None = None
    command: DeviceCommand | None = None
    waiting: WaitingSetpoint | None = None
    before_mw: float | None = None
    start_mw: float | None = None
    tried_at: datetime | None = None
    restored: int = 0
    suspect: CommandOutcome | None = None
    ahead: int = 0
    condition: CommandOutcome | None = None
    conditions: int = 0
    measures: bool = False
    heard_at: datetime | None = None
    beat_at: datetime | None = None
    reading: DeviceReading | None = None


class CommandReducer:
    """The commands of one device. ``step`` reads no clock: each event brings its time.

    Args:
        rules: How the device is judged.
        zone: Zone of its asset.
        asset_id: The asset.
        device: Name of the device.
        gateway: Name of the gateway.
    """

    def __init__(self, rules: DeviceRules, *, zone: str, asset_id: str, device: str, gateway: str) -> None:
        self.rules = rules
        self._zone = zone
        self._asset_id = asset_id
        self._device = device
        self._gateway = gateway

    def step(self, state: CommandState, event: DeviceEvent) -> list[DeviceAction]:
        """Change the state by one event and return the resulting actions, in order."""
        match event:
            case SetpointCame():
                return self._offered(state, event)
            case DeviceAnswered():
                return self._answered(state, event)
            case DeviceRead():
                self._note(state, event)
                return [*self._judged(state, event), *self._timed(state, event.now)]
            case HeartbeatSent():
                state.heard_at = state.beat_at = event.now
                return []
            case DeviceSilent() | TimePassed():
                return self._timed(state, event.now)
            case GatewayStarted():
                return self._resumed(state, event.now)

    def _offered(self, state: CommandState, event: SetpointCame) -> list[DeviceAction]:
        setpoint = event.setpoint
        name = (setpoint.slot, setpoint.revision)
        if state.newest is not None and name <= state.newest:
            return []
        state.newest = name
        waiting = WaitingSetpoint(setpoint, event.starts_at, event.ends_at)
        if event.now >= event.ends_at:
            return [self._too_late(waiting, event.now)]
        state.waiting = waiting
        return self._timed(state, event.now)

    def _command(self, waiting: WaitingSetpoint, sequence: int, cause: CommandCause, now: datetime) -> DeviceCommand:
        setpoint = waiting.setpoint
        return DeviceCommand(
            zone=self._zone,
            slot=setpoint.slot,
            asset_id=self._asset_id,
            sequence=sequence,
            revision=setpoint.revision,
            decision_id=setpoint.decision_id,
            power_mw=setpoint.power_mw,
            fallback_mw=setpoint.fallback_mw,
            cause=cause,
            outcome=CommandOutcome.PENDING,
            gateway=self._gateway,
            device=self._device,
            made_at=now,
            valid_until=waiting.ends_at,
        )

    def _too_late(self, waiting: WaitingSetpoint, now: datetime) -> RecordProof:
        """Return the record of a setpoint that is never sent, since its slot is over."""
        late = self._command(waiting, 0, CommandCause.SETPOINT, now)
        return RecordProof(replace(late, outcome=CommandOutcome.EXPIRED, named_at=now))

    def _put(self, state: CommandState, command: DeviceCommand, now: datetime) -> list[DeviceAction]:
        """Make a command the newest one and transmit it; the one before it is over."""
        before = state.command
        actions: list[DeviceAction] = []
        if before is not None and before.outcome is CommandOutcome.PENDING:
            actions.append(RecordProof(replace(before, outcome=CommandOutcome.SUPERSEDED)))
        state.before_mw = None if before is None else before.power_mw
        state.sequence = command.sequence
        state.command = replace(command, sent_at=now)
        state.tried_at, state.suspect = now, None
        is_fresh = state.reading is not None and self.is_reachable(state, now)
        state.start_mw = state.reading.power_mw if is_fresh and state.reading is not None else None
        return [*actions, SendCommand(state.command), RecordProof(state.command)]

    def _timed(self, state: CommandState, now: datetime) -> list[DeviceAction]:
        waiting = state.waiting
        if waiting is not None and now >= waiting.starts_at:
            state.waiting = None
            state.restored = 0
            if now < waiting.ends_at:
                following = self._command(waiting, state.sequence + 1, CommandCause.SETPOINT, now)
                return self._put(state, following, now)
            return [self._too_late(waiting, now), *self._timed(state, now)]
        command = state.command
        if command is None:
            return []
        if self._is_over(command, now):
            fallback_command = renewed(command, state.sequence + 1, CommandCause.FALLBACK, now)
            fallback_command = replace(fallback_command, power_mw=command.fallback_mw, valid_until=None)
            return self._put(state, fallback_command, now)
        return self._retried(state, command, now)

    def _is_over(self, command: DeviceCommand, now: datetime) -> bool:
        grace = timedelta(seconds=self.rules.grace_s)
        return command.valid_until is not None and now >= command.valid_until + grace

    def _retried(self, state: CommandState, command: DeviceCommand, now: datetime) -> list[DeviceAction]:
        """Transmit commands without an answer again, with the same number."""
        waits = command.acknowledged_at is None and command.outcome is not CommandOutcome.REFUSED
        answer = timedelta(seconds=self.rules.answer_s)
        if not waits or state.tried_at is None or abs(now - state.tried_at) < answer:
            return []
        actions = self._named(state, CommandOutcome.NOT_REACHED, now)
        if command.valid_until is None or now < command.valid_until:
            state.tried_at = now
            assert state.command is not None
            actions.append(SendCommand(state.command))
        return actions

    def _resumed(self, state: CommandState, now: datetime) -> list[DeviceAction]:
        """Wait for the time of an answer before sending again, so the device can show its current command."""
        state.tried_at = now
        return self._timed(state, now)

    def _answered(self, state: CommandState, event: DeviceAnswered) -> list[DeviceAction]:
        state.heard_at = event.now
        command = state.command
        if command is None or event.sequence != command.sequence or command.acknowledged_at is not None:
            return []  # a late, out-of-order or repeated answer; readings judge an acknowledged command
        last = 0 if event.last is None else event.last
        is_repeat = last == command.sequence and state.tried_at != command.sent_at  # refuses a repeat
        if not event.accepted and command.sequence < last <= MOST_SEQUENCE:
            return self._renumbered(state, command, last, event.now)
        if not (event.accepted or is_repeat):
            return self._named(state, CommandOutcome.REFUSED, event.now)
        outcome = CommandOutcome.PENDING if command.outcome is CommandOutcome.NOT_REACHED else command.outcome
        state.command = replace(command, acknowledged_at=event.now, outcome=outcome)
        return [RecordProof(state.command)]

    def _note(self, state: CommandState, event: DeviceRead) -> None:
        """Take a reading; without a command, also the device's higher sequence number, for a journal may be lost."""
        condition = condition_of(event.reading, self.rules)
        state.conditions = 0 if condition is None else state.conditions + 1 if condition is state.condition else 1
        reading = usable_reading(event.reading, self.rules)
        state.heard_at, state.reading, state.condition = event.now, reading, condition
        state.measures = state.measures or reading.power_mw is not None
        ahead = state.sequence < (reading.sequence or 0) <= MOST_SEQUENCE
        state.ahead = state.ahead + 1 if ahead else 0
        if state.command is None and ahead and reading.sequence is not None:
            state.sequence = reading.sequence

    def _renumbered(self, state: CommandState, command: DeviceCommand, last: int, now: datetime) -> list[DeviceAction]:
        if command.valid_until is not None and now >= command.valid_until:
            return self._named(state, CommandOutcome.EXPIRED, now)
        over = RecordProof(replace(command, outcome=CommandOutcome.SUPERSEDED))
        state.command = None
        return [over, *self._put(state, replace(command, sequence=last + 1, outcome=CommandOutcome.PENDING), now)]

    def _judged(self, state: CommandState, event: DeviceRead) -> list[DeviceAction]:
        """Judge the newest command by a reading, which may also prove that it was taken."""
        command, now = state.command, event.now
        if command is None or command.sent_at is None:
            return []
        if command.acknowledged_at is not None:
            return self._compared(state, command, event)
        if state.ahead >= CONFIRMATIONS:
            return self._renumbered(state, command, event.reading.sequence or 0, now)
        if self._shows(event.reading, command, state.before_mw):
            actions = self._answered(state, DeviceAnswered(now, command.sequence, accepted=True))
            assert state.command is not None
            return [*actions, *self._compared(state, state.command, event)]
        if state.condition is CommandOutcome.LOCAL_MODE and state.conditions >= CONFIRMATIONS:
            return self._named(state, CommandOutcome.LOCAL_MODE, now)
        return []

    def _compared(self, state: CommandState, command: DeviceCommand, event: DeviceRead) -> list[DeviceAction]:
        """Compare a reading with an acknowledged command; a difference is named when a second reading confirms it."""
        reading, now = event.reading, event.now
        proof = replace(command, read_back_mw=reading.read_back_mw, measured_mw=reading.power_mw)
        takes = reading.read_back_mw is not None and self._agrees(reading.read_back_mw, command.power_mw)
        if takes and command.read_back_at is None:
            proof = replace(proof, read_back_at=now)
        outcome = outcome_of(proof, reading, state.start_mw, self.rules, now)
        if outcome is CommandOutcome.FOLLOWED and command.measured_at is None:
            proof = replace(proof, measured_at=now)
        state.command = proof
        is_changed = (proof.read_back_at, proof.measured_at) != (command.read_back_at, command.measured_at)
        is_confirmed = outcome is state.suspect
        is_difference = outcome not in (CommandOutcome.PENDING, CommandOutcome.FOLLOWED)
        state.suspect = outcome if is_difference else None
        if outcome is CommandOutcome.FOLLOWED:
            return self._named(state, outcome, now, always=is_changed)
        if not is_confirmed:
            return [RecordProof(proof)] if is_changed else []
        actions = self._named(state, outcome, now)
        was_proven = command.read_back_at is not None or command.measured_at is not None
        is_lost = command.read_back_at is not None and not takes and state.condition is None
        if was_proven and (is_lost or outcome is CommandOutcome.REFUSED):
            actions += self._restored(state, now)
        return actions

    def _shows(self, reading: DeviceReading, command: DeviceCommand, before_mw: float | None) -> bool:
        """Return whether a reading proves that the device took a command whose answer was lost."""
        if reading.sequence is not None and reading.sequence != command.sequence:
            return False
        if reading.read_back_mw is None:
            return reading.sequence is not None
        if not self._agrees(reading.read_back_mw, command.power_mw):
            return False  # the number alone is there: the line broke, or the device restarted, in the middle of a write
        is_new = before_mw is not None and not self._agrees(before_mw, command.power_mw)
        return is_new or reading.sequence is not None

    def _agrees(self, one_mw: float, other_mw: float) -> bool:
        return abs(one_mw - other_mw) <= self.rules.tolerance_mw

    def _restored(self, state: CommandState, now: datetime) -> list[DeviceAction]:
        """Command a device that lost its command, as after a restart, under a new number."""
        command = state.command
        if command is None or state.restored >= MAX_RESTORED:
            return []
        if command.valid_until is not None and now >= command.valid_until:
            return []
        state.restored += 1
        return self._put(state, renewed(command, state.sequence + 1, CommandCause.RESTORED, now), now)

    def _named(
        self, state: CommandState, outcome: CommandOutcome, now: datetime, *, always: bool = False
    ) -> list[DeviceAction]:
        command = state.command
        if command is None or (command.outcome is outcome and not always):
            return []
        state.command = replace(command, outcome=outcome, named_at=now)
        return [RecordProof(state.command)]

    def is_reachable(self, state: CommandState, now: datetime) -> bool:
        """Return whether the device gave a sign of life within two cycles and its time to answer.

        A sign from the future is one from before the clock was set back: the next one counts.
        """
        patience = timedelta(seconds=2 * self.rules.cycle_s + self.rules.answer_s)
        return state.heard_at is not None and abs(now - state.heard_at) <= patience

    def may_be_mw(self, state: CommandState, now: datetime) -> float | None:
        """Return the power that the device may have: measured, else its last command until its watchdog acts.

        A device out of reach follows its last command until ``heartbeat_s`` after the last heartbeat, then its own
        default; one that never took a heartbeat has no watchdog. None: nothing was ever commanded or measured.
        """
        if self.is_reachable(state, now) and state.reading is not None:
            return state.reading.power_mw
        if state.heard_at is None:
            return None
        if state.beat_at is not None and abs(now - state.beat_at) > timedelta(seconds=self.rules.heartbeat_s):
            return self.rules.safe_default_mw
        if state.command is not None:
            return state.command.power_mw
        return None if state.reading is None else state.reading.power_mw

    def asset_reading(self, state: CommandState, now: datetime) -> AssetReading:
        """Return the asset's reading for the plant: power, SoC, whether it answers, and the name of a difference.

        The plant derates by measured power. An asset that gives none it can use, though it differs, or did before, is
        not available.
        """
        reachable = self.is_reachable(state, now)
        reading = state.reading
        outcome = None if state.command is None else state.command.outcome
        if state.condition is not None and state.conditions >= CONFIRMATIONS:
            outcome = state.condition
        if not reachable:
            outcome = CommandOutcome.NOT_REACHED
        power = None if self.rules.is_limit else self.may_be_mw(state, now)
        blind = (
            outcome is not None
            and outcome.is_difference
            and power is None
            and (state.measures or outcome is not CommandOutcome.UNMEASURED)
        )
        return AssetReading(
            power_mw=power,
            soc=None if reading is None or not reachable else reading.soc,
            available=reachable and outcome is not CommandOutcome.LOCAL_MODE and not blind,
            outcome=None if outcome is None else outcome.value,
        )


def renewed(command: DeviceCommand, sequence: int, cause: CommandCause, now: datetime) -> DeviceCommand:
    """Return a command rebuilt, of which nothing is proven yet.

    Args:
        command: The command before it.
        sequence: Its own number, greater than all before.
        cause: Why it is made.
        now: When it is made.
    """
    return replace(
        command,
        sequence=sequence,
        cause=cause,
        outcome=CommandOutcome.PENDING,
        made_at=now,
        acknowledged_at=None,
        read_back_at=None,
        read_back_mw=None,
        measured_at=None,
        measured_mw=None,
        named_at=None,
    )
