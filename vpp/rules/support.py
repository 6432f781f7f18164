"""Answers questions about rules with quoted clauses, or refuses if no clause supports an answer.

The support of a clause is the share of the question's words that it has, each by its weight (``RuleIndex.weighed``):
``sum(weight of words in the clause) / sum(weight of all words)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from vpp.errors import ConfigError
from vpp.rules.clauses import clause_named
from vpp.rules.index import Hit, RuleIndex
from vpp.yaml_text import read_yaml

LEAST_SUPPORT = 0.44
"""Chosen on every other question of tests/worlds/rules; all were seen while synonyms and the words' shares were set."""
CANDIDATES = 10


@dataclass(frozen=True, slots=True)
class Support:
    """What the clauses say to a question; ``hits`` are the clauses to quote, best first, with their support as score.

    ``score`` is the best clause's support (0-1), also where it is too little.
    """

    question: str
    score: float
    hits: tuple[Hit, ...]

    @property
    def is_supported(self) -> bool:
        """Whether a clause answers the question."""
        return bool(self.hits)


class AskedQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question of a measurement: the number of the clause that answers it, None if none does."""

    q: str
    clause: str | None


def ask(index: RuleIndex, question: str, limit: int = 3) -> Support:
    """Return the clauses that answer a question; none where the best one supports too little of it.

    Args:
        index: The clauses.
        question: In words.
        limit: Most clauses to quote.
    """
    ranked = ranked_by_support(index, question)
    best = ranked[0].score if ranked else 0.0
    return Support(question, best, tuple(hit for hit in ranked if hit.score >= LEAST_SUPPORT)[:limit])


def ranked_by_support(index: RuleIndex, question: str) -> list[Hit]:
    """Return the clauses whose words fit a question best, with their support as score, the highest first.

    Of the same support, clauses of the site's own documents come before the shipped notes.
    """
    words = index.weighed(question)
    total = sum(word.weight for word in words)
    if total <= 0:
        return []
    scored = [
        Hit(hit.clause, round(sum(word.weight for word in words if hit.row in word.rows) / total, 4), hit.row)
        for hit in index.search(question, CANDIDATES)
    ]
    return sorted(scored, key=lambda hit: (-hit.score, clause_named(hit.clause.clause) is hit.clause))


def read_questions(text: str, name: str) -> list[AskedQuestion]:
    """Return the questions of a YAML list of ``{q: question, clause: number or null}``.

    Raises:
        ConfigError: It is none.
    """
    try:
        return msgspec.convert(read_yaml(text, name), list[AskedQuestion])
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {error}", hint="write {q: question, clause: number, or null}") from error


def measured(index: RuleIndex, questions: Sequence[AskedQuestion]) -> dict[str, float]:
    """Return the share of answerable questions whose clause is quoted, and of the others that are answered at all."""
    quoted = [(question, [hit.clause.clause for hit in ask(index, question.q).hits]) for question in questions]
    right = [question.clause in names for question, names in quoted if question.clause is not None]
    wrong = [bool(names) for question, names in quoted if question.clause is None]
    return {
        "answerable": len(right),
        "supported": round(sum(right) / max(len(right), 1), 3),
        "unanswerable": len(wrong),
        "false_support": round(sum(wrong) / max(len(wrong), 1), 3),
    }
