"""`vpp rules`: add documents with rules, and search them with the shipped notes."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, say
from vpp.rules.clauses import added_clauses, shipped_clauses
from vpp.rules.documents import documents_in, keep_document
from vpp.rules.index import RuleIndex

app = App(name="rules", help="Rules: add documents (Markdown, HTML, text, PDF), search them by clause.")


@app.command
def add(path: Path, *, common: Common = NO_OPTIONS) -> None:
    """Add a document, or all documents below a folder; adding one again replaces it.

    Args:
        path: File or folder.
    """
    folder = common.settings().data_dir / "rules"
    for document in documents_in(path):
        say(f"{document}: {keep_document(document, folder)} clauses")


@app.command
def search(query: str, *, limit: int = 5, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Find the clauses that answer a question.

    Args:
        query: The question, in words.
        limit: How many at most.
    """
    index = RuleIndex([*shipped_clauses(), *added_clauses(common.settings().data_dir / "rules")])
    matches = [
        {
            "clause": hit.clause.clause,
            "title": hit.clause.title,
            "citation": hit.clause.citation,
            "page": hit.clause.page,
            "score": hit.score,
            "text": hit.clause.text,
        }
        for hit in index.search(query, limit)
    ]

    def render(rows: list[dict[str, object]]) -> None:
        for row in rows:
            out.print(f"{row['clause']}  {row['title']}  [{row['citation']}]")
            out.print(f"  {row['text']}")
        if not rows:
            out.print("nothing found; try other words, or add documents with: vpp rules add FILE")

    answer(matches, as_json=json, render=render)
