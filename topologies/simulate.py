"""Sends seeded synthetic telemetry: ``python -m topologies.simulate``."""

from __future__ import annotations

from topologies.sources.process import main

if __name__ == "__main__":
    main("simulate")
