"""Calendar features of the kernel: clock, weekday, season and sun at the target."""

from __future__ import annotations

import math

from features import calendar as cal_fields
from features.feature_spec import Op
from features.kernel_reads import leaf
from vpp.numerics.arrays import Floats, Ints

_MINUTE = cal_fields.MINUTE
_WEEKDAY = cal_fields.WEEKDAY
_DAY_CLASS = cal_fields.DAY_CLASS
_ANNUAL = cal_fields.ANNUAL
_SUN = cal_fields.SUN
_TAU = 2.0 * math.pi

CALENDAR, WEEKDAY_IS, NON_WORKDAY = int(Op.CALENDAR), int(Op.WEEKDAY_IS), int(Op.NON_WORKDAY)
SUN_CHANGE, ANNUAL_SIN, ANNUAL_COS = int(Op.SUN_CHANGE), int(Op.ANNUAL_SIN), int(Op.ANNUAL_COS)
DAY_SIN, DAY_COS, WEEK_SIN, WEEK_COS = int(Op.DAY_SIN), int(Op.DAY_COS), int(Op.WEEK_SIN), int(Op.WEEK_COS)


@leaf
def calendar_column(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    op: int, cal: Floats, cal_first: int, a: int, b: int, origins: Ints, steps: Ints, step_min: int, out: Floats
) -> None:
    """Compute one feature of the calendar at the target slots.

    Args:
        op: The feature's op; any other than those above stands for the horizon in minutes.
        cal: Calendar, shape (fields, slots).
        cal_first: Slot index of its first column.
        a: First parameter of the feature: field of the calendar, or weekday.
        b: Second parameter: harmonic of the day.
        origins: Slot index of each origin, shape (n,).
        steps: Horizon of each row in slots, shape (n,).
        step_min: Slot length in minutes.
        out: Written, shape (n,).
    """
    for n in range(origins.shape[0]):
        j = origins[n] - cal_first
        i = j + steps[n]
        if op == CALENDAR:
            out[n] = cal[a, i]
        elif op == WEEKDAY_IS:
            out[n] = 1.0 if cal[_WEEKDAY, i] == a else 0.0
        elif op == NON_WORKDAY:
            out[n] = 1.0 if cal[_DAY_CLASS, i] > 0.0 else 0.0
        elif op == SUN_CHANGE:
            out[n] = cal[_SUN, i] - cal[_SUN, j]
        elif op == ANNUAL_SIN:
            out[n] = math.sin(cal[_ANNUAL, i])
        elif op == ANNUAL_COS:
            out[n] = math.cos(cal[_ANNUAL, i])
        elif op == DAY_SIN:
            out[n] = math.sin(_TAU * b * cal[_MINUTE, i] / 1440.0)
        elif op == DAY_COS:
            out[n] = math.cos(_TAU * b * cal[_MINUTE, i] / 1440.0)
        elif op == WEEK_SIN:
            out[n] = math.sin(_TAU * (cal[_WEEKDAY, i] + cal[_MINUTE, i] / 1440.0) / 7.0)
        elif op == WEEK_COS:
            out[n] = math.cos(_TAU * (cal[_WEEKDAY, i] + cal[_MINUTE, i] / 1440.0) / 7.0)
        else:
            out[n] = float(steps[n] * step_min)
