"""Missing, empty and late bids, gaps and deadlines: the plant decides every slot once and names what was missing."""

from __future__ import annotations

import msgspec
import pytest

from agents.clearing.problem import ClearingProblem, Plan
from tests.worlds.builders import (
    T0,
    ZONE,
    actor_bid_at,
    run,
    said_on,
    slot_at,
    trader_bid_at,
)
from tests.worlds.plant import bids, end, plant, quick
from vpp.errors import MessageError
from vpp.messages import (
    AlertCode,
    AlertEffect,
    Deadline,
    Decision,
    End,
    Engine,
    LedgerEntry,
    Message,
    MissingBid,
    Promotion,
)
from vpp.streams.reducer import Origin


def test_at_a_deadline_the_missing_bid_is_the_last_one_shifted() -> None:
    seen: list[ClearingProblem] = []

    def spy(problem: ClearingProblem) -> Plan:
        seen.append(problem)
        return quick(problem)

    first = actor_bid_at(0, [50.0 + i for i in range(32)])
    messages: list[Message] = [first, trader_bid_at(0), trader_bid_at(1), Deadline(zone=ZONE, slot=slot_at(1))]
    _, outputs = run(plant(clear=spy), messages)
    decision = said_on(outputs, "decisions")[1]
    assert decision.missing == [MissingBid(policy="actor", cause="no_bid")]
    assert list(seen[1].net_mw) == [51.0 + i for i in range(31)]
    assert "actor" in decision.bids


def test_a_deadline_decides_every_slot_up_to_it_once() -> None:
    _, outputs = run(plant(), [*bids(0), Deadline(zone=ZONE, slot=slot_at(3)), Deadline(zone=ZONE, slot=slot_at(2))])
    assert [d.slot for d in said_on(outputs, "decisions")] == [slot_at(i) for i in range(4)]


def test_a_deadline_before_anything_was_heard_does_nothing() -> None:
    assert run(plant(), [Deadline(zone=ZONE, slot=slot_at(3))])[1] == []


def test_what_comes_after_the_deadline_decides_nothing_and_settles_once() -> None:
    reducer = plant()
    state, _ = run(reducer, [*bids(0), Deadline(zone=ZONE, slot=slot_at(1))])
    state, outputs = run(reducer, bids(1, net=590.0, price=120.0), state)
    assert said_on(outputs, "decisions") == []
    rows = said_on(outputs, "ledger")
    assert {row.revision for row in rows} == {1}
    assert {row.asset_id: row.price_per_mwh for row in rows if row.asset_id != "zone"} == {
        "bat": 120.0,
        "gas": 120.0,
        "shed": 120.0,
    }
    assert run(reducer, bids(1, net=590.0, price=120.0), state)[1] == []


def test_a_slot_that_one_policy_skipped_is_decided_when_a_later_one_is_complete() -> None:
    _, outputs = run(plant(), [*bids(0), bids(1)[1], bids(2)[1], bids(2)[0]])
    assert [(d.slot, d.missing) for d in said_on(outputs, "decisions")] == [
        (slot_at(0), []),
        (slot_at(1), [MissingBid(policy="actor", cause="no_bid")]),
        (slot_at(2), []),
    ]


def test_an_empty_bid_names_its_reason_and_the_last_one_serves() -> None:
    empty = actor_bid_at(1, [], reason="no model")
    _, outputs = run(plant(), [*bids(0), empty, trader_bid_at(1)])
    assert said_on(outputs, "decisions")[1].missing == [MissingBid(policy="actor", cause="empty", detail="no model")]


def test_without_any_net_load_forecast_the_fleet_rests_by_name() -> None:
    _, outputs = run(plant(), [actor_bid_at(0, [], reason="no history"), trader_bid_at(0)])
    (decision,) = said_on(outputs, "decisions")
    assert decision.engine == "reflex:rest"
    assert [s.power_mw for s in said_on(outputs, "setpoints")] == [0.0, 0.0, 0.0]


