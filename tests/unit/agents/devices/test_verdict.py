"""Faults in kind: whatever is wrong with a device is named within two readings, and the plant learns of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.devices.events import DeviceAnswered, DeviceRead, DeviceReading, HeartbeatSent, SendCommand, SetpointCame
from agents.devices.proof import CommandReducer, CommandState
from agents.devices.rules import DeviceRules
from agents.devices.simulation import LAG_S, DeviceFault, DeviceKind, SimulatedDevice
from agents.devices.verdict import condition_of, usable_reading
from vpp.messages import AssetReading, CommandOutcome, DeviceCommand, Setpoint

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SLOT_S, CYCLE_S = 60.0, 1.0
RATED_MW = 5.0

NAMES = {
    DeviceFault.CLIPPED: {CommandOutcome.CLIPPED},
    DeviceFault.STUCK: {CommandOutcome.STUCK},
    DeviceFault.WRONG_SIGN: {CommandOutcome.WRONG_SIGN},
    DeviceFault.REFUSING: {CommandOutcome.REFUSED},
    DeviceFault.LOCAL_MODE: {CommandOutcome.LOCAL_MODE},
    DeviceFault.DRIFTING: {CommandOutcome.DRIFTING},
    DeviceFault.LAG: {CommandOutcome.STUCK},
    DeviceFault.WRONG_SCALE: {CommandOutcome.IMPLAUSIBLE, CommandOutcome.DRIFTING},
    DeviceFault.GARBAGE: {CommandOutcome.IMPLAUSIBLE},
    DeviceFault.NO_VALUE: {CommandOutcome.UNMEASURED},
}


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


@dataclass
class Loop:
    """A reducer and a simulated device in one loop; the device shows its read-back and its number, or not."""

    kind: DeviceKind = "battery"
    shows_read_back: bool = True
    shows_sequence: bool = True
    device: SimulatedDevice = field(init=False)
    state: CommandState = field(default_factory=CommandState)
    ledger: list[DeviceCommand] = field(default_factory=list)
    second: float = 0.0

    def __post_init__(self) -> None:
        self.device = SimulatedDevice(self.kind, RATED_MW, energy_mwh=1000.0, ramp_s=1.0)
        rules = DeviceRules(
            nameplate_mw=RATED_MW, settle_s=3.0, cycle_s=CYCLE_S, grace_s=10.0, is_limit=self.kind == "inverter"
        )
        self.reducer = CommandReducer(rules, zone="Z", asset_id="bat", device="bat", gateway="g")

    def reading(self) -> DeviceReading:
        return DeviceReading(
            power_mw=self.device.shown_mw,
            soc=self.device.soc,
            read_back_mw=self.device.read_back_mw if self.shows_read_back else None,
            is_local=self.device.is_local,
            sequence=self.device.sequence if self.shows_sequence else None,
        )

    def step(self, event: SetpointCame | DeviceRead | DeviceAnswered | HeartbeatSent) -> None:
        for action in self.reducer.step(self.state, event):
            if isinstance(action, SendCommand):
                message = action.command
                took = self.device.take(message.power_mw, self.second, sequence=message.sequence)
                answer = DeviceAnswered(at(self.second), message.sequence, accepted=took, last=self.device.sequence)
                self.step(answer)
            else:
                self.ledger.append(action.command)

    def offer(self, slot: int, power: float) -> None:
        start = at(slot * SLOT_S)
        setpoint = Setpoint(
            zone="Z",
            slot=start,
            asset_id="bat",
            power_mw=power,
            valid_until=start + timedelta(seconds=SLOT_S),
            decision_id=f"d{slot}",
            reason="",
        )
        self.step(SetpointCame(at(self.second), setpoint, start, setpoint.valid_until))

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds / CYCLE_S)):
            self.second += CYCLE_S
            self.device.advance(self.second)
            self.step(DeviceRead(at(self.second), self.reading()))
            self.step(HeartbeatSent(at(self.second)))
            self.device.beat(self.second)

    @property
    def asset(self) -> AssetReading:
        return self.reducer.asset_reading(self.state, at(self.second))

    def first(self, outcomes: set[CommandOutcome]) -> DeviceCommand:
        return next(command for command in self.ledger if command.outcome in outcomes)


POWERS = st.floats(min_value=0.2 * RATED_MW, max_value=RATED_MW) | st.floats(
    min_value=-RATED_MW, max_value=-0.2 * RATED_MW
)


@given(fault=st.sampled_from(sorted(NAMES)), power=POWERS, read_back=st.booleans(), sequence=st.booleans())
@settings(max_examples=200)
def test_a_fault_is_named_within_two_readings_and_a_mended_device_follows_again(
    fault: DeviceFault, power: float, read_back: bool, sequence: bool
) -> None:
    loop = Loop(shows_read_back=read_back, shows_sequence=sequence)
    loop.run(3)
    drifts = fault is DeviceFault.DRIFTING  # from a power that it had reached
    loop.device.faults = set() if drifts else {fault}
    loop.offer(0, power)
    loop.run(5)
    loop.device.faults = {fault}
    loop.run(10 if drifts else 0)
    named = loop.first(NAMES[fault])
    assert named.sent_at is not None
    assert named.named_at is not None
    settled = timedelta(seconds=loop.reducer.rules.settle_s)
    if not drifts:
        assert named.named_at <= named.sent_at + settled + timedelta(seconds=2 * CYCLE_S)
    assert loop.asset.outcome in NAMES[fault]
    usable = loop.asset.power_mw is None or abs(loop.asset.power_mw) <= 1.25 * RATED_MW
    assert usable
    blind = {DeviceFault.LOCAL_MODE, DeviceFault.GARBAGE, DeviceFault.NO_VALUE}
    assert loop.asset.available is (fault not in blind and loop.asset.power_mw is not None)
    loop.device.faults = set()
    loop.run(SLOT_S - loop.second % SLOT_S)
    loop.offer(1, -power)
    loop.run(6.0 + LAG_S)
    assert loop.asset.outcome == "followed"
    assert loop.asset.available is True


@pytest.mark.parametrize("read_back", [True, False])
@pytest.mark.parametrize("sequence", [True, False])
@pytest.mark.parametrize("default_mw", [0.0, 1.0, -1.0])
def test_a_restarted_device_is_commanded_anew_where_it_shows_what_it_holds(
    read_back: bool, sequence: bool, default_mw: float
) -> None:
    loop = Loop(shows_read_back=read_back, shows_sequence=sequence)
    loop.device.safe_default_mw = default_mw
    loop.run(3)
    loop.offer(0, 4.0)
    loop.run(6)
    loop.device.restart()
    loop.run(8)
    if read_back or sequence:
        differs = {CommandOutcome.REFUSED, CommandOutcome.CLIPPED, CommandOutcome.WRONG_SIGN}
        assert loop.first({CommandOutcome.REFUSED} if sequence else differs).sequence == 1
        assert [taken.sequence for taken in loop.device.taken] == [1, 2]
        assert loop.asset.outcome == "followed"
    else:
        assert loop.asset.outcome == "drifting"


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (DeviceFault.REFUSING, "refused"),
        (DeviceFault.LOCAL_MODE, "local_mode"),
        (DeviceFault.STUCK, "stuck"),
        (DeviceFault.GARBAGE, "implausible"),
    ],
)
def test_an_inverter_that_does_not_keep_its_limit_is_named_and_out_of_reach(fault: DeviceFault, outcome: str) -> None:
    """The plant measures no curtailment: an inverter that differs is derated by its availability."""
    loop = Loop(kind="inverter")
    loop.run(3)
    loop.device.faults = {fault}
    loop.offer(0, 1.0)
    loop.run(6)
    assert (loop.asset.outcome, loop.asset.available, loop.asset.power_mw) == (outcome, False, None)


@given(
    power=st.none() | st.floats(),
    read_back=st.none() | st.floats(),
    soc=st.none() | st.floats(),
    value=st.none() | st.floats(),
)
def test_no_number_that_a_device_cannot_have_passes(
    power: float | None, read_back: float | None, soc: float | None, value: float | None
) -> None:
    rules = DeviceRules(nameplate_mw=RATED_MW)
    reading = DeviceReading(power_mw=power, read_back_mw=read_back, soc=soc, values={"load_mw": value})
    usable = usable_reading(reading, rules, "load_mw")
    for number in (usable.power_mw, usable.read_back_mw, usable.values["load_mw"]):
        assert number is None or abs(number) <= 1.25 * RATED_MW
    assert usable.soc is None or 0.0 <= usable.soc <= 1.0
    changed = (usable.power_mw, usable.read_back_mw) != (power, read_back) or (usable.soc is None) != (soc is None)
    assert (condition_of(reading, rules) is CommandOutcome.IMPLAUSIBLE) == changed


def test_one_garbled_reading_is_no_difference_and_no_new_number() -> None:
    loop = Loop()
    loop.run(3)
    loop.offer(0, 4.0)
    loop.run(6)
    garbled = DeviceReading(power_mw=1e9, read_back_mw=4.0, sequence=2**30)
    loop.step(DeviceRead(at(loop.second), garbled))
    assert (loop.asset.outcome, loop.asset.available, loop.asset.power_mw) == ("followed", True, None)
    loop.run(55)
    loop.offer(1, 2.0)
    assert loop.device.sequence == 2


def test_a_device_that_holds_no_number_of_a_command_never_moves_the_gateways() -> None:
    """A register with a wrong word order shows a number that no command has."""
    loop = Loop()
    for _ in range(5):
        loop.step(DeviceRead(at(1), DeviceReading(power_mw=0.0, sequence=2**32 - 1)))
    assert loop.state.sequence == 0


def test_late_repeated_and_disordered_answers_change_nothing() -> None:
    loop = Loop()
    loop.run(3)
    loop.offer(0, 4.0)
    loop.run(6)
    ledger, state = len(loop.ledger), loop.state.command
    for answer in (
        DeviceAnswered(at(9), 1, accepted=False, last=1),
        DeviceAnswered(at(9), 1, accepted=True, last=1),
        DeviceAnswered(at(9), 0, accepted=False, last=1),
        DeviceAnswered(at(9), 7, accepted=True, last=7),
    ):
        loop.step(answer)
    assert loop.state.command == state
    assert len(loop.ledger) == ledger
