"""The table of threats names tests that exist, and covers each kind of threat."""

import re

import pytest

from tests.worlds.source_tree import ROOT

PAGE = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split(" | ") for line in PAGE.splitlines() if re.match(r"\| [A-Z][a-z]+: ", line)]
TESTS = sorted({name for row in ROWS for name in re.findall(r"`([^`]+)`", row[2])})
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_kind_of_threat_has_its_lines() -> None:
    kinds = {row[0].strip().partition(":")[0] for row in ROWS}
    assert kinds == {"Spoofing", "Tampering", "Repudiation", "Disclosure", "Denial", "Elevation"}
    assert all(len(row) == 3 and re.search("`", row[2]) for row in ROWS)


@pytest.mark.parametrize("name", TESTS)
def test_a_named_test_is_there(name: str) -> None:
    if name.startswith("make "):
        assert name.removeprefix("make ") in TARGETS
        return
    path, _, function = name.partition("::")
    assert path.startswith("tests/")
    source = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"\bdef {function or 'test_'}", source)
