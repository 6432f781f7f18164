"""Frequency droop: the power that an asset adds by itself, from the frequency that it measures.

``added(f) = -k (f - f0 ± dead band)`` beyond the dead band around the nominal frequency f0, none within it (the usual
form of grid codes); at and below the frequency of the fast reserve all that the asset can swing. Physics clips the
sum of setpoint and answer.
"""

from __future__ import annotations

import numpy as np

from vpp.domain import FREQUENCY, Quality
from vpp.fleet.scale import PowerScale
from vpp.fleet.schema import Zone
from vpp.messages import SlotClosed

Curve = list[tuple[float, float]]
Shares = list[tuple[float, float]]
"""(Hz, share of the slot), the shares adding up to 1."""

_JUMP_HZ = 1e-4
_LEAST_DECIMALS = 6
"""Powers of a curve are written to a watt, and finer where the asset is small."""


def droop_curve(zone: Zone, slope: float, swing: float) -> Curve:
    """Return (Hz, MW added to the setpoint) points, rising in Hz, flat outside; empty without a droop.

    A zone whose channels are known and lack a frequency has none.

    Args:
        zone: The zone, for its frequency response and channels.
        slope: Droop in MW per Hz; 0 is none.
        swing: All that the asset can swing, in MW.
    """
    if slope <= 0 or (zone.channels is not None and FREQUENCY not in zone.channels):
        return []
    response = zone.frequency
    low, high = response.nominal_hz - response.dead_band_hz, response.nominal_hz + response.dead_band_hz
    points = [(low - swing / slope, swing), (low, 0.0), (high, 0.0), (high + swing / slope, -swing)]
    reserve = response.fast_reserve_hz
    if reserve is not None and points[0][0] < reserve < low:
        after = reserve + _JUMP_HZ
        points = [(reserve, swing), (after, slope * (low - after)), *points[1:]]
    decimals = max(_LEAST_DECIMALS, PowerScale.of(swing).decimals)
    return [(round(hz, 6), round(mw, decimals)) for hz, mw in points]


def frequency_seen(observation: SlotClosed | None) -> Shares:
    """Return (Hz, share of the slot): of its ticks, else of its mean; empty if missing or the meter is frozen."""
    if observation is None or observation.quality.get(FREQUENCY) == Quality.FLAT:
        return []
    mean = observation.values.get(FREQUENCY)
    return observation.frequency_shares or ([] if mean is None else [(mean, 1.0)])


def answer_mw(curve: Curve, observed: Shares) -> float:
    """Return the mean power that a response adds over the slot: ``sum of share x curve(Hz)``; 0 for an empty curve."""
    return sum(share * at(curve, hertz) for hertz, share in observed) if curve else 0.0


def at(curve: Curve, value: float | None) -> float:
    """Return a curve's value, interpolated, flat outside; 0 for an empty one or where nothing is measured."""
    if value is None or not curve:
        return 0.0
    points = np.array(curve, dtype=float)
    return float(np.interp(value, points[:, 0], points[:, 1]))
