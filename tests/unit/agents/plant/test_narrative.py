"""A decision in sentences: stretches of binding limits, curves, verdicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.assets.fleet_state import FleetState
from agents.clearing.plan_reasons import say_asset
from agents.clearing.problem import clearing_problem
from agents.clearing.solve import solve
from agents.plant.narrative import MAX_RUNS, binding_runs, said_verdict, story
from tests.worlds.builders import ZONE, make_zone, slot_at
from tests.worlds.grid_cases import BATTERY, LOAD, PEAKER, grid_zone
from vpp.fleet.schema import CurtailableRenewable
from vpp.messages import Decision

STEPS = 12


def decided(**given: Any) -> Decision:
    plan = {
        "horizon_min": [30 * (h + 1) for h in range(STEPS)],
        "net_mw": [50.0] * STEPS,
        "price_per_mwh": [90.0] * STEPS,
    }
    fields: dict[str, Any] = {"engine": "lp", "objective": 0.0, "binding": "nothing binds", "plan": plan, **given}
    return Decision(zone=ZONE, slot=slot_at(0), for_slot=slot_at(1), decision_id="d", revision=0, **fields)


def test_steps_in_a_row_are_one_stretch_with_its_dearest_moment() -> None:
    ramp = [0.0, -12.0, -18.0, -6.0, 0.0, 7.0, -5.0, *[0.0] * 5]
    cap = [0.0] * 9 + [41.0] + [0.0] * 2
    runs = binding_runs(decided(duals={"ramp_price_per_mw": ramp, "cap_price_per_mw": cap}))
    assert [(r.kind, r.worth_per_mw) for r in runs] == [
        ("ramp down", 18.0), ("ramp up", 7.0), ("ramp down", 5.0), ("import cap", 41.0),
    ]  # fmt: skip
    first = runs[0]
    assert (first.start, first.end, first.dearest_at) == (slot_at(2), slot_at(5), slot_at(3))
    told = story(decided(duals={"ramp_price_per_mw": ramp, "cap_price_per_mw": cap}), [], make_zone())
    assert "import cap of 86 MW binding at 05:00, worth 41 per MW" in told
    assert "ramp down of 3 MW binding 01:00 to 02:30, worth 18 per MW at 01:30" in told


def test_only_the_dearest_stretches_are_told() -> None:
    ramp = [float(h + 1) * (-1.0) ** h for h in range(STEPS)]
    runs = binding_runs(decided(duals={"ramp_price_per_mw": ramp}))
    assert len(runs) == MAX_RUNS
    assert min(run.worth_per_mw for run in runs) == STEPS - MAX_RUNS + 1
    assert [run.start for run in runs] == sorted(run.start for run in runs)


def test_a_reflex_is_told_by_its_reason() -> None:
    told = story(decided(engine="reflex:stale", plan={}, binding="net load has not been measured"), [])
    assert told == [f"{ZONE} 2022-01-03 00:30 UTC: net load has not been measured (reflex:stale)"]
    assert binding_runs(decided(plan={})) == []


def test_curve_alternatives_and_missing_bids_are_told() -> None:
    curve = [[40.0 + k, -2.0 + k] for k in range(5)]
    row = {"asset_id": "bat", "power_mw": 0.0, "reason": "bat: water value 63.0", "curve": curve}
    flat = {**row, "curve": [[40.0, 1.0], [50.0, 1.0]]}
    told = story(decided(alternatives={"rest": 0.0, "charge": 12.5, "discharge": -1.0}, missing=["actor: late"]), [row])
    assert told[1].endswith("water value 63.0; inside the slot -1.00 MW at 41.0 MW net load, +1.00 MW at 43.0 MW")
    assert "inside" not in story(decided(), [flat])[1]
    assert told[2] == "instead, the free batteries at full: charge 12.50 dearer, discharge 1.00 cheaper, rest as good"
    assert told[3] == "no current bid of actor: late; its last one was used, shifted"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"note": "as it is"}, "as it is"),
        ({"order_id": "o", "action": "hold", "outcome": "accepted"}, "o hold accepted"),
        ({"asset_id": "bat", "outcome": "clamped", "reason": "soc_min"}, "bat clamped: soc_min"),
    ],
)
def test_verdicts_in_words(entry: dict[str, Any], said: str) -> None:
    assert said_verdict(entry) == said


def test_each_kind_of_asset_has_its_own_reason() -> None:
    wind = CurtailableRenewable(asset_id="w", curtail_cost_per_mwh=10.0)
    zone = grid_zone(BATTERY, PEAKER, LOAD, wind, ramp_limit_mw=1000.0)
    state = FleetState.initial(zone, 95.0)
    plan = solve(problem := clearing_problem(zone, np.array([95.0, 60.0]), state=state, price_per_mwh=90.0))
    said = [say_asset(problem, plan, row) for row in range(4)]
    assert said[0].startswith("b: water value")
    assert said[1].startswith("p: power worth")
    assert "fuel 160.0" in said[1]
    assert said[2].startswith("l: for emergencies, net load is 9.0 MW above the import cap")
    assert said[3] == f"w: power worth {plan.power_price_per_mwh[0]:.1f}, curtailment 10.0: rest"
