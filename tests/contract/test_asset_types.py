"""An asset type is a place: only its own module and the fleet schema know its classes."""

import ast
from collections.abc import Iterator
from typing import get_args

import pytest

from agents.assets.registry import TYPES
from tests.worlds.source_tree import Module, our_modules
from vpp.fleet.assets import ENTRIES, AssetKind

AT_HOME = ("agents.assets", "vpp.fleet")
ASKING = ("agents", "console.dashboard", "mcp_server")
KINDS = get_args(AssetKind)
FLEET_LISTS = {"batteries", "peakers", "renewables"}
"""Lists of one kind that a zone offers to sources and baselines."""
CLASSES = {entry.__name__ for entry in ENTRIES.values()} | {type(kind).__name__ for kind in TYPES.values()}


def named_classes(module: Module) -> Iterator[str]:
    """Each place where a module outside the home of asset types names one of their classes."""
    if module.is_within(*AT_HOME):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Name | ast.Attribute):
            names = [node.id if isinstance(node, ast.Name) else node.attr]
        else:
            continue
        yield from (f"{module.name}:{node.lineno} names {name}" for name in names if name in CLASSES)


def _asks_kind(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value == "kind"
    return isinstance(node, ast.Attribute) and node.attr == "kind"


def _texts(parts: list[ast.AST]) -> set[str]:
    return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def compared_kinds(module: Module) -> Iterator[str]:
    """Each place where a module that decides or speaks to people asks for an asset by the name of its kind."""
    if not module.is_within(*ASKING) or module.is_within("agents.assets", "agents.devices"):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in FLEET_LISTS:
            yield f"{module.name}:{node.lineno} names {node.attr}"
        if isinstance(node, ast.Match):
            asks, parts = _asks_kind(node.subject), [part for case in node.cases for part in ast.walk(case.pattern)]
        elif isinstance(node, ast.Compare):
            parts = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
            asks = any(map(_asks_kind, parts))
        else:
            continue
        yield from (f"{module.name}:{node.lineno} names {name}" for name in KINDS if asks and name in _texts(parts))


def test_no_decision_depends_on_the_name_of_a_kind() -> None:
    assert [place for module in our_modules() for place in compared_kinds(module)] == []


@pytest.mark.parametrize(
    "source",
    [
        'x = asset["kind"] in ("peaker", "load")',
        'x = asset.kind == "battery"',
        'match action.kind:\n    case "load" | "renewable":\n        pass',
        "x = zone.batteries",
    ],
)
@pytest.mark.parametrize("name", ["agents.autonomous.risks", "console.dashboard.views.now", "mcp_server.tools.acting"])
def test_a_compared_kind_is_seen(name: str, source: str) -> None:
    assert list(compared_kinds(Module(name, source)))


def test_no_module_outside_the_asset_types_names_their_classes() -> None:
    assert [place for module in our_modules() for place in named_classes(module)] == []


def test_every_kind_of_the_fleet_file_has_a_type() -> None:
    assert set(TYPES) == set(ENTRIES) == set(get_args(AssetKind))


@pytest.mark.parametrize("source", ["from vpp.fleet.assets import Peaker", "x = isinstance(a, schema.Battery)"])
def test_a_named_class_is_seen(source: str) -> None:
    assert list(named_classes(Module("agents.plant.reducer", source)))
