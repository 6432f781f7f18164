"""Every feature of a slot, as trained and as served: equal where the plant saw what the source holds."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import msgspec
import pandas as pd
import pytest

from features.feature_list import build_spec
from features.feature_spec import Op
from topologies.control.feature_table import FeatureTable, feature_table, unit_of
from topologies.sources.feed import SimulatorFeed
from topologies.sources.options import SIMULATION_START, SourceOptions, note_source, open_feed
from vpp.domain import LOAD, NET_LOAD_CHANNELS, Step
from vpp.errors import DataError
from vpp.fleet.schema import Zone
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.tables import TELEMETRY

ZONE = "SIM_SOUTH"
SLOTS = 48
LAST = SIMULATION_START + (SLOTS - 1) * timedelta(minutes=30)
SPIKE_SLOT = LAST - timedelta(hours=3)
SPIKE_MW = 1234.0


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Zone]:
    """A day that the plant closed as its source has it, but for one load that the gate saw otherwise."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("plant"))
    options = SourceOptions(kind="simulate", zones=(ZONE,), seed=3)
    note_source(settings, options)
    feed = open_feed(options, settings)
    assert isinstance(feed, SimulatorFeed)
    frame = feed.frame(ZONE, LAST + timedelta(minutes=30), SIMULATION_START)
    rows = []
    for slot, values in zip(pd.DatetimeIndex(frame.index).to_pydatetime(), frame.to_dict("records"), strict=True):
        row = {str(name): value for name, value in values.items() if "forecast" not in str(name)}
        row[LOAD] += SPIKE_MW * (slot == SPIKE_SLOT)
        net = row[LOAD] - row["solar_mw"] - row["wind_mw"]
        body = msgspec.json.encode(row).decode()
        rows.append((ZONE, slot, *(row[c] for c in NET_LOAD_CHANNELS), net, None, None, "{}", body, 0))
    with open_store(settings) as store:
        store.write(TELEMETRY, rows)
    return settings, feed.zones[ZONE]


def table(plant: tuple[Settings, Zone], when: datetime | None = None, **given: object) -> FeatureTable:
    settings, zone = plant
    with open_store(settings, read_only=True) as store:
        return feature_table(settings, store, zone, when, **given)  # type: ignore[arg-type]


def test_features_are_equal_bit_for_bit_where_the_plant_saw_what_the_source_holds(
    plant: tuple[Settings, Zone],
) -> None:
    result = table(plant, SPIKE_SLOT - timedelta(minutes=10), horizon_min=360)
    assert result.slot == SPIKE_SLOT - timedelta(minutes=30)
    assert len(result.features) > 150
    assert [(one.name, one.trained) for one in result.features] == [(one.name, one.served) for one in result.features]
    assert sum(one.trained is not None for one in result.features) > 140


def test_what_the_plant_saw_otherwise_shows_in_the_features_that_read_it(plant: tuple[Settings, Zone]) -> None:
    result = {one.name: one for one in table(plant).features}
    peak = result["net load max of 6 h"]
    assert peak.served is not None
    assert peak.trained is not None
    assert peak.served > peak.trained
    assert (peak.unit, peak.rule) == ("MW", "max(a=12; step 30 min)")
    assert result["wind now"].served == result["wind now"].trained
    share = result["renewable penetration"]
    assert share.unit == "1"
    solar_wind, load = share.inputs
    assert solar_wind.channels == ("+solar_mw", "+wind_mw")
    assert load.channels == ("+load_mw",)
    assert solar_wind.value is not None
    assert load.value is not None
    assert share.trained == pytest.approx(solar_wind.value / load.value)


def test_history_holds_the_values_of_each_slot(plant: tuple[Settings, Zone]) -> None:
    result = table(plant, names=["load now"], history_slots=8)
    (points,) = result.history.values()
    assert [slot for slot, _, _ in points] == [LAST - n * timedelta(minutes=30) for n in range(7, -1, -1)]
    gaps = {slot: served - trained for slot, trained, served in points if served is not None and trained is not None}
    assert {slot: round(gap, 6) for slot, gap in gaps.items() if gap} == {SPIKE_SLOT: SPIKE_MW}
    assert [one.name for one in result.features] == ["load now"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"names": ["load nwo"]}, "load now", id="feature"),
        pytest.param({"horizon_min": 7}, "one of 30, 60", id="horizon"),
        pytest.param({"when": LAST + timedelta(days=1)}, "earlier", id="slot to come"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(
    plant: tuple[Settings, Zone], given: dict[str, object], words: str
) -> None:
    with pytest.raises(DataError) as refused:
        table(plant, **given)  # type: ignore[arg-type]
    assert words in f"{refused.value} {refused.value.hint}"


def test_without_a_source_the_next_step_is_named(tmp_path_factory: pytest.TempPathFactory, plant: object) -> None:
    assert isinstance(plant, tuple)
    settings = Settings(data_dir=tmp_path_factory.mktemp("bare"))
    with open_store(settings) as store:
        _one_slot(store)
    with open_store(settings, read_only=True) as store, pytest.raises(DataError) as refused:
        feature_table(settings, store, plant[1])
    assert "--data FILE" in str(refused.value.hint)


def _one_slot(store: Store) -> None:
    store.write(TELEMETRY, [(ZONE, LAST, 1.0, 0.0, 0.0, 1.0, None, None, "{}", json.dumps({}), 0)])


def test_every_feature_of_the_spec_has_a_unit() -> None:
    channels = ["net_load_mw", "load_mw", "solar_mw", "wind_mw", "price_per_mwh", "wind_forecast_da_mw"]
    weather = ["temperature_forecast_d1_c", "ghi_forecast_d1_wm2", "wind_speed_forecast_d1_kmh"]
    spec = build_spec([*channels, "load_forecast_da_mw", "solar_forecast_da_mw", *weather], Step(30))
    units = {feature.name: unit_of(feature, spec) for feature in spec.features}
    own = {"degC", "degC2", "W/m2", "(W/m2)2", "km/h", "(km/h)2"}
    assert set(units.values()) <= {"1", "MW", "MW/step", "MW2", "per MWh", "step", *own}
    assert own <= set(units.values())
    assert units["penetration x gradient"] == "MW/step"
    assert units["clearness x solar now"] == "MW"
    assert all(units[f.name] == "1" for f in spec.features if f.op in (Op.DAY_SIN, Op.RATIO, Op.KNOWN))
