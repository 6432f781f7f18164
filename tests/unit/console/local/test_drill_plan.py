"""The plan of a drill: seeded, all troubles of all devices in turn, a killed gateway's devices left alone."""

from __future__ import annotations

from itertools import pairwise

from agents.devices.simulation import DeviceFault
from console.local.drill_plan import ALL, CABLE, KILL, NAMES, SLOW_CLOCK, DrillDevice, acts_of, share_of

DEVICES = (
    DrillDevice("one", "modbus"),
    DrillDevice("two", "modbus"),
    DrillDevice("three", "mqtt"),
    DrillDevice("four", "http"),
    DrillDevice("inverter", "modbus", is_inverter=True),
)


def test_a_day_has_every_trouble_of_every_device_and_kills_every_gateway() -> None:
    acts = acts_of(DEVICES, 48, seed=1)
    for device in DEVICES:
        assert {act.kind for act in acts if act.target == device.name} == set(device.troubles)
    for kind in (KILL, SLOW_CLOCK):
        assert {act.target for act in acts if act.kind == kind} == {"modbus", "mqtt", "http"}


def test_the_first_and_the_last_slot_are_calm_and_a_killed_gateway_has_no_other_trouble() -> None:
    for seed in range(20):
        acts = acts_of(DEVICES, 12, seed)
        assert all(act.begins > 0.5 and act.ends < 11 for act in acts)
        for kill in (act for act in acts if act.is_of_a_gateway):
            behind = {device.name for device in DEVICES if device.gateway == kill.target}
            assert not [a for a in acts if a.target in behind and int(a.begins + 0.5) == int(kill.begins)]


def test_one_seed_is_one_plan() -> None:
    assert acts_of(DEVICES, 12, 3) == acts_of(DEVICES, 12, 3)
    assert acts_of(DEVICES, 12, 3) != acts_of(DEVICES, 12, 4)


def test_every_fault_that_a_reading_can_show_has_its_names() -> None:
    assert set(ALL) == {CABLE, *DeviceFault} - {DeviceFault.OFFLINE}
    assert all(NAMES.values())


def test_no_two_slots_of_a_device_ask_for_the_same_power() -> None:
    for place in range(4):
        shares = [share_of(slot, place) for slot in range(96)]
        assert len({round(abs(share), 3) for share in shares}) == 96
        assert all(0.2 <= abs(share) <= 0.6 for share in shares)
        assert all(abs(abs(a) - abs(b)) > 0.1 for a, b in pairwise(shares))
