"""Search over clauses: SQLite FTS5 with BM25, in memory, since rules are few."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from threading import Lock

import yaml

from vpp.rules.clauses import Clause

_WORD = re.compile(r"[A-Za-z0-9]+(?:\.[0-9]+)?")
_COMMON_WORDS = """
a an the of to in on at by for and or is are be was were do does did can could may might must shall should will would
what which who whom whose when where why how it its this that these those with from as if than then there my our your
i we you they have has had any some not no
"""
_STOP = frozenset(_COMMON_WORDS.split())
# Columns: clause id, title, text, other words. A hit in the heading says more than one in the text.
_WEIGHTS = (4.0, 3.0, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Hit:
    """A clause that was found; a higher score fits better."""

    clause: Clause
    score: float


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
        words = [word for word in _WORD.findall(query.lower()) if word not in _STOP]
        also = synonyms()
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
        return [Hit(self._clauses[row], round(-score, 4)) for row, score in rows]

    def __len__(self) -> int:
        return len(self._clauses)

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()


@lru_cache(maxsize=1)
def synonyms() -> dict[str, tuple[str, ...]]:
    """Return the words of clauses by the words of questions that mean them."""
    text = resources.files("vpp").joinpath("_assets", "rules", "synonyms.yaml").read_text(encoding="utf-8")
    return {word: tuple(others) for word, others in yaml.safe_load(text).items()}
