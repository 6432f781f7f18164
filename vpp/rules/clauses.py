"""Rules of the plant as clauses with citation: shipped notes, and documents of users."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources

_CLAUSE = re.compile(r"^## (?P<id>[\w.-]+) \| (?P<title>.+)$", re.MULTILINE)
_FACT = re.compile(r"^(Citation|Check|Also): (.+)$", re.MULTILINE)

NOTES_VERSION = "2026-11"
"""Version of the shipped notes; it changes with their text."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause.

    Attributes:
        clause: Its id, such as ``BAL-002.R1``, or the number in its document.
        title: Its heading.
        text: Its text.
        source: The document.
        citation: How it is cited officially.
        check: The check of a plan that applies it, None if none does.
        also: Other words that people ask for it by.
        page: Page in the document, None if it has none.
        version: Of the document; empty if it was given none.
        effective: Day from which that version is in force; None: always.
    """

    clause: str
    title: str
    text: str
    source: str
    citation: str
    check: str | None = None
    also: str = ""
    page: int | None = None
    version: str = ""
    effective: date | None = None


@lru_cache(maxsize=1)
def shipped_clauses() -> tuple[Clause, ...]:
    """Return the clauses of the notes that come with the package."""
    folder = resources.files("vpp").joinpath("_assets", "rules")
    clauses: list[Clause] = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".md"):
            clauses += parse_notes(entry.read_text(encoding="utf-8"))
    return tuple(clauses)


def parse_notes(text: str) -> Iterator[Clause]:
    """Yield the clauses of notes: ``## ID | title``, then lines ``Citation:``, ``Check:``, ``Also:``, then the text."""
    source = text.split("\n", 1)[0].removeprefix("# ").strip()
    heads = list(_CLAUSE.finditer(text))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : following.start() if following else len(text)]
        facts = {name: value.strip() for name, value in _FACT.findall(body)}
        yield Clause(
            clause=head["id"],
            title=head["title"].strip(),
            text=" ".join(_FACT.sub("", body).split()),
            source=source,
            citation=facts.get("Citation", ""),
            check=facts.get("Check"),
            also=facts.get("Also", ""),
            version=NOTES_VERSION,
        )


def clause_named(clause: str | None) -> Clause | None:
    """Return a shipped clause by its id, None for one that is not among the notes."""
    return next((entry for entry in shipped_clauses() if entry.clause == clause), None)


def cited(clause: str, version: str) -> str:
    """Return a clause with its version, as plans, receipts and reports name it."""
    return f"{clause} (version {version})" if version else clause
