"""A history in the form of the guard's kernel: windows of channels, published forecasts, supply, totals, local time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.calendar import DAY_CLASS, HOLIDAY, HOLIDAY_YESTERDAY, MINUTE, Calendar
from features.derived_series import Terms
from models.guard.layout import Layout
from vpp.domain import NET_LOAD
from vpp.numerics.arrays import Floats


@dataclass(frozen=True, slots=True)
class Series:
    """Values of the slots from ``first`` on.

    ``window``: (rows, slots). ``published``: (rows, slots + longest horizon), likewise
    ``context`` (4, ..). ``supply``: (slots, companions). ``totals``: (slots, balances), parts less total, MW.
    """

    first: int
    window: Floats
    published: Floats
    context: Floats
    supply: Floats
    totals: Floats


def context_of(calendar: Calendar, first: int, last: int, groups: int) -> Floats:
    """Return group of the local day, day class, special day and local time minus UTC of slots ``first`` to ``last``.

    Special are public holidays, the day after, and the week after a change of the clock: habits depart from the
    calendar.

    Args:
        calendar: Calendar of the zone.
        first: First slot index.
        last: Last slot index, exclusive.
        groups: Groups of a day.
    """
    week = 7 * calendar.step.per_day
    before = _ahead_min(calendar, first - week, last - week)
    table = calendar.table(first, last)
    ahead = _ahead_min(calendar, first, last)
    special = (table[HOLIDAY] > 0) | (table[HOLIDAY_YESTERDAY] > 0) | (ahead != before)
    group = np.floor(table[MINUTE] * groups / 1440)
    return np.stack([group, table[DAY_CLASS], special.astype(float), np.round(ahead / calendar.step.minutes)])


def _ahead_min(calendar: Calendar, first: int, last: int) -> Floats:
    """Return local time minus UTC in minutes, -720 to 719."""
    utc = (np.arange(first, last) * calendar.step.minutes) % 1440
    minute: Floats = calendar.table(first, last)[MINUTE]
    return (minute - utc + 720) % 1440 - 720


def combined(terms: Terms, values: Mapping[str, Floats], slots: int) -> Floats:
    """Return the signed sum of channels, NaN if one is missing or not there."""
    total = np.zeros(slots)
    for channel, sign in terms:
        total = total + sign * values.get(channel, np.full(slots, np.nan))
    return total


def series_of(layout: Layout, frame: pd.DataFrame, calendar: Calendar) -> Series:
    """Return the series of a regular frame (UTC slot starts as index) with the channel ``net_load_mw``."""
    slots, ahead = len(frame), layout.longest
    values = {column: frame[column].to_numpy(dtype=np.float64) for column in frame.columns}
    window = np.stack([values[name] if name in values else np.full(slots, np.nan) for name in layout.names])
    if len(layout.channels) > 1:
        signs = layout.shape().signs
        window[-1] = np.where(np.isnan(values[NET_LOAD]), np.nan, signs @ window[:-1])
    published = np.full((len(layout.names), slots + ahead), np.nan)
    for row, terms in enumerate(layout.published):
        if terms is not None:
            published[row, :slots] = combined(terms, values, slots)
    supply = np.stack([values[c] for c in layout.companions], axis=1) if layout.companions else np.empty((slots, 0))
    totals = [combined(terms, values, slots) for terms in layout.balances]
    first = layout.step.index(frame.index[0].to_pydatetime())
    return Series(
        first,
        window,
        published,
        context_of(calendar, first, first + slots + ahead, layout.shape().groups),
        supply,
        np.stack(totals, axis=1) if totals else np.empty((slots, 0)),
    )
