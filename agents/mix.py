"""From many opinions to one offer: experts and settings weighed by what they earned on paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agents import paper
from agents.offers import Offers, from_slopes, scaled
from agents.paper import Book
from vpp.bellman import LEVELS, Floats, UnitBattery

LEADER = "forecast"
SLOPES = "slopes:"
SETTINGS: dict[str, tuple[float, float]] = {
    f"mix:{spread:g}:{trust:g}": (spread, trust) for spread in (0.8, 1.0) for trust in (0.8, 1.0, 1.15)
}
"""Spread of the stored energy's worth and trust in a seen price, by account name; the mix itself trades under each."""


@dataclass(frozen=True, slots=True)
class Mix:
    """The weighted opinion: offers of the next slot, prices per horizon, and the experts' weights."""

    offers: Offers
    prices: Floats
    weights: dict[str, float]


def mixed(
    book: Book, battery: UnitBattery, prices: Mapping[str, Floats], slopes: Mapping[str, Floats], hours: Floats
) -> Mix:
    """Weigh the experts, place every account's offer for the next slot, and return the mix.

    Args:
        book: The accounts; new ones are opened.
        battery: What they trade with.
        prices: Expected prices by expert, each of shape (N,), all finite; at least one expert.
        slopes: Opportunity values per MWh after the next slot by expert, at equal steps of SoC, lowest first.
        hours: Length of each step, shape (N,).
    """
    names = sorted(prices)
    others = [SLOPES + name for name in sorted(slopes)]
    priors = {name: paper.PRIOR if name == LEADER else 0.0 for name in (*names, *others, *SETTINGS)}
    paper.open_accounts(book, battery, priors)
    of_prices = paper.weights(book, names)
    path = sum((of_prices[name] * prices[name] for name in names), np.zeros(len(hours)))
    first, cell = float(path[0]), battery.cell()
    values = {name: paper.continuation(battery, prices[name], hours) for name in names}
    for name in others:
        values[name] = from_slopes(slopes[name.removeprefix(SLOPES)], LEVELS, cell[0])
    for name, value in values.items():
        paper.place(book, name, Offers(value, float(prices[name][0]) if name in prices else first, 1.0, cell))
    weights = paper.weights(book, [*names, *others])
    value = sum((weights[name] * (values[name] - values[name][0]) for name in values), np.zeros(LEVELS))
    for name, (spread, trust) in SETTINGS.items():
        paper.place(book, name, Offers(scaled(value, spread), first, trust, cell))
    chosen = paper.weights(book, list(SETTINGS))
    spread = sum(chosen[name] * SETTINGS[name][0] for name in SETTINGS)
    trust = sum(chosen[name] * SETTINGS[name][1] for name in SETTINGS)
    return Mix(Offers(scaled(value, spread), first, trust, cell), path, weights)
