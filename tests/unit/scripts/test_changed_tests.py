"""The fast loop runs the tests that mirror a change."""

from pathlib import Path

import pytest

from scripts.changed_tests import ALWAYS, mirrors_of


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("agents/clearing/test_solve.py", "agents/clearing/test_highs.py", "agents/plant/test_reducer.py"):
        path = tmp_path / "tests" / "unit" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "runs"),
    [
        pytest.param([], set(), id="nothing"),
        pytest.param(["agents/clearing/solve.py"], {"tests/unit/agents/clearing/test_solve.py"}, id="its own test"),
        pytest.param(["agents/clearing/matrix.py"], {"tests/unit/agents/clearing"}, id="the folder, without its own"),
        pytest.param(
            ["agents/plant/inner/reducer.py"], {"tests/unit/agents/plant/test_reducer.py"}, id="in a folder above"
        ),
        pytest.param(["agents/assets/battery.py"], {"tests/unit/agents"}, id="the nearest folder"),
        pytest.param(["agents/assets/x.py", "agents/clearing/solve.py"], {"tests/unit/agents"}, id="no test twice"),
        pytest.param(
            ["tests/unit/agents/plant/test_reducer.py"], {"tests/unit/agents/plant/test_reducer.py"}, id="a test"
        ),
        pytest.param(["tests/e2e/test_up_life.py", "tests/worlds/builders.py"], set(), id="a slow test and a builder"),
    ],
)
def test_the_mirror_of_a_change_runs(tree: Path, changed: list[str], runs: set[str]) -> None:
    assert set(mirrors_of(changed, tree)) == runs | set(ALWAYS)
