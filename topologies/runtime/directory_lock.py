"""One plant at a time in a data directory: a lock that the operating system drops with the process."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from vpp.errors import RefusedError

ATTEMPTS = 3
BETWEEN_S = 0.05


def lock_directory(directory: Path) -> TextIO:
    """Return the open lock file of a data directory; closing it gives the lock back.

    Raises:
        RefusedError: A running plant holds the lock.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / "up.lock").open("a+")
    for attempts_left in reversed(range(ATTEMPTS)):  # `vpp status` holds it shared for a moment
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if not attempts_left:
                lock.close()
                hint = "end it, or give another --data-dir"
                raise RefusedError(f"another `vpp up` uses {directory}", hint=hint) from error
            time.sleep(BETWEEN_S)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def is_plant_running(directory: Path) -> bool | None:
    """Return whether a `vpp up` holds the directory; None if none ever has."""
    path = directory / "up.lock"
    try:
        with path.open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except OSError:
        return True
    return False


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
