"""An order is priced against the plan that stands, on the state and the bids of the last decision."""

from datetime import timedelta

import msgspec
import numpy as np
import pytest

from agents.clearing.solve import solve
from agents.plant.proposal import Proposal, propose
from agents.plant.recorded_problem import Reopened, reopen
from agents.plant.reducer import PlantReducer
from tests.worlds.builders import (
    BATTERY,
    LOAD,
    actor_bid_at,
    closed_slot,
    make_zone,
    order_of,
    run,
    said_on,
    slot_at,
    trader_bid_at,
)
from tests.worlds.records.priced_decision import ZONE, decision, target
from vpp.fleet.schema import Limits
from vpp.messages import Decision, Engine, Message, Order


def battery_plan() -> list[float]:
    plan = decision().plan
    assert plan is not None
    return plan.assets[BATTERY.asset_id].power_mw


def outcome(proposal: Proposal, name: str) -> str:
    return next(check.outcome for check in proposal.checks if check.name == name)


def test_a_reopened_decision_solves_to_the_same_plan() -> None:
    opened = reopen(ZONE, decision())
    assert isinstance(opened, Reopened)
    result = opened.problem(opened.orders)
    assert result is not None
    plan = solve(result.problem)
    planned = battery_plan()
    assert plan.power_mw[0] == pytest.approx(np.array(planned), abs=1e-4)
    assert opened.free_from == slot_at(3)


def test_an_order_shows_what_it_changes() -> None:
    proposal = propose(ZONE, decision(), target(2.0))
    battery = proposal.paths[0]
    assert proposal.outcome == "ready"
    assert proposal.starts[1] == slot_at(3)
    assert battery.power_mw[1:3] == [2.0, 2.0]
    assert battery.power_mw[0] == battery.power_without_mw[0]
    assert battery.soc[2] == pytest.approx(battery.soc[0] - 2 * 2.0 * 0.5 / 0.8 / 10.0, abs=1e-3)
    assert proposal.cost_change is not None
    assert proposal.cost_change >= -1e-6
    assert sum(proposal.costs.values()) == pytest.approx(proposal.cost_change, abs=0.05)
    assert proposal.energy_change_mwh == pytest.approx(2.0 - sum(battery.power_without_mw[1:3]) * 0.5, abs=2.1)


def test_what_counts_is_what_the_order_moves_at_its_own_assets() -> None:
    """Another asset may make up for it and the plan be made anew later: neither is the order's doing."""
    proposal = propose(ZONE, decision(), target(3.0))
    battery = proposal.paths[0]
    change = np.abs(np.array(battery.power_mw) - np.array(battery.power_without_mw))
    # Slot 2 is decided and first; the order stands in slots 3 and 4.
    assert proposal.moved_mwh == pytest.approx(change[1:3].sum() * 0.5, abs=1e-3)
    assert proposal.peak_change_mw == pytest.approx(change[1:3].max(), abs=1e-3)


def test_what_the_plant_does_anyway_costs_nothing() -> None:
    planned = battery_plan()[1]
    proposal = propose(ZONE, decision(), target(planned, slots=1))
    assert proposal.cost_change == pytest.approx(0.0, abs=0.02)


def test_an_empty_battery_meets_a_long_order_in_part() -> None:
    proposal = propose(ZONE, decision(), target(4.0, slots=8))
    assert proposal.outcome == "clamped"
    assert outcome(proposal, "delivery") == "warning"
    assert any("in the worst slot" in reason for reason in proposal.reasons)


@pytest.mark.parametrize(
    ("order", "reason", "clause"),
    [
        pytest.param(target(9.0), "-4 MW to 4 MW", "SITE.limits", id="more than it is built for"),
        pytest.param(target(2.0, asset_ids=["nope"]), "not in Z", "SITE.assets", id="unknown asset"),
        pytest.param(target(2.0, expires_at=slot_at(2)), "expires before", "SITE.order_life", id="backwards"),
        pytest.param(target(2.0, first=80), "after the look-ahead", None, id="too far"),
    ],
)
def test_what_can_never_be_is_refused_with_its_clause(order: Order, reason: str, clause: str | None) -> None:
    proposal = propose(ZONE, decision(), order)
    assert proposal.outcome == "refused"
    refused = next(check for check in proposal.checks if check.outcome == "refused")
    assert reason in refused.detail
    assert refused.clause == clause


def test_a_tight_cap_refuses_with_the_excess() -> None:
    tight = make_zone(BATTERY, LOAD, limits=Limits(ramp_limit_mw=30.0, import_cap_mw=51.0, cap_penalty_per_mwh=1.0))
    bids: list[Message] = [actor_bid_at(0, observation=closed_slot(0)), trader_bid_at(0, observation=closed_slot(0))]
    _, outputs = run(PlantReducer(tight, explore=False), bids)
    proposal = propose(tight, said_on(outputs, "decisions")[-1], target(-4.0, first=2))
    assert proposal.outcome == "refused"
    check = next(check for check in proposal.checks if check.name == "cap")
    assert check.clause == "SITE.import_cap"
    assert "import cap of 51 MW" in check.detail


def test_without_a_plan_there_is_no_price() -> None:
    reflex = msgspec.structs.replace(decision(), plan=None, engine=Engine.REFLEX_STALE, binding="blind")
    assert propose(ZONE, reflex, target(1.0)).reasons == [
        "cannot be priced: the plant is on reflex:stale (blind): there is no plan to weigh against"
    ]
    assert propose(ZONE, None, target(1.0)).reasons == ["cannot be priced: nothing is decided yet"]


def test_a_changed_fleet_is_not_priced_on_the_old_decision() -> None:
    proposal = propose(make_zone(BATTERY, LOAD), decision(), target(1.0))
    assert "the fleet has changed" in proposal.reasons[0]


def test_orders_since_the_decision_count() -> None:
    hold = order_of("hold", "h1", issued_at=slot_at(2), verdict="accepted")
    proposal = propose(ZONE, decision(), target(2.0), since=[hold])
    assert proposal.outcome == "refused"
    assert outcome(proposal, "delivery") == "refused"
    assert "is held by ops (test); release the hold first" in proposal.reasons[0]
    assert set(proposal.paths[0].power_without_mw[1:]) == {0.0}


def test_releasing_a_hold_gives_the_power_back() -> None:
    hold = order_of("hold", "h1", issued_at=slot_at(2), verdict="accepted")
    release = order_of("release", "r1", issued_at=slot_at(2) + timedelta(minutes=1))
    proposal = propose(ZONE, decision(), release, since=[hold])
    assert proposal.outcome == "ready"
    assert any(power != 0.0 for power in proposal.paths[0].power_mw[1:])


def test_the_same_question_gives_the_same_answer() -> None:
    assert propose(ZONE, decision(), target(2.0)) == propose(ZONE, decision(), target(2.0))


def test_a_decision_survives_the_store() -> None:
    stored = msgspec.json.decode(msgspec.json.encode(decision()), type=Decision)
    assert propose(ZONE, stored, target(2.0)) == propose(ZONE, decision(), target(2.0))
