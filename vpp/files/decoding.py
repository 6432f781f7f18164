"""Opens a data file by its content: Parquet, or text, compressed or plain, in its stated or detected encoding."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from vpp.errors import DataError
from vpp.files.dataset import files_of

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE = ((b"\0\0\0.", "utf-32-be"), (b".\0\0\0", "utf-32-le"), (b"\0.", "utf-16-be"), (b".\0", "utf-16-le"))
"""Where a plain character and its zeros stand in encodings of several bytes that carry no mark."""
_PARQUET = b"PAR1"
_GZIP, _BZIP2, _XZ, _ZIP = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK\x03\x04"
_OTHER_KINDS = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "save the sheet as CSV"),
    (b"ARROW1", "an Arrow (Feather) file", "write it as Parquet"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF", "an HDF5 or NetCDF file", "write the table as Parquet or CSV"),
    (b"%PDF", "a PDF document", "export the table as CSV"),
    (b"{", "JSON", "write the table as CSV or Parquet"),
    (b"[{", "JSON", "write the table as CSV or Parquet"),
    (b"<", "HTML or XML (a page or an error of a web site?)", "download the table as CSV"),
)
_PROBE_BYTES = 1 << 20
_GUESSES = ("utf-8", "cp1252")
_HEAD_BYTES = 16
_LINE_CHARS = 1 << 16


def is_parquet(path: Path) -> bool:
    """Return whether a file is Parquet, by its first bytes, or a folder."""
    return path.is_dir() or _head(path).startswith(_PARQUET)


def refuse_other_kinds(path: Path) -> None:
    """Refuse a file that is neither a text table nor Parquet.

    Raises:
        DataError: It is a folder without Parquet files, a workbook, JSON, ...; names the next step.
        OSError: It cannot be opened.
    """
    if path.is_dir():
        if not files_of(path):
            hint = "give one file, or a folder of Parquet files"
            raise DataError(f"{path} is a folder without Parquet files", hint=hint)
        return
    head = _head(path)
    for mark, kind, hint in _OTHER_KINDS:
        if head.startswith(mark):
            raise DataError(f"{path} is {kind}, no CSV or Parquet file", hint=hint)
    if head.startswith(_ZIP):
        _only_member(path)


def open_text(path: Path, encoding: str | None = None) -> TextIO:
    """Open a text file, plain or packed with gzip, bzip2, xz or zip (one file in it).

    Args:
        path: The file; how it is packed is known by its first bytes.
        encoding: Stated encoding, None: by the byte order mark or the zeros of UTF-16 and UTF-32, else UTF-8.

    Raises:
        OSError: It cannot be opened.
        DataError: A zip archive does not hold just one file.
    """
    binary = _unpacked(path)
    start = binary.read(_HEAD_BYTES)
    binary.seek(0)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    chosen = marked or encoding or _wide(start) or "utf-8"
    return io.TextIOWrapper(binary, encoding=chosen, newline="")


class LastLine:
    """A text file to read from, which keeps the last line; use it in place of the file."""

    def __init__(self, handle: TextIO) -> None:
        self._handle = handle
        self.text = ""

    def read(self, size: int = -1) -> str:
        """Return the next characters of the file."""
        part = self._handle.read(size)
        if part:
            self.text = (self.text + part)[-_LINE_CHARS:]
        return part

    def __iter__(self) -> Iterator[str]:
        return iter(self.read, "")

    @property
    def cut(self) -> str | None:
        """The last line, if nothing ends it; None: the file ends with the end of a line."""
        line = self.text.rpartition("\n")[2].rpartition("\r")[2]
        return line if line.strip() else None


def wrong_encoding(path: Path, encoding: str | None) -> DataError:
    """Return the error for a file whose text is not of its encoding, with the row and an encoding that reads it."""
    content = _probe(path)
    stated = encoding or "utf-8"
    row = next((n for n, line in enumerate(content.split(b"\n"), start=1) if not _decodes(line, stated)), 1)
    fits = next((name for name in _GUESSES if name != stated and _decodes(content, name)), None)
    hint = "write the file as UTF-8"
    if fits is not None:
        of = " for Western European text" if fits == "cp1252" else ""
        hint += f", or state its encoding in a mapping file (encoding: {fits}{of})"
    return DataError(f"{path}, row {row}: the text is not {stated}", hint=hint)


def guess_encoding(path: Path) -> str | None:
    """Return the encoding of a text that is no UTF-8 and carries no mark, None where it needs no statement."""
    try:
        with open_text(path) as opened:
            if opened.encoding != "utf-8":
                return None
        content = _probe(path)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return None  # who opens the file says what is wrong with it
    fits = next((name for name in _GUESSES if _decodes(content, name)), None)
    return None if fits == "utf-8" else fits


def _probe(path: Path) -> bytes:
    opened = open_text(path)
    with opened, opened.buffer as raw:
        content: bytes = raw.read(_PROBE_BYTES)
    return content


def _head(path: Path) -> bytes:
    with path.open("rb") as raw:
        return raw.read(_HEAD_BYTES)


def _unpacked(path: Path) -> Any:
    head = _head(path)
    if head.startswith(_GZIP):
        return gzip.open(path, "rb")
    if head.startswith(_BZIP2):
        return bz2.open(path, "rb")
    if head.startswith(_XZ):
        return lzma.open(path, "rb")
    if head.startswith(_ZIP):
        return zipfile.ZipFile(path).open(_only_member(path))
    return path.open("rb")


def _only_member(path: Path) -> str:
    """Return the name of the one file of a zip archive.

    Raises:
        DataError: It is a workbook, damaged, or holds several files or none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except zipfile.BadZipFile as error:
        raise DataError(f"cannot read {path}: {error}", hint="is the file complete?") from error
    if "[Content_Types].xml" in names:
        raise DataError(f"{path} is an Excel workbook, no CSV or Parquet file", hint="save the sheet as CSV")
    if len(names) != 1:
        listed = ", ".join(names[:5])
        raise DataError(f"{path} holds {len(names)} files ({listed})", hint="unpack it and give one of its files")
    return names[0]


def _wide(start: bytes) -> str | None:
    for pattern, name in _WIDE:
        part, twice = start[: 2 * len(pattern)], 2 * pattern
        if len(part) == len(twice) and all(
            (byte == 0) == (double == 0) for byte, double in zip(part, twice, strict=True)
        ):
            return name
    return None


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(content, final=len(content) < _PROBE_BYTES)
    except UnicodeDecodeError:
        return False
    return True
