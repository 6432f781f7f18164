"""Finds a state of charge that drifts away from measured energy in steps that are too small to be found alone.

In each slot the reading changes by ``d`` (0-1) and the measured energy implies a change of ``x``. A battery departs
from its data in two ways: an aged one changes by a share ``k`` more than ``x``, and one with other losses by a share
``l`` of ``|x|`` less. Both shares are learned by ridge regression of ``r = d - x`` on ``x`` and ``|x|``, with a memory
of ``LEARNED_D`` days, within the ranges ``AGED`` and ``LOSSES``. The drift is the sum of ``r - k x - l |x|`` with a
memory of ``SUMMED_H`` hours. What the shares leave open, before they are learned, is allowed on top of ``ALLOWED``.
"""

from __future__ import annotations

import msgspec

ALLOWED = 0.15
"""SoC that corrections of a battery management system, self-discharge and rounding add up to in ``SUMMED_H``."""
AGED = 0.4
"""Greatest share ``k``: what a battery loses of its capacity over its life."""
LOSSES = 0.1
"""Greatest share ``l``: what its efficiency may differ from the fleet file."""
SUMMED_H = 24.0
LEARNED_D = 14.0
_RIDGE = 1.0
"""Sum of ``x**2`` from which on the learned shares count as much as their ranges; a full cycle at most gives 2."""


class SocDrift(msgspec.Struct, omit_defaults=True):
    """Evidence of drift of one battery.

    ``drift``: the sum. ``net``, ``moved``: sums of ``x`` and ``|x|`` with the memory of ``drift``. ``xx``, ``xa``,
    ``rx``, ``ra``: sums of ``x x``, ``x |x|``, ``r x`` and ``r |x|`` with the memory of the shares.
    """

    drift: float = 0.0
    net: float = 0.0
    moved: float = 0.0
    xx: float = 0.0
    xa: float = 0.0
    rx: float = 0.0
    ra: float = 0.0

    @property
    def shares(self) -> tuple[float, float]:
        """Shares ``k`` and ``l``."""
        own = self.xx + _RIDGE
        determinant = own * own - self.xa * self.xa
        aged = (own * self.rx - self.xa * self.ra) / determinant
        losses = (own * self.ra - self.xa * self.rx) / determinant
        return min(max(aged, -AGED), AGED), min(max(losses, -LOSSES), LOSSES)

    @property
    def is_found(self) -> bool:
        """Whether the drift is more than a battery can show."""
        unknown = _RIDGE / (_RIDGE + self.xx)
        return abs(self.drift) > ALLOWED + unknown * (AGED * abs(self.net) + LOSSES * self.moved)

    def after(self, read: float, implied: float, hours: float) -> SocDrift:
        """Return the evidence after one more slot.

        Args:
            read: Change of the reading (SoC, 0-1).
            implied: Change that the measured energy implies.
            hours: Length of the slot.
        """
        aged, losses = self.shares
        size, residual = abs(implied), read - implied
        summed, learned = max(1.0 - hours / SUMMED_H, 0.0), max(1.0 - hours / (24.0 * LEARNED_D), 0.0)
        return SocDrift(
            drift=summed * self.drift + residual - aged * implied - losses * size,
            net=summed * self.net + implied,
            moved=summed * self.moved + size,
            xx=learned * self.xx + implied * implied,
            xa=learned * self.xa + implied * size,
            rx=learned * self.rx + residual * implied,
            ra=learned * self.ra + residual * size,
        )

    def restarted(self) -> SocDrift:
        """Return the evidence once a reading is accepted again: the shares stay, the sum begins at zero."""
        return msgspec.structs.replace(self, drift=0.0, net=0.0, moved=0.0)
