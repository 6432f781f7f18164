"""Search over clauses: SQLite FTS5 with BM25, and word vectors where there are some; in memory, since rules are few."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

import numpy as np

from vpp.rules.clauses import Clause
from vpp.rules.word_vectors import WordVectors

_WORD = re.compile(r"[A-Za-z0-9]+(?:\.[0-9]+)?")
_COMMON_WORDS = """
a an the of to in on at by for and or is are be was were do does did can could may might must shall should will would
what which who whom whose when where why how it its this that these those with from as if than then there my our your
i we you they have has had any some not no
"""
_STOP = frozenset(_COMMON_WORDS.split())
# Columns: clause id, title, text, other words. A hit in the heading says more than one in the text.
_WEIGHTS = (4.0, 3.0, 1.0, 2.0)
_FUSION = 60
_SYNONYMS = {
    "battery": ("storage",),
    "batteries": ("storage",),
    "storage": ("battery",),
    "hertz": ("frequency", "hz"),
    "hz": ("frequency",),
    "ace": ("area", "control", "error"),
    "vpp": ("aggregation", "aggregator"),
    "der": ("distributed", "resource"),
    "ders": ("distributed", "resource"),
    "charge": ("soc",),
    "soc": ("state", "charge"),
    "outage": ("contingency", "loss"),
    "trip": ("contingency", "loss"),
    "trips": ("contingency", "loss"),
    "tripped": ("contingency", "loss"),
    "imbalance": ("error",),
    "small": ("minimum", "least"),
    "smallest": ("minimum", "least"),
    "big": ("size",),
    "kw": ("100",),
    "stop": ("hold",),
    "line": ("rating",),
    "weather": ("ambient", "temperature"),
    "overload": ("cap", "limit"),
    "steep": ("ramp",),
    "fast": ("ramp",),
    "approve": ("approval",),
    "confirm": ("approval",),
}


@dataclass(frozen=True, slots=True)
class Hit:
    """A clause that was found; a higher score fits better."""

    clause: Clause
    score: float


class RuleIndex:
    """Searches clauses by words, with stems and a few synonyms, and with word vectors also by meaning.

    Args:
        clauses: What is searched.
        vectors: Word vectors; None: by words alone.
    """

    def __init__(self, clauses: Iterable[Clause], vectors: WordVectors | None = None) -> None:
        self._clauses = list(clauses)
        self._vectors = vectors
        texts = [f"{c.title} {c.text} {c.also}" for c in self._clauses]
        self._meanings = None if vectors is None else vectors.embed(texts)
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
        """Return the clauses that fit a question best, best first; none where nothing fits.

        With word vectors the two rankings are fused by reciprocal rank: the score is the sum of 1 / (60 + rank) over
        them (Cormack, Clarke and Buettcher, SIGIR 2009); without, it is that of BM25.
        """
        by_words = self._by_words(query, limit if self._meanings is None else len(self._clauses))
        if self._meanings is None or self._vectors is None:
            return [Hit(self._clauses[row], score) for row, score in by_words]
        near = self._meanings @ self._vectors.embed([query])[0]
        by_meaning = [int(row) for row in np.argsort(-near, kind="stable") if near[row] > 0.0]
        fused: dict[int, float] = {}
        for ranking in ([row for row, _ in by_words], by_meaning):
            for rank, row in enumerate(ranking, start=1):
                fused[row] = fused.get(row, 0.0) + 1.0 / (_FUSION + rank)
        best = sorted(fused, key=lambda row: (-fused[row], row))[:limit]
        return [Hit(self._clauses[row], round(fused[row], 6)) for row in best]

    def _by_words(self, query: str, limit: int) -> list[tuple[int, float]]:
        words = [word for word in _WORD.findall(query.lower()) if word not in _STOP]
        terms = list(dict.fromkeys([*words, *(also for word in words for also in _SYNONYMS.get(word, ()))]))[:40]
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
        return [(row, round(-score, 4)) for row, score in rows]

    def __len__(self) -> int:
        return len(self._clauses)

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()
