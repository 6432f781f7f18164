"""The plant settles and decides slots in order, whatever order the policies' messages come in."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents.plant.state import PlantState
from tests.worlds.builders import (
    ZONE,
    actor_bid_at,
    order_of,
    run,
    said_on,
    slot_at,
)
from tests.worlds.plant import NETS, bids, correction, end, plant, table_rows, week
from vpp.messages import (
    ActorBid,
    Correction,
    Deadline,
    Decision,
    End,
    Message,
    MissingBid,
    TraderBid,
    encode,
)
from vpp.streams.reducer import Origin, Output
from vpp.streams.state_codec import pack


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
    written: Counter[str] = Counter()
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
                written[name] += 1
    assert [(o.topic, encode(o.message)) for o in parts] == [(o.topic, encode(o.message)) for o in whole]
    of_bids = {name: count for name, count in written.items() if name.startswith("bid:")}
    assert set(of_bids.values()) == {1}
    assert len(of_bids) == len([m for m in messages if isinstance(m, ActorBid | TraderBid)])
    assert {name.partition(".")[0] for name in kept if name.startswith("bid:")} == {"bid:actor", "bid:trader"}
    assert len([name for name in kept if name.startswith("bid:")]) == 2
    assert max(len(value) for value in kept.values()) < 256_000


def older_form(kept: dict[str, bytes | None], state: PlantState) -> dict[str, bytes]:
    """Return a kept state as it was before each bid had a value of its own."""
    head = msgspec.structs.replace(state.head, last={})
    older = {name: value for name, value in kept.items() if value is not None and not name.startswith("bid:")}
    older["head"] = pack(head, "plant-1")
    for policy, placed in state.last.items():
        older[f"last:{policy}"] = pack(placed, "plant-1", as_text=True)
    for index, waiting in state.waiting.items():
        by_policy = {
            "bids": {policy: placed.bid for policy, placed in waiting.items()},
            "places": {policy: placed.place for policy, placed in waiting.items()},
        }
        older[f"waiting:{index}"] = pack(by_policy, "plant-1", as_text=True)
    return older


def test_bids_of_an_older_state_are_read_and_move_to_values_of_their_own() -> None:
    reducer, (first, second) = plant(), bids(2)
    state, _ = run(reducer, [*week(2), first])
    older = older_form(dict(reducer.changes(state)), state)
    again = plant().load(ZONE, older.get)
    assert (again.last, again.waiting) == (state.last, state.waiting)
    after, outputs = reducer.step(state, second, Origin("in", 0, 5))
    after_again, outputs_again = plant().step(again, second, Origin("in", 0, 5))
    assert [encode(o.message) for o in outputs_again] == [encode(o.message) for o in outputs]
    changes = reducer.changes(after_again)
    gone = {name for name, value in changes.items() if value is None}
    assert {name for name in older if name.startswith(("last:", "waiting:"))} <= gone
    assert after_again.head.last == after.head.last


def test_a_last_bid_that_was_dropped_does_not_return_from_an_older_state() -> None:
    reducer = plant()
    state, _ = run(reducer, week(2))
    kept = older_form(dict(reducer.changes(state)), state)
    state = reducer.load(ZONE, kept.get)
    actor = msgspec.structs.replace(bids(2)[0], not_ready=True)
    state, _ = run(reducer, [actor, bids(2)[1]], state)
    for name, value in reducer.changes(state).items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = value
    assert set(reducer.load(ZONE, kept.get).last) == set(state.last) == {"trader"}


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
        [MissingBid(policy="trader", cause="no_bid")],
    ]
    ends = [o for o in outputs if isinstance(o.message, End)]
    assert [o.topic for o in ends] == ["setpoints", "assets", "ledger", "decisions", "alerts"]
    assert {(o.message.producer, o.message.last_slot) for o in ends} == {("plant", slot_at(1))}
