"""Sends what live services publish: ``python -m topologies.feed elexon --zone GB``."""

from __future__ import annotations

from topologies.sources.feeds.process import run_feed
from topologies.sources.process import main

if __name__ == "__main__":
    main("feed", run=run_feed)
