"""The page's modules: what they call of one another is imported, and the browser is told of all at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

JS = Path(__file__).resolve().parents[4] / "console/dashboard/static/js"
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted(JS.rglob("*.js"))}
EXPORTED = {
    name for text in SOURCES.values() for name in re.findall(r"export (?:async )?(?:function|const|class) (\w+)", text)
}


def names_at_hand(text: str) -> set[str]:
    """Return the names that a module imports or makes, parameters and parts of patterns among them."""
    imported = re.findall(r"import \{([^}]*)\}", text)
    made = re.findall(r"(?:function|const|let|class) (\w+)", text)
    patterns = re.findall(r"(?:const|let) [\[{]([^\]}]*)[\]}] =", text)
    parameters = re.findall(r"\(([^()]*)\) =>|function \w+\(([^)]*)\)", text)
    parts = [*imported, *patterns, *(one for pair in parameters for one in pair)]
    return {*made, *(name for part in parts for name in re.findall(r"\w+", part))}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_a_module_calls_of_another_is_imported(path: Path) -> None:
    text = SOURCES[path]
    called = set(re.findall(r"(?<![\w.$\"'`-])(\w+)\s*\(", text))
    assert (called & EXPORTED) - names_at_hand(text) == set()


def test_the_browser_is_told_of_every_module_at_once() -> None:
    """Else it learns of a module only when the one that imports it has come: several ways to the server in a row."""
    page = (JS.parent / "index.html").read_text(encoding="utf-8")
    modules = {path.relative_to(JS).as_posix() for path in SOURCES} - {"login.js", "theme.js", "main.js"}
    assert set(re.findall(r'rel="modulepreload" href="/static/js/([^"]+)"', page)) == modules
