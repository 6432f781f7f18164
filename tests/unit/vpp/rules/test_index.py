"""Retrieval quality of the rules search: questions in other words than the notes, with the clause that answers each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.rules.clauses import clause_named, parse_notes, shipped_clauses
from vpp.rules.index import RuleIndex

QUESTIONS = [
    ("What yearly score must a control area reach for balancing?", "BAL-001.R1"),
    ("Over how many months is CPS1 averaged?", "BAL-001.R1"),
    ("For how many minutes in a row may ACE be outside its bound?", "BAL-001.R2"),
    ("Does the allowed imbalance shrink when the grid runs below 60 Hz?", "BAL-001.R2"),
    ("Which frequency constant applies to Texas?", "BAL-001.epsilon"),
    ("0.0228 Hz belongs to which interconnection?", "BAL-001.epsilon"),
    ("How is ACE computed from tie flows and bias?", "BAL-001.ace"),
    ("What does a negative ACE tell about an area?", "BAL-001.ace"),
    ("A large generator trips. How quickly must balance be back?", "BAL-002.R1"),
    ("Deadline to recover after a disturbance", "BAL-002.R1"),
    ("How much spare capacity does an area have to keep ready?", "BAL-002.R2"),
    ("Who determines the largest credible single loss?", "BAL-002.R2"),
    ("When do reserves have to be replenished after they were called?", "BAL-002.R3"),
    ("Is there a ninety minute window for refilling?", "BAL-002.R3"),
    ("From what megawatt size on is a loss reportable in the East?", "BAL-002.reportable"),
    ("Do small outages count as disturbances?", "BAL-002.reportable"),
    ("How long must a battery last to be counted as contingency reserve?", "BAL-002.battery"),
    ("How is an area's frequency response obligation proven?", "BAL-003.R1"),
    ("MW for every 0.1 Hz required per year", "BAL-003.R1"),
    ("Who assigns the fixed bias value?", "BAL-003.R2"),
    ("Rule for a bias that varies with system conditions", "BAL-003.R3"),
    ("Bias when one area regulates on behalf of another", "BAL-003.R4"),
    ("What dead band do governors and inverters use?", "BAL-003.droop"),
    ("Can a full battery help against high frequency?", "BAL-003.droop"),
    ("Which wholesale products may a battery offer?", "FERC-841.eligibility"),
    ("May a charging battery set the clearing price?", "FERC-841.price_setting"),
    ("Which bidding parameters describe a storage unit?", "FERC-841.characteristics"),
    ("How tiny may a storage resource be to enter the market?", "FERC-841.minimum_size"),
    ("At what price does a battery buy energy it will resell?", "FERC-841.charging_price"),
    ("Who is responsible for keeping the battery charged?", "FERC-841.soc"),
    ("Can home batteries and rooftop solar bid together?", "FERC-2222.aggregation"),
    ("Smallest total size for a pool of DERs", "FERC-2222.minimum_size"),
    ("May members of an aggregation sit at different pricing nodes?", "FERC-2222.location"),
    ("What measurements does an aggregator have to deliver?", "FERC-2222.telemetry"),
    ("Can the distribution company stop a dispatch that endangers its feeder?", "FERC-2222.coordination"),
    (
        "Is it allowed to be paid by a retail programme and the wholesale market for the same thing?",
        "FERC-2222.double_counting",
    ),
    ("Are customers of a rural cooperative allowed to join?", "FERC-2222.small_utilities"),
    ("Does line capacity depend on temperature?", "FERC-881.ambient"),
    ("How often are near-term ratings updated?", "FERC-881.ambient"),
    ("Which limits apply to transmission service next winter?", "FERC-881.seasonal"),
    ("May a line carry more than normal for a short while?", "FERC-881.emergency"),
    ("Do RTOs need software to receive hourly limits?", "FERC-881.systems"),
    ("Why was my order above nameplate power turned down?", "SITE.limits"),
    ("The battery runs out before the order is over, what happens?", "SITE.soc"),
    ("Can an agent sell the emergency energy?", "SITE.reserve"),
    ("Why is charging during the evening peak refused?", "SITE.import_cap"),
    ("Is a plan with a steep change of grid power forbidden?", "SITE.ramp"),
    ("Who has to confirm a plan, and for how long is that valid?", "SITE.approval"),
    ("How do I freeze all automation immediately?", "SITE.hold"),
    ("When does an instruction run out?", "SITE.order_life"),
    ("May a grid operator limit how quickly a power station changes its output in Europe?", "SOGL.137"),
    ("For how many minutes must a battery be able to deliver primary control in alert state?", "SOGL.156"),
    ("Is a market participant paid for being able to ramp in California?", "CAISO.flexible_ramping"),
]


@pytest.fixture(scope="module")
def index() -> RuleIndex:
    return RuleIndex(shipped_clauses())


def test_questions_find_their_clause(index: RuleIndex) -> None:
    assert len(QUESTIONS) >= 40
    missed = [
        (question, wanted, [hit.clause.clause for hit in index.search(question)])
        for question, wanted in QUESTIONS
        if wanted not in [hit.clause.clause for hit in index.search(question, 5)]
    ]
    assert len(missed) <= 0.1 * len(QUESTIONS), missed


def test_a_clause_number_finds_itself_first(index: RuleIndex) -> None:
    assert index.search("BAL-002 R3")[0].clause.clause == "BAL-002.R3"


def test_best_come_first_and_nothing_is_found_for_nothing(index: RuleIndex) -> None:
    scores = [hit.score for hit in index.search("battery reserve energy", 10)]
    assert scores == sorted(scores, reverse=True)
    assert index.search("the of and") == []
    assert index.search("xylophone") == []


@given(st.text(max_size=300))
def test_any_text_is_a_question(text: str) -> None:
    assert len(RuleIndex(shipped_clauses()[:2]).search(text)) <= 2


def test_every_clause_is_complete_and_unique() -> None:
    clauses = shipped_clauses()
    assert len({clause.clause for clause in clauses}) == len(clauses)
    assert [c.clause for c in clauses if not (c.title and c.text and c.citation and c.source)] == []


def test_checks_of_plans_cite_shipped_clauses() -> None:
    checked = {clause.check for clause in shipped_clauses()} - {None}
    assert checked == {"limits", "delivery", "reserve", "cap", "ramp", "approval"}
    for name in ("limits", "assets", "soc", "reserve", "import_cap", "ramp", "order_life", "approval"):
        found = clause_named(f"SITE.{name}")
        assert found is not None
        assert found.citation
    assert clause_named("nothing") is None


def test_notes_are_read_clause_by_clause() -> None:
    text = "# Doc\n\nIntro.\n\n## A.1 | First\nCitation: Doc 1\nCheck: cap\n\nOne\ntwo.\n\n## A.2 | Second\nThree.\n"
    first, second = parse_notes(text)
    assert (first.clause, first.title, first.citation, first.check, first.text) == (
        "A.1",
        "First",
        "Doc 1",
        "cap",
        "One two.",
    )
    assert (second.text, second.citation, second.source) == ("Three.", "", "Doc")
