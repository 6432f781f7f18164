"""The storage topology as a worker process: ``python -m topologies.storage``."""

from __future__ import annotations

from topologies.runtime.worker import main

if __name__ == "__main__":
    main("storage")
