"""Promotes models as a replay goes on: the one known at its start, later those refitted on what was sent by then."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from models.registry.registry import Registry
from models.registry.trainer import Trainer
from topologies.sources.availability_order import Refit
from topologies.sources.feed import Feed
from vpp.domain import iso
from vpp.errors import DataError
from vpp.files.availability import MAX_LEAD
from vpp.fleet.schema import Zone
from vpp.messages import Promotion
from vpp.settings import Settings

log = logging.getLogger(__name__)


def make_refit(feed: Feed, settings: Settings, start: datetime, every: timedelta | None = None) -> Refit:
    """Return the hook that a source calls at refit slots.

    At ``start`` it gives the model in force, or the newest one trained on nothing later; after it, it trains on the
    rows before the refit slot, as a backtest does: once on those before ``start``, then on what has come since. A refit
    is kept in the registry but not put in force there: the promotion in the log decides.

    Args:
        feed: The rows.
        settings: Say where the registry is.
        start: First slot of the run.
        every: Time between refits.
    """
    registry = Registry(settings.models_dir)
    trainers: dict[str, Trainer] = {}

    def train(zone: Zone, when: datetime) -> Mapping[str, Any] | None:
        try:
            parts, described = trainers[zone.zone].train(feed.frame(zone.zone, when + MAX_LEAD), when)
        except DataError as error:
            log.warning("no refit zone=%s at=%s: %s", zone.zone, iso(when), error)
            return None
        return registry.save(parts, described).metadata

    def refit(zone: Zone, now: datetime) -> Promotion | None:
        if now <= start:
            metadata = known_model(registry, zone.zone, now)
        else:
            if zone.zone not in trainers:
                # A source that goes on after a kill walks the refits so far again: the same bits, whenever it stopped.
                trainers[zone.zone] = Trainer(zone)
                for n in range(math.ceil((now - start) / every) if every else 0):
                    train(zone, start + n * (every or now - start))
            metadata = train(zone, now)
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
