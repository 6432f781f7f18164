"""A forecast of the run taken apart: the parts sum to it, by its model and the rows that the plant closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import pandas as pd
import pytest

from models.registry.registry import Registry
from models.registry.trainer import Trainer
from tests.worlds.synthetic import make_frame, write_history
from topologies.control.forecast_parts import forecast_parts
from topologies.sources.feed import open_file
from topologies.sources.options import SourceOptions, note_source
from vpp.domain import LOAD, QUANTILE_NAMES, Target
from vpp.errors import DataError, ModelError
from vpp.fleet.schema import Zone
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.tables import FORECASTS, TELEMETRY

SPIKE_MW = 4_000.0


@dataclass
class World:
    """A zone of a file, of which the plant has closed one day: with another load in the newest slot than the file's."""

    settings: Settings
    zone: Zone
    store: Store
    slot: datetime
    net_mw: float


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("parts")
    frame = make_frame(70, step_min=60, published=False)
    write_history(folder / "town.csv", "TOWN", frame)
    zone = open_file(folder / "town.csv", names=("TOWN",)).zones["TOWN"]
    settings = Settings(data_dir=folder / "data")
    registry = Registry(settings.models_dir)
    saved = registry.save(*Trainer(zone).train(frame, frame.index[-100].to_pydatetime()))
    note_source(settings, SourceOptions(kind="replay", path=folder / "town.csv", zones=("TOWN",)))
    day = frame.iloc[-74:-50]
    slot = pd.Timestamp(day.index[-1]).to_pydatetime()
    net_mw = 0.0
    with open_store(settings) as store:
        for when, row in zip(pd.DatetimeIndex(day.index).to_pydatetime(), day.to_dict("records"), strict=True):
            values = {str(name): float(value) for name, value in row.items()}
            values[LOAD] += SPIKE_MW * (when == slot)
            net_mw = values[LOAD] - values["solar_mw"] - values["wind_mw"]
            body = msgspec.json.encode(values).decode()
            parts = (values[LOAD], values["solar_mw"], values["wind_mw"])
            store.write(TELEMETRY, [("TOWN", when, *parts, net_mw, None, None, "{}", body, 0)])
        levels, empty = [1.0] * len(QUANTILE_NAMES), [None] * 8
        issued = [
            ("TOWN", slot, horizon, target, *levels, *empty, "model", saved.model_id)
            for horizon in (60, 360)
            for target in ("net_load", "price")
        ]
        store.write(FORECASTS, issued)
        yield World(settings, zone, store, slot, net_mw)


@pytest.mark.parametrize("horizon_min", [60, 360])
@pytest.mark.parametrize("target", list(Target))
def test_the_parts_sum_to_the_forecast(world: World, target: Target, horizon_min: int) -> None:
    found = forecast_parts(world.settings, world.store, world.zone, target, horizon_min)
    assert (found.slot, found.horizon_min) == (world.slot, horizon_min)
    assert found.base + sum(amount for _, amount in found.parts) == pytest.approx(found.value)
    sizes = [abs(amount) for _, amount in found.parts]
    assert sizes == sorted(sizes, reverse=True)


def test_it_starts_from_what_the_plant_closed_and_not_from_the_file(world: World) -> None:
    assert forecast_parts(world.settings, world.store, world.zone, Target.NET_LOAD).base == pytest.approx(world.net_mw)


def test_what_no_model_forecast_is_refused(world: World) -> None:
    with pytest.raises(ModelError, match="no model forecast net_load 120 min ahead"):
        forecast_parts(world.settings, world.store, world.zone, Target.NET_LOAD, 120)
    with pytest.raises(DataError, match="has closed no slot after"):
        forecast_parts(world.settings, world.store, world.zone, Target.PRICE, instant=world.slot + timedelta(days=2))


def test_a_slot_that_closed_before_its_forecast_was_stored_is_not_the_last(world: World) -> None:
    row = world.store.latest(TELEMETRY, "TOWN").dicts()[0]
    later = row | {"slot": world.slot + world.zone.step.delta}
    world.store.write(TELEMETRY, [tuple(later[column] for column in TELEMETRY.names)])
    assert forecast_parts(world.settings, world.store, world.zone, Target.NET_LOAD).slot == world.slot
