"""Versions of a document come into force on their day, with their checks; none is dropped unseen."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from vpp.errors import ConfigError, RefusedError
from vpp.rules.checks import ClauseCheck, Quantity
from vpp.rules.clauses import NOTES_VERSION, shipped_clauses
from vpp.rules.index import RuleIndex
from vpp.rules.library import Library

VERSIONS = (("1", None, 30.0), ("2", date(2026, 6, 1), 25.0), ("3", date(2027, 1, 1), 20.0))


def export(most: float) -> ClauseCheck:
    return ClauseCheck(clause="2.1", quantity=Quantity.EXPORT_MW, most=most)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    path, library = tmp_path / "code.md", Library(tmp_path / "rules")
    for version, effective, most in VERSIONS:
        path.write_text(f"# 2.1 Export\n\nA site shall not export more than {most:g} MW at its connection.\n")
        library.add(path, version=version, effective=effective, checks=[export(most)])
    return library


@pytest.mark.parametrize(
    ("day", "version"), [(date(2026, 5, 31), "1"), (date(2026, 6, 1), "2"), (date(2027, 1, 1), "3")]
)
def test_a_version_is_in_force_from_its_day_on(library: Library, day: date, version: str) -> None:
    (document,) = library.in_force(day)
    assert document.version == version
    (cited,) = library.checks(day)
    assert (cited.name, cited.clause.version, cited.clause.effective) == ("code.md 2.1", version, document.effective)
    assert cited.clause in library.clauses(day)
    assert library.cited("code.md 2.1", version) == cited.clause


def test_the_same_version_is_replaced(library: Library, tmp_path: Path) -> None:
    before = library.stamp()
    library.add(tmp_path / "code.md", version="3", checks=[])
    assert [one.version for one in library.versions()] == ["1", "3", "2"]
    assert library.stamp() != before


def test_checks_of_the_version_before_are_not_dropped_unseen(library: Library, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="earlier version") as error:
        library.add(tmp_path / "code.md", version="4")
    assert "--no-checks" in str(error.value.hint)
    assert len(library.versions()) == 3


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("code.md", "1/2"), ("code.md", "1 2")),
        (("my code.md", "1"), ("my_code.md", "1")),
        (("code.md", "1"), ("code.md", "")),
    ],
)
def test_no_two_versions_share_a_file(first: tuple[str, str], second: tuple[str, str], tmp_path: Path) -> None:
    library = Library(tmp_path / "rules")
    for name, version in (first, second, first):
        (tmp_path / name).write_text("# 2.1 Export\n\nA site shall not export more than 30 MW at its connection.\n")
        library.add(tmp_path / name, version=version)
    assert {(one.source, one.version) for one in library.versions()} == {first, second}
    assert len(library.versions()) == 2


def test_of_versions_with_one_day_the_highest_is_in_force(tmp_path: Path) -> None:
    path, library = tmp_path / "code.md", Library(tmp_path / "rules")
    path.write_text("# 2.1 Export\n\nA site shall not export more than 30 MW at its connection.\n")
    for versions in (("1.10", "1.9", ""), ("v2.10", "v2.9")):
        for version in versions:
            library.add(path, version=version)
        assert [one.version for one in library.in_force(date(2026, 1, 1))] == [versions[0]]


def test_a_check_of_no_clause_is_refused(library: Library, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no clause '9'"):
        library.add(tmp_path / "code.md", checks=[ClauseCheck(clause="9", quantity=Quantity.SOC, least=0.1)])


def test_added_documents_are_found_with_the_shipped_ones(library: Library) -> None:
    index = RuleIndex(library.clauses(date(2026, 1, 1)))
    assert index.search("how much may a site export")[0].clause.text.endswith("30 MW at its connection.")


def test_a_foreign_file_among_the_rules_is_reported(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": 1}')
    with pytest.raises(ConfigError, match="holds no clauses"):
        Library(tmp_path).versions()


def test_shipped_notes_have_a_version(library: Library) -> None:
    assert {clause.version for clause in shipped_clauses()} == {NOTES_VERSION}
    assert library.cited("SITE.limits", None) in shipped_clauses()
    assert library.cited("nothing", None) is None
