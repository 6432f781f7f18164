"""Runs one gateway: ``python -m topologies.gateway modbus``."""

from __future__ import annotations

from topologies.gateways.kinds import main

if __name__ == "__main__":
    main()
