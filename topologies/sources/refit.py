"""Promotes models as a replay goes on: the one known at its start, later those refitted on what was sent by then."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from models.registry import Registry
from models.training import Trainer
from topologies.sources.feed import Feed
from topologies.sources.replay_rows import Refit
from vpp.domain import iso
from vpp.errors import DataError
from vpp.fleet import Zone
from vpp.messages import Promotion
from vpp.settings import Settings

log = logging.getLogger(__name__)


def make_refit(feed: Feed, settings: Settings, start: datetime) -> Refit:
    """Return the hook that a source calls at refit slots.

    At ``start`` it gives the model in force, or the newest one trained on nothing later; after it, it trains on the
    rows before the refit slot. A refit is kept in the registry but not put in force there: the promotion in the log
    decides.
    """
    registry = Registry(settings.models_dir)
    trainers: dict[str, Trainer] = {}

    def refit(zone: Zone, now: datetime) -> Promotion | None:
        metadata: Mapping[str, Any] | None
        if now <= start:
            metadata = known_model(registry, zone.zone, now)
        else:
            trainer = trainers.setdefault(zone.zone, Trainer(zone))
            try:
                parts, described = trainer.train(feed.frame(zone.zone, now), now)
            except DataError as error:
                log.warning("no refit zone=%s at=%s: %s", zone.zone, iso(now), error)
                return None
            metadata = registry.save(parts, described).metadata
        if metadata is None:
            return None
        model_id, sha256 = str(metadata["model_id"]), str(metadata["sha256"])
        log.info("promoting zone=%s model=%s at=%s", zone.zone, model_id, iso(now))
        return Promotion(zone=zone.zone, available_at=now, model_id=model_id, sha256=sha256)

    return refit


def known_model(registry: Registry, zone: str, now: datetime) -> Mapping[str, Any] | None:
    """Return the metadata of the model in force, or of the newest, that was trained on rows before ``now`` only."""
    candidates: list[Mapping[str, Any] | None] = [registry.in_force(zone), *reversed(registry.versions(zone))]
    for metadata in candidates:
        if metadata is not None and datetime.fromisoformat(str(metadata["until"])) <= now:
            return metadata
    return None
