"""Answers about rules: clauses with their citation, version and support."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from mcp_server.answers.reading import SanitizedModel, ToolAnswer
from mcp_server.answers.sanitize import Name, Real, Text


class RuleFound(SanitizedModel):
    """A clause that fits the question."""

    clause: Name
    title: Text
    text: str
    source: Text
    citation: Text
    version: Text
    effective: date | None
    page: int | None
    score: Real = Field(description="0-1: share of the question that the clause covers")
    check: str | None = Field(description="the plan check that applies it")


class Rules(ToolAnswer):
    """Clauses that answer a question, best first; empty if no clause supports an answer. The cited text is binding."""

    query: Text = ""
    supported: bool = False
    support: Real = Field(default=0.0, description="0-1, of the best clause, even if not quoted")
    rules: list[RuleFound] = Field(default=[])
