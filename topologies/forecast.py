"""The forecast topology as a worker process: ``python -m topologies.forecast``."""

from __future__ import annotations

from topologies.runtime.worker import main

if __name__ == "__main__":
    main("forecast")
