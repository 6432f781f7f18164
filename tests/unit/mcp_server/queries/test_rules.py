"""Rules over MCP: answers with citation, clauses in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_server.queries.context import QuestionError, ReadContext
from mcp_server.queries.rules import clause_ids, read_clause, search_rules
from tests.worlds.plant_loop import Loop
from vpp.rules.library import Library

TEXT = "# Local\n\n## 9.1 {title}\nA {animal} near the substation is reported to the control room. {more}\n"
QUESTION = "what if a zebra is near the substation?"


@pytest.fixture
def context(tmp_path: Path) -> ReadContext:
    loop = Loop(tmp_path)
    return ReadContext(loop.settings, loop.store)


def add(folder: Path, name: str, animal: str, more: str = "") -> None:
    (folder / name).write_text(TEXT.format(title=f"{animal}s".title(), animal=animal, more=more))
    Library(folder / "rules").add(folder / name)


def test_rules_answer_with_clause_and_citation(context: ReadContext) -> None:
    best = search_rules(context, "who may approve a plan", 5).rules[0]
    assert best.clause == "SITE.approval"
    assert best.citation


def test_added_documents_are_searched_at_once_and_quoted_in_full(context: ReadContext, tmp_path: Path) -> None:
    assert search_rules(context, QUESTION, 5).rules == []
    more = "Nobody feeds it. " * 80
    add(tmp_path, "local.md", "zebra", more)
    best = search_rules(context, QUESTION, 5).rules[0]
    assert best.clause == "9.1"
    assert best.text.endswith(more.strip())


def test_a_number_that_two_documents_have_is_read_with_its_document(context: ReadContext, tmp_path: Path) -> None:
    add(tmp_path, "a.md", "zebra")
    assert "9.1" in clause_ids(context)
    add(tmp_path, "b.md", "giraffe")
    assert {"a.md 9.1", "b.md 9.1"} < {*clause_ids(context)}
    assert "9.1" not in clause_ids(context)
    assert "A giraffe near" in read_clause(context, "b.md 9.1")
    assert "A zebra near" in read_clause(context, "a.md 9.1")
    with pytest.raises(QuestionError, match=r"no clause '9\.7'"):
        read_clause(context, "9.7")
