"""The clock of a gateway: wrong by minutes it is corrected and named, beside a source it is left alone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.worlds.devices import Kept, modbus_entry, until
from topologies.gateways.clock import GatewayClock
from topologies.gateways.process import watch_clock
from topologies.sources.pace import RunClock
from vpp.messages import AlertCode, AlertEffect

TRUE_S = 1_800_000_000.0


class Machine:
    """A machine whose wall clock is off by so many seconds, for a while after its start."""

    def __init__(self, off_s: float) -> None:
        self.off_s, self.up_s = off_s, 50.0

    def clock(self, path: Path | None = None) -> GatewayClock:
        return GatewayClock(
            path, asks_log=True, wall_s=lambda: TRUE_S + self.up_s + self.off_s, monotonic_s=lambda: self.up_s
        )

    @property
    def true(self) -> datetime:
        return datetime.fromtimestamp(TRUE_S + self.up_s, UTC)


@pytest.mark.parametrize("off_s", [-420.0, 420.0])
def test_a_clock_minutes_off_shows_the_time_of_the_log(off_s: float) -> None:
    machine = Machine(off_s)
    clock = machine.clock()
    checked = [clock.is_checked]
    clock.note_written(TRUE_S + machine.up_s, machine.up_s - 0.02)
    checked.append(clock.is_checked)
    assert checked == [False, True]
    assert abs(clock.off_s - off_s) < 0.1
    for shown in (clock.now(), clock.run_now()):
        assert abs(shown - machine.true) < timedelta(seconds=0.1)
    machine.up_s, machine.off_s = 60.0, 0.0  # a time server sets it right
    assert (clock.off_s, clock.now()) == (0.0, machine.true)


def test_a_log_that_leaves_stamps_to_writers_proves_nothing() -> None:
    machine = Machine(420.0)
    clock = machine.clock()
    clock.note_written(None, machine.up_s)
    assert clock.is_checked
    assert clock.off_s == 0.0


def test_a_setpoint_read_proves_that_a_clock_is_slow() -> None:
    machine = Machine(-420.0)
    clock = machine.clock()
    clock.note_read(TRUE_S + machine.up_s - 20.0, machine.up_s)
    assert clock.off_s == -400.0


def test_beside_a_source_the_run_clock_rules(tmp_path: Path) -> None:
    path, machine = tmp_path / "clock.json", Machine(-420.0)
    RunClock.wall().write(path)
    clock = machine.clock(path)
    clock.note_read(TRUE_S + machine.up_s, machine.up_s)
    assert clock.is_checked
    assert clock.off_s == 0.0


async def test_each_zone_of_the_gateway_has_one_alert_until_the_clock_is_twice_as_wrong() -> None:
    machine, alerts, stop = Machine(-420.0), Kept(), asyncio.Event()
    clock = machine.clock()
    entries = tuple(modbus_entry("plain_battery", 1, name, zone=zone) for name, zone in (("a", "X"), ("b", "Y")))
    watching = asyncio.create_task(watch_clock(clock, alerts, "modbus", entries, stop))
    await asyncio.sleep(0.05)
    assert alerts.messages == []
    clock.note_written(TRUE_S + machine.up_s, machine.up_s)
    await until(lambda: len(alerts.messages) == 2)
    for machine.off_s in (0.0, -420.0, -500.0, 500.0):
        await asyncio.sleep(0.12)
    assert len(alerts.messages) == 2
    machine.off_s = -900.0
    await until(lambda: len(alerts.messages) == 4)
    stop.set()
    await watching
    assert {(alert.zone, alert.code, alert.effect) for alert in alerts.messages} == {
        (zone, AlertCode.CLOCK_OFF, AlertEffect.LOG_TIME_USED) for zone in ("X", "Y")
    }
    assert "420 s slow" in alerts.messages[0].text
