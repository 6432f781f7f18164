"""A worker that outlives its supervisor drains and ends by itself."""

from __future__ import annotations

import logging
import os
import signal
import time
from threading import Thread

log = logging.getLogger(__name__)

PARENT_VARIABLE = "SMARTGRID_SUPERVISOR_PID"
EVERY_S = 1.0


def end_with_supervisor() -> None:
    """Watch the supervisor named in the environment, if any; when it is gone, send this process SIGTERM."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent:
        Thread(target=_watch, args=(int(parent),), name="orphan-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(EVERY_S)
    log.warning("the supervisor is gone; ending parent=%s", parent)
    os.kill(os.getpid(), signal.SIGTERM)
