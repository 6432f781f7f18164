"""The coverage report is held against the least share of each room."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.coverage_check import ROOMS, main, room_lines, shortfalls


def one(pct: float, done: int = 9, total: int = 10) -> dict[str, Any]:
    summary = {
        "percent_covered": pct,
        "covered_lines": done,
        "num_statements": total,
        "covered_branches": 1,
        "num_branches": 2,
    }
    return {"summary": summary}


def test_a_module_below_its_room_and_a_room_that_is_missing_are_named() -> None:
    files = {"agents/plant/a.py": one(89.9), "agents/plant/b.py": one(90.0), "agents/plants.py": one(1.0)}
    assert shortfalls(files, {"agents/plant": 90.0, "agents/orders": 90.0}) == [
        "agents/plant/a.py: 89.9 %, needs 90 %",
        "agents/orders: not in the report",
    ]


def test_rooms_are_summed_over_lines_and_branches() -> None:
    files = {
        "a/x.py": one(0, 10, 10),
        "a/y.py": one(0, 4, 10),
        "b/z.py": one(0, 0, 0) | {"summary": dict.fromkeys(one(0)["summary"], 0)},
    }
    assert room_lines(files) == ["a: 66.7 %"]


@pytest.mark.parametrize(("pct", "code"), [(95.0, 0), (50.0, 1)])
def test_the_exit_code_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str], pct: float, code: int) -> None:
    report = tmp_path / "coverage.json"
    report.write_text(json.dumps({"files": {f"{room}/a.py": one(pct) for room in ROOMS}}))
    assert main(report) == code
    assert ("coverage: agents/plant/a.py: 50.0 %, needs 90 %" in capsys.readouterr().err) == bool(code)
