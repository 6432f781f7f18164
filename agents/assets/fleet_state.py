"""State of a fleet as arrays, one entry per asset."""

from __future__ import annotations

import msgspec

from vpp.numerics.arrays import Bools, Floats


class FleetState(msgspec.Struct, frozen=True):
    """The assets at the start of the slot decided; arrays have one entry per asset, in the order of the zone's file.

    ``soc`` (0-1): assets with a store, NaN elsewhere; it may lie outside the asset's band.
    ``power_mw``: power delivered in the slot before.
    ``running_min``: minutes since a generator's start, 0 when it is off; 0 elsewhere.
    ``ready_in_min``: minutes until a generator that is off can deliver if it is started now; 0 elsewhere.
    ``available``: False takes an asset out of the plan (its power is 0 unless fixed).
    ``grid_mw``: grid power of the slot before, NaN when unknown (no ramp is then counted at h = 0).
    """

    soc: Floats
    power_mw: Floats
    running_min: Floats
    ready_in_min: Floats
    available: Bools
    grid_mw: float
