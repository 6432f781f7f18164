"""From proposal to execution: who may, how often, and what happens to edited, late and repeated ones."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from agents.orders.approval import order_digest
from agents.orders.budget import Budget, Spent
from agents.plant.proposal import propose
from tests.worlds.builders import BATTERY, ZONE, order_of, slot_at
from tests.worlds.plant_loop import PLANT, Loop
from topologies.control.plan_book import PlanBook, ProposedPlan, spent_today
from topologies.control.record_signature import signed_record, verified_record
from vpp.errors import RefusedError
from vpp.messages import Audit, Decision
from vpp.store.tables import AUDIT, DECISIONS, ORDERS

KEY = b"k" * 32


@pytest.fixture(params=[None, KEY], ids=["unsigned", "signed"])
def loop(tmp_path: Path, request: pytest.FixtureRequest) -> Loop:
    return Loop(tmp_path, key=request.param)


def book_of(loop: Loop) -> PlanBook:
    return PlanBook(loop.store, loop.post, loop.settings.approval_secret, loop.clock)


def proposed(loop: Loop, book: PlanBook, power_mw: float = 2.0) -> str:
    body = loop.store.latest(DECISIONS, ZONE, filters={"revision": 0}).column("body")[0]
    order = order_of(
        "target",
        book.new_id(),
        principal="agent",
        asset_ids=[BATTERY.asset_id],
        power_mw=power_mw,
        issued_at=slot_at(2),
        starts_at=slot_at(3),
        expires_at=slot_at(5),
    )
    proposal = propose(PLANT, msgspec.json.decode(body, type=Decision), order)
    return book.propose(proposal, "agent").plan_id


def verdict(loop: Loop, plan_id: str) -> str | None:
    result: str | None = next(iter(loop.store.read(ORDERS, filters={"order_id": plan_id}).column("verdict")), None)
    return result


def test_an_approved_plan_moves_the_battery(loop: Loop) -> None:
    book = book_of(loop)
    plan_id = proposed(loop, book)
    assert book.approve(plan_id, "ann").status(loop.now) == "approved"
    book.execute(plan_id, "agent")
    assert verdict(loop, plan_id) == "accepted"
    loop.close_slot()
    setpoints = loop.store.latest("setpoints", ZONE).dicts()
    assert next(row["power_mw"] for row in setpoints if row["asset_id"] == BATTERY.asset_id) == 2.0


def test_nothing_moves_without_approval(loop: Loop) -> None:
    book = book_of(loop)
    plan_id = proposed(loop, book)
    with pytest.raises(RefusedError, match="not approved") as caught:
        book.execute(plan_id, "agent")
    assert caught.value.hint == f"an operator approves it with: vpp approve {plan_id}"
    assert loop.orders() == []


def test_an_approval_by_another_process_counts(loop: Loop) -> None:
    plan_id = proposed(loop, book_of(loop))
    book_of(loop).approve(plan_id, "ann")
    order = book_of(loop).execute(plan_id, "agent")
    assert order.approved_by == "ann"
    assert verdict(loop, plan_id) == "accepted"


def test_a_plan_acts_once_however_often_it_is_executed(loop: Loop) -> None:
    first, second = book_of(loop), book_of(loop)
    plan_id = proposed(loop, first)
    first.approve(plan_id, "ann")
    assert first.execute(plan_id, "agent") == second.execute(plan_id, "agent") == first.execute(plan_id, "agent")
    assert len(loop.orders()) == 1


def test_two_replicas_at_the_same_moment_act_once(loop: Loop) -> None:
    book = book_of(loop)
    plan_id = proposed(loop, book)
    book.approve(plan_id, "ann")
    order = book.execute(plan_id, "agent")
    loop.post("orders", order)
    audits = loop.store.read(AUDIT, filters={"action": "order:target"})
    assert len(audits) == 1


@pytest.mark.parametrize("approved", [False, True])
def test_a_plan_lives_ten_minutes(loop: Loop, approved: bool) -> None:
    book = book_of(loop)
    plan_id = proposed(loop, book)
    if approved:
        book.approve(plan_id, "ann")
    loop.wait(minutes=10)
    with pytest.raises(RefusedError, match="expired at 2026-01-01T12:10:00Z"):
        book.execute(plan_id, "agent")
    with pytest.raises(RefusedError, match="expired"):
        book.approve(plan_id, "ann")


def test_a_rejected_plan_stays_rejected(loop: Loop) -> None:
    book = book_of(loop)
    plan_id = proposed(loop, book)
    book.approve(plan_id, "ann")
    book.reject(plan_id, "bob", "not today")
    with pytest.raises(RefusedError, match="bob rejected it"):
        book.execute(plan_id, "agent")


def test_a_refused_proposal_cannot_be_approved(loop: Loop) -> None:
    book = book_of(loop)
    plan_id = proposed(loop, book, power_mw=99.0)
    with pytest.raises(RefusedError, match="-4 MW to 4 MW, not 99"):
        book.approve(plan_id, "ann")


def test_an_unknown_plan_is_refused(loop: Loop) -> None:
    with pytest.raises(RefusedError, match="no plan"):
        book_of(loop).execute("p000000000000", "agent")


def test_a_plan_edited_in_the_store_is_refused(loop: Loop) -> None:
    plan_id = proposed(loop, book_of(loop))
    row = loop.store.read(AUDIT, filters={"audit_id": f"propose:{plan_id}"}).dicts()[0]
    row["detail"] = re.sub(r'(power_mw\\*":)2\.0', r"\g<1>4.0", row["detail"])
    loop.store.write(AUDIT, [tuple(row.values())])
    with pytest.raises(RefusedError, match=r"changed after its proposal|no plan"):
        book_of(loop).approve(plan_id, "ann")


def test_an_approval_of_another_plan_does_not_count(loop: Loop) -> None:
    book = book_of(loop)
    small, large = proposed(loop, book, 0.5), proposed(loop, book, 4.0)
    book.approve(small, "ann")
    given = loop.store.read(AUDIT, filters={"audit_id": f"approve:{small}"}).dicts()[0]
    loop.store.write(AUDIT, [tuple({**given, "audit_id": f"approve:{large}"}.values())])
    with pytest.raises(RefusedError, match="not approved"):
        book_of(loop).execute(large, "agent")


def test_a_forged_approval_is_stopped_at_admission(tmp_path: Path) -> None:
    loop = Loop(tmp_path, key=KEY)
    forger = PlanBook(loop.store, loop.post, b"x" * 32, loop.clock)
    plan_id = proposed(loop, forger)
    forger.approve(plan_id, "ann")
    forger.execute(plan_id, "agent")
    assert verdict(loop, plan_id) == "refused"


def test_a_plan_is_carried_out_by_whoever_proposed_it(loop: Loop) -> None:
    book = book_of(loop)
    plan_id = proposed(loop, book)
    book.approve(plan_id, "ann")
    with pytest.raises(RefusedError, match="proposed by agent"):
        book.execute(plan_id, "other")
    book.execute(plan_id, "agent")
    with pytest.raises(RefusedError, match="proposed by agent"):
        book.execute(plan_id, "other")
    assert len(loop.orders()) == 1


def test_a_budget_is_no_way_to_carry_out_the_plan_of_another(loop: Loop) -> None:
    book = book_of(loop)
    plan_id = proposed(loop, book)
    with pytest.raises(RefusedError, match="proposed by agent"):
        book.approve_within(plan_id, "other", Budget(99.0, 99.0, 9e9))


def test_every_act_leaves_one_record(loop: Loop) -> None:
    book = book_of(loop)
    plan_id = proposed(loop, book)
    book.approve(plan_id, "ann")
    book.execute(plan_id, "agent")
    rows = loop.store.read(
        AUDIT, filters={"audit_id": [f"{act}:{plan_id}" for act in ("propose", "approve", "execute")]}
    )
    assert {(row["action"], row["principal"], row["verdict"]) for row in rows.dicts()} == {
        ("plan:propose", "agent", "ready"),
        ("plan:approve", "ann", "operator"),
        ("plan:execute", "agent", "sent"),
    }
    assert len({row["digest"] for row in rows.dicts()}) == 1


def audited(loop: Loop, audit_id: str) -> Audit:
    """Return a stored audit record."""
    rows = loop.store.read(AUDIT, filters={"audit_id": audit_id}, columns=Audit.__struct_fields__)
    return Audit(**rows.dicts()[0])


def forged_proposal(loop: Loop, plan_id: str, power_mw: float, *, earlier_min: float = 5.0) -> None:
    """Put a proposal with an earlier time and another order under the id of an open plan, as any writer could."""
    record = audited(loop, f"propose:{plan_id}")
    true = verified_record(record, loop.settings.approval_secret)
    assert true is not None
    saved = msgspec.json.decode(true.detail, type=ProposedPlan)
    order = msgspec.structs.replace(saved.order, power_mw=power_mw)
    detail = msgspec.json.encode(msgspec.structs.replace(saved, order=order)).decode()
    forged = msgspec.structs.replace(
        record, at=record.at - timedelta(minutes=earlier_min), detail=detail, digest=order_digest(order)
    )
    loop.post("audit", forged)


def test_a_forged_proposal_is_never_the_source_of_an_order(loop: Loop) -> None:
    plan_id = proposed(loop, book_of(loop), 0.5)
    seen = book_of(loop).find(plan_id)
    assert seen is not None
    forged_proposal(loop, plan_id, 4.0)
    if loop.settings.approval_key is None:  # unsigned records cannot be told apart: neither counts
        with pytest.raises(RefusedError, match="several proposals claim"):
            book_of(loop).approve(plan_id, "ann", digest=seen.digest)
        assert loop.orders() == []
        return
    book_of(loop).approve(plan_id, "ann", digest=seen.digest)
    book_of(loop).execute(plan_id, "agent")
    assert [order.power_mw for order in loop.orders()] == [0.5]


def test_with_a_key_no_forgery_of_the_same_id_and_time_hides_a_proposal(tmp_path: Path) -> None:
    loop = Loop(tmp_path, key=KEY)
    plan_id = proposed(loop, book_of(loop), 0.5)
    forged_proposal(loop, plan_id, 4.0, earlier_min=0.0)
    plan = book_of(loop).find(plan_id)
    assert plan is not None
    assert plan.proposal.order.power_mw == 0.5


@pytest.mark.parametrize("field", ["proposal", "order"])
@pytest.mark.parametrize("when", ["2026-01-01T12:05:00", "9999-12-31T23:59:59Z"])
def test_a_proposal_with_a_time_that_cannot_be_reckoned_with_is_none(loop: Loop, field: str, when: str) -> None:
    record = audited(loop, f"propose:{proposed(loop, book_of(loop))}")
    true = verified_record(record, loop.settings.approval_secret)
    assert true is not None
    detail = msgspec.json.decode(true.detail)
    (detail if field == "proposal" else detail["order"])["expires_at"] = when
    hostile = msgspec.structs.replace(true, audit_id="propose:p1", detail=msgspec.json.encode(detail).decode())
    loop.post("audit", signed_record(hostile, loop.settings.approval_secret))
    assert book_of(loop).find("p1") is None
    assert len(book_of(loop).recent()) == 1


@pytest.mark.parametrize("act", ["reject", "execute"])
def test_with_a_key_an_unsigned_record_cannot_burn_a_plan(act: str, tmp_path: Path) -> None:
    loop = Loop(tmp_path, key=KEY)
    plan_id = proposed(loop, book_of(loop))
    loop.post(
        "audit",
        Audit(zone=ZONE, audit_id=f"{act}:{plan_id}", at=loop.now, principal="eve", action=f"plan:{act}", verdict="x"),
    )
    book_of(loop).approve(plan_id, "ann")
    book_of(loop).execute(plan_id, "agent")
    assert verdict(loop, plan_id) == "accepted"


def test_an_approval_is_bound_to_the_digest_that_was_seen(loop: Loop) -> None:
    book = book_of(loop)
    plan_id = proposed(loop, book)
    with pytest.raises(RefusedError, match="has the digest"):
        book.approve(plan_id, "ann", digest="0" * 32)


def test_nobody_approves_a_plan_of_their_own_unless_a_setting_allows_it(loop: Loop) -> None:
    book = book_of(loop)
    plan_id = proposed(loop, book)
    with pytest.raises(RefusedError, match="may not approve it too") as caught:
        book.approve(plan_id, "agent")
    assert "VPP_ONE_PERSON" in str(caught.value.hint)
    alone = PlanBook(loop.store, loop.post, book.key, loop.clock, one_person=True)
    assert alone.approve(plan_id, "agent").approved_by == "agent"


def test_a_plan_that_is_over_by_the_run_clock_is_not_open(loop: Loop) -> None:
    book = book_of(loop)
    plan_id = proposed(loop, book)
    for _ in range(4):
        loop.close_slot()
    with pytest.raises(RefusedError, match="the run is past that"):
        book.approve(plan_id, "ann")


BUDGET = Budget(9.0, 50.0, 9e9)


def test_what_was_spent_today_counts_the_plans_that_a_budget_approved(tmp_path: Path) -> None:
    loop = Loop(tmp_path, budget_mw=9.0, budget_mwh_per_day=50.0, budget_cost_per_day=9e9)
    book = book_of(loop)
    plan_id = proposed(loop, book)
    assert spent_today(book.recent(), "agent", loop.now) == Spent()
    assert book.approve_within(plan_id, "agent", BUDGET) is None
    book.execute(plan_id, "agent")
    assert verdict(loop, plan_id) == "accepted"
    assert spent_today(book.recent(), "agent", loop.now).energy_mwh > 1.0
    assert spent_today(book.recent(), "other", loop.now) == Spent()
    loop.wait(days=1)
    assert spent_today(book.recent(), "agent", loop.now) == Spent()


@pytest.mark.parametrize("action", ["release", "cancel"])
def test_no_budget_lets_the_automation_loose(loop: Loop, action: str) -> None:
    book = book_of(loop)
    order = order_of(action, book.new_id(), principal="agent", cancels="o1", issued_at=slot_at(2))
    body = loop.store.latest(DECISIONS, ZONE, filters={"revision": 0}).column("body")[0]
    plan_id = book.propose(propose(PLANT, msgspec.json.decode(body, type=Decision), order), "agent").plan_id
    assert "needs a person" in (book.approve_within(plan_id, "agent", BUDGET) or "")


@pytest.mark.parametrize("key", [None, KEY], ids=["unsigned", "signed"])
def test_replicas_that_know_nothing_of_each_other_share_one_budget(tmp_path: Path, key: bytes | None) -> None:
    """Each sees a store that the other's records have not reached: both approve, admission lets one through."""
    loop = Loop(tmp_path / "plant", key=key, budget_mw=9.0, budget_mwh_per_day=3.0, budget_cost_per_day=9e9)
    books = []
    for name in ("a", "b"):
        blind = Loop(tmp_path / name).store
        books.append(PlanBook(blind, loop.post, key, loop.clock))
    budget = Budget(9.0, 3.0, 9e9)
    plans = [proposed(loop, book) for book in books]
    moved = [book.find(plan_id).proposal.moved_mwh or 0.0 for book, plan_id in zip(books, plans, strict=True)]
    assert moved == [2.0, 2.0]
    for book, plan_id in zip(books, plans, strict=True):
        assert book.approve_within(plan_id, "agent", budget) is None
        book.execute(plan_id, "agent")
    assert [verdict(loop, plan_id) for plan_id in plans] == ["accepted", "refused"]
    reason = loop.store.read(ORDERS, filters={"order_id": plans[1]}).column("verdict_reason")[0]
    assert reason.startswith("budget: ")
    assert "MWh today would exceed the budget of 3 MWh" in reason


@pytest.mark.parametrize(
    "plan_id", ["p1; id", "p1`id`", "p1\nvpp approve p2", "--help", "p" * 81, "", "p\u202e1", "../p"]
)
def test_a_proposal_whose_id_could_not_stand_in_a_command_is_no_plan(loop: Loop, plan_id: str) -> None:
    book = book_of(loop)
    key, known = loop.settings.approval_secret, proposed(loop, book)
    rows = loop.store.read(AUDIT, filters={"action": ["plan:propose"]}, columns=Audit.__struct_fields__).dicts()
    plain = verified_record(Audit(**rows[0]), key)
    assert plain is not None
    loop.post("audit", signed_record(msgspec.structs.replace(plain, audit_id=f"propose:{plan_id}"), key))
    assert [plan.plan_id for plan in book.recent()] == [known]
    assert book.find(plan_id) is None
    with pytest.raises(RefusedError):
        book.approve(plan_id, "ann")
