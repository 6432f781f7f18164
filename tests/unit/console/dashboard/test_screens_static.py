"""The page's modules: a function of another module is called under a name that is imported."""

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
