"""Code of the difference between command and measurement of a device."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from msgspec.structs import replace

from agents.devices.events import DeviceReading
from agents.devices.rules import DeviceRules
from vpp.messages import CommandOutcome, DeviceCommand

MOST_OF_NAMEPLATE = 1.25
"""Of the rated power; more is a wrong scale, a wrong word order or a broken sensor, and no overload."""

SOC_SLACK = 0.02
"""Charge may read so far outside 0 to 1; more is a wrong scale."""


def usable_reading(reading: DeviceReading, rules: DeviceRules, channel: str | None = None) -> DeviceReading:
    """Return a reading without the numbers that the device cannot have.

    Args:
        reading: What it says.
        rules: Its rated power.
        channel: The zone's channel that it measures; judged as its power is.
    """
    values = reading.values
    if channel is not None and not _is_power(values.get(channel), rules):
        values = {**values, channel: None}
    soc = reading.soc
    if soc is not None:
        soc = min(max(soc, 0.0), 1.0) if -SOC_SLACK <= soc <= 1.0 + SOC_SLACK else None
    return replace(
        reading,
        power_mw=reading.power_mw if _is_power(reading.power_mw, rules) else None,
        read_back_mw=reading.read_back_mw if _is_power(reading.read_back_mw, rules) else None,
        soc=soc,
        values=values,
    )


def condition_of(reading: DeviceReading, rules: DeviceRules) -> CommandOutcome | None:
    """Return the condition that a raw reading shows, independent of commands; None: no condition."""
    if reading.is_local:
        return CommandOutcome.LOCAL_MODE
    soc = reading.soc
    is_soc = soc is None or -SOC_SLACK <= soc <= 1.0 + SOC_SLACK
    if not (is_soc and _is_power(reading.power_mw, rules) and _is_power(reading.read_back_mw, rules)):
        return CommandOutcome.IMPLAUSIBLE
    return None


def _is_power(power_mw: float | None, rules: DeviceRules) -> bool:
    """Return whether the device can have a power; None, which is no value, it can."""
    most = MOST_OF_NAMEPLATE * rules.nameplate_mw
    return power_mw is None or (math.isfinite(power_mw) and abs(power_mw) <= most)


def outcome_of(
    command: DeviceCommand, reading: DeviceReading, start_mw: float | None, rules: DeviceRules, now: datetime
) -> CommandOutcome:
    """Return the outcome of an acknowledged command by one reading.

    With commanded power u, read-back r, measured power p, power before the command s and tolerance e (all MW):
    local mode and implausible numbers win; within the settling time nothing is judged; then the number (one smaller
    than the command's is ``refused``: the device has lost it) and the read-back, which is what the device believes
    (|r - u| > e: opposite sign is ``wrong_sign``, 0 < r/u < 1 is ``clipped``, else ``refused``); then the power (none
    is ``unmeasured``; |p - u| <= e is ``followed``; once proven any other is ``drifting``; |p - s| <= e is ``stuck``;
    opposite sign is ``wrong_sign``; short of u is ``clipped``; beyond u is ``drifting``). A device that takes a limit
    follows while -e <= p <= u + e; below -e it is ``wrong_sign``.

    Args:
        command: The command with its proof so far.
        reading: The reading.
        start_mw: Measured power when it was sent.
        rules: Tolerance and settling time.
        now: Time of the reading.
    """
    condition = condition_of(reading, rules)
    if condition is not None:
        return condition
    assert command.sent_at is not None
    settled_s = rules.settled_after_s(start_mw or 0.0, command.power_mw)
    taken_at = command.acknowledged_at or command.sent_at  # it may have taken it long after it was sent
    if now < taken_at + timedelta(seconds=settled_s):
        return CommandOutcome.PENDING
    target_mw, tolerance = command.power_mw, rules.tolerance_mw
    if reading.sequence is not None and reading.sequence < command.sequence:
        return CommandOutcome.REFUSED
    if reading.read_back_mw is not None and abs(reading.read_back_mw - target_mw) > tolerance:
        return _short(reading.read_back_mw, target_mw, tolerance) or CommandOutcome.REFUSED
    if reading.power_mw is None:
        return CommandOutcome.UNMEASURED
    return _of_power(reading.power_mw, command, start_mw, rules)


def _of_power(power_mw: float, command: DeviceCommand, start_mw: float | None, rules: DeviceRules) -> CommandOutcome:
    target_mw, tolerance = command.power_mw, rules.tolerance_mw
    if rules.is_limit and power_mw < -tolerance:
        return CommandOutcome.WRONG_SIGN
    if abs(power_mw - target_mw) <= tolerance or (rules.is_limit and power_mw < target_mw):
        return CommandOutcome.FOLLOWED
    if command.measured_at is not None:
        return CommandOutcome.DRIFTING
    if start_mw is not None and abs(power_mw - start_mw) <= tolerance:
        return CommandOutcome.STUCK
    shortfall = None if rules.is_limit else _short(power_mw, target_mw, tolerance)
    return shortfall or CommandOutcome.DRIFTING


def _short(power_mw: float, wanted_mw: float, tolerance_mw: float) -> CommandOutcome | None:
    """Return whether a power has the wrong sign or is below the commanded power; None if neither."""
    if abs(wanted_mw) <= tolerance_mw:
        return None
    if power_mw * wanted_mw < 0 and abs(power_mw) > tolerance_mw:
        return CommandOutcome.WRONG_SIGN
    if power_mw * wanted_mw > 0 and abs(power_mw) > tolerance_mw and abs(power_mw) < abs(wanted_mw):
        return CommandOutcome.CLIPPED
    return None
