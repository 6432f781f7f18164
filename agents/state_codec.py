"""How agents keep state values: msgpack behind a version byte and a hash of the value's shape."""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

import msgspec

VERSION = 1
_HEADER_BYTES = 9
T = TypeVar("T")


def pack(value: Any, shape: str) -> bytes:
    """Return ``value`` as bytes that only ``unpack`` with the same ``shape`` reads.

    Args:
        value: A msgspec struct or builtin.
        shape: Name and revision of what is kept; another one makes older bytes unusable.
    """
    return _header(shape) + msgspec.msgpack.encode(value)


def unpack(raw: bytes | None, kind: type[T], shape: str) -> T | None:
    """Return the value in ``raw``, or None where there is none of this version and shape."""
    if raw is None or raw[:_HEADER_BYTES] != _header(shape):
        return None
    try:
        return msgspec.msgpack.decode(raw[_HEADER_BYTES:], type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def _header(shape: str) -> bytes:
    return bytes([VERSION]) + hashlib.blake2b(shape.encode(), digest_size=_HEADER_BYTES - 1).digest()
