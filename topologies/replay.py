"""Sends the rows of a data file as raw telemetry: ``python -m topologies.replay FILE``."""

from __future__ import annotations

from topologies.sources.process import main

if __name__ == "__main__":
    main("replay")
