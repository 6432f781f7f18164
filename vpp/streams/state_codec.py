"""State of reducers as bytes: which values changed, and each value behind a version and a shape.

Bytes are deflated: a zone's state is read at every start and written with every slot, so its size is what a fleet of
zones costs. Arrays go in planes, all first bytes before all second ones, since neighbours differ in their last bytes.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from functools import cache
from typing import Any, NamedTuple, TypeGuard, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

VERSION = 2
_PLAIN_VERSION = 1
"""Values of this version are still read: msgpack as it is."""

_HEADER_BYTES = 9
_DEFLATED_FROM_BYTES = 100
_MAX_BYTES = 1_000_000
"""A longer value is not deflated: no flood of equal records hides a state that a broker would refuse."""
_RAW, _DEFLATED = b"\0", b"\1"
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


def pack(value: Any, shape: str, *, as_text: bool = False) -> bytes:
    """Return ``value`` as bytes that only ``unpack`` with the same ``shape`` reads.

    Args:
        value: A msgspec struct or builtin.
        shape: Name and revision of what is kept; another one makes older bytes unusable.
        as_text: As JSON, which is shorter for decimal numbers and keeps neither NaN nor infinity; else as msgpack.
    """
    encode = msgspec.json.encode if as_text else msgspec.msgpack.encode
    return _header(shape) + _squeeze(encode(value))


def unpack(raw: bytes | None, kind: type[T], shape: str, *, as_text: bool = False) -> T | None:
    """Return the value in ``raw``, or None where there is none of this version and shape.

    Args:
        raw: What was kept, None where nothing was.
        kind: Type of the value.
        shape: As given to ``pack``.
        as_text: As given to ``pack``.
    """
    is_plain = raw is not None and raw[:_HEADER_BYTES] == _header(shape, _PLAIN_VERSION)
    body = raw[_HEADER_BYTES:] if raw is not None and is_plain else _expand(raw, shape)
    if body is None:
        return None
    try:
        if as_text and not is_plain:
            return msgspec.json.decode(body, type=kind)
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def _squeeze(body: bytes) -> bytes:
    if _DEFLATED_FROM_BYTES <= len(body) <= _MAX_BYTES:
        deflated = zlib.compress(body, 1, -zlib.MAX_WBITS)
        if len(deflated) < len(body):
            return _DEFLATED + deflated
    return _RAW + body


def _expand(raw: bytes | None, shape: str) -> bytes | None:
    """Return what stands behind the header, None where it is of another version or shape, or broken."""
    if not _has_header(raw, shape):
        return None
    body = raw[_HEADER_BYTES + 1 :]
    if raw[_HEADER_BYTES : _HEADER_BYTES + 1] == _RAW:
        return body
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        expanded = stream.decompress(body, _MAX_BYTES)
    except zlib.error:
        return None
    return expanded if stream.eof else None


class ArrayCodec:
    """Packs arrays of fixed types and shapes, one after the other, behind the header of their kind.

    Args:
        shape: Name and revision of what is kept; types and shapes of the arrays count as part of it.
        like: Arrays of the shapes that are packed, of their types too unless ``kept_as`` says otherwise.
        kept_as: Type that floats are kept as; they must be rounded to it (``round_significant``) wherever they change.
    """

    def __init__(self, shape: str, *like: npt.NDArray[Any], kept_as: type[np.floating[Any]] | None = None) -> None:
        self._types = [np.dtype(kept_as) if kept_as and array.dtype.kind == "f" else array.dtype for array in like]
        shapes = (f"{dtype.str}{array.shape}" for dtype, array in zip(self._types, like, strict=True))
        self._shape = " ".join([shape, *shapes])
        self._length = sum(dtype.itemsize * array.size for dtype, array in zip(self._types, like, strict=True))

    def pack(self, *arrays: npt.NDArray[Any], inside: bool = False) -> bytes:
        """Return the arrays as bytes.

        Args:
            *arrays: Of the types and shapes that the codec was made for.
            inside: Whether they become part of a value that is deflated itself: twice costs time and gains nothing.
        """
        flat = (array.astype(dtype).reshape(-1) for array, dtype in zip(arrays, self._types, strict=True))
        planes = (array.view(np.uint8).reshape(-1, array.itemsize).T.tobytes() for array in flat)
        body = b"".join(planes)
        return _header(self._shape) + (_RAW + body if inside else _squeeze(body))

    def unpack(self, raw: bytes | None, *arrays: npt.NDArray[Any]) -> bool:
        """Fill ``arrays`` from ``raw``; False, and nothing changes, where it holds none of this version and shape."""
        body = _expand(raw, self._shape)
        if body is None or len(body) != self._length:
            return False
        at = 0
        for array, dtype in zip(arrays, self._types, strict=True):
            size = array.size * dtype.itemsize
            planes = np.frombuffer(body, np.uint8, size, at).reshape(dtype.itemsize, -1)
            array[...] = np.ascontiguousarray(planes.T).view(dtype).reshape(array.shape)
            at += size
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
    log.warning("kept state is of another version, its reader starts again form=%s", shape)


@cache
def _header(shape: str, version: int = VERSION) -> bytes:
    return bytes([version]) + hashlib.blake2b(shape.encode(), digest_size=_HEADER_BYTES - 1).digest()
