"""Refuses JSON with duplicate keys, because readers differ in the value that they use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON as a dict; for ``object_pairs_hook`` of ``json.loads``.

    Raises:
        ValueError: A key is repeated.
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:80]!r} comes twice")
    return members


def check_keys(body: bytes) -> None:
    """Refuse a JSON text with a repeated key in one object, at any depth.

    Raises:
        ValueError: There is one, or the text is no JSON.
        RecursionError: It is nested too deeply.
    """
    _DECODER.decode(body.decode())


# Numbers are skipped: the decoder checks them.
_DECODER = json.JSONDecoder(object_pairs_hook=unique_keys, parse_int=lambda _: 0, parse_float=lambda _: 0.0)
