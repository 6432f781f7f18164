"""Search over clauses: SQLite FTS5 with BM25, in memory, since rules are few."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from threading import Lock
from typing import Any

import yaml

from vpp.rules.clauses import Clause

_WORD = re.compile(r"[^\W_]+(?:\.[0-9]+)?")
GENERAL_SHARE = 0.2
"""What a word of general English counts, against a word of the field."""
ABSENT = 2.0
"""What a word of the field counts that no clause has, against one that a clause has."""
# Columns: clause id, title, text, other words. A hit in the heading says more than one in the text.
_WEIGHTS = (4.0, 3.0, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Hit:
    """A clause that was found; a higher score fits better. ``row`` is its place in the index."""

    clause: Clause
    score: float
    row: int


@dataclass(frozen=True, slots=True)
class WeighedWord:
    """A word of a question: how much it counts, and the rows of the clauses that have it or a synonym."""

    weight: float
    rows: frozenset[int]


class RuleIndex:
    """Searches clauses by their words, with stems and a few synonyms.

    Args:
        clauses: What is searched.
    """

    def __init__(self, clauses: Iterable[Clause]) -> None:
        self._clauses = list(clauses)
        self._lock = Lock()
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._connection.execute(
            "CREATE VIRTUAL TABLE clauses USING fts5(clause, title, text, also, tokenize='porter unicode61')"
        )
        self._connection.executemany(
            "INSERT INTO clauses (rowid, clause, title, text, also) VALUES (?, ?, ?, ?, ?)",
            [
                (i, c.clause.replace(".", " "), f"{c.title} {c.source}", f"{c.text} {c.citation}", c.also)
                for i, c in enumerate(self._clauses)
            ],
        )

    def search(self, query: str, limit: int = 5) -> list[Hit]:
        """Return the clauses that fit a question best, by BM25, best first; an empty list where no word occurs."""
        words, also = _words_of(query), synonyms()
        terms = list(dict.fromkeys([*words, *(term for word in words for term in also.get(word, ()))]))[:40]
        if not terms:
            return []
        match = " OR ".join(f'"{term}"' for term in terms)
        weights = ", ".join(str(weight) for weight in _WEIGHTS)
        statement = (
            f"SELECT rowid, bm25(clauses, {weights}) AS score FROM clauses "  # noqa: S608  # constants of ours
            "WHERE clauses MATCH ? ORDER BY score, rowid LIMIT ?"
        )
        with self._lock:
            rows = self._connection.execute(statement, (match, limit)).fetchall()
        return [Hit(self._clauses[row], round(-score, 4), row) for row, score in rows]

    def weighed(self, query: str) -> list[WeighedWord]:
        """Return the words of a question with their weights.

        The weight of a word w of the field is ``idf(w) = ln((N + 1) / (n_w + 0.5))`` with N clauses, n_w of them with
        the word or a synonym (after Robertson and Sparck Jones), ``ABSENT`` times as much where none has it, for then
        the question is about something else. A word of general English counts ``GENERAL_SHARE`` of its idf, and
        nothing if no clause has it.
        """
        general, weighed = _words()["general"], []
        for word in dict.fromkeys(_words_of(query)):
            rows = self._rows([word, *synonyms().get(word, ())])
            idf = math.log((len(self._clauses) + 1) / (len(rows) + 0.5))
            share = (GENERAL_SHARE if rows else 0.0) if word in general else 1.0 if rows else ABSENT
            weighed.append(WeighedWord(share * idf, rows))
        return weighed

    def _rows(self, terms: Sequence[str]) -> frozenset[int]:
        match = " OR ".join(f'"{term}"' for term in terms)
        with self._lock:
            rows = self._connection.execute("SELECT rowid FROM clauses WHERE clauses MATCH ?", (match,)).fetchall()
        return frozenset(row for (row,) in rows)

    def __len__(self) -> int:
        return len(self._clauses)

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()


@lru_cache(maxsize=1)
def synonyms() -> dict[str, tuple[str, ...]]:
    """Return the words of clauses by the words of questions that mean them."""
    return {word: tuple(similar) for word, similar in _asset("synonyms.yaml").items()}


def _words_of(query: str) -> list[str]:
    stop = _words()["stop"]
    return [word for word in _WORD.findall(query.lower()) if word not in stop]


@lru_cache(maxsize=1)
def _words() -> dict[str, frozenset[str]]:
    return {kind: frozenset(text.split()) for kind, text in _asset("words.yaml").items()}


def _asset(name: str) -> dict[str, Any]:
    text = resources.files("vpp").joinpath("_assets", "rules", name).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content
