"""Cleans and shortens text and values that come from telemetry, before a model reads them.

Devices and other systems write names, alarm texts and broken records. Control characters, invisible characters and
text over the limit are removed, so this text can neither change the structure of an answer nor fill it.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator

from vpp.plain_text import plain_line

NAME_CHARS = 80
TEXT_CHARS = 400


def plain(text: str, limit: int = TEXT_CHARS) -> str:
    r"""Return ``text`` on one line, without control or invisible characters, at most ``limit`` characters long.

    >>> plain("soc\x1b[2J\n low\u202e", 40)
    'soc [2J low'
    """
    line = plain_line(text[: 4 * limit])
    return line if len(line) <= limit else line[: limit - 1] + "…"


def inert(value: Any) -> Any:
    """Return a value of builtins with each text in it on one line, without control or invisible characters."""
    if isinstance(value, str):
        return plain_line(value)
    if isinstance(value, list | tuple):
        return [inert(item) for item in value]
    if isinstance(value, dict):
        return {inert(name): inert(item) for name, item in value.items()}
    return value


def small(value: Any, *, items: int = 8, depth: int = 6) -> Any:
    """Return a decoded JSON value with long lists, long texts and deep nesting cut; each cut is marked.

    Args:
        value: The value.
        items: Most items of a list.
        depth: Deepest nesting.
    """
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list | tuple):
        if depth == 0:
            return f"[{len(value)} values]"
        first = [small(item, items=items, depth=depth - 1) for item in value[:items]]
        return [*first, f"… {len(value) - items} more"] if len(value) > items else first
    if isinstance(value, dict):
        if depth == 0:
            return f"{{{len(value)} fields}}"
        most = 5 * items
        names = list(value)[:most]
        kept_fields = {plain(str(name), NAME_CHARS): small(value[name], items=items, depth=depth - 1) for name in names}
        if len(value) > most:
            kept_fields["…"] = f"{len(value) - most} more fields"
        return kept_fields
    return value


def _name(text: str) -> str:
    return plain(text, NAME_CHARS)


Name = Annotated[str, AfterValidator(_name)]
"""A short name that may come from a device or another system."""

Text = Annotated[str, AfterValidator(plain)]
"""A text that may come from a device or another system."""


def brief(value: float) -> float:
    """Return a number rounded to four decimals; below 0.1 to four significant digits, so a home's watts remain.

    >>> brief(31234.56789), brief(0.00312345), brief(-0.0)
    (31234.5679, 0.003123, 0.0)
    """
    size = abs(value)
    places = 4 if not 0.0 < size < 0.1 else min(3 - math.floor(math.log10(size)), 12)
    return round(value, places) + 0.0


Real = Annotated[float, AfterValidator(brief)]
"""A number, rounded for display by ``brief``."""
