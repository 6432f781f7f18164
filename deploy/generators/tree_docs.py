"""The tree of the repository, made from the first line of each module, between two marks of the architecture page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("docs/explanation/architecture.md")
PACKAGES = ("vpp", "features", "models", "agents", "topologies", "mcp_server", "console")
BEGIN, END = "<!-- tree:begin -->", "<!-- tree:end -->"


def architecture_page(root: Path = ROOT) -> str:
    """Return the architecture page with the tree as it is now.

    Args:
        root: The repository.
    """
    sections = "\n".join(_section(root, package) for package in PACKAGES)
    return page_with((root / PAGE).read_text(encoding="utf-8"), BEGIN, sections, END)


def page_with(text: str, begin: str, body: str, end: str) -> str:
    """Return a page with the text between two marks replaced.

    Args:
        text: The page.
        begin: The mark before; it is there once.
        body: What comes between, with its last line break.
        end: The mark after.
    """
    before, remainder = text.split(begin)
    return f"{before}{begin}\n{body}{end}{remainder.split(end)[1]}"


def _section(root: Path, package: str) -> str:
    """Return one package: its folders in order, each module with its first line."""
    lines = [f"\n### {package}\n", f"{_first_line(root / package / '__init__.py')}\n"]
    for folder in _folders(root / package):
        name = folder.relative_to(root).as_posix()
        text = "" if name == package else f": {_first_line(folder / '__init__.py')}"
        lines.append(f"- `{name}/`{text}")
        modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        lines += [f"    - `{path.name}`: {_first_line(path)}" for path in modules]
    return "\n".join(lines) + "\n"


def _folders(folder: Path) -> Iterator[Path]:
    yield folder
    for child in sorted(folder.iterdir()):
        if child.is_dir() and any(child.glob("*.py")):
            yield from _folders(child)


def _first_line(path: Path) -> str:
    """Return the first line of a module's docstring as Markdown, empty if there is none."""
    if not path.is_file():
        return ""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    line = text.partition("\n\n")[0].replace("\n", " ")
    return re.sub(r"``([^`]*)``", r"`\1`", line).replace("<", "&lt;")
