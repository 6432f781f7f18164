"""A zone whose net load makes large moves in an eighth of its days, and forecasts of one change at every horizon."""

import numpy as np

from features.ring import SlotRing
from models.forecast.ramp_probability import LargeRamps
from models.forecast.waiting_forecasts import WaitingForecasts
from tests.worlds.synthetic import make_zone
from vpp.domain import NET_LOAD, QUANTILE_LEVELS, horizons_min

ZONE = make_zone()
HORIZONS = horizons_min(ZONE.step_min)
STEPS = np.array(HORIZONS) // ZONE.step_min
DAY = ZONE.step.per_day
FIRST = 700 * DAY


def ring(days: int) -> SlotRing:
    """Return a ring whose net load moves by 1 MW an hour, and by 50 MW an hour in a tenth of the time and a bit."""
    made = SlotRing(ZONE.step, lambda channel: 43, max_days=43)
    value = 1000.0
    for index in range(FIRST, FIRST + days * DAY):
        made.advance(index)
        value += (50.0 if index % DAY < DAY // 8 else 1.0) * ZONE.step.hours * (-1) ** (index // DAY)
        made.put(NET_LOAD, index, value)
    return made


def large_ramps(days: int) -> tuple[LargeRamps, int]:
    """Return the sizes after so many days, and the first slot after them."""
    ramps, index = LargeRamps(HORIZONS, ZONE.step), FIRST + days * DAY
    ramps.renew(ring(days), index)
    return ramps, index


def expect(waiting: WaitingForecasts, index: int, change_mw: float, spread_mw: float = 5.0) -> None:
    """Put a forecast of a change from 1000 MW, the same at every horizon."""
    mean = np.full(len(STEPS), 1000.0 + change_mw)
    quantiles = mean[:, None] + np.linspace(-spread_mw, spread_mw, len(QUANTILE_LEVELS))
    waiting.put(index, 1000.0, quantiles, mean, by_model=True)
