"""Runs the broker as a child process and ends it when the supervisor has ended, even after a kill.

``python -m console.local.keeper SUPERVISOR_PID COMMAND...``
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from topologies.runtime.parent_watch import EVERY_S, is_gone


def keep(supervisor: int, command: Sequence[str]) -> int:
    """Run ``command`` until it ends, is stopped, or the supervisor has ended; return its exit code."""
    child = subprocess.Popen(list(command))  # the broker that our own supervisor names

    def stop(_signal: int, _frame: FrameType | None) -> None:
        child.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while True:
        try:
            return child.wait(EVERY_S)
        except subprocess.TimeoutExpired:
            if is_gone(supervisor):
                child.kill()


if __name__ == "__main__":
    raise SystemExit(keep(int(sys.argv[1]), sys.argv[2:]))
