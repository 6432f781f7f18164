"""One plant at a time in a data directory: a lock that the operating system drops with the process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from vpp.errors import RefusedError


def lock_directory(directory: Path) -> TextIO:
    """Return the open lock file of a data directory; closing it gives the lock back.

    Raises:
        RefusedError: A running plant holds the lock.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / "up.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise RefusedError(f"another `vpp up` uses {directory}", hint="end it, or give another --data-dir") from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


@contextmanager
def directory_locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a data directory.

    Raises:
        RefusedError: A running plant holds the lock.
    """
    lock = lock_directory(directory)
    try:
        yield
    finally:
        lock.close()
