"""The assets of a zone at the start of the slot decided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp.fleet.schema import Battery, Peaker, Zone
from vpp.numerics.arrays import Bools, Floats


@dataclass(frozen=True, slots=True)
class FleetState:
    """The assets at the start of the slot decided; arrays have one entry per asset, in the order of the zone's file.

    ``soc`` (0-1): batteries, NaN elsewhere; it may lie outside the battery's band.
    ``power_mw``: power delivered in the slot before.
    ``running_min``: minutes since a peaker's start, 0 when it is off; 0 elsewhere.
    ``ready_in_min``: minutes until a peaker that is off can deliver if it is started now; 0 elsewhere.
    ``available``: False takes an asset out of the plan (its power is 0 unless fixed).
    ``grid_mw``: grid power of the slot before, NaN when unknown (no ramp is then counted at h = 0).
    """

    soc: Floats
    power_mw: Floats
    running_min: Floats
    ready_in_min: Floats
    available: Bools
    grid_mw: float

    @staticmethod
    def initial(zone: Zone, grid_mw: float = float("nan")) -> FleetState:
        """Return the fleet at rest: batteries at their start SoC, everything else off."""
        assets = zone.assets
        return FleetState(
            soc=np.array([a.soc_start if isinstance(a, Battery) else np.nan for a in assets], dtype=float),
            power_mw=np.zeros(len(assets)),
            running_min=np.zeros(len(assets)),
            ready_in_min=np.array([a.start_time_min if isinstance(a, Peaker) else 0.0 for a in assets], dtype=float),
            available=np.ones(len(assets), dtype=bool),
            grid_mw=grid_mw,
        )
