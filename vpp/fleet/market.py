"""Market rules: one entry of ``RULES`` for each kind of market, by when a slot's price is known.

All other code asks the rule of a zone's market (``zone.market.rule``) and knows no kind by name. How to add one:
docs/guide/adding-a-market.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from vpp.domain import Step
from vpp.local_time import local_date, utc_of


class PriceKnown(StrEnum):
    """When a slot's price is known to the plant, as ``price_known`` in a fleet file."""

    DAY_AHEAD = "day_ahead"
    AT_START = "at_start"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A priced slot, with the data from which a market rule derives when its price is known.

    ``gate_closure_local_hour``: hour of the auction on the local day before.
    """

    slot: datetime
    step: Step
    time_zone: str
    gate_closure_local_hour: int


@dataclass(frozen=True, slots=True)
class MarketRule:
    """What one kind of market means for the stream, the forecast and the bids.

    Attributes:
        price_known: The kind.
        available_at: Returns the UTC moment from which the price of a slot is known.
        published: The price is known before its slot ends: sources send it as a publication, and bids take it as given.
        by_auction: Prices are set for whole local days: the day-ahead models forecast them, and a schedule is bid.
        lead_slots: Slots after the closed one whose price is known when the next slot is decided (0 or 1).
        takes_curves: Power may depend on the price, since it is not known when the slot is decided.
        of_means: The kind that holds for data whose step is longer than the market's: its prices are means over several
            slots of the market. None: the same kind.
    """

    price_known: PriceKnown
    available_at: Callable[[Delivery], datetime]
    published: bool = False
    by_auction: bool = False
    lead_slots: int = 0
    takes_curves: bool = False
    of_means: PriceKnown | None = None


def day_before(slot: datetime, hour: int, time_zone: str) -> datetime:
    """Return the UTC moment of a local hour (0 to 24) of the day before a slot's local day."""
    return utc_of(local_date(slot, time_zone) - timedelta(days=1), hour, time_zone)


def _after_the_auction(delivery: Delivery) -> datetime:
    return day_before(delivery.slot, delivery.gate_closure_local_hour + 1, delivery.time_zone)


RULES: dict[PriceKnown, MarketRule] = {
    rule.price_known: rule
    for rule in (
        MarketRule(PriceKnown.DAY_AHEAD, _after_the_auction, published=True, by_auction=True),
        MarketRule(
            PriceKnown.AT_START,
            lambda delivery: delivery.slot,
            published=True,
            lead_slots=1,
            of_means=PriceKnown.AFTER,
        ),
        MarketRule(PriceKnown.AFTER, lambda delivery: delivery.slot + delivery.step.delta, takes_curves=True),
    )
}


def real_time_kind(*, published: bool) -> PriceKnown:
    """Return the kind of real-time market (no auction) whose price is known before its slot ends, or only after it."""
    kinds = (rule.price_known for rule in RULES.values() if not rule.by_auction and rule.published == published)
    return next(kinds)
