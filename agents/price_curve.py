"""The price-contingent part of a battery's setpoint: what it does at the price that the slot turns out to have.

Where a slot's price is known afterwards and the market takes curves, the trader's bid says at which prices its offers
change. The clearing is solved again at prices over that range, everything else as decided, so that ramp and cap limits
are weighed at each of them too; between them power is interpolated.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agents.clearing import committed
from agents.curve import MOST_BATTERIES, aggregated, share_out
from agents.problem import Array, ClearingProblem, Plan
from agents.programme import Programme, at_price, best_power
from vpp.domain import PriceKnown
from vpp.fleet import Battery, Peaker, Zone
from vpp.messages import TraderBid

POINTS = 21
SOLVES = 9
"""Points where each costs a linear programme."""


def seen_prices(zone: Zone, bid: TraderBid | None, closed: int) -> Array:
    """Return prices over the range in which the trader's offers for the slot after ``closed`` change, rising.

    Empty where the market takes no curves, the price is known when the slot is decided, or the bid is old.
    """
    market = zone.market
    if not market.contingent_bids or market.price_known is not PriceKnown.AFTER or bid is None:
        return np.zeros(0)
    if not bid.curve or zone.step.index(bid.slot) != closed:
        return np.zeros(0)
    starts = np.array(sorted({price for price, _ in bid.curve}), dtype=float)
    if len(starts) < 2:
        return np.zeros(0)
    lowest, highest = starts[1], starts[-1]
    margin = max(0.5 * (highest - lowest), 1.0)
    return np.asarray(np.linspace(lowest - margin, highest + margin, POINTS))


def with_price_curve(problem: ClearingProblem, plan: Plan, bid: TraderBid | None, seen_per_mwh: Array) -> Plan:
    """Return the plan with its batteries' power at each seen price, none falling with the price; peakers as decided.

    The trader's opinions say on which price each of them acts when one is seen; what is done is their mean, as in its
    own offers: ``power(s) = sum_k share_k P(expected_k + trust_k (s - expected_k))`` with P from the clearing.

    Args:
        problem: The decision.
        plan: Its plan.
        bid: The trader's bid.
        seen_per_mwh: Prices, rising (``seen_prices``).
    """
    batteries = [i for i, asset in enumerate(problem.assets) if isinstance(asset, Battery)]
    if bid is None or not len(seen_per_mwh) or not batteries or plan.engine.startswith("reflex"):
        return plan
    opinions = _acted_on(bid, seen_per_mwh)
    low = min(float(prices.min()) for _, prices in opinions)
    high = max(float(prices.max()) for _, prices in opinions)
    programme = plan.programme
    if plan.engine == "dp" and isinstance(programme, Programme):
        acted = np.linspace(low, high, POINTS)
        powers = _of_programme(programme, plan, acted)
    else:
        acted = np.linspace(low, high, SOLVES)
        powers = _of_solves(problem, plan, batteries, acted)
    if not np.isfinite(powers).all():
        return plan
    powers = np.maximum.accumulate(powers, axis=1)
    mixed = np.zeros((len(powers), len(seen_per_mwh)))
    for share, prices in opinions:
        mixed += share * np.array([np.interp(prices, acted, row) for row in powers])
    return replace(plan, price_curve_per_mwh=seen_per_mwh, price_curve_mw=mixed)


def _acted_on(bid: TraderBid, seen_per_mwh: Array) -> list[tuple[float, Array]]:
    """Return each opinion's share (summing to 1) and the price that it acts on at each seen one."""
    if not bid.offers:
        return [(1.0, seen_per_mwh)]
    total = sum(opinion.share for opinion in bid.offers)
    return [
        (
            opinion.share / total,
            opinion.expected_per_mwh
            + (0.0 if opinion.fixed else opinion.trust) * (seen_per_mwh - opinion.expected_per_mwh),
        )
        for opinion in bid.offers
    ]


def _of_programme(programme: Programme, plan: Plan, prices: Array) -> Array:
    powers = np.zeros((len(plan.power_mw), len(prices)))
    peak = 0.0 if programme.peaker is None else float(plan.power_mw[programme.peaker, 0])
    for k, price in enumerate(prices):
        powers[programme.row, k], _ = best_power(at_price(programme, float(price)), peak, 0.0)
    return powers


def _of_solves(problem: ClearingProblem, plan: Plan, batteries: list[int], prices: Array) -> Array:
    many = len(batteries) > MOST_BATTERIES
    asked, base = aggregated(problem, plan) if many else (_peakers_fixed(problem, plan), plan)
    powers = np.full((len(problem.assets), len(prices)), 0.0)
    for k, price in enumerate(prices):
        ahead = asked.price_per_mwh.copy()
        ahead[0] = price
        answer = committed(replace(asked, price_per_mwh=ahead), base)
        if answer.engine.startswith("reflex"):
            return np.full_like(powers, np.nan)
        if many:
            powers[:, k] = share_out(problem, float(answer.power_mw[0, 0]))
        else:
            powers[batteries, k] = answer.power_mw[batteries, 0]
    bound = [i for i in batteries if not (problem.state.available[i] and np.isnan(problem.bands.fixed_mw[i, 0]))]
    powers[bound] = plan.power_mw[bound, :1]
    return powers


def _peakers_fixed(problem: ClearingProblem, plan: Plan) -> ClearingProblem:
    fixed = problem.bands.fixed_mw.copy()
    for row, asset in enumerate(problem.assets):
        if isinstance(asset, Peaker):
            fixed[row, 0] = plan.power_mw[row, 0]
    return replace(problem, bands=replace(problem.bands, fixed_mw=fixed))
