"""The order in which fleets are looked up: fitted to the run, by file, as shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpp.errors import VppError
from vpp.fleet.in_force import candidates, configured_zones, fleet_in_force, fleet_path, zone_in_force
from vpp.fleet.lookup import find_zone, write_fleet
from vpp.fleet.schema import Zone
from vpp.settings import Settings


def gb(hedge: float) -> Zone:
    zone = find_zone("GB")
    assert zone is not None
    return zone.model_copy(update={"hedge": hedge})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "mine.yaml"
    write_fleet(file, [gb(0.2)])
    return Settings(data_dir=tmp_path / "data", fleet=file)


def test_the_file_wins_over_the_shipped_zone_and_the_fitted_fleet_over_both(settings: Settings) -> None:
    assert zone_in_force(settings, "GB") == gb(0.2)
    write_fleet(fleet_path(settings), [gb(0.3)])
    assert zone_in_force(settings, "GB") == gb(0.3)
    assert list(candidates(settings, "GB")) == [gb(0.3), gb(0.2), find_zone("GB")]
    assert [zone.hedge for zone in fleet_in_force(settings).zones] == [0.3]


def test_a_worker_takes_what_its_settings_name_whatever_an_earlier_run_left(settings: Settings) -> None:
    write_fleet(fleet_path(settings), [gb(0.3)])
    assert configured_zones(settings)("GB") == gb(0.2)
    assert configured_zones(Settings(data_dir=settings.data_dir))("GB") == find_zone("GB")


def test_a_rewritten_file_is_read_again(settings: Settings) -> None:
    assert settings.fleet is not None
    assert zone_in_force(settings, "GB") == gb(0.2)
    write_fleet(settings.fleet, [gb(0.25), gb(0.4).model_copy(update={"zone": "XX"})])
    assert zone_in_force(settings, "GB") == gb(0.25)


def test_a_fleet_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VppError, match=r"gone\.yaml"):
        zone_in_force(Settings(data_dir=tmp_path, fleet=tmp_path / "gone.yaml"), "GB")
