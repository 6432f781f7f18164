"""The ramp alarm of the live forecast: a large change of net load is expected within the next six hours."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np

from features.ring import SlotRing
from models.forecast.ramp_events import ALARM_SHARE, HOURS, event_threshold
from models.forecast.scoreboard import WaitingForecasts
from vpp.domain import NET_LOAD, horizons_min, iso
from vpp.fleet.scale import power_text
from vpp.fleet.schema import Zone
from vpp.messages import Alert, AlertCode

THRESHOLD_DAYS = 42
MIN_DAYS = 14
_LOW, _HIGH = 0, 6


class RampAlarm:
    """Tells of a large ramp when it is first expected, and again when the direction turns.

    An event is a change that only the largest tenth of the past weeks' changes over as many hours reach; the alarm
    stands from 93 % of that. What was expected a slot ago is read from the waiting forecasts, so it keeps no state.

    Args:
        zone: Gives name and step.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        horizons = list(horizons_min(zone.step_min))
        self._hours = [hours for hours in HOURS if 60 * hours in horizons]
        self._columns = [horizons.index(60 * hours) for hours in self._hours]
        self._sizes: dict[int, list[float]] = {}

    def alert(self, ring: SlotRing, waiting: WaitingForecasts, index: int, slot: datetime) -> Alert | None:
        """Return the alert that begins with the forecast of slot ``index``, None where none does.

        Args:
            ring: Holds the net load up to slot ``index``.
            waiting: Forecasts of net load, the one of ``index`` included.
            index: Index of the closed slot.
            slot: Its start.
        """
        expected = self._expected(ring, waiting, index)
        if expected is None:
            return None
        at, change = expected
        before = self._expected(ring, waiting, index - 1)
        if before is not None and before[1] * change > 0:
            return None
        row = index % waiting.rows
        low, high = (float(waiting.quantiles[row, self._columns[at], q]) - waiting.now[row] for q in (_LOW, _HIGH))
        written = self._zone.region_scale.rounded
        way = "rise" if change > 0 else "fall"
        return Alert(
            zone=self._zone.zone,
            slot=slot,
            alert_id=f"{self._zone.zone}-ramp-{iso(slot)}",
            severity="info",
            topic="ramp",
            code=AlertCode.RAMP,
            channel=NET_LOAD,
            text=f"net load is expected to {way} by {power_text(abs(change))} within {self._hours[at]} h, a large ramp",
            values={
                "hours": float(self._hours[at]),
                "change_mw": written(change),
                "change_q05_mw": written(low),
                "change_q95_mw": written(high),
                "event_mw": written(self._event_sizes(ring, index)[at]),
            },
        )

    def _expected(self, ring: SlotRing, waiting: WaitingForecasts, index: int) -> tuple[int, float] | None:
        """Return the soonest horizon (its place among the hours) that calls for an alarm, and its change in MW."""
        row = index % waiting.rows
        now, mean = waiting.now.item(row), waiting.mean[row]
        if waiting.origin[row] != index or math.isnan(now):
            return None
        for at, size in enumerate(self._event_sizes(ring, index)):
            change = mean.item(self._columns[at]) - now
            if abs(change) >= ALARM_SHARE * size:
                return at, change
        return None

    def _event_sizes(self, ring: SlotRing, index: int) -> list[float]:
        """Return the size of an event by hours ahead, MW, NaN until two weeks are known; made anew each UTC day."""
        step = self._zone.step
        day = index // step.per_day
        size_array = self._sizes.get(day)
        if size_array is None:
            past = ring.window(NET_LOAD, (day - THRESHOLD_DAYS) * step.per_day, day * step.per_day)
            known = np.count_nonzero(np.isfinite(past)) >= MIN_DAYS * step.per_day
            sizes = [event_threshold(past, round(hours / step.hours)) if known else None for hours in self._hours]
            size_array = [math.nan if size is None else size for size in sizes]
            self._sizes = {other: held for other, held in self._sizes.items() if other == day - 1} | {day: size_array}
        return size_array
