"""Opens a text file in its encoding: as stated, else by its byte order mark, else UTF-8."""

from __future__ import annotations

import codecs
import gzip
import io
from pathlib import Path
from typing import TextIO

from vpp.errors import DataError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GZIP = b"\x1f\x8b"
_PROBE_BYTES = 1 << 20


def open_text(path: Path, encoding: str | None = None) -> TextIO:
    """Open a plain or gzipped text file.

    Args:
        path: The file; gzip is known by its first bytes.
        encoding: Stated encoding, None: by the byte order mark, else UTF-8.

    Raises:
        OSError: It cannot be opened.
    """
    with path.open("rb") as raw:
        zipped = raw.read(2) == _GZIP
    binary = gzip.open(path, "rb") if zipped else path.open("rb")  # noqa: SIM115 - the caller closes it
    start = binary.read(4)
    binary.seek(0)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    chosen = marked or encoding or "utf-8"
    return io.TextIOWrapper(binary, encoding=chosen, newline="")


def wrong_encoding(path: Path, encoding: str | None) -> DataError:
    """Return the error for a file whose text is not of its encoding, with the row and an encoding that reads it."""
    opened = open_text(path)
    with opened, opened.buffer as raw:
        content = raw.read(_PROBE_BYTES)
    stated = encoding or "utf-8"
    row = next((n for n, line in enumerate(content.split(b"\n"), start=1) if not _decodes(line, stated)), 1)
    fits = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be" if content[:1] == b"\0" else None
    fits = fits or next((name for name in ("utf-8", "cp1252") if _decodes(content, name)), None)
    return DataError(
        f"{path}, row {row}: the text is not {stated}",
        hint=f"state the encoding in a mapping file (encoding: {fits})" if fits else "write the file as UTF-8",
    )


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
