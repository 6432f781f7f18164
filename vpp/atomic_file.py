"""Writes a file completely or not at all, so no reader sees a partial file."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_atomic(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Write ``content`` (text as UTF-8) to ``path``; the file before stays in place until the new one is complete.

    Args:
        path: The file; folders that are missing are made.
        content: All of the file.
        mode: Access rights of the file, less the process's umask.

    Raises:
        OSError: The file cannot be written; the file before is unchanged.
    """
    with atomic_writer(path, mode=mode) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomic_writer(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a stream whose bytes become ``path`` when the block ends without an error; arguments as ``write_atomic``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes or threads that write the same file each complete their own part; the later one wins.
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        # Its name can be guessed: what another user put there, such as a link, is not written through.
        part.unlink(missing_ok=True)
        with open(part, "wb", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, mode)) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
