"""The plant settles and decides slots in order, whatever order the policies' messages come in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents.clearing.problem import ClearingProblem, Plan
from agents.clearing.reflex import reflex_plan
from agents.plant.reducer import PlantReducer
from tests.worlds.builders import (
    BATTERY,
    HALF_HOUR,
    LOAD,
    PEAKER,
    T0,
    ZONE,
    actor_bid_at,
    closed_slot,
    make_zone,
    order_of,
    run,
    said_on,
    slot_at,
    trader_bid_at,
)
from vpp.errors import MessageError
from vpp.fleet.schema import Zone
from vpp.messages import (
    AssetReading,
    Correction,
    Deadline,
    Decision,
    End,
    LedgerEntry,
    Message,
    Order,
    Promotion,
    Setpoint,
    encode,
)
from vpp.store.message_rows import rows_of
from vpp.streams.reducer import Origin, Output

QUICK = PEAKER.model_copy(update={"start_cost": 0.0})
NETS = (500.0, 530.0, 590.0, 640.0, 600.0, 560.0)


def quick(problem: ClearingProblem) -> Plan:
    """Clear by the reflex: deterministic and without a solver, for tests of everything around it."""
    return reflex_plan(problem, reason="test")


def plant(zone: Zone | None = None, **given: Any) -> PlantReducer:
    given = {"clear": quick, "explore": False, **given}
    return PlantReducer(zone or make_zone(BATTERY, QUICK, LOAD), **given)


def bids(index: int, *, net: float | None = 500.0, price: float | None = 100.0, **given: Any) -> list[Message]:
    """Return both policies' bids after one slot, the actor's level being what was just seen."""
    seen = closed_slot(index, net, price, **given)
    level = 50.0 if net is None else net / 10.0
    return [actor_bid_at(index, [level] * 32, observation=seen), trader_bid_at(index, observation=seen)]


def week(count: int = 6) -> list[Message]:
    return [message for i in range(count) for message in bids(i, net=NETS[i % len(NETS)], price=100.0 + i)]


def correction(index: int, net: float, *, price: float | None = None) -> Correction:
    values: dict[str, float | None] = {} if price is None else {"price_per_mwh": price}
    return Correction(zone=ZONE, slot=slot_at(index), step_min=30, values=values, net_load_mw=net, revision=1)


def end(producer: str) -> End:
    return End(zone=ZONE, producer=producer, last_slot=T0)


def table_rows(outputs: list[Output]) -> dict[str, dict[tuple[Any, ...], Any]]:
    """Return what the outputs leave in a store: rows by table and key, later ones over earlier ones."""
    found: dict[str, dict[tuple[Any, ...], Any]] = {}
    for output in outputs:
        for table, row in rows_of(output.message, output.topic, T0):
            named = dict(zip(table.names, row, strict=True))
            found.setdefault(table.name, {})[tuple(named[key] for key in table.key)] = row
    return found


# --- order of things --------------------------------------------------------------------------------------------


def test_a_slot_closes_with_the_last_policys_bid() -> None:
    actor, trader = bids(0)
    reducer = plant()
    state, outputs = run(reducer, [actor])
    assert outputs == []
    _, outputs = run(reducer, [trader], state)
    assert [o.topic for o in outputs] == ["assets"] * 3 + ["ledger"] * 4 + ["setpoints"] * 3 + ["decisions", "alerts"]
    (decision,) = said_on(outputs, "decisions")
    assert (decision.slot, decision.for_slot, decision.revision) == (slot_at(0), slot_at(1), 0)
    assert {s.decision_id for s in said_on(outputs, "setpoints")} == {decision.decision_id}
    assert {s.slot for s in said_on(outputs, "setpoints")} == {slot_at(1)}
    assert {s.valid_until for s in said_on(outputs, "setpoints")} == {slot_at(2)}


def test_the_first_slot_has_no_setpoint_and_the_fleet_rests() -> None:
    _, outputs = run(plant(), bids(0))
    assert [(s.power_mw, s.planned_mw) for s in said_on(outputs, "assets")] == [(0.0, None)] * 3


def test_a_slot_is_settled_on_the_setpoints_decided_before_it() -> None:
    _, outputs = run(plant(), [*bids(0, net=500.0), *bids(1, net=560.0)])
    planned = {s.asset_id: s.power_mw for s in said_on(outputs, "setpoints") if s.slot == slot_at(1)}
    settled = {s.asset_id: s.planned_mw for s in said_on(outputs, "assets") if s.slot == slot_at(1)}
    assert settled == planned


@hypothesis_settings(max_examples=20, deadline=None)
@given(order=st.lists(st.booleans(), min_size=12, max_size=12))
def test_tables_do_not_depend_on_how_the_policies_interleave(order: list[bool]) -> None:
    actors = [m for i in range(6) for m in bids(i, net=NETS[i])[:1]]
    traders = [m for i in range(6) for m in bids(i, net=NETS[i])[1:]]
    actors[3:3] = [correction(1, 555.0)]
    straight = run(plant(), [*actors, *traders, end("actor"), end("trader")])
    left, right = [*actors, end("actor")], [*traders, end("trader")]
    mixed = []
    for first in order:
        queue = left if (first and left) or not right else right
        mixed.append(queue.pop(0))
    shuffled = run(plant(), [*mixed, *left, *right])
    assert table_rows(shuffled[1]) == table_rows(straight[1])


def test_repeats_leave_the_same_tables() -> None:
    messages = [*week(), end("actor"), end("trader")]
    once = run(plant(), messages)[1]
    twice = run(plant(), [m for m in messages for _ in range(2)])[1]
    assert table_rows(twice) == table_rows(once)


def test_the_same_log_gives_the_same_bytes() -> None:
    first, second = (run(plant(), week())[1] for _ in range(2))
    assert [encode(o.message) for o in first] == [encode(o.message) for o in second]


def test_a_restart_at_any_message_changes_nothing() -> None:
    messages: list[Message] = [
        *week(3),
        Correction(
            zone=ZONE, slot=slot_at(1), step_min=30, values={"price_per_mwh": 130.0}, net_load_mw=530.0, revision=1
        ),
        order_of("hold", verdict="accepted"),
        *bids(3),
        bids(4)[0],
        Deadline(zone=ZONE, slot=slot_at(4)),
        order_of("release", "o2", verdict="accepted"),
        *bids(5),
        end("actor"),
        end("trader"),
    ]
    whole = run(plant(), messages)[1]
    kept: dict[str, bytes] = {}
    parts: list[Output] = []
    for offset, message in enumerate(messages):
        reducer = plant()
        state = reducer.load(ZONE, kept.get)
        state, said = reducer.step(state, message, Origin("in", 0, offset))
        parts += said
        for name, value in reducer.changes(state).items():
            if value is None:
                kept.pop(name, None)
            else:
                kept[name] = value
    assert [(o.topic, encode(o.message)) for o in parts] == [(o.topic, encode(o.message)) for o in whole]
    assert not [name for name in kept if name.startswith("waiting")]
    assert max(len(value) for value in kept.values()) < 256_000


def test_the_decisions_id_is_a_hash_of_its_content_without_the_offsets() -> None:
    reducer = plant()
    (first,) = said_on(run(reducer, bids(0))[1], "decisions")
    state, _ = reducer.step(reducer.initial(ZONE), bids(0)[1], Origin("bids", 3, 70))
    _, outputs = reducer.step(state, bids(0)[0], Origin("bids", 3, 71))
    (other,) = said_on(outputs, "decisions")
    assert other.decision_id == first.decision_id
    assert other.receipt.offsets == {"actor": ("bids", 3, 71), "trader": ("bids", 3, 70)}
    (changed,) = said_on(run(reducer, bids(0, net=510.0))[1], "decisions")
    assert changed.decision_id != first.decision_id


def test_a_decision_names_the_model_and_the_features_that_it_rests_on() -> None:
    told = actor_bid_at(0, [50.0] * 32, spec_hash="f3a1")
    (decision,) = said_on(run(plant(), [told, bids(0)[1]])[1], "decisions")
    assert (decision.model_id, decision.spec_hash) == ("m1", "f3a1")


def test_the_end_comes_once_from_every_policy_and_everything_is_decided_before() -> None:
    _, outputs = run(plant(), [*bids(0), bids(1)[0], end("actor"), end("trader")])
    assert [d.missing for d in said_on(outputs, "decisions") if isinstance(d, Decision)] == [
        [],
        ["trader: no bid came"],
    ]
    ends = [o for o in outputs if isinstance(o.message, End)]
    assert [o.topic for o in ends] == ["setpoints", "assets", "ledger", "decisions", "alerts"]
    assert {(o.message.producer, o.message.last_slot) for o in ends} == {("plant", slot_at(1))}


# --- what is missing --------------------------------------------------------------------------------------------


def test_at_a_deadline_the_missing_bid_is_the_last_one_shifted() -> None:
    seen: list[ClearingProblem] = []

    def spy(problem: ClearingProblem) -> Plan:
        seen.append(problem)
        return quick(problem)

    first = actor_bid_at(0, [50.0 + i for i in range(32)])
    messages: list[Message] = [first, trader_bid_at(0), trader_bid_at(1), Deadline(zone=ZONE, slot=slot_at(1))]
    _, outputs = run(plant(clear=spy), messages)
    decision = said_on(outputs, "decisions")[1]
    assert decision.missing == ["actor: no bid came"]
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
        (slot_at(1), ["actor: no bid came"]),
        (slot_at(2), []),
    ]


def test_an_empty_bid_names_its_reason_and_the_last_one_serves() -> None:
    empty = actor_bid_at(1, [], reason="no model")
    _, outputs = run(plant(), [*bids(0), empty, trader_bid_at(1)])
    assert said_on(outputs, "decisions")[1].missing == ["actor: no model"]


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
    given = sum(asset["power_mw"] for asset in decision.state["assets"].values())
    assert decision.state["observation"].get("net_load_mw") is None
    assert decision.state["grid_mw"] == pytest.approx(0.5 * (84.0 + 50.0) - given)


def test_a_gap_too_long_to_bridge_is_told_and_left_behind() -> None:
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
    with pytest.raises(MessageError, match="no bid"):
        run(plant(), [Promotion(zone=ZONE, available_at=T0, model_id="m", sha256="0")])


# --- corrections ------------------------------------------------------------------------------------------------


def test_a_corrected_net_load_moves_the_penalties_of_two_slots() -> None:
    late = correction(1, 520.0)
    zone = make_zone(BATTERY)
    idle = plant(zone, policies=("actor",))
    quiet = [
        actor_bid_at(i, [], reason="none", observation=closed_slot(i, net))
        for i, net in enumerate((500.0, 600.0, 520.0))
    ]
    state, outputs = run(idle, quiet)
    first = {row.slot: row.penalty for row in said_on(outputs, "ledger") if row.asset_id == "zone"}
    assert first == {slot_at(0): 0.0, slot_at(1): 875.0, slot_at(2): 625.0}
    _, outputs = run(idle, [late], state)
    assert [(r.slot, r.asset_id, r.revision, r.penalty) for r in said_on(outputs, "ledger")] == [
        (slot_at(1), "zone", 1, -875.0),
        (slot_at(2), "zone", 1, -625.0),
    ]


def test_a_correction_settles_once_and_decides_nothing() -> None:
    late = Correction(
        zone=ZONE, slot=slot_at(0), step_min=30, values={"price_per_mwh": 150.0}, net_load_mw=500.0, revision=1
    )
    reducer = plant()
    state, _ = run(reducer, week(2))
    state, outputs = run(reducer, [late], state)
    assert {o.topic for o in outputs} == {"ledger"}
    assert {row.price_per_mwh for row in said_on(outputs, "ledger")} == {150.0}
    assert run(reducer, [late], state)[1] == []


def test_a_correction_of_what_is_forgotten_is_told() -> None:
    reducer = plant()
    state, _ = run(reducer, [message for i in range(12) for message in bids(i)])
    state, _ = run(reducer, [*bids(900), *bids(901)], state)
    late = correction(2, 1.0)
    (alert,) = said_on(run(reducer, [late], state)[1], "alerts")
    assert "too late" in alert.text


# --- orders -----------------------------------------------------------------------------------------------------


def accepted(action: str, order_id: str = "o1", **given: Any) -> Order:
    return order_of(action, order_id, verdict="accepted", **given)


def test_a_hold_acts_at_once_as_a_revision_and_until_released() -> None:
    messages = [*bids(0, net=840.0), *bids(1, net=900.0)]
    reducer = plant()
    state, before = run(reducer, messages)
    assert any(s.power_mw for s in said_on(before, "setpoints"))
    state, outputs = run(reducer, [accepted("hold")], state)
    (decision,) = said_on(outputs, "decisions")
    assert (decision.engine, decision.revision, decision.for_slot) == ("hold", 1, slot_at(2))
    assert [(s.slot, s.power_mw, s.revision) for s in said_on(outputs, "setpoints")] == [(slot_at(2), 0.0, 1)] * 3
    state, outputs = run(reducer, bids(2, net=900.0), state)
    assert {s.asset_id: s.power_mw for s in said_on(outputs, "assets")}["bat"] == 0.0
    assert [s.power_mw for s in said_on(outputs, "setpoints")][:2] == [0.0, 0.0]
    state, outputs = run(reducer, [accepted("release", "o2"), *bids(3, net=900.0)], state)
    assert said_on(outputs, "setpoints")[0].power_mw > 0.0


def test_a_hold_of_one_asset_leaves_the_others_alone() -> None:
    reducer = plant()
    state, _ = run(reducer, bids(0, net=840.0))
    state, outputs = run(reducer, [accepted("hold", asset_ids=["gas"])], state)
    assert [s.asset_id for s in said_on(outputs, "setpoints")] == ["gas"]
    assert set(state.plan.setpoints) == {"bat", "gas", "shed"}


def test_a_repeated_hold_is_told_once() -> None:
    reducer = plant()
    state, _ = run(reducer, bids(0))
    state, _ = run(reducer, [accepted("hold"), accepted("release", "o2")], state)
    assert run(reducer, [accepted("hold")], state)[1] == []
    assert state.standing.orders == []


def test_an_order_acts_from_the_next_slot_decided() -> None:
    target = accepted("target", asset_ids=["bat"], power_mw=-2.0, expires_at=slot_at(4))
    reducer = PlantReducer(make_zone(BATTERY, QUICK, LOAD), explore=False)
    state, outputs = run(reducer, [*bids(0), target])
    assert not said_on(outputs[-1:], "setpoints")
    state, outputs = run(reducer, bids(1), state)
    assert said_on(outputs, "setpoints")[0].power_mw == pytest.approx(-2.0, abs=1e-5)
    (decision,) = said_on(outputs, "decisions")
    assert {"order_id": "o1", "action": "target", "outcome": "accepted"} in decision.verdicts


def test_an_expired_order_is_gone_from_the_slot_of_its_expiry() -> None:
    target = accepted("target", asset_ids=["bat"], power_mw=-2.0, expires_at=slot_at(2))
    reducer = PlantReducer(make_zone(BATTERY, QUICK, LOAD), explore=False)
    state, outputs = run(reducer, [target, *bids(0), *bids(1)])
    first, second = said_on(outputs, "decisions")
    assert [o["order_id"] for o in first.orders] == ["o1"]
    assert second.orders == []
    assert state.standing.orders == []


def test_refused_orders_are_not_weighed() -> None:
    state, _ = run(plant(), [order_of("hold", verdict="refused"), order_of("hold", "o2")])
    assert state.standing.orders == []


# --- the fleet --------------------------------------------------------------------------------------------------


def test_an_asset_added_after_the_start_joins_at_rest() -> None:
    small = plant(make_zone(BATTERY))
    state, _ = run(small, week(2))
    kept = dict(small.changes(state))
    larger = plant(make_zone(BATTERY, QUICK, BATTERY.model_copy(update={"asset_id": "new", "soc_start": 0.3})))
    state = larger.load(ZONE, kept.get)
    _, outputs = run(larger, bids(2), state)
    assert {s.asset_id: s.soc for s in said_on(outputs, "assets")}["new"] == 0.3


def test_a_run_that_goes_on_starts_from_its_last_state_of_charge() -> None:
    _, outputs = run(plant(start_soc={"bat": 0.7}), bids(0))
    assert said_on(outputs, "assets")[0].soc == 0.7


def test_an_asset_out_of_reach_is_not_planned_and_told_of() -> None:
    away = bids(1, net=900.0, assets={"bat": AssetReading(available=False, power_mw=4.0)})
    _, outputs = run(PlantReducer(make_zone(BATTERY, QUICK, LOAD), explore=False), [*bids(0, net=840.0), *away])
    last = said_on(outputs, "setpoints")[-3:]
    assert [s.power_mw for s in last if s.asset_id == "bat"] == [0.0]
    assert any("cannot be reached" in a.text for a in said_on(outputs, "alerts"))


def test_money_is_energy_times_price_less_costs() -> None:
    _, outputs = run(PlantReducer(make_zone(BATTERY, QUICK, LOAD), explore=False), week(12))
    rows = [m for m in said_on(outputs, "ledger") if isinstance(m, LedgerEntry)]
    energy = {(s.slot, s.asset_id): s.energy_mwh for s in said_on(outputs, "assets")}
    price = {slot_at(i): 100.0 + i for i in range(12)}
    income = sum(energy[r.slot, r.asset_id] * price[r.slot] for r in rows if r.asset_id != "zone")
    costs = sum(r.wear_cost + r.fuel_cost + r.start_cost + r.penalty for r in rows)
    assert sum(r.pnl for r in rows) == pytest.approx(income - costs, abs=1e-9)


@hypothesis_settings(max_examples=6, deadline=None)
@given(nets=st.lists(st.floats(-200.0, 1200.0), min_size=3, max_size=5), price=st.floats(-500.0, 3000.0))
def test_whatever_the_grid_does_setpoints_keep_physics(nets: list[float], price: float) -> None:
    zone = make_zone(BATTERY, QUICK, LOAD)
    messages: list[Message] = []
    for index, net in enumerate(nets):
        seen = closed_slot(index, net, price)
        messages += [
            actor_bid_at(index, [net / 10.0] * 8, observation=seen),
            trader_bid_at(index, [price] * 8, observation=seen, stored_value_per_mwh=[price] * 4),
        ]
    _, outputs = run(PlantReducer(zone, explore=False), messages)
    for status in said_on(outputs, "assets"):
        if status.asset_id == "bat":
            assert 0.1 - 1e-12 <= status.soc <= 0.9 + 1e-12
            assert -4.0 <= status.power_mw <= 4.0
    for setpoint in said_on(outputs, "setpoints"):
        assert isinstance(setpoint, Setpoint)
        assert setpoint.valid_until - setpoint.slot == HALF_HOUR
    for decision in said_on(outputs, "decisions"):
        assert isinstance(decision, Decision)
        assert decision.for_slot - decision.slot == timedelta(minutes=30)
