"""The simulated device: what it shows, what it takes, and how it behaves after faults."""

from __future__ import annotations

import pytest

from agents.devices.simulation import DeviceFault, DeviceKind, SimulatedDevice


def device(kind: DeviceKind = "battery", soc: float = 0.5) -> SimulatedDevice:
    return SimulatedDevice(kind, nameplate_mw=2.0, energy_mwh=1.0, heartbeat_s=60.0, soc=soc)


def run(one: SimulatedDevice, until_s: int) -> None:
    for second in range(until_s + 1):
        one.beat(second)
        one.advance(second)


def test_a_command_moves_power_and_charge_and_is_counted() -> None:
    battery = device()
    assert battery.take(1.0, 0.0, sequence=1, valid_for_s=3600.0)
    run(battery, 900)
    assert battery.power_mw == pytest.approx(1.0)
    assert battery.discharged_mwh == pytest.approx(0.25, rel=0.01)
    assert battery.soc < 0.25


def test_an_empty_battery_gives_nothing_and_a_full_one_takes_nothing() -> None:
    for soc, power_mw in ((0.0, 1.0), (1.0, -1.0)):
        battery = device(soc=soc)
        battery.take(power_mw, 0.0, sequence=1, valid_for_s=3600.0)
        run(battery, 10)
        assert battery.power_mw == 0.0


def test_an_older_number_is_refused_and_the_same_one_taken_once() -> None:
    battery = device()
    assert battery.take(1.0, 0.0, sequence=2)
    assert battery.take(1.5, 0.0, sequence=2)
    assert not battery.take(1.5, 0.0, sequence=1)
    assert [taken.power_mw for taken in battery.taken] == [1.0]


def test_a_restart_forgets_command_and_number_once() -> None:
    battery = device()
    battery.take(1.0, 0.0, sequence=5)
    assert not battery.take_restart()
    battery.faults.add(DeviceFault.RESTART)
    assert battery.take_restart()
    assert not battery.take_restart()
    assert (battery.target_mw, battery.sequence) == (battery.safe_default_mw, 0)


def test_a_command_ends_with_its_life_and_without_heartbeats() -> None:
    battery = device()
    battery.take(1.0, 0.0, sequence=1, valid_for_s=10.0)
    run(battery, 12)
    assert battery.power_mw == 0.0
    battery.take(1.0, 12.0, sequence=2, valid_for_s=3600.0)
    for second in range(13, 80):
        battery.advance(second)
    assert battery.power_mw == 0.0


def test_a_meter_shows_a_load_and_a_broken_one_no_value() -> None:
    meter = device("meter")
    run(meter, 900)
    assert 0.4 * 2.0 <= (meter.shown_mw or 0.0) <= 0.8 * 2.0
    meter.faults.add(DeviceFault.NO_VALUE)
    assert meter.shown_mw is None


def test_an_inverter_never_gives_more_than_the_sun() -> None:
    inverter = device("inverter")
    inverter.take(2.0, 0.0, sequence=1, valid_for_s=3600.0)
    run(inverter, 5)
    assert 0.0 < inverter.power_mw < 2.0
