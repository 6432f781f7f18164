"""Rules that matter to the plant, as clauses with their citation: shipped notes, and documents that users add."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import msgspec

from vpp.errors import ConfigError

_CLAUSE = re.compile(r"^## (?P<id>[\w.-]+) \| (?P<title>.+)$", re.MULTILINE)
_FACT = re.compile(r"^(Citation|Check|Also): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause.

    Attributes:
        clause: Its id, such as ``BAL-002.R1``, or the number in its document.
        title: Its heading.
        text: What it says.
        source: The document.
        citation: How it is cited officially.
        check: The check of a plan that applies it, None where none does.
        also: Other words that people ask for it by.
        page: Page in the document, None where it has none.
    """

    clause: str
    title: str
    text: str
    source: str
    citation: str
    check: str | None = None
    also: str = ""
    page: int | None = None


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
        )


def clause_named(clause: str | None) -> Clause | None:
    """Return a shipped clause by its id, None for one that is not among the notes."""
    return next((entry for entry in shipped_clauses() if entry.clause == clause), None)


def added_clauses(folder: Path) -> Iterator[Clause]:
    """Yield the clauses of documents that `vpp rules add` put into ``folder``, one JSON file a document.

    Raises:
        ConfigError: A file there is not one of ours.
    """
    for path in sorted(folder.glob("*.json")):
        try:
            yield from msgspec.json.decode(path.read_bytes(), type=list[Clause])
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError(
                f"{path} holds no clauses: {error}", hint="remove it and add the document again"
            ) from error
