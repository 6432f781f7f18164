"""Protects the files of a run from other users of the machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

OTHERS = 0o077


def keep_private(folder: Path) -> None:
    """Let this process make files and folders for its own user only, and close ``folder`` to others where it exists.

    Called once, at an entry point: folders become 0700, files 0600.
    """
    os.umask(os.umask(OTHERS) | OTHERS)
    # A folder of another user, such as a mounted volume, stays as its owner set it.
    with suppress(OSError):
        if folder.is_dir() and folder.stat().st_mode & OTHERS:
            folder.chmod(0o700)
