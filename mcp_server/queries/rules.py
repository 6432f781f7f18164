"""Looks rules up: the shipped notes, and documents that were added to this site."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from mcp_server.answers.reading import RuleFound, Rules
from mcp_server.queries.context import QuestionError, ReadContext
from vpp.errors import nearest_hint
from vpp.rules.clauses import Clause, added_clauses, shipped_clauses
from vpp.rules.index import RuleIndex

TEXT_CHARS = 1200


def search_rules(context: ReadContext, query: str, limit: int) -> Rules:
    """Return the clauses that fit a question best."""
    folder = context.settings.data_dir / "rules"
    hits = _index(folder, _stamp(folder)).search(query, limit)
    return Rules(
        as_of=context.as_of(),
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


def clause_ids(context: ReadContext) -> list[str]:
    """Return the ids of all clauses, shipped and added."""
    return sorted({clause.clause for clause in _clauses(context)})


def read_clause(context: ReadContext, clause_id: str) -> str:
    """Return a clause in full as Markdown; one that was cut when it was added is put together again.

    Raises:
        QuestionError: There is no such clause.
    """
    parts = [clause for clause in _clauses(context) if clause.clause == clause_id]
    if not parts:
        raise QuestionError(f"there is no clause {clause_id!r}", hint=nearest_hint(clause_id, clause_ids(context)))
    first = parts[0]
    facts = [f"Source: {first.source}", f"Citation: {first.citation}"]
    facts += [f"Page: {first.page}"] if first.page is not None else []
    facts += [f"Check of a plan: {first.check}"] if first.check else []
    text = "\n\n".join(part.text for part in parts if part.source == first.source)
    return f"# {first.clause}: {first.title}\n\n" + "\n".join(facts) + f"\n\n{text}\n"


def _clauses(context: ReadContext) -> list[Clause]:
    return [*shipped_clauses(), *added_clauses(context.settings.data_dir / "rules")]


@lru_cache(maxsize=2)
def _index(folder: Path, _changed: int) -> RuleIndex:
    return RuleIndex([*shipped_clauses(), *added_clauses(folder)])


def _stamp(folder: Path) -> int:
    return max((path.stat().st_mtime_ns for path in folder.glob("*.json")), default=0) if folder.is_dir() else 0
