"""A worker that outlives its supervisor drains and ends by itself."""

from __future__ import annotations

import logging
import os
import signal
import time
from threading import Thread

log = logging.getLogger(__name__)

PARENT_VARIABLE = "SMARTGRID_SUPERVISOR_PID"
EVERY_S = 0.5


def is_gone(parent: int) -> bool:
    """Return whether the process that started this one has ended: its children are then given to another process."""
    return os.getppid() != parent


def end_with_supervisor() -> None:
    """Watch the supervisor named in the environment, if any; when it is gone, send this process SIGTERM."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent:
        Thread(target=_watch, args=(int(parent),), name="orphan-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while not is_gone(parent):
        time.sleep(EVERY_S)
    log.warning("the supervisor is gone; ending parent=%s", parent)
    os.kill(os.getpid(), signal.SIGTERM)
