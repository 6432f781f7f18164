"""Promotes models as a replay goes on: the one in force at the start."""

from __future__ import annotations

from datetime import datetime

from models.registry import Registry
from topologies.sources.feed import Feed
from topologies.sources.replay_rows import Refit
from vpp.fleet import Zone
from vpp.messages import Promotion
from vpp.settings import Settings


def make_refit(feed: Feed, settings: Settings) -> Refit:
    """Return the hook that a source calls at refit slots."""
    registry = Registry(settings.models_dir)

    def refit(zone: Zone, now: datetime) -> Promotion | None:
        metadata = registry.in_force(zone.zone)
        if metadata is None:
            return None
        return Promotion(
            zone=zone.zone, available_at=now, model_id=str(metadata["model_id"]), sha256=str(metadata["sha256"])
        )

    return refit
