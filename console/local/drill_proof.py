"""Proof of a drill from the command ledger: no command twice, none stale, every deviation reported in time.

The ledger is compared with what the devices took by their own log, and with the troubles that were made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from agents.devices.rules import DeviceRules
from vpp.messages import CommandOutcome, DeviceCommand

CYCLES = 2
"""Looks of the gateway after which a difference that shows has its name.

They count in place of seconds, so a busy machine, on which all comes later, proves the same.
"""

_POWER_SHARE = 0.005
"""Of the rated power: registers round a power by less."""


class LoggedCommand(msgspec.Struct, frozen=True):
    """A command that a device took, by its own log: number (None if it keeps none), power, and when.

    ``stalled_s``: so long its process did not run just then, so that it may have taken it so much later than it came.
    """

    device: str
    at: datetime
    sequence: int | None
    power_mw: float
    stalled_s: float = 0.0


class Trouble(msgspec.Struct, frozen=True):
    """Something done to a device: what, from when to when, and the names that it may get.

    ``shows_after_s``: only so long after its begin can a reading show it. ``is_of_a_follower``: it shows in a command
    that the device has followed before, and not in one that comes meanwhile.
    """

    device: str
    kind: str
    began: datetime
    ended: datetime
    names: frozenset[CommandOutcome]
    shows_after_s: float = 0.0
    is_of_a_follower: bool = False


class GatewayLook(msgspec.Struct, frozen=True):
    """A gateway looked at a device: it read it, or saw that it is out of reach."""

    at: datetime
    is_reading: bool = True


class NamedTrouble(msgspec.Struct, frozen=True):
    """A trouble with the name that the ledger gives it; None: it has none.

    Attributes:
        device: The device.
        kind: What was done to it.
        began: When.
        outcome: Its name.
        late_s: Seconds from when it could be seen to its name.
        late_cycles: Looks of the gateway from then on before the one that named it.
        in_time: It was named within two cycles.
        unseen: The gateway looked too little meanwhile to see it: it was down, or the machine too busy.
    """

    device: str
    kind: str
    began: datetime
    outcome: CommandOutcome | None = None
    late_s: float | None = None
    late_cycles: int | None = None
    in_time: bool = False
    unseen: bool = False


class SlowClock(msgspec.Struct, frozen=True):
    """A gateway restarted with a slow clock: when, and whether an alert reported it.

    ``devices``: its devices. ``late_s``: so much later may they take a command, since the embedded broker proves the
    time by the newest setpoint alone, which may be so old. ``unseen``: it looked at no device from then on; it was not
    up in time.
    """

    gateway: str
    began: datetime
    devices: tuple[str, ...]
    late_s: float
    is_named: bool
    unseen: bool


class DrillProof(msgspec.Struct, frozen=True):
    """The proof. Each fault of the list is one line that names device and number.

    Attributes:
        commands: Commands that were sent.
        followed: How many of them were proven by a measured power.
        taken: Commands that devices took, by their own logs.
        restored: Commands rebuilt for a device that had lost one.
        twice: A number that a device executed twice, or that belongs to two commands.
        stale: A command that a device took after a newer one, or after its end.
        unrecorded: A command that a device took and the ledger does not hold.
        troubles: What was done to devices, with its name.
        slow_clocks: Gateways that came back with a slow clock.
    """

    commands: int
    followed: int
    taken: int
    restored: int
    twice: tuple[str, ...]
    stale: tuple[str, ...]
    unrecorded: tuple[str, ...]
    troubles: tuple[NamedTrouble, ...]
    slow_clocks: tuple[SlowClock, ...] = ()

    @property
    def unnamed(self) -> tuple[NamedTrouble, ...]:
        """Troubles that a gateway could see and that have no name, or were named too late."""
        return tuple(trouble for trouble in self.troubles if not (trouble.in_time or trouble.unseen))

    @property
    def unnamed_clocks(self) -> tuple[SlowClock, ...]:
        """Slow clocks of gateways that no alert named."""
        return tuple(clock for clock in self.slow_clocks if not (clock.is_named or clock.unseen))

    @property
    def is_proven(self) -> bool:
        """Whether no command was executed twice or late, all are in the ledger, and all differences were reported.

        Most troubles must have been seen, and a third of the commands followed.
        """
        faults = self.twice or self.stale or self.unrecorded or self.unnamed or self.unnamed_clocks
        unseen = sum(trouble.unseen for trouble in self.troubles)
        return not faults and 2 * unseen <= len(self.troubles) and 3 * self.followed >= self.commands > 0


def proof_of(
    records: Sequence[DeviceCommand],
    logged: Iterable[LoggedCommand],
    troubles: Iterable[Trouble],
    rules: Mapping[str, DeviceRules],
    looks: Mapping[str, Sequence[GatewayLook]],
    slow_clocks: Sequence[SlowClock] = (),
    *,
    slack_s: float = 1.0,
) -> DrillProof:
    """Return the proof from the ledger.

    Args:
        records: The ledger: every record of every command, in the order in which they were written.
        logged: What devices took, in order.
        troubles: What was done to them.
        rules: How each device is judged, by name.
        looks: The gateway's looks at each device, by name, in order.
        slow_clocks: Gateways that came back with a slow clock.
        slack_s: Time for processes and networks from a write to the device's log.
    """
    newest: dict[tuple[str, int], DeviceCommand] = {}
    twice: list[str] = []
    for record in (record for record in records if record.sequence > 0):
        place = (record.device, record.sequence)
        before = newest.get(place)
        if before is not None and _asked(before) != _asked(record):
            twice.append(f"{record.device} number {record.sequence} stands for two commands")
        newest[place] = record
    by_device: dict[str, list[DeviceCommand]] = defaultdict(list)
    for command in newest.values():
        by_device[command.device].append(command)
    logs: dict[str, list[LoggedCommand]] = defaultdict(list)
    for entry in logged:
        logs[entry.device].append(entry)
    stale, unrecorded = [], []
    late_s = {device: clock.late_s for clock in slow_clocks for device in clock.devices}
    for device, log in logs.items():
        commands = sorted(by_device[device], key=lambda command: command.sequence)
        faults = _faults_of(log, commands, rules[device], slack_s + late_s.get(device, 0.0))
        twice += faults[0]
        stale += faults[1]
        unrecorded += faults[2]
    return DrillProof(
        commands=len(newest),
        followed=sum(command.measured_at is not None for command in newest.values()),
        taken=sum(map(len, logs.values())),
        restored=sum(command.cause.value == "restored" for command in newest.values()),
        twice=tuple(twice),
        stale=tuple(stale),
        unrecorded=tuple(unrecorded),
        troubles=tuple(
            _named(trouble, records, rules[trouble.device], looks.get(trouble.device, ()), slack_s)
            for trouble in troubles
        ),
        slow_clocks=tuple(slow_clocks),
    )


def _asked(command: DeviceCommand) -> tuple[datetime, int, float, str]:
    return command.slot, command.revision, command.power_mw, command.cause


def _faults_of(
    log: Sequence[LoggedCommand], commands: Sequence[DeviceCommand], rules: DeviceRules, slack_s: float
) -> tuple[list[str], list[str], list[str]]:
    """Return the commands that one device executed twice, late, or outside the ledger."""
    twice, stale, unrecorded = [], [], []
    numbers: list[int] = []
    for entry in log:
        command = _taken(entry, commands, rules)
        text = f"{entry.device} {entry.power_mw:.6g} MW at {entry.at:%H:%M:%S.%f}"
        if command is None:
            unrecorded.append(text)
            continue
        if entry.sequence is not None and entry.sequence in numbers:
            twice.append(f"{text} number {entry.sequence}")
        end = command.valid_until
        if numbers and command.sequence < max(numbers):
            stale.append(f"{text} number {command.sequence} after {max(numbers)}")
        elif end is not None and entry.at > end + timedelta(seconds=rules.answer_s + slack_s + entry.stalled_s):
            stale.append(f"{text} number {command.sequence} after its end")
        numbers.append(command.sequence)
    return twice, stale, unrecorded


def _taken(entry: LoggedCommand, commands: Sequence[DeviceCommand], rules: DeviceRules) -> DeviceCommand | None:
    """Return the command that a device executed: by its number, else the newest one sent before with this power."""

    def agrees(command: DeviceCommand) -> bool:
        return abs(command.power_mw - entry.power_mw) <= _POWER_SHARE * rules.nameplate_mw

    if entry.sequence is not None:
        return next((c for c in commands if c.sequence == entry.sequence and agrees(c)), None)
    candidates = [c for c in commands if c.sent_at is not None and c.sent_at <= entry.at and agrees(c)]
    return candidates[-1] if candidates else None


def _named(
    trouble: Trouble,
    records: Sequence[DeviceCommand],
    rules: DeviceRules,
    looks: Sequence[GatewayLook],
    slack_s: float,
) -> NamedTrouble:
    """Return a trouble with the first name that the ledger gives it while it lasts."""
    nameless = NamedTrouble(trouble.device, trouble.kind, trouble.began)
    last = trouble.ended + timedelta(seconds=CYCLES * rules.cycle_s + slack_s)
    device_records = [record for record in records if record.device == trouble.device and record.sent_at is not None]
    for record in device_records:
        at = record.named_at
        if record.outcome not in trouble.names or at is None or not trouble.began <= at <= last:
            continue
        shows_at = _shows_at(trouble, record, rules)
        cycles = sum(shows_at < look < at for look in _looks_for(trouble, looks))
        late_s = max((at - shows_at).total_seconds(), 0.0)
        return replace(nameless, outcome=record.outcome, late_s=late_s, late_cycles=cycles, in_time=cycles <= CYCLES)
    return replace(nameless, unseen=not _could_be_seen(trouble, device_records, rules, looks))


def _looks_for(trouble: Trouble, looks: Sequence[GatewayLook]) -> list[datetime]:
    """Return when the gateway looked: the want of an answer shows without a reading, all else in readings alone."""
    return [look.at for look in looks if look.is_reading or CommandOutcome.NOT_REACHED in trouble.names]


def _could_be_seen(
    trouble: Trouble, records: Iterable[DeviceCommand], rules: DeviceRules, looks: Sequence[GatewayLook]
) -> bool:
    """Return whether a gateway looked often enough, while the trouble lasted, at a command that it shows in."""
    times = _looks_for(trouble, looks)
    return any(
        sum(_shows_at(trouble, record, rules) < look < trouble.ended for look in times) > CYCLES
        for record in records
        if _shows_in(trouble, record, rules, looks)
    )


def _shows_in(trouble: Trouble, command: DeviceCommand, rules: DeviceRules, looks: Sequence[GatewayLook]) -> bool:
    """Return whether a trouble shows in a command: one followed before it, or else one sent while it lasts."""
    assert command.sent_at is not None
    if trouble.is_of_a_follower:
        is_over = command.valid_until is not None and command.valid_until < trouble.ended
        return command.measured_at is not None and command.measured_at < trouble.began and not is_over
    if not trouble.began <= command.sent_at <= trouble.ended:
        return False
    # Stuck is where it was: the gateway must have seen where that is.
    seen_since = command.sent_at - timedelta(seconds=CYCLES * rules.cycle_s + rules.answer_s)
    was_watched = any(look.is_reading and seen_since <= look.at <= command.sent_at for look in looks)
    return was_watched or CommandOutcome.STUCK not in trouble.names


def _shows_at(trouble: Trouble, record: DeviceCommand, rules: DeviceRules) -> datetime:
    """Return when a difference can be seen at the earliest: after answer or settling time of its command."""
    assert record.sent_at is not None
    began = trouble.began + timedelta(seconds=trouble.shows_after_s)
    if CommandOutcome.NOT_REACHED in trouble.names:
        return max(began, record.sent_at) + timedelta(seconds=rules.answer_s)
    if record.outcome in (CommandOutcome.LOCAL_MODE, CommandOutcome.IMPLAUSIBLE):
        return max(began, record.sent_at)
    return max(began, (record.acknowledged_at or record.sent_at) + timedelta(seconds=rules.settle_s))
