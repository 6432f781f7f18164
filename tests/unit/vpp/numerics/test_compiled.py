"""A kernel on disk is used again where nothing changed, and compiled anew where anything that it compiles in did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

INNER = """
from enum import IntEnum
from typing import NamedTuple
from vpp.numerics.compiled import kernel

class Op(IntEnum):
    ADD = 1
    TAKE = 2

class Pair(NamedTuple):
    low: float
    high: float

FACTOR = 2.0
TAKE = int(Op.TAKE)

@kernel
def innermost(x):
    return 10.0 * x

@kernel
def inner(x):
    return innermost(x)
"""

OUTER = """
import json
import inner as names
from inner import FACTOR, TAKE, Pair, inner
from vpp.numerics.compiled import kernel

@kernel
def by_call(x):
    return inner(x) + 1.0

@kernel
def by_constant(x):
    return FACTOR * x

@kernel(error_model="numpy")
def by_module(x):
    return x / names.FACTOR

@kernel
def by_enum(x):
    return x + TAKE

@kernel
def by_field(pair):
    return pair.low

@kernel
def by_nothing(x):
    return x + 100.0

def result(function, argument):
    value = function(argument)
    return [value, sum(function.stats.cache_hits.values())]

print(json.dumps({
    "by_call": result(by_call, 1.0),
    "by_constant": result(by_constant, 1.0),
    "by_module": result(by_module, 1.0),
    "by_enum": result(by_enum, 1.0),
    "by_field": result(by_field, Pair(low=1.0, high=2.0)),
    "by_nothing": result(by_nothing, 1.0),
}))
"""

BEFORE = {"by_call": 11.0, "by_constant": 2.0, "by_module": 0.5, "by_enum": 3.0, "by_field": 1.0, "by_nothing": 101.0}


def run(package: Path) -> dict[str, tuple[float, int]]:
    """Value and cache hits of each kernel of the package's copy, in a fresh process."""
    root = str(Path(__file__).resolve().parents[4])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((root, str(package))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": str(package / "cache"),
    }
    command = [sys.executable, str(package / "outer.py")]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return {name: (value, hits) for name, (value, hits) in json.loads(answer.stdout).items()}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "inner.py").write_text(INNER, encoding="utf-8")
    (folder / "outer.py").write_text(OUTER, encoding="utf-8")
    assert run(folder) == {name: (value, 0) for name, value in BEFORE.items()}
    return folder


def edited(package: Path, old: str, new: str) -> dict[str, tuple[float, int]]:
    """What the kernels answer after one edit in the file that they import from; the edit is undone afterwards."""
    assert old in INNER
    (package / "inner.py").write_text(INNER.replace(old, new), encoding="utf-8")
    try:
        return run(package)
    finally:
        (package / "inner.py").write_text(INNER, encoding="utf-8")


def test_unchanged_kernels_come_from_the_cache(package: Path) -> None:
    assert run(package) == {name: (value, 1) for name, value in BEFORE.items()}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        pytest.param("return 10.0 * x", "return 1000.0 * x", {"by_call": 1001.0}, id="kernel-two-calls-away"),
        pytest.param("FACTOR = 2.0", "FACTOR = 4.0", {"by_constant": 4.0, "by_module": 0.25}, id="constant"),
        pytest.param("ADD = 1\n    TAKE = 2", "ADD = 1\n    HOLD = 2\n    TAKE = 3", {"by_enum": 4.0}, id="enum"),
        pytest.param("low: float\n    high", "high: float\n    low", {"by_field": 1.0}, id="order-of-fields"),
    ],
)
def test_an_edit_elsewhere_compiles_what_depends_on_it(
    package: Path, old: str, new: str, changed: dict[str, float]
) -> None:
    answers = edited(package, old, new)
    assert answers == {name: (changed[name], 0) if name in changed else (value, 1) for name, value in BEFORE.items()}
