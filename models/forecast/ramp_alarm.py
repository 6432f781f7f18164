"""The ramp alarm of the live forecast: a large change of net load is likely within the next six hours."""

from __future__ import annotations

import math
from datetime import datetime

from models.forecast.ramp_probability import LargeRamps, beyond
from models.forecast.waiting_forecasts import WaitingForecasts
from vpp.domain import NET_LOAD, iso
from vpp.fleet.scale import power_text
from vpp.fleet.schema import Zone
from vpp.messages import Alert, AlertCode

_LOW, _MEDIAN, _HIGH = 0, 3, 6


class RampAlarm:
    """Tells of a large ramp when it is first expected, and again when the direction turns.

    The alarm stands while the forecast's quantiles give a large rise or fall within six hours at least the probability
    that ``LargeRamps`` learned. What was expected a slot ago is read from the waiting forecasts, so it keeps no state.

    Args:
        zone: Gives its name.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def alert(self, ramps: LargeRamps, waiting: WaitingForecasts, index: int, slot: datetime) -> Alert | None:
        """Return the alert that begins with the forecast of slot ``index``, None if none does.

        Args:
            ramps: Sizes of large ramps and the alarm's level.
            waiting: Forecasts of net load, the one of ``index`` included.
            index: Index of the closed slot.
            slot: Its start.
        """
        level = ramps.alarm_level
        expected = _expected(ramps, waiting, index, level)
        if expected is None:
            return None
        at, probability = expected
        before = _expected(ramps, waiting, index - 1, level)
        if before is not None and before[1] * probability > 0:
            return None
        row, hours, column = index % waiting.rows, ramps.hours[at], ramps.columns.item(at)
        horizon_quantiles = waiting.quantiles[row, column]
        low, median, high = (float(horizon_quantiles[q]) - waiting.now[row] for q in (_LOW, _MEDIAN, _HIGH))
        written = self._zone.region_scale.rounded
        size = ramps.sizes.item(column)
        way = "rise" if probability > 0 else "fall"
        return Alert(
            zone=self._zone.zone,
            slot=slot,
            alert_id=f"{self._zone.zone}-ramp-{iso(slot)}",
            severity="info",
            topic="ramp",
            code=AlertCode.RAMP,
            channel=NET_LOAD,
            text=f"net load is expected to {way} by {power_text(abs(median))} within {hours} h; the probability of a "
            f"large ramp (from {power_text(size)}) is {abs(probability):.0%}",
            values={
                "hours": float(hours),
                "change_mw": written(median),
                "change_q05_mw": written(low),
                "change_q95_mw": written(high),
                "event_mw": written(size),
                "probability": round(abs(probability), 4),
                "alarm_level": level,
            },
        )


def _expected(ramps: LargeRamps, waiting: WaitingForecasts, index: int, level: float) -> tuple[int, float] | None:
    """Return the soonest horizon that calls for an alarm (its place among the hours) and the ramp's probability.

    The probability of a fall is negative.
    """
    row = index % waiting.rows
    now = waiting.now.item(row)
    if waiting.origin[row] != index or math.isnan(now):
        return None
    rises, falls = beyond(waiting.quantiles[row, ramps.columns], now, ramps.sizes[ramps.columns]).tolist()
    for at, (rise, fall) in enumerate(zip(rises, falls, strict=True)):
        if max(rise, fall) >= level:
            return at, rise if rise > fall else -fall
    return None
