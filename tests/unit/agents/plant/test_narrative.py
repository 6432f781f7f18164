"""A decision in sentences: stretches of binding limits, curves, verdicts."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from agents.assets.registry import fleet_at_rest
from agents.clearing.plan_notes import say_note
from agents.clearing.plan_reasons import say_asset
from agents.clearing.problem import ClearingInputs, clearing_problem
from agents.clearing.solve import solve
from agents.plant.narrative import MAX_RUNS, binding_stretches, say_check, say_verdict, story
from tests.worlds.builders import ZONE, make_zone, slot_at
from tests.worlds.grid_cases import BATTERY, LOAD, PEAKER, grid_zone
from vpp.fleet.assets import CurtailableRenewable
from vpp.messages import (
    DECISION_VERSION,
    Decision,
    Duals,
    Engine,
    MissingBid,
    NoteCode,
    OrderVerdict,
    PlanNote,
    PlanTable,
    SetpointCheck,
)

STEPS = 12


PLAN = PlanTable(
    horizon_min=[30 * (h + 1) for h in range(STEPS)],
    net_mw=[50.0] * STEPS,
    price_per_mwh=[90.0] * STEPS,
    grid_mw=[50.0] * STEPS,
)


def decided(**given: Any) -> Decision:
    fields: dict[str, Any] = {
        "engine": Engine.LP,
        "objective": 0.0,
        "binding": "nothing binds",
        "plan": PLAN,
        "version": DECISION_VERSION,
        **given,
    }
    return Decision(zone=ZONE, slot=slot_at(0), for_slot=slot_at(1), decision_id="d", revision=0, **fields)


def test_steps_in_a_row_are_one_stretch_with_its_dearest_moment() -> None:
    ramp = [0.0, -12.0, -18.0, -6.0, 0.0, 7.0, -5.0, *[0.0] * 5]
    cap = [0.0] * 9 + [41.0] + [0.0] * 2
    runs = binding_stretches(decided(duals=Duals(ramp_price_per_mw=ramp, cap_price_per_mw=cap)))
    assert [(r.kind, r.worth_per_mw) for r in runs] == [
        ("ramp down", 18.0),
        ("ramp up", 7.0),
        ("ramp down", 5.0),
        ("import cap", 41.0),
    ]
    first = runs[0]
    assert (first.start, first.end, first.dearest_at) == (slot_at(2), slot_at(5), slot_at(3))
    sentences = story(decided(duals=Duals(ramp_price_per_mw=ramp, cap_price_per_mw=cap)), [], make_zone())
    assert "import cap of 86 MW binding at 05:00, worth 41 per MW" in sentences
    assert "ramp down of 3 MW binding 01:00 to 02:30, worth 18 per MW at 01:30" in sentences


def test_only_the_dearest_stretches_are_reported() -> None:
    ramp = [float(h + 1) * (-1.0) ** h for h in range(STEPS)]
    runs = binding_stretches(decided(duals=Duals(ramp_price_per_mw=ramp)))
    assert len(runs) == MAX_RUNS
    assert min(run.worth_per_mw for run in runs) == STEPS - MAX_RUNS + 1
    assert [run.start for run in runs] == sorted(run.start for run in runs)


def test_a_reflex_is_named_by_its_reason() -> None:
    sentences = story(decided(engine=Engine.REFLEX_STALE, plan=None, binding="net load has not been measured"), [])
    assert sentences == [f"{ZONE} 2022-01-03 00:30 UTC: net load has not been measured (reflex:stale)"]
    assert binding_stretches(decided(plan=None)) == []


def test_curve_alternatives_and_missing_bids_are_reported() -> None:
    curve = [[40.0 + k, -2.0 + k] for k in range(5)]
    row = {"asset_id": "bat", "power_mw": 0.0, "reason": "bat: water value 63.0", "curve": curve}
    flat = {**row, "curve": [[40.0, 1.0], [50.0, 1.0]]}
    missing = [MissingBid(policy="actor", cause="empty", detail="no model")]
    sentences = story(decided(alternatives={"rest": 0.0, "charge": 12.5, "discharge": -1.0}, missing=missing), [row])
    assert sentences[1].endswith("water value 63.0; inside the slot -1 MW at 41 MW net load, +1 MW at 43 MW")
    assert "inside" not in story(decided(), [flat])[1]
    assert sentences[2] == (
        "alternatives of the free batteries at full power: charging costs 12.50 more, discharging costs 1.00 less, "
        "idling costs the same"
    )
    assert sentences[3] == "actor: no model; its last bid was used, shifted in time"


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        ({"outcome": "accepted"}, "o target accepted"),
        (
            {"outcome": "clamped", "code": "limited", "asset_id": "bat", "power_mw": 3.0},
            "o target clamped: bat is limited to 3 MW",
        ),
        (
            {"outcome": "clamped", "code": "out_of_reach", "asset_id": "bat", "soc": 0.6, "wanted_soc": 0.8},
            "o target clamped: bat reaches 60.0 % SoC instead of 80.0 %",
        ),
        ({"outcome": "superseded", "code": "outranked"}, "o target superseded: an order of higher priority applies"),
        (
            {"outcome": "waiting", "code": "not_started", "starts_at": slot_at(2)},
            "o target waiting: it starts at 2022-01-03T01:00:00Z",
        ),
        ({"outcome": "clamped", "code": "limited", "detail": "as recorded"}, "o target clamped: as recorded"),
    ],
)
def test_verdicts_in_words(verdict: dict[str, Any], sentence: str) -> None:
    assert say_verdict(OrderVerdict(order_id="o", action="target", **verdict)) == sentence


def test_a_check_names_its_reason() -> None:
    check = SetpointCheck(asset_id="bat", outcome="clamped", reason="soc_min", wanted_mw=4.0, power_mw=1.0)
    assert say_check(check) == "bat clamped: soc_min"


@pytest.mark.parametrize("code", get_args(NoteCode))
def test_every_note_has_a_sentence(code: NoteCode) -> None:
    names = (
        "soc",
        "soc_min",
        "soc_max",
        "wanted_soc",
        "short_mw",
        "step",
        "steps",
        "power_mw",
        "wanted_mw",
        "minutes",
        "nodes",
    )
    note = PlanNote(code=code, asset_id="bat", values=dict.fromkeys(names, 2.0), detail="iteration limit")
    assert len(say_note(note)) > 10


def test_each_kind_of_asset_has_its_own_reason() -> None:
    wind = CurtailableRenewable(asset_id="w", curtail_cost_per_mwh=10.0)
    zone = grid_zone(BATTERY, PEAKER, LOAD, wind, ramp_limit_mw=1000.0)
    state = fleet_at_rest(zone, 95.0)
    plan = solve(
        problem := clearing_problem(zone, ClearingInputs(np.array([95.0, 60.0]), state=state, price_per_mwh=90.0))
    )
    text = [say_asset(problem, plan, row) for row in range(4)]
    assert text[0].startswith("b: water value")
    assert text[1].startswith("p: power worth")
    assert "fuel 160.0" in text[1]
    assert text[2].startswith("l: for emergencies, net load is 9 MW above the import cap")
    assert text[3] == f"w: power worth {plan.power_price_per_mwh[0]:.1f}, curtailment 10.0: rest"


def test_an_answer_to_frequency_is_reported_with_its_energy_and_rule() -> None:
    sentences = story(decided(), [], make_zone(), {"bat": -0.012, "other": 0.5})
    assert sentences[1].startswith("bat delivered -12 kWh of frequency response in the slot, settled at its price")
    assert "droop beyond 50 Hz ± 15 mHz, full power at 49.5 Hz and below" in sentences[1]
    assert sentences[2].startswith("other delivered +500 kWh of frequency response")
    assert not any("frequency" in line for line in story(decided(), [], make_zone()))
