"""Comments say why: no rulers that cut a module into sections, which wants to be two modules or none."""

import re

from tests.worlds.source_tree import our_modules

RULER = re.compile(r"^\s*#\s?[-=*#~]{3,}", re.MULTILINE)


def test_no_comment_is_a_ruler() -> None:
    assert [module.name for module in our_modules() if RULER.search(module.source)] == []


def test_a_ruler_is_seen() -> None:
    assert RULER.search("x = 1\n    # --- reading ---\n")
    assert not RULER.search("x = 1  # not - a ruler\n")
