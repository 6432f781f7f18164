"""A principal's daily budget for plans without approval, checked where orders are admitted.

The server that approves within a budget looks at what it knows to be spent. Several servers may approve at the same
moment, so the count that holds is the one here: one state per zone, in the one log that all orders pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from agents.orders.approval import Approval
from agents.orders.refusal import Refusal
from vpp.fleet.scale import energy_text, power_text
from vpp.messages import Order

# Letting the automation loose again, or lifting somebody's order, is for people.
WITHIN_BUDGET = frozenset({"target", "band", "soc_target"})
_KEPT_DAYS = 2


@dataclass(frozen=True, slots=True)
class Budget:
    """What a principal may do in one zone in a UTC day: greatest change of one plan, energy, expected extra cost."""

    power_mw: float = 0.0
    energy_mwh_per_day: float = 0.0
    cost_per_day: float = 0.0


class Spent(msgspec.Struct, frozen=True):
    """What one principal's plans of a day add up to: energy moved (MWh) and expected extra cost, both 0 or above."""

    energy_mwh: float = 0.0
    cost: float = 0.0


class Spending(msgspec.Struct):
    """What was spent, by UTC day (ISO date) and principal; the last two days are kept."""

    days: dict[str, dict[str, Spent]] = {}


def effect(moved_mwh: float, cost_change: float) -> Spent:
    """Return a plan's use of a budget: energy in either direction, and cost; a gain does not increase the budget."""
    # Not max(): a NaN cost must stay one.
    return Spent(abs(moved_mwh), 0.0 if cost_change < 0.0 else cost_change)


def beyond(budget: Budget, spent: Spent, power_mw: float, more: Spent) -> str | None:
    """Return why a plan is beyond a budget of which ``spent`` is used, in words; None if it is within.

    Args:
        budget: The limits.
        spent: What is used today.
        power_mw: Largest change of power that the plan makes.
        more: Energy and cost that the plan adds.
    """
    energy, cost = spent.energy_mwh + more.energy_mwh, spent.cost + more.cost
    # Written so that a NaN is beyond.
    if not power_mw <= budget.power_mw:
        return f"it changes power by {power_text(power_mw)}, the budget allows {power_text(budget.power_mw)}"
    if not energy <= budget.energy_mwh_per_day:
        return f"{energy_text(energy)} today would exceed the budget of {energy_text(budget.energy_mwh_per_day)}"
    if not cost <= budget.cost_per_day:
        return f"{cost:.2f} of expected cost today would exceed the budget of {budget.cost_per_day:g}"
    return None


def charge(budget: Budget, spending: Spending, order: Order, approval: Approval) -> tuple[Spending, Refusal | None]:
    """Return the spending after an order that a budget approved, and why it is refused, None if it is within.

    Args:
        budget: Of each principal and day; all 0 lets nothing through.
        spending: What was admitted so far.
        order: The order.
        approval: On it, of mode ``budget``; its day counts, and the effect that it was given for.
    """
    if order.action not in WITHIN_BUDGET:
        return spending, Refusal("budget", f"a {order.action} order needs a person's approval")
    if approval.power_mw is None or approval.energy_mwh is None or approval.cost is None:
        return spending, Refusal("budget", "its effect is not priced")
    day = approval.given_at.date().isoformat()
    recent_days = sorted({*spending.days, day})[-_KEPT_DAYS:]
    if day not in recent_days:
        return spending, Refusal("budget", f"{day} is over")
    today = spending.days.get(day, {})
    spent, more = today.get(order.principal, Spent()), effect(approval.energy_mwh, approval.cost)
    reason = beyond(budget, spent, approval.power_mw, more)
    if reason is not None:
        return spending, Refusal("budget", reason)
    total = Spent(spent.energy_mwh + more.energy_mwh, spent.cost + more.cost)
    days = {**spending.days, day: {**today, order.principal: total}}
    return Spending({name: days[name] for name in recent_days}), None
