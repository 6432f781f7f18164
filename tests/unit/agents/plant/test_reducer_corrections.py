"""Corrections of settled slots: money moves by new entries, decisions stay."""

from __future__ import annotations

import pytest

from tests.worlds.builders import (
    BATTERY,
    ZONE,
    actor_bid_at,
    closed_slot,
    make_zone,
    run,
    said_on,
    slot_at,
    trader_bid_at,
)
from tests.worlds.plant import bids, correction, plant, week
from vpp.messages import (
    Correction,
    LedgerEntry,
)


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


def test_a_correction_of_what_is_forgotten_is_reported() -> None:
    reducer = plant()
    state, _ = run(reducer, [message for i in range(12) for message in bids(i)])
    state, _ = run(reducer, [*bids(900), *bids(901)], state)
    late = correction(2, 1.0)
    (alert,) = said_on(run(reducer, [late], state)[1], "alerts")
    assert "too late" in alert.text


@pytest.mark.parametrize("net", [510.0, 620.0])
def test_a_slot_that_is_not_believed_is_provisional_until_a_correction_settles_it(net: float) -> None:
    marked = closed_slot(1, 510.0, quality={"load_mw": "distrusted", "net_load_mw": "distrusted"})
    messages = [*bids(0), actor_bid_at(1, observation=marked), trader_bid_at(1, observation=marked)]
    state, outputs = run(plant(), messages)
    first = [e for e in said_on(outputs, "ledger") if isinstance(e, LedgerEntry) and e.slot == slot_at(1)]
    assert {e.asset_id: e.provisional for e in first} == {"bat": False, "gas": False, "shed": False, "zone": True}
    _, outputs = run(plant(), [correction(1, net)], state)
    settling = [e for e in said_on(outputs, "ledger") if e.asset_id == "zone" and e.slot == slot_at(1)]
    assert [(e.revision, e.provisional) for e in settling] == [(1, False)]
    assert (settling[0].pnl == 0.0) == (net == 510.0)
