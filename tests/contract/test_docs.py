"""The documentation: the site builds, every link leads somewhere, and every name of code in it exists."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.docs_nav import TABS, navigation
from tests.worlds.documents import ROOT, blocks, code_spans, pages
from tests.worlds.source_tree import PACKAGES
from vpp.streams.topics import TOPICS

FOLDERS = (*PACKAGES, "deploy", "docs", "examples", "scripts", "tests", ".github")
PATH = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*")
DOTTED = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.(?!py\b)\w+)+")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]+)?\)")
PLACEHOLDERS = {"topologies/NAME.py", "deploy/.env"}
TOPICS_ON_THE_WIRE = {topic.wire() for topic in TOPICS}
FILES = ("vpp.toml",)


def names_something(dotted: str) -> bool:
    """Whether a dotted name is a module of ours, or something defined in one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:length])
        if base.is_dir() or base.with_suffix(".py").is_file():
            break
    else:
        return False
    rest = parts[length:]
    if not rest:
        return True
    source = base.with_suffix(".py") if base.with_suffix(".py").is_file() else base / "__init__.py"
    text = source.read_text(encoding="utf-8") if source.is_file() else ""
    return re.search(rf"\b{rest[0]}\b", text) is not None


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages()])
class TestPage:
    def test_every_path_exists(self, page: Path) -> None:
        missing = [
            f"{line}: {span}"
            for line, span in code_spans(page)
            for path in PATH.findall(span)
            if span.startswith(path) and path not in PLACEHOLDERS and not any(ROOT.glob(path.rstrip("/.")))
        ]
        assert missing == []

    def test_every_module_exists(self, page: Path) -> None:
        missing = [
            f"{line}: {span}"
            for line, span in code_spans(page)
            if DOTTED.fullmatch(span)
            and span not in TOPICS_ON_THE_WIRE
            and span not in FILES
            and not names_something(span)
        ]
        assert missing == []

    def test_every_link_to_a_file_leads_to_one(self, page: Path) -> None:
        targets = [match[1] for match in LINK.finditer(page.read_text(encoding="utf-8"))]
        assert [target for target in targets if not (page.parent / target).exists()] == []

    def test_every_block_has_a_language(self, page: Path) -> None:
        assert [block.place for block in blocks(page) if not block.language] == []


def test_a_name_that_does_not_exist_is_seen() -> None:
    assert names_something("vpp.streams.topics.TOPICS")
    assert not names_something("vpp.streams.topics.NOTHING")
    assert not names_something("models.nothing")


def test_every_page_is_in_the_navigation() -> None:
    docs = ROOT / "docs"
    listed = [
        page for entry in navigation(docs) for page in (entry.popitem()[1] if isinstance(entry, dict) else [entry])
    ]
    assert sorted(listed) == sorted(page.relative_to(docs).as_posix() for page in docs.rglob("*.md"))
    assert {folder.name for folder in docs.iterdir() if folder.is_dir()} == set(TABS)


def test_the_site_builds_strictly_and_asks_no_other_server(tmp_path: Path) -> None:
    assert importlib.util.find_spec("mkdocs"), "run make setup"
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "search" / "search_index.json").is_file()
    asked = re.compile(
        r"""<(?:script|img|iframe|source)[^>]+src=["']?https?:|<link[^>]+rel=["']?(?:stylesheet|preconnect|preload)[^>]+href=["']?https?:|@import\s+url\(["']?https?:"""
    )
    outside = [
        str(page.relative_to(tmp_path))
        for page in tmp_path.rglob("*.html")
        if asked.search(page.read_text(encoding="utf-8"))
    ]
    assert outside == []
