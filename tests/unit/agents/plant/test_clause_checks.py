"""Plans and decisions held against the clauses of the user's own documents."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from agents.clearing.solve import solve
from agents.plant.clause_checks import breaches, worsened
from agents.plant.orders_in_force import admit
from agents.plant.proposal import propose
from agents.plant.recorded_problem import Reopened, reopen
from tests.worlds.records.priced_decision import ZONE, decision, target
from vpp.messages import SetpointCheck
from vpp.rules.checks import ClauseCheck, Quantity
from vpp.rules.clauses import Clause
from vpp.rules.library import CitedCheck

CLAUSE = Clause("2.1", "Limits", "The site keeps its limits.", "code.pdf", "code.pdf 2.1 page 3", page=3, version="2")


def rule(quantity: Quantity, **given: Any) -> CitedCheck:
    return CitedCheck(ClauseCheck(clause="2.1", quantity=quantity, **given), CLAUSE)


def test_an_order_that_breaks_a_clause_is_refused_with_clause_and_version() -> None:
    proposal = propose(ZONE, decision(), target(2.0), rules=[rule(Quantity.DISCHARGE_MW, most=1.5, assets=["bat"])])
    check = proposal.checks[-1]
    assert (proposal.outcome, check.outcome, check.clause, check.version) == ("refused", "refused", "code.pdf 2.1", "2")
    assert check.detail.startswith("discharge of bat at most 1.5 MW: 500 kW beyond it at ")
    assert proposal.rules[-1] == "code.pdf 2.1 (version 2)"


def test_an_order_that_keeps_a_clause_cites_it_too() -> None:
    rules = [rule(Quantity.DISCHARGE_MW, most=2.0, assets=["bat"]), rule(Quantity.IMPORT_MW, most=1e6)]
    proposal = propose(ZONE, decision(), target(2.0), rules=rules)
    assert proposal.outcome == "ready"
    assert proposal.rules[0].startswith("SITE.limits (version ")
    assert [check.outcome for check in proposal.checks[-2:]] == ["ok", "ok"]


def test_what_the_plan_breaks_without_the_order_is_not_the_orders_doing() -> None:
    opened, order = reopen(ZONE, decision()), target(2.0)
    assert isinstance(opened, Reopened)
    before, after = opened.problem(opened.orders), opened.problem(admit(list(opened.orders), order))
    assert before is not None
    assert after is not None
    plans = solve(before.problem), solve(after.problem)
    starts = [ZONE.step.start(index) for index in after.first_slots]
    everywhere = np.ones(len(starts), dtype=bool)
    least = float(min(plan.grid_mw.min() for plan in plans)) - 1.0
    breach = worsened(rule(Quantity.IMPORT_MW, most=least), after.problem, plans, starts, everywhere)
    lifted = plans[1].grid_mw - plans[0].grid_mw
    assert (breach is None) == bool((lifted <= 1e-3).all())
    assert worsened(rule(Quantity.IMPORT_MW, most=least), after.problem, plans, starts, ~everywhere) is None


@pytest.mark.parametrize(
    ("quantity", "value"),
    [(Quantity.IMPORT_MW, "grid_mw"), (Quantity.DISCHARGE_MW, "power_mw"), (Quantity.SOC, "soc")],
)
def test_a_decision_is_held_against_a_check_by_its_own_slot(quantity: Quantity, value: str) -> None:
    made = decision()
    assert made.plan is not None
    battery = made.plan.assets["bat"]
    now = {"grid_mw": made.plan.grid_mw[0], "power_mw": battery.power_mw[0], "soc": battery.soc[0]}[value]
    names = [] if quantity is Quantity.IMPORT_MW else ["bat"]
    broken = breaches(ZONE, made, [rule(quantity, most=now - 0.01, assets=names)])
    assert broken is not None
    (breach,) = broken
    assert breach.start == made.for_slot
    assert breach.excess == pytest.approx(0.01, abs=1e-3)
    assert breaches(ZONE, made, [rule(quantity, most=now + 0.01, assets=names)]) == []


def test_a_setpoint_that_the_checker_changed_counts_as_it_left_it() -> None:
    made = decision()
    assert made.plan is not None
    wanted = made.plan.assets["bat"].power_mw[0]
    check = SetpointCheck(asset_id="bat", outcome="clamped", reason="soc", wanted_mw=wanted, power_mw=wanted - 3.0)
    changed = msgspec.structs.replace(made, checks=[check])
    limit = rule(Quantity.IMPORT_MW, most=made.plan.grid_mw[0] + 1.0)
    assert breaches(ZONE, made, [limit]) == []
    assert len(breaches(ZONE, changed, [limit]) or ()) == 1


def test_a_decision_without_a_plan_cannot_be_judged() -> None:
    assert breaches(ZONE, msgspec.structs.replace(decision(), plan=None), [rule(Quantity.SOC, least=0.9)]) is None
