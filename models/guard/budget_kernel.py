"""The alarm budget while the guard runs: each deck is held to the episodes a week that it had on the clean past.

Every episode lowers the score of the deck that raised it by ``STEP`` powers of ten. The score returns at the pace at
which the deck's share of the budget allows episodes (online control of a rate: Gibbs and Candes 2021, "Adaptive
conformal inference under distribution shift"). A season that training has not seen therefore costs a few episodes once,
not some every week: until ``MOST`` is reached, the episodes of a deck are its share of the budget plus at most
``(MOST - LEAST) / STEP``. ``MOST`` bounds what an attacker gains who raises many alarms first.
"""

from __future__ import annotations

from models.guard.channel_kernel import Fit
from models.guard.layout import DECKS
from vpp.numerics.arrays import Floats32
from vpp.numerics.compiled import kernel

STEP = 0.15
LEAST, MOST = -0.1, 1.0
SINCE = DECKS
"""Field of ``spent`` after those of the decks: slots since the last counted episode."""


@kernel(error_model="numpy")
def spend(spent: Floats32, started: bool, leader: int, dwell: int, per_day: int, fit: Fit) -> None:
    """Count a slot, and an episode if one starts at least ``dwell`` slots after the last.

    Args:
        spent: What lowers each deck, powers of ten, and slots since the last episode, shape (decks + 1,); changed.
        started: Whether an episode starts at the slot.
        leader: The deck that raised it.
        dwell: Slots in which episodes count as one.
        per_day: Slots of a day.
        fit: Shares of the budget.
    """
    total = 0.0
    for d in range(DECKS):
        total += fit.rate[d]
    if total <= 0.0:
        return
    spent[SINCE] = min(spent[SINCE] + 1.0, 2.0 * dwell)
    for d in range(DECKS):
        spent[d] = max(spent[d] - STEP * fit.rate[d] / (7.0 * per_day), LEAST)
    if started and (spent[SINCE] >= dwell):
        spent[leader] = min(spent[leader] + STEP, MOST)
        spent[SINCE] = 0.0
