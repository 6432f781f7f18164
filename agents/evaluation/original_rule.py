"""Baseline: the rule of the first prototype with consistent units.

When net load is expected to change by more than the ramp limit, up or down, the batteries discharge the excess and the
generators give what they cannot. It never charges, and responds to falling net load as to rising net load.
"""

from __future__ import annotations

import numpy as np

from agents.assets.registry import rows_where, store_rows, type_of
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats


def original_rule(zone: Zone, expected_mw: float, net_mw: float) -> Floats:
    """Return the power that the rule wants of each asset in the next slot, MW, shape (A,).

    Args:
        zone: Fleet and limits.
        expected_mw: Net load expected in the next slot, of the served share.
        net_mw: Net load of the closed slot; NaN, as ``expected_mw`` may be, asks for nothing.
    """
    power_mw = np.zeros(len(zone.assets))
    if not np.isfinite(expected_mw) or not np.isfinite(net_mw):
        return power_mw
    excess_mw = max(abs(expected_mw - net_mw) - zone.limits.ramp_limit_mw, 0.0)
    for row in (*store_rows(zone), *rows_where(zone, lambda kind, asset: kind.generator(asset))):
        power_mw[row] = min(excess_mw, type_of(zone.assets[row]).power_limits_mw(zone, zone.assets[row])[1])
        excess_mw -= power_mw[row]
    return power_mw