def test_a_gap_settles_on_the_planned_point_then_the_plant_holds() -> None:
    messages = [*bids(0, net=800.0), *bids(1, net=840.0)]
    for index in (2, 3):
        messages += bids(index, net=None, price=None)
    _, outputs = run(plant(), messages)
    decisions = said_on(outputs, "decisions")
    assert [d.engine for d in decisions[-2:]] == ["reflex:limits", "reflex:stale"]
    assert all(s.curve == [] for s in said_on(outputs, "setpoints") if s.slot >= slot_at(3))
    gap = [row for row in said_on(outputs, "ledger") if isinstance(row, LedgerEntry) and row.slot == slot_at(2)]
    assert [row.revenue for row in gap] == [None] * 4
    assert gap[-1].penalty == 0.0


def test_a_ramp_is_counted_across_a_missing_slot_from_what_was_expected_of_it() -> None:
    _, outputs = run(plant(), [*bids(0, net=800.0), *bids(1, net=840.0), *bids(2, net=None)])
    decision = said_on(outputs, "decisions")[-1]
    given = sum(asset.power_mw for asset in decision.state.assets.values())
    assert decision.state.observation.net_load_mw is None
    assert decision.state.grid_mw == pytest.approx(0.5 * (84.0 + 50.0) - given)


def test_a_gap_too_long_to_bridge_is_reported_and_left_behind() -> None:
    _, outputs = run(plant(), [*bids(0), *bids(1000)])
    assert [d.slot for d in said_on(outputs, "decisions")] == [slot_at(0), slot_at(1), slot_at(1000)]
    assert any("no bids for" in a.text for a in said_on(outputs, "alerts"))


def test_only_registered_policies_are_waited_for() -> None:
    _, outputs = run(plant(policies=("actor",)), [bids(0)[1], bids(0)[0], end("trader"), end("actor")])
    assert [type(m) for m in said_on(outputs, "decisions")] == [Decision, End]
    assert isinstance(outputs[-1].message, End)


@pytest.mark.parametrize(
    "bid",
    [
        pytest.param(actor_bid_at(0, carry=[1.0]), id="short list"),
        pytest.param(actor_bid_at(0, [50.0, 50.0], horizon_min=[60, 30]), id="horizons fall"),
        pytest.param(msgspec.structs.replace(actor_bid_at(0), observation=None), id="no observation"),
        pytest.param(trader_bid_at(0, stored_width=[0.5, 0.5]), id="widths"),
        pytest.param(trader_bid_at(0, price_sd_per_mwh=[1.0]), id="spreads"),
        pytest.param(trader_bid_at(0, stored_value_per_mwh=[1.0, 2.0, 3.0, 4.0]), id="values rise"),
    ],
)
def test_a_bid_that_does_not_fit_together_is_refused_and_leaves_the_state(bid: Message) -> None:
    reducer = plant()
    state = reducer.initial(ZONE)
    with pytest.raises(MessageError):
        reducer.step(state, bid, Origin("bids", 0, 0))
    assert reducer.changes(state) == {}


def test_what_is_no_bid_is_refused() -> None:
    with pytest.raises(MessageError, match="not a bid"):
        run(plant(), [Promotion(zone=ZONE, available_at=T0, model_id="m", sha256="0")])


def test_a_policy_that_is_not_ready_withdraws_its_bid_and_the_fleet_rests() -> None:
    withheld = msgspec.structs.replace(actor_bid_at(1, []), not_ready=True, reason="not ready: 2 of 15 lags are known")
    _, outputs = run(plant(), [*bids(0), withheld, trader_bid_at(1), *bids(2)])
    decisions = said_on(outputs, "decisions")
    assert [decision.engine for decision in decisions][1] == Engine.REFLEX_REST
    assert decisions[1].missing == [MissingBid(policy="actor", cause="not_ready", detail=withheld.reason)]
    assert "actor" not in decisions[1].bids
    assert decisions[2].missing == []
    alert = next(alert for alert in said_on(outputs, "alerts") if alert.code is AlertCode.BID_MISSING)
    assert alert.effect is AlertEffect.BID_WITHDRAWN
