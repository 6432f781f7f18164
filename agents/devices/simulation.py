"""Simulated devices: a battery, an inverter or a meter with its faults. Time comes with each call, seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

DeviceKind = Literal["battery", "inverter", "meter"]


class DeviceFault(StrEnum):
    """What can be wrong with a simulated device."""

    LAG = "lag"
    STUCK = "stuck"
    CLIPPED = "clipped"
    DRIFTING = "drifting"
    REFUSING = "refusing"
    OFFLINE = "offline"
    WRONG_SIGN = "wrong_sign"
    LOCAL_MODE = "local_mode"
    RESTART = "restart"
    WRONG_SCALE = "wrong_scale"
    GARBAGE = "garbage"
    NO_VALUE = "no_value"


SHOWN_SCALE = {DeviceFault.WRONG_SCALE: 10.0, DeviceFault.GARBAGE: 1e4}
"""By how much the power that the device shows is wrong."""

LAG_S = 8.0
CLIP = 0.5
DRIFT_PER_S = 0.01


@dataclass(frozen=True, slots=True)
class TakenCommand:
    """A command that a device took: when, under which number, for which power (MW)."""

    at_s: float
    sequence: int | None
    power_mw: float


@dataclass
class SimulatedDevice:
    """One device. Powers are MW, positive into the grid; an inverter takes a limit of its output.

    ``nameplate_mw``: rated power. ``energy_mwh``: of a battery. ``safe_default_mw``: without a heartbeat for
    ``heartbeat_s`` it does that. ``ramp_s``: seconds from rest to rated power. ``efficiency``: of charge, and of
    discharge. ``energy_speed``: the store fills so many times as fast as power and time say, for a run that is faster
    than real time. ``taken``: every command that it took.
    """

    kind: DeviceKind
    nameplate_mw: float
    energy_mwh: float = 0.0
    safe_default_mw: float = 0.0
    heartbeat_s: float = 60.0
    ramp_s: float = 1.0
    efficiency: float = 0.9381
    energy_speed: float = 1.0
    soc: float = 0.5
    charged_mwh: float = 0.0
    discharged_mwh: float = 0.0
    power_mw: float = 0.0
    target_mw: float = 0.0
    sequence: int = 0
    faults: set[DeviceFault] = field(default_factory=set)
    taken: list[TakenCommand] = field(default_factory=list)
    ends_at_s: float = math.inf
    _at_s: float | None = None
    _beat_at_s: float | None = None
    _earlier: list[tuple[float, float]] = field(default_factory=list)
    _drift_mw: float = 0.0

    def __post_init__(self) -> None:
        if self.kind == "inverter":
            self.target_mw = self.safe_default_mw = self.nameplate_mw

    def take(self, power_mw: float, at_s: float, *, sequence: int | None = None, valid_for_s: float = math.inf) -> bool:
        """Take a command; return whether it is accepted. One of a number already seen changes nothing.

        Args:
            power_mw: Power, or limit of the output.
            at_s: Now.
            sequence: Its number; None for a device that keeps none.
            valid_for_s: Time after which the device goes to its default.
        """
        if DeviceFault.REFUSING in self.faults or (sequence is not None and sequence < self.sequence):
            return False
        if sequence is not None and sequence == self.sequence:
            return True
        if sequence is not None:
            self.sequence = sequence
        self.target_mw = power_mw
        self.ends_at_s = at_s + valid_for_s
        self.taken.append(TakenCommand(at_s, sequence, power_mw))
        self.beat(at_s)
        return True

    def beat(self, at_s: float) -> None:
        """Take a heartbeat."""
        self._beat_at_s = at_s

    def take_restart(self) -> bool:
        """Restart where the fault ``restart`` is set, and clear it; return whether the link must be rebuilt."""
        if DeviceFault.RESTART not in self.faults:
            return False
        self.faults.discard(DeviceFault.RESTART)
        self.restart()
        return True

    def restart(self) -> None:
        """Forget commands and heartbeats, as a device that lost its supply does."""
        self.target_mw, self.sequence, self.ends_at_s = self.safe_default_mw, 0, math.inf
        self._beat_at_s = None
        self._earlier.clear()

    @property
    def read_back_mw(self) -> float:
        """The commanded power as the device holds it."""
        return self.target_mw

    @property
    def shown_mw(self) -> float | None:
        """The power that it reports; None: no value, as with a broken sensor."""
        if DeviceFault.NO_VALUE in self.faults:
            return None
        power_mw = self.nameplate_mw if DeviceFault.GARBAGE in self.faults else self.power_mw
        return power_mw * math.prod(scale for fault, scale in SHOWN_SCALE.items() if fault in self.faults)

    @property
    def is_local(self) -> bool:
        """Whether somebody on site has control."""
        return DeviceFault.LOCAL_MODE in self.faults

    def advance(self, at_s: float) -> None:
        """Let time pass up to ``at_s``."""
        if self._at_s is None:
            self._at_s = at_s
        passed_s = max(at_s - self._at_s, 0.0)
        self._at_s = at_s
        if self.kind == "meter":
            self.power_mw = self.nameplate_mw * (0.6 + 0.2 * math.sin(at_s / 900.0))
            return
        if at_s >= self.ends_at_s or (self._beat_at_s is not None and at_s - self._beat_at_s > self.heartbeat_s):
            self.target_mw, self.ends_at_s = self.safe_default_mw, math.inf
        target_mw = self._wanted(at_s, passed_s)
        if DeviceFault.STUCK not in self.faults:
            step = self.nameplate_mw * passed_s / self.ramp_s
            self.power_mw += min(max(target_mw - self.power_mw, -step), step)
        if self.kind == "battery" and self.energy_mwh > 0:
            self._move_energy(self.power_mw * passed_s * self.energy_speed / 3600.0)

    def _move_energy(self, grid_mwh: float) -> None:
        self.discharged_mwh += max(grid_mwh, 0.0)
        self.charged_mwh += max(-grid_mwh, 0.0)
        stored = -grid_mwh / self.efficiency if grid_mwh > 0 else -grid_mwh * self.efficiency
        self.soc = min(max(self.soc + stored / self.energy_mwh, 0.0), 1.0)

    def _wanted(self, at_s: float, passed_s: float) -> float:
        self._earlier.append((at_s, self.target_mw))
        while len(self._earlier) > 1 and self._earlier[1][0] <= at_s - LAG_S:
            self._earlier.pop(0)
        target_mw = self._earlier[0][1] if DeviceFault.LAG in self.faults else self.target_mw
        if self.is_local:
            target_mw = self.safe_default_mw
        if DeviceFault.CLIPPED in self.faults:
            target_mw *= CLIP
        if DeviceFault.WRONG_SIGN in self.faults:
            target_mw = -target_mw
        self._drift_mw = (self._drift_mw + DRIFT_PER_S * self.nameplate_mw * passed_s) * (
            DeviceFault.DRIFTING in self.faults
        )
        if self.kind == "inverter":
            sun = self.nameplate_mw * (0.6 + 0.2 * math.sin(at_s / 600.0))
            return min(max(target_mw, 0.0), sun)
        if (self.soc <= 0.0 and target_mw > 0) or (self.soc >= 1.0 and target_mw < 0):
            return 0.0
        most = self.nameplate_mw
        return min(max(target_mw - math.copysign(self._drift_mw, target_mw), -most), most)  # away from its limit
