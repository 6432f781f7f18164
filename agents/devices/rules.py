"""Limits, times and tolerances by which one device is judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceRules:
    """The rules of one device. All times are wall time in seconds, all powers MW, positive into the grid.

    Attributes:
        nameplate_mw: Its rated power; tolerances scale with it.
        safe_default_mw: Its power after ``heartbeat_s`` without a heartbeat.
        heartbeat_s: Time without a heartbeat after which the device goes to its default.
        answer_s: Time without an answer after which a command counts as not received.
        settle_s: So long after it took a command its power may still move; a ramp comes on top.
        cycle_s: Time between two readings.
        grace_s: So long after a setpoint's end its successor may still come before the fallback is sent.
        tolerance: Share of the nameplate by which commanded and measured power may differ.
        ramp_mw_per_s: Fastest change that may be asked of it; None: any.
        is_limit: The device takes an upper limit of its output instead of a power.
    """

    nameplate_mw: float
    safe_default_mw: float = 0.0
    heartbeat_s: float = 60.0
    answer_s: float = 2.0
    settle_s: float = 5.0
    cycle_s: float = 1.0
    grace_s: float = 30.0
    tolerance: float = 0.03
    ramp_mw_per_s: float | None = None
    is_limit: bool = False

    @property
    def tolerance_mw(self) -> float:
        """Largest difference between commanded and measured power that counts as following (MW)."""
        return self.tolerance * self.nameplate_mw

    def settled_after_s(self, from_mw: float, to_mw: float) -> float:
        """Return the longest time (s) in which the device must reach ``to_mw`` after a command, including its ramp."""
        ramp_s = 0.0 if self.ramp_mw_per_s is None else abs(to_mw - from_mw) / self.ramp_mw_per_s
        return self.settle_s + ramp_s

    def ramped_mw(self, from_mw: float, to_mw: float, over_s: float) -> float:
        """Return the power to ask for next on the way from one power to another, ``over_s`` after the last step."""
        if self.ramp_mw_per_s is None:
            return to_mw
        most = self.ramp_mw_per_s * over_s
        return from_mw + min(max(to_mw - from_mw, -most), most)
