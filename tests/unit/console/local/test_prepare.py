"""What a run starts with: the fleet of its workers is that of the start, whatever is changed later."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from console.local.device_processes import check_list
from console.local.prepare import prepare
from topologies.sources.options import SourceOptions
from vpp.errors import ConfigError
from vpp.fleet.in_force import configured_zones, fleet_path, keep_superseded, zone_in_force
from vpp.fleet.lookup import write_fleet
from vpp.settings import Settings

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
