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


def test_no_module_outside_the_asset_types_names_their_classes() -> None:
    assert [place for module in our_modules() for place in named_classes(module)] == []


def test_every_kind_of_the_fleet_file_has_a_type() -> None:
    assert set(TYPES) == set(ENTRIES) == set(get_args(AssetKind))


@pytest.mark.parametrize("source", ["from vpp.fleet.assets import Peaker", "x = isinstance(a, schema.Battery)"])
def test_a_named_class_is_seen(source: str) -> None:
    assert list(named_classes(Module("agents.plant.reducer", source)))
