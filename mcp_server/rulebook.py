"""Looks rules up: the shipped notes, and documents that were added to this site."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from mcp_server.answers import RuleFound, Rules
from mcp_server.desk import Desk
from vpp.rules import added_clauses, shipped_clauses
from vpp.store.rule_index import RuleIndex

TEXT_CHARS = 1200


def search_rules(desk: Desk, query: str, limit: int) -> Rules:
    """Return the clauses that fit a question best."""
    hits = _index(desk.settings.data_dir / "rules", _stamp(desk.settings.data_dir / "rules")).search(query, limit)
    return Rules(
        as_of=desk.as_of(),
        query=query,
        rules=[
            RuleFound(
                clause=hit.clause.clause,
                title=hit.clause.title,
                text=hit.clause.text[:TEXT_CHARS],
                source=hit.clause.source,
                citation=hit.clause.citation,
                page=hit.clause.page,
                score=hit.score,
                check=hit.clause.check,
            )
            for hit in hits
        ],
        hint=None if hits else "no clause has these words; try other ones, or add documents with `vpp rules add`",
    )


@lru_cache(maxsize=2)
def _index(folder: Path, _changed: int) -> RuleIndex:
    return RuleIndex([*shipped_clauses(), *added_clauses(folder)])


def _stamp(folder: Path) -> int:
    return max((path.stat().st_mtime_ns for path in folder.glob("*.json")), default=0) if folder.is_dir() else 0
