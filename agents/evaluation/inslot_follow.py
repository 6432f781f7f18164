"""Simulates the slot tick by tick: a battery follows its published curve, as a device with real telemetry does.

At each tick the slot's mean net load is estimated from the ticks seen and the expected course of the rest; the curve
says what the battery should give over the whole slot at that mean; the battery delivers what is left of it over the
ticks left. Nothing is solved here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.assets.state import AssetState
from agents.assets.twin import deliver
from vpp.fleet.assets import Asset
from vpp.numerics.arrays import Floats

CAP_MARGIN_SHARE = 3e-3
RAMP_MARGIN_SHARE = 1e-3
"""What the slot decided keeps from the import cap and the ramp limit where its mean is only estimated inside it."""


def follow_ticks(
    battery: Asset,
    start: AssetState,
    curve: Sequence[tuple[float, float]],
    ticks_mw: Floats,
    hours: float,
    *,
    expected_mw: float,
    slope_mw: float,
    late: int = 1,
) -> tuple[float, float]:
    """Return a battery's mean power (MW) over one slot that it drives tick by tick, and its SoC (0-1) after it.

    Args:
        battery: The battery.
        start: Its state at the slot's start.
        curve: Seen net load of the slot to power, both MW, rising in net load; at least one point.
        ticks_mw: Net load by tick, shape (M,); NaN = not seen.
        hours: Length of the slot.
        expected_mw: Expected mean of the slot.
        slope_mw: Expected change per tick.
        late: Ticks until a value is known: 1 = at its end.
    """
    points = np.array(curve, dtype=float)
    count = len(ticks_mw)
    now, total_mw = start, 0.0
    for k in range(count):
        mean = estimate_mean(ticks_mw[: max(k - late + 1, 0)], count, expected_mw, slope_mw)
        remaining_mw = float(np.interp(mean, points[:, 0], points[:, 1])) * count - total_mw
        delivery = deliver(battery, now, remaining_mw / (count - k), hours / count)
        total_mw, now = total_mw + delivery.power_mw, delivery.state
    return total_mw / count, now.soc


def estimate_mean(seen_mw: Floats, count: int, expected_mw: float, slope_mw: float) -> float:
    """Return the slot's estimated mean net load: ticks seen, then the last one continuing by ``slope_mw`` per tick.

    Before anything is seen it is ``expected_mw``. A tick that is missing (NaN) is bridged from its neighbours.

    Args:
        seen_mw: Ticks of the slot so far, shape (n,), NaN missing.
        count: Ticks of a whole slot.
        expected_mw: Mean net load that the plan expects.
        slope_mw: Expected change per tick.
    """
    measured = np.flatnonzero(np.isfinite(seen_mw))
    if len(measured) == 0:
        return expected_mw
    last = int(measured[-1])
    course = np.interp(np.arange(last + 1), measured, seen_mw[measured])
    rest_mw = seen_mw[last] + slope_mw * np.arange(1, count - last)
    return float((course.sum() + rest_mw.sum()) / count)


def expected_slope_mw(net_mw: Sequence[float], before_mw: float | None, ticks: int) -> float:
    """Return by how much net load is expected to rise from tick to tick of a slot, MW; 0 if it is not known.

    Args:
        net_mw: Expected net load of the slot and of those after it.
        before_mw: Net load of the slot before it.
        ticks: Ticks in the slot.
    """
    return 0.0 if before_mw is None or len(net_mw) < 2 else (net_mw[1] - before_mw) / 2.0 / ticks
