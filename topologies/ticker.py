"""Live mode: writes the deadlines of slots: ``python -m topologies.ticker``."""

from __future__ import annotations

from topologies.sources.ticker import main

if __name__ == "__main__":
    main()
