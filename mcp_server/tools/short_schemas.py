"""Shortens JSON schemas: every conversation of a client carries the whole of ``tools/list``."""

from __future__ import annotations

from typing import Any

_NULL = {"type": "null"}
_LEFT_OUT = ("title", "maxLength", "maxItems")


def compact_input(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a tool's argument schema without titles, null alternatives and maximum lengths.

    The types of the function still accept null and check lengths.
    """
    properties = {name: _argument(value) for name, value in schema.get("properties", {}).items()}
    compact: dict[str, Any] = {"type": "object", "properties": properties}
    if schema.get("required"):
        compact["required"] = schema["required"]
    return compact


def compact_output(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an answer's schema with its fields; a nested object is reduced to a list of its field names.

    The resource ``vpp://tools/{tool}/schema`` has the full schema.
    """
    properties = {name: _field(value) for name, value in schema.get("properties", {}).items()}
    return {"type": "object", "properties": properties}


def _argument(node: dict[str, Any]) -> dict[str, Any]:
    compact = {name: value for name, value in node.items() if name not in _LEFT_OUT}
    kinds = [
        {name: value for name, value in kind.items() if name not in _LEFT_OUT}
        for kind in compact.pop("anyOf", [])
        if kind != _NULL
    ]
    if "items" in compact:
        compact["items"] = _argument(compact["items"])
    if len(kinds) == 1:
        compact |= kinds[0]
    elif kinds:
        compact["anyOf"] = kinds
    if compact.get("default", 0) is None:
        del compact["default"]
    return compact


def _field(node: dict[str, Any]) -> dict[str, Any]:
    description = {"description": node["description"]} if "description" in node and "properties" not in node else {}
    if "anyOf" in node:
        inner = next((kind for kind in node["anyOf"] if "properties" in kind), None)
        return description | ({"description": _names(inner)} if inner is not None else {})
    kind = {"type": node["type"]} if "type" in node else {}
    if "properties" in node:
        return kind | {"description": _names(node)}
    items = node.get("items", {})
    if "properties" in items:
        return kind | {"description": "each: " + _names(items)}
    return kind | description


def _names(node: dict[str, Any]) -> str:
    return ", ".join(node["properties"])
