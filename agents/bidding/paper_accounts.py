"""Paper trading: every trading strategy runs its own battery on paper, and its trailing profit is its weight.

The paper battery has 1 MW and the combined duration, efficiency and wear of the zone's batteries. It only trades, so
its profit measures the value of an expert's prices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum

import msgspec
import numpy as np

from agents.bidding.offers import Offer, acted_on_per_mwh
from vpp.fleet.schema import Market
from vpp.numerics import storage_dp
from vpp.numerics.arrays import Floats
from vpp.numerics.order_statistics import median
from vpp.numerics.storage_dp import LEVELS, UnitBattery

CLIP = 3.0
SHARPNESS = 5.0
"""Of the weights of experts: low, for a mean of many gains more than the best of them alone."""

CHOICE_SHARPNESS = 20.0
"""Of the weights of schools and settings, of which one is right."""

MEDIAN_DAYS = 60
HALF_LIFE_DAYS = 30.0
PRIOR = 0.3
"""Score that the published forecast starts with, so it leads until the others have proved themselves."""


class Rule(StrEnum):
    """Bids that a market accepts before a slot's price is known: one power, or powers that depend on the price."""

    SCHEDULE = "schedule"
    CONTINGENT = "contingent"

    @staticmethod
    def of(market: Market) -> Rule:
        """Return the rule of a market; where prices are published ahead there is nothing to be contingent on."""
        return Rule.CONTINGENT if market.contingent_bids and not market.rule.by_auction else Rule.SCHEDULE


class Account(msgspec.Struct, omit_defaults=True):
    """One paper battery: stored energy (MWh), profit of the running day, score, and its offer of the next slot.

    ``planned_mwh``: stored energy after the next slot, where no price changes it any more (``plan_fixed``).
    ``value``: values of stored energy after the next slot as float32, so state stays small; empty: it rests. The
    rest is as in ``Offer``.
    """

    stored_mwh: float
    day_profit: float = 0.0
    score: float = 0.0
    value: bytes = b""
    expected: float = 0.0
    trust: float = 1.0
    fixed: bool = False
    planned_mwh: float | None = None


class Book(msgspec.Struct):
    """All accounts, the running local day, and the size of recent daily profits that scores are measured in."""

    accounts: dict[str, Account] = {}
    day: int | None = None
    sizes: list[float] = []


def continuation(battery: UnitBattery, prices: Floats, hours: Floats, final_share: float = 0.9) -> Floats:
    """Return the value of stored energy after the first of the given steps, per grid point.

    Args:
        battery: The paper battery.
        prices: Expected price per MWh and step, shape (N,).
        hours: Length of each step, shape (N,).
        final_share: A MWh left at the end is worth this share of the median price, losses counted.
    """
    cell = battery.cell()
    final = final_share * battery.discharge_efficiency * median(prices)
    stock = final * cell[0] * np.arange(LEVELS, dtype=np.float64)
    return np.asarray(storage_dp.before_steps(prices[1:], hours[1:], stock, cell))


def settle(book: Book, battery: UnitBattery, price: float | None, hours: float) -> None:
    """Settle one slot of every account at the actual price; without a price the battery rests.

    Args:
        book: The accounts; changed in place.
        battery: Unit battery of the zone.
        price: Actual price per MWh; None: missing.
        hours: Length of the slot.
    """
    placed = [account for account in book.accounts.values() if account.value]
    if price is not None and placed:
        after, earned = _moved(placed, battery, price, hours)
        for account, left, cash in zip(placed, after, earned, strict=True):
            account.day_profit += cash
            account.stored_mwh = min(max(left, 0.0), battery.energy_mwh)
    for account in placed:
        account.value = b""


