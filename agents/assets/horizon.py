"""The look-ahead of an asset type: steps, prices, state of the fleet, net load of the zone."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import numpy as np

from agents.assets.fleet_state import FleetState
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats

ROUNDING = 1e-9
"""Power or energy below this share of ``unit_mw`` is a rounding error."""

LEAST_SHARE = 1e-6
"""Texts treat power below this share of the served power, and a state of charge below it, as 0."""


def unit_mw(zone: Zone) -> float:
    """Return a hundredth of the served power, MW; in this unit, numbers of small and large sites are of one size."""
    return zone.share.served_mw / 100.0


class Horizon(msgspec.Struct, frozen=True):
    """N steps ahead of A assets; h = 0 is the slot to decide.

    ``step_h``: shape (N,), hours. ``net_mw``: shape (N,), expected net load of the served share.
    ``price_per_mwh``: shape (N,), price of energy for types with ``trades_at_market``. ``generation_price_per_mwh``:
    shape (N,), price of energy for all other types. ``stored_value_per_mwh``, ``stored_width``: value of a MWh left at
    the end, by segments from empty to full, decreasing; widths are shares of a store's band and sum to 1.
    ``potential_mw``: shape (A, N), output of a renewable that can be cut (>= 0); NaN or 0 elsewhere and when unknown.
    ``start``: UTC start of h = 0; None if it is not known, which an asset with a timetable refuses.
    """

    zone: Zone
    state: FleetState
    step_h: Floats
    net_mw: Floats
    price_per_mwh: Floats
    generation_price_per_mwh: Floats
    stored_value_per_mwh: Floats
    stored_width: Floats
    potential_mw: Floats
    start: datetime | None

    @property
    def least_mw(self) -> float:
        """Power in MW below which a text says that an asset rests."""
        return self.zone.served_scale.share(LEAST_SHARE)

    @property
    def steps(self) -> int:
        """Number of steps N."""
        return len(self.step_h)

    def edges(self) -> list[datetime]:
        """Return the N + 1 edges of the steps, in the zone's local time.

        Raises:
            ValueError: The start is not known.
        """
        if self.start is None:
            raise ValueError(f"{self.zone.zone}: an asset with a timetable needs the time of the first step")
        minutes = np.concatenate([[0.0], np.cumsum(self.step_h)]) * 60.0
        return [self.zone.local(self.start + timedelta(minutes=round(float(m), 6))) for m in minutes]
