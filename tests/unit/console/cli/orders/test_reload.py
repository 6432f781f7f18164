"""`vpp reload` shows what a fleet file changes, and names what needs a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from console.cli.main import main
from tests.worlds.builders import ZONE
from tests.worlds.plant_loop import PLANT
from vpp.fleet.in_force import fleet_path
from vpp.fleet.lookup import write_fleet
from vpp.fleet.schema import Zone
from vpp.settings import Settings

FITTED = PLANT.model_copy(update={"channels": ("load_mw", "price_per_mwh")})


def reload(folder: Path, zone: Zone, *arguments: str) -> int:
    """Return the exit code of a dry run with a file of one zone in a plant that runs with ``FITTED``."""
    write_fleet(fleet_path(Settings(data_dir=folder)), [FITTED])
    write_fleet(folder / "mine.yaml", [zone])
    return main(["reload", "--dry-run", "--data-dir", str(folder), "--fleet", str(folder / "mine.yaml"), *arguments])


def changed(**fields: Any) -> Zone:
    return PLANT.model_copy(update=fields)


def test_a_dry_run_shows_the_changes_and_sends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reload(tmp_path, changed(hedge=0.5), "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["zone"], row["verdict"], row["detail"]) == (ZONE, "not sent", "hedge: 0.6 -> 0.5")
    assert row["changes"] == [{"key": "hedge", "before": 0.6, "after": 0.5, "live": True}]
    assert [path.name for path in fleet_path(Settings(data_dir=tmp_path)).parent.iterdir()] == ["fleet.yaml"]


def test_the_fleet_that_runs_already_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reload(tmp_path, PLANT) == 0
    assert "nothing to change" in capsys.readouterr().out


def test_what_needs_a_restart_ends_with_its_keys_and_the_code_of_a_refusal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reload(tmp_path, changed(assets=PLANT.assets[:1], hedge=0.5)) == 4
    assert f"{ZONE} assets.gas: a peaker -> none" in capsys.readouterr().err
