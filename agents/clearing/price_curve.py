"""The price-contingent part of a battery's setpoint: power as a function of the actual price of the slot.

Where a slot's price is known afterwards and the market takes curves, the trader's bid says at which prices its offers
change. The clearing is solved again at prices over that range, everything else as decided, so ramp and cap limits
are weighed at each of them too; between them power is interpolated.
"""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from agents.assets.registry import store_rows
from agents.clearing.inslot_curve import MOST_BATTERIES, aggregated, share_out
from agents.clearing.problem import ClearingProblem, Plan, fixed_ahead
from agents.clearing.solve import committed_powers
from agents.clearing.stochastic_programme import ActionCurve, applies, best_powers, induce, revalued
from vpp.fleet.schema import Zone
from vpp.messages import Engine, TraderBid
from vpp.numerics.arrays import Floats

POINTS = 21
SOLVES = 9
"""Points where each costs a linear programme."""

CARRY = 0.85
"""What remains per half hour of the difference between a seen price and the expected one."""


def seen_prices(zone: Zone, bid: TraderBid | None, closed: int) -> Floats:
    """Return prices over the range in which the trader's offers for the slot after ``closed`` change, rising.

    Empty where the market takes no curves, the price is known when the slot is decided, or the bid is old.
    """
    market = zone.market
    if not market.contingent_bids or not market.rule.takes_curves or bid is None:
        return np.zeros(0)
    if not bid.curve or zone.step.index(bid.slot) != closed:
        return np.zeros(0)
    starts = np.array(sorted({price for price, _ in bid.curve}), dtype=float)
    if len(starts) < 2:
        return np.zeros(0)
    lowest, highest = starts[1], starts[-1]
    margin = max(0.5 * (highest - lowest), 1.0)
    return np.asarray(np.linspace(lowest - margin, highest + margin, POINTS))


def with_price_curve(problem: ClearingProblem, plan: Plan, bid: TraderBid | None, seen_per_mwh: Floats) -> Plan:
    """Return the plan with its batteries' power at each seen price, none falling with the price; peakers as decided.

    ``power(s) = share P(s) + (1 - share) planned``: the share of the trader's opinions that answer prices follows what
    the clearing does once s is seen, the others fix their power as planned.

    Args:
        problem: The decision.
        plan: Its plan.
        bid: The trader's bid.
        seen_per_mwh: Prices that may be seen, rising, shape (points,), from ``seen_prices``.
    """
    batteries = store_rows(problem.zone)
    if bid is None or not len(seen_per_mwh) or not batteries or plan.is_reflex:
        return plan
    waiting = replace(problem, price_per_mwh=_believed(bid, problem.price_per_mwh))
    if plan.engine is Engine.DP and applies(waiting):
        observed_per_mwh = np.linspace(seen_per_mwh[0], seen_per_mwh[-1], POINTS)
        powers = _of_programme(waiting, plan, observed_per_mwh)
    else:
        observed_per_mwh = np.linspace(seen_per_mwh[0], seen_per_mwh[-1], SOLVES)
        powers = _of_solves(waiting, plan, batteries, observed_per_mwh)
    if not np.isfinite(powers).all():
        return plan
    share = _share_that_waits(bid)
    mixed = share * np.maximum.accumulate(powers, axis=1) + (1.0 - share) * plan.power_mw[:, :1]
    return replace(plan, price_curve_per_mwh=observed_per_mwh, price_curve_mw=mixed)


def _seen_at(problem: ClearingProblem, price_per_mwh: float) -> ClearingProblem:
    """Return the problem once the slot's price is seen: later prices move with it, the less the later they are."""
    middle_h = np.cumsum(problem.step_h) - 0.5 * problem.step_h
    fades = CARRY ** ((middle_h - middle_h[0]) / 0.5)
    ahead = problem.price_per_mwh + fades * (price_per_mwh - float(problem.price_per_mwh[0]))
    return replace(problem, price_per_mwh=ahead)


def _believed(bid: TraderBid, price_per_mwh: Floats) -> Floats:
    """Return expected prices with the spread that the trader removed because it must fix its power.

    Who may wait for the price need not: ``mean + (price - mean) / trust``.
    """
    if bid.trust <= 0:
        return price_per_mwh
    mean = float(np.mean(bid.price_per_mwh))
    return mean + (price_per_mwh - mean) / bid.trust


def _share_that_waits(bid: TraderBid) -> float:
    """Return the share of the trader's opinions that answer the price; the others fix their power as planned."""
    if not bid.offers:
        return 1.0
    return sum(opinion.share for opinion in bid.offers if not opinion.fixed) / sum(o.share for o in bid.offers)


def _of_programme(waiting: ClearingProblem, plan: Plan, prices: Floats) -> Floats:
    """Return the powers by the stochastic programme, solved at the middle and both ends, interpolated between."""
    middle = len(prices) // 2
    centre = induce(_seen_at(waiting, float(prices[middle])))
    ends = (_seen_at(waiting, float(price)) for price in prices[[0, -1]])
    first, last = (revalued(centre, price_per_mwh=end.price_per_mwh) for end in ends)
    generation = 0.0 if centre.generator_row is None else float(plan.power_mw[centre.generator_row, 0])
    places = np.arange(-middle, middle + 1) / middle
    curve = ActionCurve(places, np.zeros_like(places), prices, first, last)
    powers = np.zeros((len(plan.power_mw), len(prices)))
    powers[centre.row] = best_powers(centre, generation, curve)
    return powers


def _of_solves(problem: ClearingProblem, plan: Plan, batteries: list[int], prices: Floats) -> Floats:
    many = len(batteries) > MOST_BATTERIES
    group, base = aggregated(problem, plan) if many else (fixed_ahead(problem, plan), plan)
    powers = np.full((len(problem.assets), len(prices)), 0.0)
    for k, price in enumerate(prices):
        first_mw = committed_powers(_seen_at(group, float(price)), base)
        if first_mw is None:
            return np.full_like(powers, np.nan)
        if many:
            powers[:, k] = share_out(problem, float(first_mw[0]))
        else:
            powers[batteries, k] = first_mw[batteries]
    bound = [i for i in batteries if not (problem.state.available[i] and np.isnan(problem.bands.fixed_mw[i, 0]))]
    powers[bound] = plan.power_mw[bound, :1]
    return powers
