"""Comments say why: no rulers that cut a module into sections, and nothing that switches the formatter off."""

import re

from tests.worlds.source_tree import ROOT, our_modules

FORMATTER_OFF = re.compile(r"#\s*fmt:\s*(skip|off)")
RULER = re.compile(r"^\s*#\s?[-=*#~]{3,}", re.MULTILINE)


def test_no_comment_is_a_ruler() -> None:
    assert [module.name for module in our_modules() if RULER.search(module.source)] == []


def test_a_ruler_is_seen() -> None:
    assert RULER.search("x = 1\n    # --- reading ---\n")
    assert not RULER.search("x = 1  # not - a ruler\n")


def test_the_formatter_lays_out_every_line() -> None:
    paths = [path for path in ROOT.rglob("*.py") if not {".venv", "build"} & set(path.relative_to(ROOT).parts)]
    assert len(paths) > 500
    assert [str(path.relative_to(ROOT)) for path in paths if FORMATTER_OFF.search(path.read_text("utf-8"))] == []


def test_a_line_without_the_formatter_is_seen() -> None:
    assert FORMATTER_OFF.search("x = [1,  # f" + "mt: skip")
