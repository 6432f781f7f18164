"""The orders topology as a worker process: ``python -m topologies.orders``."""

from __future__ import annotations

from topologies.runtime.worker import main

if __name__ == "__main__":
    main("orders")
