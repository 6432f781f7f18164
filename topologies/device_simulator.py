"""Runs the device simulator: ``python -m topologies.device_simulator``."""

from __future__ import annotations

from topologies.gateways.simulation.process import main

if __name__ == "__main__":
    main()
