"""Remote inference as a worker process (``inference=remote``): ``python -m topologies.inference``."""

from __future__ import annotations

from topologies.runtime.worker import main

if __name__ == "__main__":
    main("inference")
