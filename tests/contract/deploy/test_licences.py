"""Every package that runs has a licence that a plant may use, and the bill of materials lists them all."""

import json
import re
import subprocess
import sys

import pytest

from scripts.sbom import ROOT, bill, dependency_graph, licences
from tests.contract.pins import CONSTRAINTS, pinned
from tests.worlds.source_tree import ROOT as TREE

GRAPH = dependency_graph()
ALLOWED = {
    *("MIT", "MIT-0", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "Zlib", "CC0-1.0", "PSF-2.0"),
    *("Unlicense", "The Unlicense (Unlicense)", "3-Clause BSD License"),
    # Weak copyleft, of single files: used unchanged.
    *("MPL-2.0", "LLVM-exception"),
    # Names of packages that give no SPDX expression.
    *("MIT License", "BSD License", "Apache Software License", "Mozilla Public License 2.0 (MPL 2.0)", "ISC License"),
}


def unknown(named: list[str]) -> list[str]:
    """What is not allowed among licences, SPDX expressions taken apart."""
    words = [named_one for one in named for named_one in ([one] if one in ALLOWED else re.split(r"[\s()]+", one))]
    return [word for word in words if word not in {*ALLOWED, "AND", "OR", "WITH", ""}]


@pytest.mark.parametrize("name", sorted(GRAPH))
def test_a_package_has_an_allowed_licence(name: str) -> None:
    named = licences(GRAPH[name][0])
    assert named
    assert unknown(named) == []


@pytest.mark.parametrize("named", ["GPL-3.0-only", "MIT AND AGPL-3.0", "LGPL-2.1 WITH x", "Proprietary", "BUSL-1.1"])
def test_another_licence_would_be_seen(named: str) -> None:
    assert unknown([named])


def test_the_bill_lists_every_package_once_with_its_pinned_version() -> None:
    made = bill(GRAPH)
    pins = pinned(CONSTRAINTS.read_text(encoding="utf-8"))
    parts = {part["name"]: part for part in made["components"]}
    assert len(parts) == len(made["components"]) > 80
    assert {name: part["version"] for name, part in parts.items()} == {name: pins[name] for name in parts}
    assert {"quixstreams", "numpy", "fastmcp", "uvicorn", "cryptography"} <= parts.keys()
    assert made["metadata"]["component"]["name"] == ROOT
    assert {"pytest", "ruff", "mypy"}.isdisjoint(parts)


def test_its_graph_is_closed_and_reaches_everything() -> None:
    made = bill(GRAPH)
    edges = {line["ref"]: line["dependsOn"] for line in made["dependencies"]}
    refs = {part["bom-ref"] for part in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
    assert edges.keys() == refs
    seen, waiting = set(), [made["metadata"]["component"]["bom-ref"]]
    while waiting:
        ref = waiting.pop()
        if ref not in seen:
            seen.add(ref)
            waiting += edges[ref]
    assert seen == refs


def test_the_command_prints_the_same_bytes_each_time() -> None:
    runs = [
        subprocess.run([sys.executable, "-m", "scripts.sbom"], cwd=TREE, capture_output=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert json.loads(runs[0]) == bill(GRAPH)
