"""A release goes out only if tag, version and changelog agree."""

from pathlib import Path

import pytest

from scripts.check_release import problems


def release(tmp_path: Path, heading: str) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n\n- Something.\n\n## 1.1.0 (2026-01-02)\n")
    return tmp_path


def test_all_three_agree(tmp_path: Path) -> None:
    assert problems("v1.2.0", release(tmp_path, "## 1.2.0 (2026-11-30)")) == []


@pytest.mark.parametrize(
    ("tag", "heading", "says"),
    [
        pytest.param("v1.3.0", "## 1.2.0 (2026-11-30)", "the tag is v1.3.0", id="another tag"),
        pytest.param("1.2.0", "## 1.2.0 (2026-11-30)", "the tag is 1.2.0", id="tag without v"),
        pytest.param("v1.2.0", "## 1.1.9 (2026-11-30)", "not 1.2.0", id="changelog behind"),
        pytest.param("v1.2.0", "## 1.2.0 (unreleased)", "no release date", id="unreleased"),
        pytest.param("v1.2.0", "## 1.2.0", "no release date", id="no date"),
    ],
)
def test_each_disagreement_is_named(tmp_path: Path, tag: str, heading: str, says: str) -> None:
    assert any(says in line for line in problems(tag, release(tmp_path, heading)))
