"""Validation errors of pydantic for a file, as one clear line each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from vpp.errors import did_you_mean
from vpp.yaml_text import quoted

SHOWN = 5


def number_checked(cls: type[BaseModel], value: Any, info: ValidationInfo) -> Any:
    """Return a field's value as given; true and false are refused where a number belongs, else they count as 1 and 0.

    Args:
        cls: The model.
        value: What the file holds.
        info: Names the field.
    """
    annotation = cls.model_fields[str(info.field_name)].annotation
    kinds = {annotation, *get_args(annotation)}
    if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
        raise PydanticCustomError("float_type", "must be a number")
    return value


def one_name_each(kind: str, names: Iterable[str]) -> str | None:
    """Return what is wrong with names of which each must be seen and typed as another, None if nothing is.

    >>> one_name_each("asset", ("B1", "b2", "b1"))
    "assets 'B1' and 'b1' differ in case only: give each asset a name of its own"
    """
    taken: dict[str, str] = {}
    for name in names:
        plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        other = taken.get(plain)
        taken[plain] = name
        if other is None:
            continue
        step = f"give each {kind} a name of its own"
        if other == name:
            return f"{kind} {name!r} comes twice: {step}"
        where = "in case" if other.casefold() == name.casefold() else "in blanks or in how a letter is encoded"
        return f"{kind}s {other!r} and {name!r} differ {where} only: {step}"
    return None


def describe(error: ValidationError, keys: Collection[str]) -> str:
    """Return the errors as one line each, joined by semicolons; at most ``SHOWN``.

    Args:
        error: What pydantic found.
        keys: Keys that the schema has, for the nearest to an unknown one.
    """
    lines = [_line(fault, keys) for fault in error.errors()]
    more = len(lines) - SHOWN
    return "; ".join(lines[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _line(error: Any, keys: Collection[str]) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown key {place}{did_you_mean(str(error['loc'][-1]), keys)}"
    phrase = _SAID.get(error["type"])
    if phrase is not None:
        return f"{place or 'the file'}{phrase(error)}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _not_text(error: Any) -> str:
    value = error["input"]
    if isinstance(value, bool | int | float):
        return f" is text, and YAML reads {_yaml(value)} as a number: {quoted(_yaml(value))}"
    return f" must be text, not {_yaml(value)}"


def _not_number(error: Any) -> str:
    value = error["input"]
    if value is None:
        return " is empty"
    unit = " (the unit stands in the name of the key)" if isinstance(value, str) and value[-1:].isalpha() else ""
    return f" must be a number with a decimal point, not {_yaml(value)}{unit}"


def _unknown_kind(error: Any) -> str:
    tag = str(error["ctx"]["tag"])
    names = [name.strip().strip("'") for name in error["ctx"]["expected_tags"].split(",")]
    return f": unknown kind {tag}{did_you_mean(tag, names)}; one of {', '.join(names)}"


def _no_such(error: Any) -> str:
    names = re.findall(r"'([^']*)'", error["ctx"]["expected"])
    return f": there is no {_yaml(error['input'])}{did_you_mean(str(error['input']), names)}"


def _bound(word: str, limit: str) -> Callable[[Any], str]:
    return lambda error: f" must be {word} {error['ctx'][limit]:g}, not {_yaml(error['input'])}"


def _shape(expected: str) -> Callable[[Any], str]:
    return lambda error: f" must {expected}, not {_yaml(error['input'])}"


_KEYS = _shape("hold keys (name: value)")
_LIST = _shape("be a list")
_SAID: dict[str, Callable[[Any], str]] = {
    "missing": lambda error: " is missing",
    "string_type": _not_text,
    "float_type": _not_number,
    "float_parsing": _not_number,
    "int_type": _shape("be a whole number"),
    "int_parsing": _shape("be a whole number"),
    "int_from_float": _shape("be a whole number"),
    "bool_type": _shape("be true or false"),
    "bool_parsing": _shape("be true or false"),
    "string_too_short": lambda error: " is empty",
    "string_pattern_mismatch": lambda error: f" must not be written {_yaml(error['input'])}",
    "enum": _no_such,
    "finite_number": _shape("be finite"),
    "greater_than": _bound("above", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("below", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "model_type": _KEYS,
    "model_attributes_type": _KEYS,
    "dict_type": _KEYS,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "union_tag_not_found": lambda error: ": kind is missing",
    "union_tag_invalid": _unknown_kind,
}


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
