"""Every setting is read by code: one that changes nothing is a promise that is not kept."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from vpp.settings import Settings, keys

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("vpp", "features", "models", "agents", "topologies", "mcp_server", "console", "deploy")
GROUPS = {
    name: info.annotation.__name__
    for name, info in Settings.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
}


def last_name(node: ast.AST | None) -> str:
    """The name of a variable, or of the last attribute of a chain."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def bindings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield names and the group of settings that they stand for: ``mcp = settings.mcp`` or ``mcp: McpSettings``."""
    yield from ((group, group) for group in GROUPS)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield from ((node.arg, group) for group, model in GROUPS.items() if last_name(node.annotation) == model)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = (
                    zip(target.elts, node.value.elts, strict=True)
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                    else [(target, node.value)]
                )
                yield from ((last_name(left), last_name(right)) for left, right in pairs if last_name(right) in GROUPS)


def read_keys(tree: ast.Module, *, is_settings: bool) -> Iterator[str]:
    """Yield the keys of settings that a module reads."""
    groups_of: dict[str, set[str]] = {}
    for name, group in bindings(tree):
        groups_of.setdefault(name, set()).add(group)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            owner = last_name(node.value)
            if "settings" in owner or (is_settings and owner == "self"):
                yield node.attr
            yield from (f"{group}.{node.attr}" for group in groups_of.get(owner, ()))


def test_every_setting_is_read() -> None:
    used: set[str] = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            if "settings" in source.lower():
                used |= set(read_keys(ast.parse(source), is_settings=path.name == "settings.py"))
    assert sorted(set(keys()) - used) == []


def test_a_setting_that_nothing_reads_is_seen() -> None:
    tree = ast.parse("def f(settings, broker: KafkaSettings):\n    mcp = settings.mcp\n    mcp.port; broker.extra")
    assert set(read_keys(tree, is_settings=False)) == {"mcp", "mcp.port", "kafka.extra"}
