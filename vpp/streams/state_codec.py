"""How reducers keep their state: which values changed, and each value as msgpack behind a version and a shape."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple, TypeVar

import msgspec

VERSION = 1
_HEADER_BYTES = 9
T = TypeVar("T")


class ValueKey(NamedTuple):
    """Which value of a state: its kind, and its part where there are several of a kind."""

    kind: str
    part: int | str | None = None

    @property
    def name(self) -> str:
        """Name under which the value is kept: ``head``, ``settled:12``."""
        return self.kind if self.part is None else f"{self.kind}:{self.part}"


class ChangedValues:
    """The values of a state that changed since they were last kept."""

    def __init__(self) -> None:
        self._keys: set[ValueKey] = set()

    def mark(self, kind: str, part: int | str | None = None) -> None:
        """Count a value as changed."""
        self._keys.add(ValueKey(kind, part))

    def take(self) -> list[ValueKey]:
        """Return the changed values in the order of their names, and count them as kept."""
        keys = sorted(self._keys, key=lambda key: key.name)
        self._keys.clear()
        return keys


def pack(value: Any, shape: str) -> bytes:
    """Return ``value`` as bytes that only ``unpack`` with the same ``shape`` reads.

    Args:
        value: A msgspec struct or builtin.
        shape: Name and revision of what is kept; another one makes older bytes unusable.
    """
    return _header(shape) + msgspec.msgpack.encode(value)


def unpack(raw: bytes | None, kind: type[T], shape: str) -> T | None:
    """Return the value in ``raw``, or None where there is none of this version and shape.

    Args:
        raw: What was kept, None where nothing was.
        kind: Type of the value.
        shape: As given to ``pack``.
    """
    if raw is None or raw[:_HEADER_BYTES] != _header(shape):
        return None
    try:
        return msgspec.msgpack.decode(raw[_HEADER_BYTES:], type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def _header(shape: str) -> bytes:
    return bytes([VERSION]) + hashlib.blake2b(shape.encode(), digest_size=_HEADER_BYTES - 1).digest()
