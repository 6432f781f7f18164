"""Checks measured power against setpoints and SoC against energy; derates an asset that deviates.

An asset is judged slot by slot on its readings; an asset without readings follows the twin. A slot counts if the
setpoint or the reading is more than ``ASTRAY_SHARE`` of the rated power away from rest. After ``ASTRAY_SLOTS``
consecutive deviating slots the asset is derated: to the power that it showed if it delivered a part of its setpoint,
else it is planned as unreachable. After a wait, which doubles at each failure up to a day, it is tried again with full
power. One deviating slot ends the trial; ``ASTRAY_SLOTS`` slots that follow the setpoint end the derating. An asset
whose constant readings change again is tried at once.

SoC is checked against the energy measured since its last change: ``soc' = soc + energy / capacity``, by the physics of
the asset's type. A reading more than ``SOC_TOLERANCE`` away is not used while it is constant and energy flows, else for
``SOC_HELD_H`` hours. Nor is one whose small steps add up to a drift (``agents.assets.soc_drift``).
"""

from __future__ import annotations

import msgspec

from agents.assets.soc_drift import SocDrift
from vpp.messages import Derating, DeratingCode

ASTRAY_SHARE = 0.15
"""Of the rated power; less is metering, losses and the way to a new setpoint."""

ASTRAY_SLOTS = 3
TRIAL_SLOTS = 8
"""Slots until the first trial."""

SOC_TOLERANCE = 0.1
"""Battery management systems correct their count by less than this."""

SOC_HELD_H = 6.0
LEAST_CHANGE = 1e-3
"""Change of SoC in a slot below which a reading may stand still."""


class Conduct(msgspec.Struct, omit_defaults=True):
    """Memory of how an asset follows its setpoints.

    ``astray``: consecutive judged slots that deviate from the setpoint. ``agreed``: slots that follow it since a trial
    began. ``is_still``: the reading was the same in all deviating slots. ``is_part``: in all of them it delivered a
    part of its setpoint; ``part_mw``: the lowest and highest power shown, None in a direction without setpoints.
    ``derating``: None while it is planned in full. ``is_trial``: it is tried after a derating. ``wait``: slots of the
    next wait. ``left``: slots until the next trial. ``soc``: SoC by the energy measured since the last reading that
    was used; ``soc_reading``: the last one read; ``soc_held``: slots in a row in which it was not used. ``drift``: how
    readings drift away from energy.
    """

    astray: int = 0
    agreed: int = 0
    is_still: bool = True
    is_part: bool = True
    part_mw: tuple[float | None, float | None] = (None, None)
    reading_mw: float | None = None
    derating: Derating | None = None
    is_trial: bool = False
    wait: int = TRIAL_SLOTS
    left: int = 0
    soc: float | None = None
    soc_reading: float | None = None
    soc_held: int = 0
    drift: SocDrift = msgspec.field(default_factory=SocDrift)

    @property
    def is_out(self) -> bool:
        """Whether the asset is planned as unreachable."""
        return self.derating is not None and self.derating.reach_mw is None


class Following(msgspec.Struct, frozen=True):
    """One slot of one asset.

    ``set_mw``: power of its setpoint with curves. ``low_mw`` to ``high_mw``: range of its setpoint with and without
    curves, and of its physical limits. ``measured_mw``: mean power by its reading, or by the change of SoC; None
    without both. ``rated_mw``: its greatest power.
    """

    set_mw: float
    low_mw: float
    high_mw: float
    measured_mw: float | None
    rated_mw: float


def judged(before: Conduct, slot: Following, longest_wait: int) -> Conduct:
    """Return the memory of an asset after one more slot.

    Args:
        before: Its memory before the slot.
        slot: The slot.
        longest_wait: Slots of the longest wait before a trial.
    """
    after = msgspec.structs.replace(before)
    measured = slot.measured_mw
    if before.derating is not None:
        after.left = max(before.left - 1, 0)
        moves = before.derating.code == "still" and measured is not None and measured != before.reading_mw
        if moves or after.left == 0:
            _forget_run(after)
            after.derating, after.is_trial, after.agreed = None, True, 0
    if measured is None or not slot.rated_mw > 0.0:
        return after
    if not before.is_out:
        _judge(before, after, slot, measured, longest_wait)
    after.reading_mw = measured
    return after


