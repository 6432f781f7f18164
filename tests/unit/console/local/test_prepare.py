"""What a run starts with: the fleet of its workers is that of the start, whatever is changed later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from agents.plant.order_lives import OrderLives
from agents.plant.recompute import Resumption
from console.local.device_processes import check_list
from console.local.prepare import prepare
from console.local.run_history import Continuation
from topologies.sources.options import SIMULATION_START, SourceOptions
from vpp.errors import ConfigError
from vpp.fleet.in_force import configured_zones, fleet_path, keep_superseded, zone_in_force
from vpp.fleet.lookup import write_fleet
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import ASSETS

ZONE = "SIM_NORTH"


def test_a_worker_that_starts_again_after_a_reload_reads_the_fleet_of_the_start(tmp_path: Path) -> None:
    options = SourceOptions(kind="simulate", zones=(ZONE,))
    settings = prepare(options, Settings(data_dir=tmp_path), train=False, say=lambda _: None).settings
    before = zone_in_force(settings, ZONE)
    assert before is not None
    changed = before.model_copy(update={"hedge": 0.1})
    keep_superseded(settings)
    write_fleet(fleet_path(settings), [changed])
    assert zone_in_force(settings, ZONE) == changed
    assert configured_zones(settings)(ZONE) == before


def test_a_device_list_that_does_not_fit_is_refused_before_a_model_is_trained(tmp_path: Path) -> None:
    devices = tmp_path / "devices.yaml"
    devices.write_text(
        "devices: {bat: {zone: HOME, asset_id: bat, gateway: mqtt, nameplate_mw: 1.0}}\n", encoding="utf-8"
    )
    settings, lines = Settings(data_dir=tmp_path), list[str]()
    options = SourceOptions(kind="simulate", zones=(ZONE,))
    with pytest.raises(ConfigError, match="no device of the list is in a zone of the run"):
        prepare(options, settings, train=True, say=lines.append, check=partial(check_list, str(devices)))
    assert not [line for line in lines if "training" in line]


@pytest.mark.parametrize("broker", ["", "127.0.0.1:1"])
def test_what_reload_changed_stays_over_restarts_until_the_configuration_changes(
    tmp_path: Path, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SourceOptions(kind="simulate", zones=(ZONE,))
    settings = Settings(data_dir=tmp_path)
    settings = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"bootstrap_servers": broker})})
    last = SIMULATION_START + timedelta(hours=1)
    going_on = Continuation(replace(options, start=last + timedelta(minutes=30)), None if broker else last)
    monkeypatch.setattr("console.local.prepare.continue_run", lambda *_: going_on)
    lines: list[str] = []

    def restart(own: Settings = settings) -> tuple[float, float]:
        """Return the hedge that is in force, and that the workers start with."""
        fitted = prepare(options, own, train=False, say=lines.append).settings
        in_force, started = zone_in_force(own, ZONE), configured_zones(fitted)(ZONE)
        assert in_force is not None
        assert started is not None
        return in_force.hedge, started.hedge

    fleet_path(settings).parent.mkdir(parents=True)
    with open_store(settings):
        pass
    base, _ = restart()
    zone = zone_in_force(settings, ZONE)
    assert zone is not None
    write_fleet(fleet_path(settings), [zone.model_copy(update={"hedge": 0.1})])
    for _ in range(2):
        assert restart() == (0.1, base if broker else 0.1)
        assert f"{ZONE}: changed by vpp reload, and so it stays: hedge: {base:g} -> 0.1" in lines
    own = tmp_path / "own.yaml"
    write_fleet(own, [zone.model_copy(update={"hedge": 0.3, "channels": None})])
    assert restart(settings.model_copy(update={"fleet": own})) == (0.3, 0.3)


@pytest.mark.parametrize(("recorded", "skips"), [(True, False), (True, True), (False, False)])
def test_a_plant_that_continues_from_its_record_keeps_the_configuration_of_its_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: bool, skips: bool
) -> None:
    options = SourceOptions(kind="simulate", zones=(ZONE,))
    settings, last = Settings(data_dir=tmp_path), SIMULATION_START + timedelta(hours=1)
    with open_store(settings):
        pass
    first = configured_zones(prepare(options, settings, train=False, say=lambda _: None).settings)(ZONE)
    assert first is not None
    (battery,) = first.batteries
    charge = {"zone": ZONE, "slot": last, "asset_id": battery.asset_id, "soc": 0.83}
    row = tuple(charge.get(column.name) for column in ASSETS.columns)
    with open_store(settings) as store:
        store.write(ASSETS, [row])
    plants = {ZONE: Resumption("", OrderLives())} if recorded else {}
    continuation = Continuation(replace(options, start=last + timedelta(minutes=30)), last, skips=skips)
    monkeypatch.setattr("console.local.prepare.continue_run", lambda *_: continuation)
    monkeypatch.setattr("console.local.prepare.stored_resumptions", lambda *_: plants)
    again = configured_zones(prepare(options, settings, train=False, say=lambda _: None).settings)(ZONE)
    assert again is not None
    goes_on = recorded and not skips
    assert again.batteries[0].soc_start == (battery.soc_start if goes_on else 0.83)
    assert (again.config_hash == first.config_hash) == goes_on
