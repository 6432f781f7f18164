"""Integers in messages: each fits 64 bits, as every state and store holds them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_args, get_type_hints

import msgspec

from vpp.errors import MessageError

SMALLEST, LARGEST = -(2**63), 2**63 - 1
"""Bounds of a message's integers."""

Integer = Annotated[int, msgspec.Meta(ge=SMALLEST, le=LARGEST)]
"""An integer as messages declare it: one beyond 64 bits does not decode."""


def check_free_values(message: msgspec.Struct) -> None:
    """Check the integers inside fields that hold any value; declared ones are checked by their type.

    Raises:
        MessageError: With reason ``schema``: one does not fit 64 bits.
    """
    for name in _free_fields(type(message)):
        _check(name, getattr(message, name))


def _check(name: str, value: Any) -> None:
    if isinstance(value, int):
        if not SMALLEST <= value <= LARGEST:
            raise MessageError(f"{name} has an integer that does not fit 64 bits", reason="schema")
    elif isinstance(value, msgspec.Struct):
        check_free_values(value)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(name, item)
    elif isinstance(value, Mapping):
        for item in value.values():
            _check(name, item)


@cache
def _free_fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the fields of a message type that hold any value, themselves or further inside."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(name for name in kind.__struct_fields__ if _is_free(hints[name]))


def _is_free(hint: Any) -> bool:
    if hint is Any:
        return True
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return bool(_free_fields(hint))
    return any(_is_free(part) for part in get_args(hint))
