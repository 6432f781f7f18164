"""A seeded plan of a drill: faults of devices and gateways, by slot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from agents.devices.simulation import DRIFT_PER_S, LAG_S, DeviceFault
from vpp.messages import CommandOutcome

CABLE, KILL, SLOW_CLOCK = "cable_pulled", "gateway_killed", "clock_slow"
SLOW_BY_S = 300.0
"""So far behind is the clock of a gateway that comes back with a wrong one."""

NAMES: Mapping[str, frozenset[CommandOutcome]] = {
    CABLE: frozenset({CommandOutcome.NOT_REACHED}),
    DeviceFault.LAG: frozenset(
        {
            CommandOutcome.STUCK,
            CommandOutcome.CLIPPED,
            CommandOutcome.DRIFTING,
            CommandOutcome.WRONG_SIGN,
        }
    ),  # while an earlier command acts, the device shows the effect of that command
    DeviceFault.STUCK: frozenset({CommandOutcome.STUCK}),
    DeviceFault.CLIPPED: frozenset({CommandOutcome.CLIPPED}),
    DeviceFault.DRIFTING: frozenset({CommandOutcome.DRIFTING}),
    DeviceFault.REFUSING: frozenset({CommandOutcome.REFUSED}),
    DeviceFault.WRONG_SIGN: frozenset({CommandOutcome.WRONG_SIGN}),
    DeviceFault.LOCAL_MODE: frozenset({CommandOutcome.LOCAL_MODE, CommandOutcome.REFUSED}),
    DeviceFault.RESTART: frozenset({CommandOutcome.REFUSED}),
    # A register at the end of its range may be the number for a missing value, as in SunSpec.
    DeviceFault.WRONG_SCALE: frozenset(
        {CommandOutcome.IMPLAUSIBLE, CommandOutcome.DRIFTING, CommandOutcome.UNMEASURED}
    ),
    DeviceFault.GARBAGE: frozenset({CommandOutcome.IMPLAUSIBLE, CommandOutcome.UNMEASURED}),
    DeviceFault.NO_VALUE: frozenset({CommandOutcome.UNMEASURED}),
}
"""The names that each trouble may get."""

ALL = (CABLE, *(fault for fault in DeviceFault if fault in NAMES))
OF_AN_INVERTER = (CABLE, DeviceFault.REFUSING)
"""An inverter follows a limit also while it is lagging, clipped or without sun."""

_LATER = frozenset({DeviceFault.DRIFTING, DeviceFault.RESTART})
"""Troubles that a device must have followed its command before."""

GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
LEAST_SHARE, MOST_SHARE = 0.2, 0.6
"""Least and most power that is asked for, as shares of the rated power."""

BEFORE, AFTER, UNTIL = -0.1, 0.4, 0.9
"""Shares of a slot: most troubles begin before its command, some after it was followed; all end before the next."""


@dataclass(frozen=True, slots=True)
class DrillDevice:
    """A device of the drill: its gateway, and whether it is an inverter."""

    name: str
    gateway: Literal["modbus", "mqtt", "http"]
    is_inverter: bool = False

    @property
    def troubles(self) -> tuple[str, ...]:
        """What can be done to it."""
        return OF_AN_INVERTER if self.is_inverter else ALL


@dataclass(frozen=True, slots=True)
class DrillAct:
    """Something that is done: from one slot share to another, counted from the start of the run.

    ``target`` is a device, or the gateway that is killed.
    """

    kind: str
    target: str
    begins: float
    ends: float

    @property
    def is_of_a_gateway(self) -> bool:
        """Whether a gateway is killed, and started again with a right or a slow clock."""
        return self.kind in (KILL, SLOW_CLOCK)

    def shows_after_s(self, tolerance: float) -> float:
        """Return the time (s) from its begin until it is visible, with a tolerance as a share of the rated power."""
        return tolerance / DRIFT_PER_S if self.kind == DeviceFault.DRIFTING else 0.0

    @property
    def shows_for_s(self) -> float:
        """How long after its begin it can be seen at most: a lagging device gets there in the end."""
        return LAG_S if self.kind == DeviceFault.LAG else math.inf

    @property
    def is_of_a_follower(self) -> bool:
        """Whether the device must have followed its command before."""
        return self.kind in _LATER


def acts_of(devices: tuple[DrillDevice, ...], slots: int, seed: int) -> list[DrillAct]:
    """Return the acts of a drill, in order of their begin; the first and the last slot have none.

    In each slot about half of the devices are in trouble, each device with all that can be done to it in turn; in
    every third slot one gateway is killed at any moment, and its devices are left alone. Every gateway comes back with
    a slow clock first, and with a right one the next time.

    Args:
        devices: The devices.
        slots: Slots of the run.
        seed: Another seed, another order.
    """
    chance = Random(seed)  # a drill, no secret
    decks = {device.name: _deck(device, chance) for device in devices}
    gateways = sorted({device.gateway for device in devices})
    acts: list[DrillAct] = []
    for slot in range(1, slots - 1):
        killed = gateways[slot // 3 % len(gateways)] if slot % 3 == 0 else ""
        if killed:
            moment = slot + chance.uniform(0.0, 0.9)
            is_slow = (slot // 3 - 1) // len(gateways) % 2 == 0
            acts.append(DrillAct(SLOW_CLOCK if is_slow else KILL, killed, moment, moment))
        for place, device in enumerate(devices):
            if (slot + place) % 2 == 0 or device.gateway == killed:
                continue
            kind = next(decks[device.name])
            act = DrillAct(kind, device.name, slot + BEFORE, slot + UNTIL)
            acts.append(replace(act, begins=slot + AFTER) if act.is_of_a_follower else act)
    return sorted(acts, key=lambda act: act.begins)


def _deck(device: DrillDevice, chance: Random) -> Iterator[str]:
    while True:
        troubles = list(device.troubles)
        chance.shuffle(troubles)
        yield from troubles


def share_of(slot: int, place: int) -> float:
    """Return the power of a slot as a share of the rated power: another one in each slot, now up, now down.

    Multiples of the golden ratio are far from each other, whatever their number. From one to the next it is never
    further than a simulated device moves while its power settles.

    Args:
        slot: Number of the slot.
        place: Number of the device, so devices differ.
    """
    sign = 1.0 if (slot + place) % 2 == 0 else -1.0
    return sign * (LEAST_SHARE + (MOST_SHARE - LEAST_SHARE) * ((slot * GOLDEN + place * 0.3) % 1.0))
