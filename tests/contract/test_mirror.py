"""The tests mirror the code: a unit test lies where its module lies, and what tests share lies in ``tests/worlds``."""

from pathlib import Path

import pytest

from tests.worlds.source_tree import ROOT, Module, imports_of

TESTS = ROOT / "tests"
UNIT = TESTS / "unit"


def modules_of(test: Path, root: Path = ROOT) -> list[str]:
    """Return the modules that a unit test is named after: ``test_a_b.py`` tests ``a_b``, or one respect of ``a``."""
    folder = root / test.relative_to(UNIT).parent
    words = test.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    return [name for name in names if (folder / f"{name}.py").is_file()]


def test_every_unit_test_lies_at_the_path_of_its_module() -> None:
    tests = sorted(UNIT.rglob("test_*.py"))
    assert len(tests) > 100
    assert [str(test.relative_to(ROOT)) for test in tests if not modules_of(test)] == []


def test_tests_share_worlds_and_never_another_test() -> None:
    sources = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py")}
    breaches = [
        f"{name}:{line} imports {target}"
        for name, source in sources.items()
        for target, line in imports_of(Module(name, source))
        if target.startswith("tests.") and any(part.startswith("test_") for part in target.split(".")[:-1])
    ]
    assert breaches == []


@pytest.mark.parametrize(
    ("test", "modules"),
    [
        pytest.param("vpp/test_domain.py", ["domain"], id="module"),
        pytest.param("vpp/test_domain_signs.py", ["domain"], id="one respect of it"),
        pytest.param("vpp/test_nothing.py", [], id="no module"),
        pytest.param("vpp/store/test_domain.py", [], id="another folder"),
    ],
)
def test_a_test_without_a_module_is_seen(test: str, modules: list[str]) -> None:
    assert modules_of(UNIT / test) == modules
