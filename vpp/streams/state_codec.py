"""State of reducers as bytes: which values changed, and each value behind a version and a shape.

A zone's state is read at every start and written with every slot, so its size is what a fleet of zones costs: text and
records are deflated, arrays are kept as differences of neighbours in few bits.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, TypeGuard, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from vpp.numerics import rice
from vpp.numerics.arrays import Bytes, Ints
from vpp.numerics.row_codes import write_floats, write_whole
from vpp.numerics.significant_bits import FLOAT32_BITS

VERSION = 2
_PLAIN_VERSION = 1
"""Values of this version are still read: msgpack as it is."""

_HEADER_BYTES = 9
_DEFLATED_FROM_BYTES = 100
_LEVEL = 6
_MAX_BYTES = 1_000_000
"""A longer value is not deflated: no flood of equal records hides a state that a broker would refuse."""
_LEAST_WINDOW_BITS, _LOOK_AHEAD_BYTES = 10, 262
"""deflate reaches back as far as its window is long, less the second of these."""

_RAW, _DEFLATED = b"\0", b"\1"
T = TypeVar("T")
log = logging.getLogger(__name__)


class ValueKey(NamedTuple):
    """Which value of a state: its kind, and its part where there are several of a kind."""

    kind: str
    part: int | str | tuple[int | str, ...] | None = None

    @property
    def name(self) -> str:
        """Name under which the value is kept: ``head``, ``settled:12``, ``ring:42.19000``, ``bid:actor.970000``."""
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

    def mark(self, kind: str, part: int | str | tuple[int | str, ...] | None = None) -> None:
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
        shape: Name and revision of the stored form; bytes of another shape are not read.
        as_text: As JSON, which is shorter for decimal numbers and keeps neither NaN nor infinity; else as msgpack.
    """
    encode = msgspec.json.encode if as_text else msgspec.msgpack.encode
    return _header(shape) + _squeeze(encode(value))


def unpack(raw: bytes | None, kind: type[T], shape: str, *, as_text: bool = False) -> T | None:
    """Return the value in ``raw``, or None if there is none of this version and shape.

    Args:
        raw: What was kept, None if nothing was.
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _squeeze(body: bytes) -> bytes:
    if _DEFLATED_FROM_BYTES <= len(body) <= _MAX_BYTES:
        deflated = zlib.compress(body, _LEVEL, -_window_bits(len(body)))
        if len(deflated) < len(body):
            return _DEFLATED + deflated
    return _RAW + body


def _window_bits(size: int) -> int:
    """Return the bits of the smallest window in which deflate finds all that it finds in the largest.

    To clear the largest window takes longer than to deflate a short value in it.

    Args:
        size: Length of the value in bytes.
    """
    return min(max((size + _LOOK_AHEAD_BYTES).bit_length(), _LEAST_WINDOW_BITS), zlib.MAX_WBITS)


def _expand(raw: bytes | None, shape: str) -> bytes | None:
    """Return the bytes after the header, None if version or shape differ or the bytes are damaged."""
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

    Neighbours along the last axis are alike, so what is written are the differences of whole numbers, those of floats
    in the order of the floats.

    Args:
        shape: Name and revision of what is kept; types, bits and shapes of the arrays count as part of it.
        like: Arrays of the types and shapes that are packed: floats, whole numbers of less than 62 bits, booleans.
        bits: Significant bits that floats are rounded to wherever they change (``round_significant``), at most those
            of a float32, for all arrays or for each.
    """

    def __init__(self, shape: str, *like: npt.NDArray[Any], bits: int | Sequence[int] = FLOAT32_BITS) -> None:
        each = bits if isinstance(bits, Sequence) else [bits] * len(like)
        self._parts = [_PackedArray(array, own) for array, own in zip(like, each, strict=True)]
        self._shape = " ".join([shape, *(part.name for part in self._parts)])
        self._header = _header(self._shape)
        self._count = sum(part.count for part in self._parts)

    def pack(self, *arrays: npt.NDArray[Any]) -> bytes:
        """Return the arrays, of the types and shapes that the codec was made for, as bytes."""
        out, at = rice.room(self._count), 0
        for part, array in zip(self._parts, arrays, strict=True):
            at = part.write(array, out, at)
        return self._header + out[:at].tobytes()

    def unpack(self, raw: bytes | None, *arrays: npt.NDArray[Any]) -> bool:
        """Fill ``arrays`` from ``raw``; False, and nothing changes, where it holds none of this version and shape."""
        if not _has_header(raw, self._shape):
            return False
        data, at = np.frombuffer(raw, np.uint8), _HEADER_BYTES
        values = []
        for part in self._parts:
            numbers = np.empty(part.count, dtype=np.int64)
            at = rice.read(data, at, numbers)
            if at < 0:
                return False
            values.append(part.unpack(numbers))
        if at != len(raw):
            return False
        with np.errstate(invalid="ignore"):  # of broken bytes that happen to be a signalling NaN
            for array, value in zip(arrays, values, strict=True):
                array[...] = value
        return True


class _PackedArray:
    """One array of an ``ArrayCodec``."""

    def __init__(self, like: npt.NDArray[Any], bits: int) -> None:
        self._is_float, self._type, self._shape = like.dtype.kind == "f", like.dtype, like.shape
        self._dropped = FLOAT32_BITS - bits
        self._row = self._shape[-1] if like.ndim and like.size else 1
        self.count = like.size
        self.name = f"{like.dtype.str}{like.shape}" + (f"/{bits}" if self._is_float else "")

    def write(self, array: npt.NDArray[Any], out: Bytes, at: int) -> int:
        """Write the array into ``out`` from byte ``at`` on; return the byte after it."""
        if self._is_float:
            values = array.astype(np.float32, order="C").reshape(-1)
            return write_floats(values, self._row, self._dropped, out, at)
        whole = array.astype(np.int64, order="C").reshape(-1, self._row)
        return write_whole(whole, out, at)

    def unpack(self, steps: Ints) -> npt.NDArray[Any]:
        rows = steps.reshape(-1, self._row)
        rows[:, 0] = np.cumsum(rows[:, 0])
        codes = np.cumsum(rows, axis=1).reshape(self._shape)
        if not self._is_float:
            return codes.astype(self._type)
        high = codes.astype(np.int32)
        return _in_order((high << self._dropped) | ((high >> 31) & ((1 << self._dropped) - 1))).view(np.float32)


def _in_order(bits: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the bits of float32 as numbers in the order of the floats, and such numbers as bits."""
    return bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))


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
