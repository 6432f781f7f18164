"""Runs a module as a process whose wall clock is slow: ``python -m console.local.slow_clock SECONDS MODULE ...``.

So does a computer without a battery for its clock that has not reached a time server. For drills.
"""

from __future__ import annotations

import runpy
import sys
import time


def main() -> None:
    """Turn the clock back for this process alone, and run the module."""
    behind_s, module = float(sys.argv[1]), sys.argv[2]
    right = time.time
    setattr(time, "time", lambda: right() - behind_s)  # noqa: B010 - it replaces a function of the library
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
