"""Questions are answered by clauses that support them, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpp.errors import ConfigError
from vpp.rules.clauses import shipped_clauses
from vpp.rules.documents import read_document
from vpp.rules.index import RuleIndex
from vpp.rules.support import AskedQuestion, ask, measured, read_questions

WORLD = Path(__file__).parents[3] / "worlds" / "rules"
QUESTIONS = read_questions((WORLD / "questions.yaml").read_text(encoding="utf-8"), "questions.yaml")


@pytest.fixture(scope="module")
def index() -> RuleIndex:
    return RuleIndex([*read_document(WORLD / "manual.html"), *shipped_clauses()])


def test_there_are_enough_questions_and_none_twice() -> None:
    assert len(QUESTIONS) >= 100
    assert sum(one.clause is None for one in QUESTIONS) >= 30
    assert len({one.q for one in QUESTIONS}) == len(QUESTIONS)


def test_answers_are_supported_and_the_rest_is_refused(index: RuleIndex) -> None:
    figures = measured(index, QUESTIONS)
    assert figures["supported"] >= 0.9
    assert figures["false_support"] <= 0.05


def test_the_half_without_a_part_in_the_threshold_stays_as_it_is_documented(index: RuleIndex) -> None:
    """The goal for false support is 0.05; this half misses it."""
    figures = measured(index, QUESTIONS[1::2])
    assert figures["supported"] >= 0.9
    assert figures["false_support"] <= 0.065


def test_an_answer_quotes_citation_page_and_support(index: RuleIndex) -> None:
    support = ask(index, "What is the export limit between 22:00 and 05:00?")
    clause = support.hits[0].clause
    assert (clause.clause, clause.citation) == ("2.1", "manual.html 2.1")
    assert support.score == support.hits[0].score > 0.5


def test_a_question_without_a_word_of_substance_is_refused(index: RuleIndex) -> None:
    for question in ("what is it?", "\x00 ¿?", "", "xylophone"):
        assert not ask(index, question).is_supported


def test_questions_that_are_none_are_an_error() -> None:
    assert read_questions("[{q: a, clause: null}]", "x") == [AskedQuestion("a", None)]
    with pytest.raises(ConfigError, match="x: "):
        read_questions("[{question: a}]", "x")
