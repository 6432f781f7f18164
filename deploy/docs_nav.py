"""Navigation of the documentation site (a MkDocs hook): one tab per folder of ``docs/``, its index page first.

A new page is added automatically; ``FIRST`` has the order of the first pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

TABS = {
    "guide": "Guide",
    "reference": "Reference",
    "explanation": "Explanation",
    "adr": "Decision records",
    "benchmarks": "Benchmarks",
}
FIRST = ("index", "quickstart", "two-minutes", "data", "fleet", "decisions", "architecture")


def navigation(docs: Path) -> list[Any]:
    """Return MkDocs' ``nav``: the start page, then a tab per folder."""
    return ["index.md", *({title: _pages(docs, folder)} for folder, title in TABS.items())]


def _pages(docs: Path, folder: str) -> list[str]:
    pages = [path.relative_to(docs).as_posix() for path in sorted((docs / folder).rglob("*.md"))]
    return sorted(pages, key=lambda page: FIRST.index(Path(page).stem) if Path(page).stem in FIRST else len(FIRST))


def on_config(config: Any) -> Any:
    """Set the navigation before MkDocs reads the pages."""
    config.nav = navigation(Path(config.docs_dir))
    return config
