"""Decision records: those of form 1 still read, are made again and told; the present form matches its schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.plant.narrative import story
from agents.plant.recompute import recompute
from tests.worlds.builders import BATTERY, LOAD, QUICK, make_zone
from vpp.errors import MessageError
from vpp.messages import Decision, Decoder, Engine, MissingBid, encode, read_decision
from vpp.streams.topics import DECISIONS

# Written before records had a version: a cleared slot with an order, a hold, a slot without bids, and a reflex.
FORM_1 = Path(__file__).with_name("decisions_form_1.jsonl").read_bytes().splitlines()
ZONE = make_zone(BATTERY, QUICK, LOAD, churn_price_per_mwh=20.0)
DECIDED_BY_CODES = ("engine", "objective", "missing", "state", "bids", "orders", "checks", "plan", "duals", "costs")


def test_records_of_form_1_read_as_the_present_form() -> None:
    cleared, hold, late, reflex = map(read_decision, FORM_1)
    assert {decision.version for decision in (cleared, hold, late, reflex)} == {1}
    old = json.loads(FORM_1[0])
    assert cleared.plan is not None
    assert cleared.plan.assets["bat"].power_mw == old["plan"]["power_mw:bat"]
    assert cleared.plan.assets["bat"].soc == old["plan"]["soc:bat"]
    assert cleared.costs == old["duals"]["costs"]
    assert cleared.state.previous is not None
    assert len(cleared.state.previous.starts) == len(old["state"]["planned"]["index"])
    assert cleared.bids["actor"].model_id == old["bids"]["actor"]["model_id"]
    assert [(v.order_id, v.outcome) for v in cleared.verdicts] == [("o1", "accepted")]
    assert (hold.revision, hold.engine, hold.plan) == (1, Engine.HOLD, None)
    assert late.missing == [MissingBid(policy=policy, cause="no_bid") for policy in ("actor", "trader")]
    assert late.state.observation is None
    assert [(v.outcome, v.code, v.detail) for v in late.verdicts] == [
        ("superseded", "outranked", "a stronger order rules"),
        ("accepted", None, None),
    ]
    assert reflex.is_reflex


@pytest.mark.parametrize("record", FORM_1)
def test_a_record_of_form_1_is_made_again(record: bytes) -> None:
    stored = read_decision(record)
    again = recompute(ZONE, stored)
    for name in DECIDED_BY_CODES:
        assert getattr(again, name) == getattr(stored, name), name
    assert [(v.order_id, v.outcome, v.code) for v in again.verdicts] == [
        (v.order_id, v.outcome, v.code) for v in stored.verdicts
    ]


@pytest.mark.parametrize("record", FORM_1)
def test_a_record_of_form_1_has_its_story(record: bytes) -> None:
    sentences = story(read_decision(record), [], ZONE)
    assert sentences[0].startswith("Z 2022-01-03")


@pytest.mark.parametrize("record", FORM_1)
def test_the_topic_carries_both_forms_and_what_was_read_is_written_in_the_present_one(record: bytes) -> None:
    decode = Decoder(DECISIONS.carries)
    decision = decode(record, key="Z")
    assert decode(encode(decision)) == decision
    assert read_decision(encode(decision).decode()) == decision


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"version": 3}, "schema", id="a later form"),
        pytest.param({"plan": {"horizon_min": [30]}}, "schema", id="columns missing"),
        pytest.param({"missing": [3]}, "schema", id="a number for words"),
        pytest.param({"engine": "guess"}, "schema", id="no such engine"),
    ],
)
def test_a_record_that_is_not_whole_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(MessageError) as caught:
        read_decision(json.dumps({**json.loads(FORM_1[0]), **change}))
    assert caught.value.reason == reason


def test_no_part_of_the_record_is_untyped() -> None:
    document = msgspec.json.schema(Decision)
    untyped = [
        f"{name}.{field}"
        for name, definition in document["$defs"].items()
        for field, schema in definition.get("properties", {}).items()
        if schema == {} or (schema.get("type") == "object" and "additionalProperties" not in schema)
    ]
    assert untyped == []
