"""Code of the difference between command and measurement of a device."""

from __future__ import annotations

from datetime import datetime, timedelta

from agents.devices.events import DeviceReading
from agents.devices.rules import DeviceRules
from vpp.messages import CommandOutcome, DeviceCommand


def outcome_of(
    command: DeviceCommand, reading: DeviceReading, start_mw: float | None, rules: DeviceRules, now: datetime
) -> CommandOutcome:
    """Return what one reading says about a command that the device has acknowledged.

    With told power u, read-back r, measured power p, power before the command s and tolerance e (all MW):
    local mode wins; within the settling time nothing is judged; then the read-back, which is what the device believes
    (|r - u| > e: opposite sign is ``wrong_sign``, 0 < r/u < 1 is ``clipped``, else ``refused``); then the power
    (|p - u| <= e is ``followed``; |p - s| <= e is ``stuck``; opposite sign is ``wrong_sign``; short of u is
    ``clipped``; once proven, or beyond u, it is ``drifting``). A device that takes a limit follows while p <= u + e.

    Args:
        command: The command with its proof so far.
        reading: The reading.
        start_mw: Measured power when it was sent.
        rules: Tolerance and settling time.
        now: Time of the reading.
    """
    if reading.is_local:
        return CommandOutcome.LOCAL_MODE
    assert command.sent_at is not None
    settled_s = rules.settled_after_s(start_mw or 0.0, command.power_mw)
    if now < command.sent_at + timedelta(seconds=settled_s):
        return CommandOutcome.PENDING
    wanted, tolerance = command.power_mw, rules.tolerance_mw
    if reading.read_back_mw is not None and abs(reading.read_back_mw - wanted) > tolerance:
        return _short(reading.read_back_mw, wanted, tolerance) or CommandOutcome.REFUSED
    power = reading.power_mw
    if power is None:
        return CommandOutcome.PENDING
    if abs(power - wanted) <= tolerance or (rules.is_limit and power < wanted):
        return CommandOutcome.FOLLOWED
    if command.measured_at is not None or rules.is_limit:
        return CommandOutcome.DRIFTING
    if start_mw is not None and abs(power - start_mw) <= tolerance:
        return CommandOutcome.STUCK
    return _short(power, wanted, tolerance) or CommandOutcome.DRIFTING


def _short(power_mw: float, wanted_mw: float, tolerance_mw: float) -> CommandOutcome | None:
    """Return whether a power has the wrong sign or stays short of what is wanted; None where it does neither."""
    if abs(wanted_mw) <= tolerance_mw:
        return None
    if power_mw * wanted_mw < 0 and abs(power_mw) > tolerance_mw:
        return CommandOutcome.WRONG_SIGN
    if power_mw * wanted_mw > 0 and abs(power_mw) > tolerance_mw and abs(power_mw) < abs(wanted_mw):
        return CommandOutcome.CLIPPED
    return None
