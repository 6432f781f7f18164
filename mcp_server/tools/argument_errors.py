"""Errors in a tool's arguments, as one sentence with the valid values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from mcp_server.answers.sanitize import plain
from vpp.errors import nearest_hint

VALUE_CHARS = 60
SENTENCE_CHARS = 700


def argument_sentence(error: ValidationError, schema: dict[str, Any]) -> str:
    """Return the first argument error of a call as one sentence, with the valid values and the nearest name.

    Args:
        error: The validation error.
        schema: JSON schema of the tool's arguments.
    """
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"] if not _is_type_branch(part)) or "the call"
    value = plain(str(first["input"]), VALUE_CHARS)
    properties: dict[str, Any] = schema.get("properties", {})
    argument = properties.get(name.partition(".")[0], {})
    match first["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            return _sentence(f"there is no argument {plain(name, VALUE_CHARS)!r}", name, properties)
        case "missing" | "missing_argument":
            text = f"{name} is missing"
            return _sentence(text, "", argument["enum"]) if "enum" in argument else text
        case "literal_error" | "enum":
            return _sentence(f"{name} cannot be {value!r}", value, _values(argument))
        case "string_too_long":
            return f"{name} is longer than {first['ctx']['max_length']} characters"
    kind = next((words for start, words in _KINDS.items() if first["type"].startswith(start)), None)
    if kind is None:
        return plain(f"{name} cannot be {value!r}: {first['msg'].removeprefix('Value error, ')}", SENTENCE_CHARS)
    expected = ", ".join(filter(None, (kind, _bounds(argument))))
    return f"{name} must be {expected}, not {value!r}"


_KINDS = {
    "int_": "a whole number",
    "float_": "a number",
    "bool_": "true or false",
    "datetime_": "a time in ISO 8601, such as 2022-01-31T18:30Z",
    "list_": "a list",
    "string_": "a text",
    "less_than": "",
    "greater_than": "",
}


def _sentence(argument: str, value: str, valid: Iterable[str]) -> str:
    """Return the problem, the nearest valid name and all valid names."""
    names = [str(name) for name in valid]
    near = nearest_name(value, names)
    hint = f" (did you mean {near!r}?)" if near else ""
    return plain(f"{argument}{hint}; valid: {', '.join(names)}", SENTENCE_CHARS)


def nearest_name(name: str, names: list[str]) -> str | None:
    """Return the valid name that was most likely meant; None if none is close.

    It is the shortest name that contains the given one, else the most similar one.

    >>> nearest_name("soc", ["net_load_mw", "asset_soc"])
    'asset_soc'
    """
    word = name.strip().casefold()
    holding = [name for name in names if word and word in name.casefold()]
    if holding:
        return min(holding, key=len)
    hint = nearest_hint(name, names, otherwise="") if word else ""
    return hint.removeprefix("did you mean ").removesuffix("?") or None


def _values(argument: dict[str, Any]) -> list[str]:
    kinds = [argument, *argument.get("anyOf", [])]
    return [str(value) for kind in kinds for value in kind.get("enum", [])]


def _bounds(argument: dict[str, Any]) -> str:
    words = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "above", "exclusiveMaximum": "below"}
    return ", ".join(f"{words[name]} {argument[name]:g}" for name in words if name in argument)


def _is_type_branch(part: Any) -> bool:
    """Return whether a part of an error's location names a type of a union instead of an argument."""
    return isinstance(part, str) and (part.startswith(("literal[", "constrained-", "function-")) or part in _BRANCHES)


_BRANCHES = frozenset({"str", "int", "float", "bool", "none", "datetime", "list[str]"})
