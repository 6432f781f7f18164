"""What a run starts with: the fleet of its workers is that of the start, whatever is changed later."""

from __future__ import annotations

from pathlib import Path

from console.local.prepare import prepare
from topologies.sources.options import SourceOptions
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
