"""The mix of experts: offers and prices weighted by their earnings on paper.

If a market accepts price-contingent bids, two strategies ("schools") are tracked, each with its own accounts: one
responds to the price of the slot, the other fixes its power before it. The first is better if a price indicates the
prices of the next hours, the second if prices are short spikes. The offer is the weighted mean of their actions; a mean
of feasible moves is feasible.

Experts are grouped in families of one kind. Each family has the same weight, independent of its number of experts,
because a mean improves with experts whose errors differ. If power is fixed before the price is known, opportunity
values are used as margins over the price and have double weight.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from agents.bidding import paper_accounts
from agents.bidding.offers import Offer, Offers, from_slopes, scaled
from agents.bidding.paper_accounts import Book, Rule
from vpp.numerics.arrays import Floats
from vpp.numerics.storage_dp import LEVELS, UnitBattery

LEADER = "forecast"
SLOPES = "slopes:"
_SPREADS = (0.6, 0.8)
_TRUSTS = (0.8, 1.0, 1.15)
_FAMILIES = {"level_": "levels", "profile": "past", "last_week": "past", "yesterday": "past", SLOPES: "slopes"}
"""Family by the beginning of an expert's name; all others are forecasts."""

_FIXED_SHARE = {"slopes": 2.0}
"""How much a family counts where power is fixed before the price is known; all others 1."""

_FIXED = "fixed/"
_ALL = "all"


@dataclass(frozen=True, slots=True)
class Mix:
    """The weighted mix: offers of the next slot, prices per horizon, and the experts' weights."""

    offers: Offers
    prices: Floats
    weights: dict[str, float]


@dataclass(frozen=True, slots=True)
class Worths:
    """Learned values of stored energy per MWh after the next slot by expert, at equal steps of SoC, lowest first.

    ``slopes``: absolute values. ``margins``: minus the price of the next slot, for power fixed before the price.
    """

    slopes: Mapping[str, Floats] = field(default_factory=dict)
    margins: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Views:
    """Each expert's values of stored energy and next price; ``path``: its prices, if it has them."""

    value: dict[str, Floats]
    path: dict[str, Floats]
    margins: Mapping[str, Floats]


def mixed(
    book: Book,
    battery: UnitBattery,
    prices: Mapping[str, Floats],
    worths: Worths,
    hours: Floats,
    rule: Rule,
) -> Mix:
    """Weigh the experts, place every account's offer for the next slot, and return the mix.

    Args:
        book: The accounts; new ones are opened.
        battery: What they trade with.
        prices: Expected prices by expert, each of shape (N,), all finite; at least one expert.
        worths: Learned values of stored energy.
        hours: Length of each step, shape (N,).
        rule: Bids that the market accepts.
    """
    names = sorted(prices)
    value = {name: paper_accounts.continuation(battery, prices[name], hours) for name in names}
    for name in sorted(worths.slopes):
        value[SLOPES + name] = from_slopes(worths.slopes[name], LEVELS, battery.cell()[0])
    views = _Views(value, {name: prices[name] for name in names}, worths.margins)
    schools = [_school(book, battery, views, fixed=True)]
    if rule is Rule.CONTINGENT:
        schools.append(_school(book, battery, views, fixed=False))
    shares = paper_accounts.weights(
        book,
        [_account(_ALL, fixed=school.offer.fixed) for school in schools],
        sharpness=paper_accounts.CHOICE_SHARPNESS,
    )
    pairs = list(zip(shares.values(), schools, strict=True))
    return Mix(
        Offers(tuple((share, school.offer) for share, school in pairs), battery.cell()),
        sum((share * school.prices for share, school in pairs), np.zeros(hours.size)),
        {name: sum(share * school.weights.get(name, 0.0) for share, school in pairs) for name in schools[0].weights},
    )


@dataclass(frozen=True, slots=True)
class _School:
    """Offers of one school, and its prices and weights by expert."""

    offer: Offer
    prices: Floats
    weights: dict[str, float]


def _school(book: Book, battery: UnitBattery, views: _Views, *, fixed: bool) -> _School:
    """Weight the experts by the accounts of one school and place their offers and those of the mix."""
    margins = views.margins if fixed else {}
    names = dict.fromkeys([*views.value, *(SLOPES + name for name in sorted(margins))])
    accounts = {name: _account(name, fixed=fixed) for name in names}
    settings = {
        _account(f"mix:{spread:g}:{trust:g}", fixed=fixed): (spread, trust)
        for spread in _SPREADS
        for trust in ((1.0,) if fixed else _TRUSTS)
    }
    total = _account(_ALL, fixed=fixed)
    priors = {account: paper_accounts.PRIOR if name == LEADER else 0.0 for name, account in accounts.items()}
    paper_accounts.open_accounts(book, battery, {**priors, **dict.fromkeys([*settings, total], 0.0)})
    shares = _family_shares(accounts, fixed=fixed)
    of_prices = paper_accounts.weights(book, [accounts[name] for name in views.path], shares)
    path = sum(
        (of_prices[accounts[name]] * prices for name, prices in views.path.items()),
        np.zeros(next(iter(views.path.values())).size),
    )
    first = float(path[0])
    learned = {SLOPES + n: from_slopes(first + m, LEVELS, battery.cell()[0]) for n, m in margins.items()}
    worth = {**views.value, **learned}
    for name, account in accounts.items():
        expected = float(views.path[name][0]) if name in views.path else first
        paper_accounts.place(book, account, Offer(worth[name], expected, 1.0, fixed))
    weights = paper_accounts.weights(book, list(accounts.values()), shares)
    value = sum((weights[accounts[n]] * (v - v[0]) for n, v in worth.items()), np.zeros(LEVELS))
    for account, (spread, trust) in settings.items():
        paper_accounts.place(book, account, Offer(scaled(value, spread), first, trust, fixed))
    chosen = paper_accounts.weights(book, list(settings), sharpness=paper_accounts.CHOICE_SHARPNESS)
    spread = sum(chosen[account] * settings[account][0] for account in settings)
    trust = sum(chosen[account] * settings[account][1] for account in settings)
    offer = Offer(scaled(value, spread), first, trust, fixed)
    paper_accounts.place(book, total, offer)
    return _School(offer, path, {name: weights[account] for name, account in accounts.items()})


def _family_shares(accounts: Mapping[str, str], *, fixed: bool) -> dict[str, float]:
    """Return for each account the weight of its family divided by the size of the family; ``accounts``: by expert."""
    family = {
        name: next((kind for start, kind in _FAMILIES.items() if name.startswith(start)), "forecasts")
        for name in accounts
    }
    sizes = Counter(family.values())
    counts = _FIXED_SHARE if fixed else {}
    return {account: counts.get(family[name], 1.0) / sizes[family[name]] for name, account in accounts.items()}


def _account(name: str, *, fixed: bool) -> str:
    return _FIXED + name if fixed else name
