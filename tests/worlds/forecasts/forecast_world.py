"""An hourly zone with ten weeks of history and a model trained on all but its last days."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

import pandas as pd

from models.history import telemetry, with_net_load
from models.net_load.model import ServedNetLoad
from models.registry.artifact import assemble
from models.registry.registry import identified
from models.registry.trainer import Trainer
from models.served import ServedModel
from tests.worlds.synthetic import make_frame, make_zone
from tests.worlds.trees import with_trees
from vpp.fleet.schema import Zone
from vpp.messages import Promotion, Publication, SlotClosed

LIVE = datetime(2021, 3, 8, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """A zone with its history, a model trained on the part before ``LIVE``, and the promotion that puts it in force."""

    zone: Zone
    frame: pd.DataFrame
    model: ServedModel
    promotion: Promotion

    def messages(self, frame: pd.DataFrame | None = None, live: datetime = LIVE) -> list[SlotClosed | Publication]:
        rows = self.frame if frame is None else frame
        return list(telemetry(with_net_load(rows, self.zone), self.zone, live))


@cache
def trained_world() -> World:
    """Return the zone; it is trained once per process."""
    zone, frame = make_zone(60), make_frame(70, step_min=60)
    parts, metadata = Trainer(zone).train(frame, LIVE)
    model = assemble(parts, identified(parts, metadata))
    promotion = Promotion(zone=zone.zone, available_at=LIVE, model_id=model.model_id, sha256=model.sha256)
    return World(zone, frame, model, promotion)


@cache
def forested_world() -> World:
    """Return the zone with trees that carry weight in its model."""
    world = trained_world()
    assert isinstance(world.model.net_load, ServedNetLoad)
    return replace(world, model=replace(world.model, net_load=with_trees(world.model.net_load)))