def _moved(placed: list[Account], battery: UnitBattery, price: float, hours: float) -> list[list[float]]:
    """Return the stored energy (MWh) of accounts with an offer after a slot at ``price``, and what they earned.

    Args:
        placed: The accounts, at least one.
        battery: What they trade with.
        price: Price per MWh.
        hours: Length of the slot.
    """
    values = np.frombuffer(b"".join([account.value for account in placed]), dtype=np.float32)
    acted_on = np.array([acted_on_per_mwh(a.expected, price, a.trust, fixed=a.fixed) for a in placed])
    stored = np.array([account.stored_mwh for account in placed])
    by_account = values.reshape(len(placed), -1).astype(np.float64)
    moved: list[list[float]] = storage_dp.settled(by_account, acted_on, stored, price, hours, battery.cell()).tolist()
    return moved


def turn_day(book: Book, day: int) -> None:
    """Close the paper day when ``day`` (any day number) differs from the running one: profits become scores.

    A day's profit, in units of the trailing median of the accounts' mean absolute daily profit and clipped at 3 of
    them, enters an exponential mean; the clip keeps one day of price spikes from deciding everything.
    """
    if book.day == day:
        return
    closed, book.day = book.day, day
    if closed is None or not book.accounts:
        return
    size = sum(abs(account.day_profit) for account in book.accounts.values()) / len(book.accounts)
    book.sizes = [*book.sizes[-(MEDIAN_DAYS - 1) :], size]
    unit = median(np.array(book.sizes))
    keep = 0.5 ** (1.0 / HALF_LIFE_DAYS)
    for account in book.accounts.values():
        if unit > 0:
            relative = min(max(account.day_profit / unit, -CLIP), CLIP)
            account.score = keep * account.score + (1.0 - keep) * relative
        account.day_profit = 0.0


def weights(
    book: Book, names: list[str], shares: Mapping[str, float] | None = None, sharpness: float = SHARPNESS
) -> dict[str, float]:
    """Return the softmax of ``sharpness`` times the accounts' scores, times ``shares`` where given; it sums to 1.

    Args:
        book: The accounts.
        names: Accounts to weigh.
        shares: Factor of each account before normalisation; None: 1 each.
        sharpness: Factor of the scores.
    """
    scores = [sharpness * book.accounts[name].score for name in names]
    top = max(scores, default=0.0)
    raw = [(1.0 if shares is None else shares[n]) * math.exp(s - top) for n, s in zip(names, scores, strict=True)]
    total = sum(raw)
    return {name: value / total for name, value in zip(names, raw, strict=True)}


def open_accounts(book: Book, battery: UnitBattery, priors: Mapping[str, float]) -> None:
    """Open an account, half full, with its prior score, for each name that has none."""
    for name, prior in priors.items():
        if name not in book.accounts:
            book.accounts[name] = Account(stored_mwh=battery.energy_mwh / 2.0, score=prior)


def place(book: Book, name: str, offer: Offer) -> None:
    """Set the offer of an account for the next slot."""
    account = book.accounts[name]
    account.value, account.expected = offer.value.astype(np.float32).tobytes(), offer.expected_per_mwh
    account.trust, account.fixed = offer.trust, offer.fixed


def plan_fixed(book: Book, battery: UnitBattery, hours: float) -> None:
    """Replace fixed offers of the next slot by the stored energy that they lead to: one number instead of a curve.

    Args:
        book: The accounts; changed in place.
        battery: Battery of the accounts.
        hours: Length of the slot.
    """
    placed = [account for account in book.accounts.values() if account.fixed and account.value]
    if placed:
        after, _ = _moved(placed, battery, 0.0, hours)  # the price of the slot changes nothing in a fixed offer
        for account, left in zip(placed, after, strict=True):
            account.planned_mwh, account.value = left, b""


def settle_planned(book: Book, battery: UnitBattery, price: float | None) -> None:
    """Settle the accounts with a plan at the actual price; without a price they rest."""
    cell = battery.cell()
    for account in book.accounts.values():
        planned, account.planned_mwh = account.planned_mwh, None
        if planned is not None and price is not None:
            account.day_profit += storage_dp.cash((planned - account.stored_mwh) / cell[0], price, cell)
            account.stored_mwh = min(max(planned, 0.0), battery.energy_mwh)
