"""Commands to a device: never two for one setpoint, never an old one, and each difference has its name."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.devices.events import (
    DeviceAction,
    DeviceAnswered,
    DeviceEvent,
    DeviceRead,
    DeviceReading,
    DeviceSilent,
    GatewayStarted,
    HeartbeatSent,
    SendCommand,
    SetpointCame,
    TimePassed,
)
from agents.devices.proof import CommandReducer, CommandState
from agents.devices.rules import DeviceRules
from vpp.messages import CommandCause, CommandOutcome, DeviceCommand, Setpoint

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SLOT = timedelta(seconds=60)
RULES = DeviceRules(nameplate_mw=5.0, safe_default_mw=0.0, heartbeat_s=20.0, settle_s=3.0, grace_s=10.0)


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def setpoint(slot: int, power: float = 4.0, revision: int = 0) -> Setpoint:
    start = T0 + slot * SLOT
    return Setpoint(
        zone="Z",
        slot=start,
        asset_id="bat",
        power_mw=power,
        valid_until=start + SLOT,
        fallback_mw=0.0,
        decision_id=f"d{slot}",
        reason="",
        revision=revision,
    )


def came(second: float, slot: int, power: float = 4.0, revision: int = 0) -> SetpointCame:
    start = T0 + slot * SLOT
    return SetpointCame(at(second), setpoint(slot, power, revision), start, start + SLOT)


@dataclass
class Desk:
    """A reducer with its journal and what it asked for."""

    rules: DeviceRules = RULES
    state: CommandState = field(default_factory=CommandState)
    sent: list[tuple[datetime, DeviceCommand]] = field(default_factory=list)
    ledger: dict[tuple[datetime, int], DeviceCommand] = field(default_factory=dict)

    def __call__(self, event: DeviceEvent) -> list[DeviceAction]:
        reducer = CommandReducer(self.rules, zone="Z", asset_id="bat", device="bat", gateway="g")
        actions = reducer.step(self.state, event)
        for action in actions:
            if isinstance(action, SendCommand):
                self.sent.append((event.now, action.command))
            else:
                self.ledger[(action.command.slot, action.command.sequence)] = action.command
        return actions

    def restart(self, second: float) -> None:
        self.state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.state), type=CommandState)
        self(GatewayStarted(at(second)))

    @property
    def outcome(self) -> CommandOutcome:
        assert self.state.command is not None
        return self.state.command.outcome

    def read(self, second: float, **reading: object) -> None:
        self(DeviceRead(at(second), DeviceReading(**reading)))  # type: ignore[arg-type]

    def begin(self, power: float = 4.0, start: float = 0.0) -> None:
        """A device at ``start`` is told ``power`` at second 1 and acknowledges it."""
        self.read(0, power_mw=start)
        self(came(1, 0, power))
        self(DeviceAnswered(at(1.1), self.state.sequence, accepted=True))


def test_a_command_is_proven_from_setpoint_to_measured_power() -> None:
    desk = Desk()
    desk.begin()
    desk.read(2, power_mw=1.0, read_back_mw=4.0)
    desk.read(5, power_mw=3.95, read_back_mw=4.0)
    (proof,) = desk.ledger.values()
    times = (proof.sent_at, proof.acknowledged_at, proof.read_back_at, proof.measured_at)
    assert times == (at(1), at(1.1), at(2), at(5))
    assert proof.outcome is CommandOutcome.FOLLOWED
    assert len(desk.sent) == 1


def test_the_number_of_a_command_alone_does_not_prove_it_and_what_broke_off_in_a_write_is_sent_again() -> None:
    desk = Desk()
    desk.read(0, power_mw=0.0, read_back_mw=0.0, sequence=0)
    desk(came(1, 0, 4.0))
    desk.read(2, power_mw=0.0, read_back_mw=0.0, sequence=1)
    assert desk.state.command is not None
    assert desk.state.command.acknowledged_at is None
    desk(TimePassed(at(4)))
    assert [command.sequence for _, command in desk.sent] == [1, 1]
    desk.read(5, power_mw=0.0, read_back_mw=4.0, sequence=1)
    assert desk.state.command.acknowledged_at == at(5)


@pytest.mark.parametrize(
    ("outcome", "start", "reading"),
    [
        pytest.param(CommandOutcome.CLIPPED, 0.0, {"power_mw": 2.0}, id="power short"),
        pytest.param(CommandOutcome.CLIPPED, 0.0, {"power_mw": 2.0, "read_back_mw": 2.0}, id="read-back short"),
        pytest.param(CommandOutcome.REFUSED, 0.0, {"power_mw": 0.0, "read_back_mw": 0.0}, id="not taken"),
        pytest.param(CommandOutcome.WRONG_SIGN, 0.0, {"power_mw": -4.0, "read_back_mw": 4.0}, id="sign"),
        pytest.param(CommandOutcome.STUCK, -3.0, {"power_mw": -3.0, "read_back_mw": 4.0}, id="does not move"),
        pytest.param(CommandOutcome.DRIFTING, 0.0, {"power_mw": 4.9, "read_back_mw": 4.0}, id="beyond"),
        pytest.param(CommandOutcome.LOCAL_MODE, 0.0, {"power_mw": 0.0, "is_local": True}, id="on site"),
    ],
)
def test_a_difference_is_named_by_the_second_reading_after_settling(
    outcome: CommandOutcome, start: float, reading: dict[str, object]
) -> None:
    desk = Desk()
    desk.begin(start=start)
    desk.read(4.1, **reading)
    assert desk.outcome is CommandOutcome.PENDING
    desk.read(5.1, **reading)
    assert desk.outcome is outcome
    assert desk.state.command is not None
    assert desk.state.command.named_at == at(5.1)


def test_where_a_device_was_long_ago_does_not_make_it_stuck() -> None:
    desk = Desk()
    desk.read(-60, power_mw=2.0)
    desk(came(1, 0, 4.0))
    desk(DeviceAnswered(at(1.1), 1, accepted=True))
    for second in (5, 6):
        desk.read(second, power_mw=2.0, read_back_mw=4.0)
    assert desk.outcome is CommandOutcome.CLIPPED


def test_a_device_that_leaves_a_proven_power_drifts() -> None:
    desk = Desk()
    desk.begin()
    desk.read(5, power_mw=4.0, read_back_mw=4.0)
    for second in (6, 7):
        desk.read(second, power_mw=2.0, read_back_mw=4.0)
    assert desk.outcome is CommandOutcome.DRIFTING


def test_a_command_that_is_taken_late_has_its_time_to_settle_from_then_on() -> None:
    desk = Desk()
    desk.read(0, power_mw=0.0)
    desk(came(1, 0, 4.0))
    desk(DeviceAnswered(at(9), 1, accepted=True))
    outcomes = []
    for second, power in ((10, 2.0), (11, 2.0), (13, 4.0)):
        desk.read(second, power_mw=power, read_back_mw=4.0)
        outcomes.append(desk.outcome)
    assert outcomes == [CommandOutcome.PENDING, CommandOutcome.PENDING, CommandOutcome.FOLLOWED]


def test_a_ramp_is_waited_for() -> None:
    rules = DeviceRules(nameplate_mw=5.0, settle_s=3.0, ramp_mw_per_s=0.5)
    desk = Desk(rules)
    desk.begin()
    for second in (5, 6, 9):
        desk.read(second, power_mw=0.4 * second, read_back_mw=0.4 * second)
    assert desk.outcome is CommandOutcome.PENDING
    assert rules.ramped_mw(1.0, 4.0, 2.0) == 2.0
    assert rules.ramped_mw(1.0, -4.0, 2.0) == 0.0
    assert rules.ramped_mw(3.8, 4.0, 2.0) == 4.0


def test_a_command_without_answer_is_named_and_tried_again_under_its_number_while_it_is_valid() -> None:
    desk = Desk()
    desk(came(0, 0))
    for second in range(1, 70):
        desk(TimePassed(at(second)))
    assert {command.sequence for _, command in desk.sent} == {1}
    assert max(when for when, _ in desk.sent) < T0 + SLOT
    assert desk.outcome is CommandOutcome.NOT_REACHED


def test_a_refusal_is_final() -> None:
    desk = Desk()
    desk(came(0, 0))
    desk(DeviceAnswered(at(0.1), 1, accepted=False))
    for second in range(1, 30):
        desk(TimePassed(at(second)))
    assert desk.outcome is CommandOutcome.REFUSED
    assert len(desk.sent) == 1


def test_a_setpoint_without_a_next_ends_in_its_fallback() -> None:
    desk = Desk()
    desk.begin()
    desk(TimePassed(at(69)))
    assert len(desk.sent) == 1
    desk(TimePassed(at(70)))
    _, last = desk.sent[-1]
    assert (last.sequence, last.power_mw, last.cause) == (2, 0.0, CommandCause.FALLBACK)


def test_a_late_setpoint_is_recorded_and_never_sent() -> None:
    desk = Desk()
    desk(came(61, 0))
    assert desk.sent == []
    (late,) = desk.ledger.values()
    assert (late.sequence, late.outcome) == (0, CommandOutcome.EXPIRED)


def test_a_setpoint_waits_for_its_slot() -> None:
    desk = Desk()
    desk(came(1, 1))
    assert desk.sent == []
    desk(TimePassed(at(60)))
    assert [when for when, _ in desk.sent] == [at(60)]


def test_a_restarted_device_gets_its_command_anew_under_a_new_number() -> None:
    desk = Desk()
    desk.begin()
    desk.read(5, power_mw=4.0, read_back_mw=4.0)
    for second in (6, 7):
        desk.read(second, power_mw=0.0, read_back_mw=0.0)
    assert desk.ledger[(T0, 1)].outcome is CommandOutcome.REFUSED
    _, again = desk.sent[-1]
    assert (again.sequence, again.cause, again.power_mw) == (2, CommandCause.RESTORED, 4.0)


def test_a_device_that_has_seen_higher_numbers_gets_a_higher_one() -> None:
    desk = Desk()
    desk(came(0, 0))
    desk(DeviceAnswered(at(0.1), 1, accepted=False, last=41))
    assert desk.sent[-1][1].sequence == 42


def test_what_a_silent_device_may_be_doing() -> None:
    desk = Desk()
    desk.begin()
    desk(HeartbeatSent(at(5)))
    desk.read(6, power_mw=4.0, read_back_mw=4.0)
    reducer = CommandReducer(RULES, zone="Z", asset_id="bat", device="bat", gateway="g")
    near, gone = reducer.asset_reading(desk.state, at(20)), reducer.asset_reading(desk.state, at(26))
    assert (near.power_mw, near.available, near.outcome) == (4.0, False, "not_reached")
    assert (gone.power_mw, gone.available) == (0.0, False)


def test_a_silent_device_without_a_watchdog_may_go_on_with_its_last_command() -> None:
    desk = Desk()
    desk.begin()
    desk.read(6, power_mw=4.0, read_back_mw=4.0)
    reducer = CommandReducer(RULES, zone="Z", asset_id="bat", device="bat", gateway="g")
    assert reducer.asset_reading(desk.state, at(59)).power_mw == 4.0


@dataclass
class Device:
    """A device that takes growing numbers only and writes down what it took."""

    last: int = 0
    target: float = 0.0
    taken: list[DeviceCommand] = field(default_factory=list)

    def take(self, command: DeviceCommand) -> bool:
        if command.sequence <= self.last:
            return False
        self.last, self.target = command.sequence, command.power_mw
        self.taken.append(command)
        return True


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["setpoint", "repeat", "revision", "read", "silence", "tick", "kill", "kill_before_sending"]),
        st.floats(min_value=0.0, max_value=25.0),
        st.booleans(),
        st.booleans(),
    ),
    max_size=60,
)


@given(acts=ACTS, skews=st.lists(st.floats(min_value=-90.0, max_value=90.0), max_size=3))
@settings(max_examples=300, deadline=None)
def test_never_two_commands_and_never_an_old_one(acts: list[tuple[str, float, bool, bool]], skews: list[float]) -> None:
    """Whatever is lost, killed or repeated, and however the gateway's clock jumps at a restart."""
    desk, device, second, revision, skew = Desk(), Device(), 0.0, 0, 0.0
    jumps = list(skews)
    transmitted = 0
    for act, pause, arrives, answered in acts:
        second += pause
        slot = max(int((second + skew) // 60), 0)
        now = second + skew
        match act:
            case "setpoint":
                desk(came(now, slot, power=float(slot % 5)))
            case "repeat":
                desk(came(now, max(slot - 1, 0), power=float((slot - 1) % 5)))
            case "revision":
                revision += 1
                desk(came(now, slot, power=0.0, revision=revision))
            case "read":
                desk.read(now, power_mw=device.target, read_back_mw=device.target, sequence=device.last or None)
            case "silence":
                desk(DeviceSilent(at(now)))
            case "tick":
                desk(TimePassed(at(now)))
            case "kill" | "kill_before_sending":
                skew = jumps.pop() if jumps else skew
                desk.restart(second + skew)
        lost = act == "kill_before_sending"
        for when, command in desk.sent[transmitted:]:
            assert command.valid_until is None or when < command.valid_until
            if lost or not arrives:
                continue
            device.take(command)
            if answered:
                desk(DeviceAnswered(when, command.sequence, accepted=True, last=device.last))
        transmitted = len(desk.sent)
    numbers = [command.sequence for command in device.taken]
    assert numbers == sorted(set(numbers))
    names = [(c.slot, c.revision) for c in device.taken if c.cause is CommandCause.SETPOINT]
    assert names == sorted(set(names))
    assert all(c.sequence == 0 or (c.slot, c.sequence) in desk.ledger for c in device.taken)
