"""An asset type is a place: only its own module and the fleet schema know its classes."""

import ast
from collections.abc import Iterator
from typing import get_args

import pytest

from agents.assets.registry import TYPES
from tests.worlds.source_tree import Module, our_modules
from vpp.fleet.assets import ENTRIES, AssetKind

AT_HOME = ("agents.assets", "vpp.fleet")
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


def compared_kinds(module: Module) -> Iterator[str]:
    """Each place where a module that decides compares the kind of an asset with the name of one."""
    if not module.is_within("agents") or module.is_within("agents.assets", "agents.devices"):
        return
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Compare):
            continue
        parts = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
        asks = any(
            (isinstance(part, ast.Attribute) and part.attr == "kind")
            or (isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant) and part.slice.value == "kind")
            for part in parts
        )
        texts = {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
        yield from (
            f"{module.name}:{node.lineno} names {name}" for name in get_args(AssetKind) if asks and name in texts
        )


def test_no_decision_depends_on_the_name_of_a_kind() -> None:
    assert [place for module in our_modules() for place in compared_kinds(module)] == []


@pytest.mark.parametrize("test", ['asset["kind"] in ("peaker", "load")', 'asset.kind == "battery"'])
def test_a_compared_kind_is_seen(test: str) -> None:
    assert list(compared_kinds(Module("agents.autonomous.risks", f"x = {test}")))


def test_no_module_outside_the_asset_types_names_their_classes() -> None:
    assert [place for module in our_modules() for place in named_classes(module)] == []


def test_every_kind_of_the_fleet_file_has_a_type() -> None:
    assert set(TYPES) == set(ENTRIES) == set(get_args(AssetKind))


@pytest.mark.parametrize("source", ["from vpp.fleet.assets import Peaker", "x = isinstance(a, schema.Battery)"])
def test_a_named_class_is_seen(source: str) -> None:
    assert list(named_classes(Module("agents.plant.reducer", source)))
