"""Prints the software bill of materials as CycloneDX 1.6: each package with its licence and dependencies.

It is read from the metadata of what is installed, without extras, so it holds the very versions that would run here.
The same installation gives the same bytes.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "smartgrid-ai"

Graph = dict[str, tuple[Distribution, set[str]]]


def dependency_graph(name: str = ROOT) -> Graph:
    """Return each package that ``name`` needs to run, itself included, with the names of those that it needs itself.

    Requirements of another platform, and of extras that nobody asks for, are left out.
    """
    graph: Graph = {}
    pairs: set[tuple[str, frozenset[str]]] = set()
    waiting = [(canonicalize_name(name), frozenset[str]())]
    while waiting:
        at = waiting.pop()
        if at in pairs:
            continue
        pairs.add(at)
        key, extras = at
        try:
            package, needs = graph.setdefault(key, (distribution(key), set()))
        except PackageNotFoundError:
            continue  # an alternative for another platform
        for line in package.requires or ():
            requirement = Requirement(line)
            environments = [{"extra": extra} for extra in ("", *extras)]
            if requirement.marker is None or any(
                requirement.marker.evaluate(environment) for environment in environments
            ):
                other = canonicalize_name(requirement.name)
                needs.add(other)
                waiting.append((other, frozenset(requirement.extras)))
    return {key: (package, needs & graph.keys()) for key, (package, needs) in graph.items()}


def licences(package: Distribution) -> list[str]:
    """Return a package's SPDX expression, or else what its metadata calls its licence."""
    metadata = package.metadata
    expressions = metadata.get_all("License-Expression") or []
    if expressions:
        return expressions[:1]
    classifiers = metadata.get_all("Classifier") or []
    names = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: ")]
    return names or [text.partition("\n")[0] for text in metadata.get_all("License") or []]


def bill(graph: Graph) -> dict[str, Any]:
    """Return the bill of materials of a graph."""
    parts = {key: _component(key, package) for key, (package, _) in sorted(graph.items())}
    root = parts.pop(ROOT)
    refs = {key: part["bom-ref"] for key, part in {**parts, ROOT: root}.items()}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**root, "type": "application"}},
        "components": list(parts.values()),
        "dependencies": [
            {"ref": refs[key], "dependsOn": sorted(refs[need] for need in needs)}
            for key, (_, needs) in sorted(graph.items())
        ],
    }


def _component(key: str, package: Distribution) -> dict[str, Any]:
    expression = bool(package.metadata.get_all("License-Expression"))
    licence_names = licences(package)
    ref = f"pkg:pypi/{key}@{package.version}"
    licence_entries = [
        {"expression": licence} if expression else {"license": {"name": licence}} for licence in licence_names
    ]
    part = {"type": "library", "bom-ref": ref, "name": key, "version": package.version, "purl": ref}
    return part | ({"licenses": licence_entries} if licence_entries else {})


if __name__ == "__main__":
    sys.stdout.write(json.dumps(bill(dependency_graph()), indent=1) + "\n")
