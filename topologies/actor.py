"""The actor topology as a worker process: ``python -m topologies.actor``."""

from __future__ import annotations

from topologies.runtime.worker import main

if __name__ == "__main__":
    main("actor")
