"""How reducers keep their state: which values changed, and each value as bytes behind a version and a shape."""

from __future__ import annotations

import hashlib
import logging
from functools import cache
from typing import Any, NamedTuple, TypeGuard, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

VERSION = 1
_HEADER_BYTES = 9
T = TypeVar("T")
log = logging.getLogger(__name__)


class ValueKey(NamedTuple):
    """Which value of a state: its kind, and its part where there are several of a kind."""

    kind: str
    part: int | str | tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        """Name under which the value is kept: ``head``, ``settled:12``, ``ring:42.19000``."""
        if self.part is None:
            return self.kind
        part = ".".join(map(str, self.part)) if isinstance(self.part, tuple) else self.part
        return f"{self.kind}:{part}"

    @property
    def number(self) -> int:
        """The part of a kind whose parts are numbered."""
        assert isinstance(self.part, int)
        return self.part


class ChangedValues:
    """The values of a state that changed since they were last kept."""

    def __init__(self) -> None:
        self._keys: set[ValueKey] = set()

    def mark(self, kind: str, part: int | str | tuple[int, ...] | None = None) -> None:
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
    if not _has_header(raw, shape):
        return None
    try:
        return msgspec.msgpack.decode(memoryview(raw)[_HEADER_BYTES:], type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


class ArrayCodec:
    """Packs arrays of fixed types and shapes, one after the other, behind the header of their kind.

    Args:
        shape: Name and revision of what is kept; types and shapes of the arrays count as part of it.
        like: Arrays of the types and shapes that are packed.
    """

    def __init__(self, shape: str, *like: npt.NDArray[Any]) -> None:
        self._shape = " ".join([shape, *(f"{array.dtype.str}{array.shape}" for array in like)])
        self._length = _HEADER_BYTES + sum(array.nbytes for array in like)

    def pack(self, *arrays: npt.NDArray[Any]) -> bytes:
        """Return the arrays as bytes."""
        return b"".join((_header(self._shape), *(array.tobytes() for array in arrays)))

    def unpack(self, raw: bytes | None, *arrays: npt.NDArray[Any]) -> bool:
        """Fill ``arrays`` from ``raw``; False, and nothing changes, where it holds none of this version and shape."""
        if not _has_header(raw, self._shape) or len(raw) != self._length:
            return False
        at = _HEADER_BYTES
        for array in arrays:
            array[...] = np.frombuffer(raw, array.dtype, array.size, at).reshape(array.shape)
            at += array.nbytes
        return True


def _has_header(raw: bytes | None, shape: str) -> TypeGuard[bytes]:
    if not raw:
        return False
    if raw[:_HEADER_BYTES] == _header(shape):
        return True
    _report_other_form(shape)
    return False


@cache
def _report_other_form(shape: str) -> None:
    """Log once per process that a kept value cannot be read."""
    log.warning("kept state is of another version, its reader starts anew form=%s", shape)


@cache
def _header(shape: str) -> bytes:
    return bytes([VERSION]) + hashlib.blake2b(shape.encode(), digest_size=_HEADER_BYTES - 1).digest()
