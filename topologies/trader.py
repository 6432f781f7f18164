"""The trader topology as a worker process: ``python -m topologies.trader``."""

from __future__ import annotations

from topologies.runtime.worker import main

if __name__ == "__main__":
    main("trader")