def _judge(before: Conduct, after: Conduct, slot: Following, measured: float, longest_wait: int) -> None:
    """Enter a slot with a reading into ``after``, and derate the asset where it is time to."""
    least = ASTRAY_SHARE * slot.rated_mw
    expected = min(max(measured, slot.low_mw), slot.high_mw)
    if abs(measured - expected) <= least:
        if abs(expected) > least:
            _forget_run(after)
            after.agreed += 1
            if after.is_trial and after.agreed >= ASTRAY_SLOTS:
                after.is_trial, after.wait = False, TRIAL_SLOTS
        return
    after.astray, after.agreed = after.astray + 1, 0
    after.is_still = after.is_still and (after.astray == 1 or measured == before.reading_mw)
    after.is_part = after.is_part and measured * expected >= 0.0 and abs(measured) < abs(expected)
    low, high = after.part_mw
    if expected < 0.0:
        after.part_mw = min(measured, low or 0.0), high
    else:
        after.part_mw = low, max(measured, high or 0.0)
    if after.astray >= (1 if after.is_trial else ASTRAY_SLOTS):
        after.derating = _derating(after, slot, measured, expected)
        after.left, after.wait = after.wait, min(2 * after.wait, max(longest_wait, TRIAL_SLOTS))
        after.is_trial = False
        _forget_run(after)


def _forget_run(conduct: Conduct) -> None:
    conduct.astray, conduct.is_still, conduct.is_part, conduct.part_mw = 0, True, True, (None, None)


def _derating(conduct: Conduct, slot: Following, measured: float, expected: float) -> Derating:
    least = ASTRAY_SHARE * slot.rated_mw
    parts_mw = [abs(part) for part in conduct.part_mw if part is not None]
    if conduct.is_part and all(part > least for part in parts_mw):
        return Derating(
            code="partly_following", asked_mw=slot.set_mw, measured_mw=measured, reach_mw=_narrowed(conduct)
        )
    code: DeratingCode = "not_following"
    if measured * expected < 0.0 and abs(measured) > least:
        code = "wrong_sign"
    elif conduct.is_still and conduct.astray >= ASTRAY_SLOTS:
        code = "still"
    return Derating(code=code, asked_mw=slot.set_mw, measured_mw=measured)


def _narrowed(conduct: Conduct) -> tuple[float | None, float | None]:
    """Return the power limits that it showed; a direction without setpoints keeps its limit."""
    low, high = conduct.part_mw
    if conduct.derating is not None and conduct.derating.reach_mw is not None:
        kept_low, kept_high = conduct.derating.reach_mw
        low, high = kept_low if low is None else low, kept_high if high is None else high
    return low, high


def checked_soc(before: Conduct, after: Conduct, reading: float, soc: tuple[float, float], hours: float) -> float:
    """Return the SoC to use, and store the evidence in ``after``.

    Args:
        before: What was remembered.
        after: The same after the slot; changed.
        reading: SoC that was read (0-1).
        soc: SoC by the energy measured since the last reading that was used, or that changed, at the slot's start and
            at its end.
        hours: Length of the slot.
    """
    since, implied = soc
    after.soc_reading = reading
    held_slots = before.soc_held + 1
    is_new = reading != before.soc_reading
    is_still = not is_new and before.soc is not None and abs(implied - before.soc) > LEAST_CHANGE
    may_hold = is_still or held_slots * hours <= SOC_HELD_H
    if may_hold and abs(reading - implied) > SOC_TOLERANCE:
        after.soc, after.soc_held = implied, held_slots
        return implied
    after.soc_held = 0
    if before.soc_held:
        after.drift = before.drift.restarted()
    elif before.soc_reading is not None:
        after.drift = before.drift.after(reading - before.soc_reading, implied - since, hours)
        if after.drift.is_found:
            after.soc = min(max(reading - after.drift.drift, 0.0), 1.0)
            after.soc_held = 1
            return after.soc
    after.soc = reading if is_new or before.soc_held or before.soc is None else implied
    return reading
