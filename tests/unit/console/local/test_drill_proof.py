"""The proof of a drill finds each fault that a ledger and the devices' own logs can show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from agents.devices.rules import DeviceRules
from console.local.drill_proof import DrillProof, GatewayLook, LoggedCommand, SlowClock, Trouble, proof_of
from vpp.messages import CommandCause, CommandOutcome, DeviceCommand

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SLOT = timedelta(seconds=10)
RULES = {"bat": DeviceRules(nameplate_mw=5.0, settle_s=2.0, cycle_s=1.0, answer_s=1.0)}


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def command(number: int, power: float | None = None, **more: Any) -> DeviceCommand:
    start = T0 + (number - 1) * SLOT
    fields: dict[str, Any] = {
        "power_mw": float(number) if power is None else power,
        "outcome": CommandOutcome.FOLLOWED,
        "sent_at": start,
        "measured_at": start + timedelta(seconds=3),
        "named_at": start + timedelta(seconds=3),
        "valid_until": start + SLOT,
        "cause": CommandCause.SETPOINT,
    }
    return DeviceCommand(
        zone="Z",
        slot=start,
        asset_id="bat",
        sequence=number,
        revision=0,
        decision_id=f"d{number}",
        fallback_mw=0.0,
        gateway="g",
        device="bat",
        made_at=start,
        **{**fields, **more},
    )


LOOKS = [GatewayLook(at(0.5 + second)) for second in range(30)]
LEDGER = [command(number) for number in (1, 2, 3)]


TROUBLE = Trouble("bat", "stuck", at(9.5), at(19), frozenset({CommandOutcome.STUCK}))


def took(second: float, number: int | None, power: float) -> LoggedCommand:
    return LoggedCommand("bat", at(second), number, power)


def proof(ledger: list[DeviceCommand], *taken: LoggedCommand, troubles: tuple[Trouble, ...] = ()) -> DrillProof:
    return proof_of(ledger, taken, troubles, RULES, {"bat": LOOKS}, slack_s=0.5)


@pytest.mark.parametrize("keeps_number", [True, False])
def test_a_clean_ledger_proves_the_drill(keeps_number: bool) -> None:
    taken = [took(10 * n + 0.1, n + 1 if keeps_number else None, n + 1.0) for n in range(3)]
    done = proof(LEDGER, *taken)
    assert done.is_proven
    assert (done.commands, done.followed, done.taken) == (3, 3, 3)


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        pytest.param("twice", [took(0.1, 1, 1.0), took(0.5, 1, 1.0)], id="one number twice"),
        pytest.param("stale", [took(10.1, 2, 2.0), took(10.5, 1, 1.0)], id="an older number after a newer"),
        pytest.param("stale", [took(10.1, None, 2.0), took(10.5, None, 1.0)], id="an older power after a newer"),
        pytest.param("stale", [took(12.0, 1, 1.0)], id="after its end"),
        pytest.param("unrecorded", [took(0.1, 7, 1.0)], id="a number outside the ledger"),
        pytest.param("unrecorded", [took(0.1, 1, 4.0)], id="another power under a number"),
        pytest.param("unrecorded", [took(0.1, None, 3.0)], id="a power before its command was sent"),
    ],
)
def test_what_a_device_should_not_have_taken_is_found(fault: str, taken: list[LoggedCommand]) -> None:
    done = proof(LEDGER, *taken)
    assert not done.is_proven
    assert [name for name in ("twice", "stale", "unrecorded") if getattr(done, name)] == [fault]


@pytest.mark.parametrize(
    ("is_named", "late_s", "is_proven"), [(True, 10.0, True), (True, 0.0, False), (False, 10.0, False)]
)
def test_a_slow_clock_is_named_and_makes_commands_late_by_what_it_may(
    is_named: bool, late_s: float, is_proven: bool
) -> None:
    clock = SlowClock("g", at(1), ("bat",), late_s, is_named, unseen=False)
    proof = proof_of(LEDGER, [took(18.0, 1, 1.0)], [], RULES, {"bat": LOOKS}, [clock])
    assert proof.is_proven is is_proven


def test_a_command_that_a_stalled_device_took_late_came_in_time() -> None:
    assert proof(LEDGER, replace(took(13.0, 1, 1.0), stalled_s=2.0)).is_proven
    assert proof(LEDGER, replace(took(13.0, 1, 1.0), stalled_s=0.5)).stale


def test_a_number_that_stands_for_two_commands_is_found() -> None:
    assert proof([*LEDGER, command(3, power=4.5)]).twice == ("bat number 3 stands for two commands",)


def test_later_records_of_one_command_are_the_same_command() -> None:
    assert proof([*LEDGER, replace(LEDGER[2], outcome=CommandOutcome.SUPERSEDED)]).twice == ()


@pytest.mark.parametrize(
    ("named_s", "outcome", "in_time"),
    [
        (13.5, "stuck", True),
        (14.5, "stuck", True),
        (15.5, "stuck", False),
        (13.0, "clipped", False),
        (26.0, "stuck", False),
    ],
)
def test_a_difference_has_its_name_within_two_readings_after_it_can_be_seen(
    named_s: float, outcome: str, in_time: bool
) -> None:
    """Command 2 is sent at second 10, judged from second 12 on, and read each second."""
    named = command(2, outcome=CommandOutcome(outcome), measured_at=None, named_at=at(named_s))
    (only,) = proof([LEDGER[0], named], troubles=(TROUBLE,)).troubles
    assert only.in_time is in_time
    assert only.unseen is False


CABLE = replace(TROUBLE, kind="cable_pulled", names=frozenset({CommandOutcome.NOT_REACHED}))


@pytest.mark.parametrize(("looks_s", "in_time"), [((), True), ((11.5, 12.5), True), ((11.5, 12.5, 13.5), False)])
def test_the_want_of_an_answer_is_named_within_two_looks_however_long_they_take(
    looks_s: tuple[float, ...], in_time: bool
) -> None:
    named = command(2, outcome=CommandOutcome.NOT_REACHED, measured_at=None, named_at=at(17))
    looks = [GatewayLook(at(second), is_reading=False) for second in looks_s]
    (only,) = proof_of([named], [], [CABLE], RULES, {"bat": looks}).troubles
    assert only.in_time is in_time


def test_a_trouble_shows_in_a_command_that_came_while_it_lasted_or_that_was_followed_before_it() -> None:
    late = replace(TROUBLE, began=at(10.5))  # the device had taken the command of second 10 and moves as it should
    assert proof(LEDGER, troubles=(late,)).troubles[0].unseen
    drift = replace(TROUBLE, kind="drifting", began=at(14), names=frozenset({CommandOutcome.DRIFTING}))
    drift = replace(drift, is_of_a_follower=True)
    assert not proof(LEDGER, troubles=(drift,)).troubles[0].unseen
    assert proof(LEDGER, troubles=(replace(drift, began=at(12.5)),)).troubles[0].unseen


def test_stuck_cannot_be_recognised_by_a_gateway_that_did_not_see_where_the_device_was() -> None:
    waiting = command(2, outcome=CommandOutcome.PENDING, measured_at=None, named_at=None)
    blind = [look for look in LOOKS if look.at > at(10)]
    assert proof_of([waiting], [], [TROUBLE], RULES, {"bat": blind}).troubles[0].unseen
    assert not proof_of([waiting], [], [TROUBLE], RULES, {"bat": LOOKS}).troubles[0].unseen


def test_what_a_gateway_that_was_down_could_not_see_is_said_and_is_no_fault() -> None:
    (only,) = proof([LEDGER[0]], troubles=(TROUBLE,)).troubles
    assert (only.unseen, only.in_time) == (True, False)
    (blind,) = proof_of([command(2, outcome=CommandOutcome.PENDING, named_at=None)], [], [TROUBLE], RULES, {}).troubles
    assert blind.unseen


def test_a_drill_that_proves_little_proves_nothing() -> None:
    assert not proof([]).is_proven
    assert not proof([command(1, measured_at=None)]).is_proven
    assert not proof(LEDGER[:1], troubles=(TROUBLE,)).is_proven
