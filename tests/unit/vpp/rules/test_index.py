"""Retrieval quality of the rules search: questions in other words than the notes, with the clause that answers each."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.rules.clauses import Clause, clause_named, parse_notes, shipped_clauses
from vpp.rules.index import RuleIndex
from vpp.rules.support import read_questions

WORLD = Path(__file__).parents[3] / "worlds" / "rules"
SHIPPED = {clause.clause for clause in shipped_clauses()}
QUESTIONS = [
    (one.q, one.clause)
    for one in read_questions((WORLD / "questions.yaml").read_text(encoding="utf-8"), "questions.yaml")
    if one.clause in SHIPPED
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
    index = RuleIndex(shipped_clauses()[:2])
    assert len(index.search(text)) <= 2
    assert all(len(word.rows) <= 2 for word in index.weighed(text))


def test_words_of_other_languages_are_whole_words() -> None:
    clause = Clause("2.1", "Höchstleistung", "Die größte Leistung beträgt 30 MW.", "code.md", "code.md 2.1")
    index = RuleIndex([clause, *shipped_clauses()])
    for query in ("größte", "Höchstleistung?", "beträgt"):
        assert [hit.clause for hit in index.search(query)] == [clause]
        assert [word.rows for word in index.weighed(query)] == [frozenset({0})]


def test_every_clause_is_complete_and_unique() -> None:
    clauses = shipped_clauses()
    assert len({clause.clause for clause in clauses}) == len(clauses)
    assert [c.clause for c in clauses if not (c.title and c.text and c.citation and c.source)] == []


def test_checks_of_plans_cite_shipped_clauses() -> None:
    checked = {clause.check for clause in shipped_clauses()} - {None}
    assert checked == {"limits", "delivery", "reserve", "cap", "ramp", "approval"}
    for name in ("limits", "assets", "soc", "reserve", "import_cap", "ramp", "order_life", "approval"):
        result = clause_named(f"SITE.{name}")
        assert result is not None
        assert result.citation
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
