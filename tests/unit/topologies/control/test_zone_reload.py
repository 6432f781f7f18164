"""`vpp reload` sends what a fleet file changes, says what needs a restart, and believes admission alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agents.orders.zone_change import ChangeAuthority
from agents.plant.recompute import configured
from tests.worlds.builders import T0, ZONE, make_zone
from tests.worlds.plant_loop import PLANT, Loop
from topologies.control import zone_reload
from topologies.control.zone_reload import read_changes, send_changes
from topologies.runtime.in_process import MemoryState
from topologies.runtime.reducers import make_reducer
from topologies.runtime.runner import Runner
from vpp.errors import ConfigError, RefusedError, UnreachableError
from vpp.fleet.in_force import candidates, fleet_in_force, fleet_path
from vpp.fleet.lookup import write_fleet
from vpp.fleet.schema import Limits, Zone
from vpp.messages import Message, ZoneChange, encode, read_decision
from vpp.settings import Settings
from vpp.store.message_rows import rows_of
from vpp.store.tables import DECISIONS
from vpp.streams.reducer import Origin

KEY = b"k" * 32
FITTED = PLANT.model_copy(update={"channels": ("load_mw", "price_per_mwh")})


class Admission(Loop):
    """A plant in one process whose admission answers changes of its zone."""

    def __init__(self, folder: Path, **given: Any) -> None:
        self.changes: list[ZoneChange] = []
        super().__init__(folder, zone=FITTED, **given)

    def post(self, topic: str, message: Message) -> None:
        if not isinstance(message, ZoneChange):
            super().post(topic, message)
            return
        self.changes.append(message)
        make = partial(make_reducer, "orders", settings=self.settings)
        authority = ChangeAuthority(self.settings.run, self.settings.approval_secret)
        runner = Runner("orders", {ZONE: FITTED}.get, make, authority=authority)
        for output in runner.process(encode(message), ZONE.encode(), Origin(topic, 0, 0), MemoryState()):
            for table, row in rows_of(output.message, output.topic, self.now):
                self.store.write(table, [row])

    def settings_with(self, *zones: Zone) -> Settings:
        """Return the settings of somebody who names a fleet file with these zones."""
        path = self.settings.data_dir / "mine.yaml"
        write_fleet(path, zones)
        return self.settings.model_copy(update={"fleet": path})


def changed(**fields: Any) -> Zone:
    return PLANT.model_copy(update=fields)  # its channels left open, as a user's file does


TIGHTER = changed(limits=Limits(ramp_limit_mw=3.0, import_cap_mw=55.0), hedge=0.5)


def reload(plant: Admission, settings: Settings) -> list[str]:
    reloads = read_changes(settings)
    answers = send_changes(reloads, settings, plant.store, plant.post, principal="ops", reason="storm", now=T0)
    return [answer.detail for answer in answers]


@pytest.mark.parametrize("key", [None, KEY])
def test_a_change_is_sent_answered_and_in_force(tmp_path: Path, key: bytes | None) -> None:
    plant = Admission(tmp_path, key=key)
    settings = plant.settings_with(TIGHTER)
    assert reload(plant, settings) == ["storm: limits.import_cap_mw: 60 -> 55; hedge: 0.6 -> 0.5"]
    (zone,) = fleet_in_force(settings).zones
    assert zone.limits.import_cap_mw == 55.0
    assert read_changes(settings) == []


def test_decisions_from_before_the_change_can_still_be_made_again(tmp_path: Path) -> None:
    plant = Admission(tmp_path)
    settings = plant.settings_with(TIGHTER)
    reload(plant, settings)
    decision = read_decision(plant.store.read(DECISIONS, zone=ZONE, limit=1).dicts()[0]["body"])
    assert configured(candidates(settings, ZONE), decision).limits == PLANT.limits


def test_what_needs_a_restart_is_refused_whole(tmp_path: Path) -> None:
    plant = Admission(tmp_path)
    settings = plant.settings_with(changed(assets=PLANT.assets[:1], hedge=0.5))
    with pytest.raises(RefusedError, match=r"assets\.gas: a peaker -> none; Z assets\.shed: a load") as caught:
        read_changes(settings)
    assert "start it again" in str(caught.value.hint)
    assert plant.changes == []


def test_a_file_of_another_zone_or_no_file_is_refused(tmp_path: Path) -> None:
    plant = Admission(tmp_path)
    with pytest.raises(ConfigError, match="has no zone Z"):
        read_changes(plant.settings_with(make_zone(zone="Q")))
    with pytest.raises(ConfigError, match="no fleet file") as caught:
        read_changes(plant.settings)
    assert str(fleet_path(plant.settings)) in str(caught.value.hint)


def test_the_word_of_admission_counts(tmp_path: Path) -> None:
    plant = Admission(tmp_path, key=KEY)
    settings = plant.settings_with(TIGHTER).model_copy(update={"approval_key": None})
    with pytest.raises(RefusedError, match="not signed with the approval key"):
        reload(plant, settings)
    assert fleet_in_force(settings).zones[0].limits == PLANT.limits
    assert [path.name for path in fleet_path(settings).parent.glob("fleet*")] == ["fleet.yaml"]


def test_workers_without_a_fitted_fleet_get_the_file_as_it_is(tmp_path: Path) -> None:
    plant = Admission(tmp_path)
    settings = plant.settings_with(TIGHTER.model_copy(update={"channels": FITTED.channels}))
    fleet_path(settings).unlink()
    assert reload(plant, settings) == ["storm: limits.import_cap_mw: 60 -> 55; hedge: 0.6 -> 0.5"]
    assert not fleet_path(settings).exists()


def test_a_silent_plant_is_named_and_can_be_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zone_reload, "ANSWER_S", 0.0)
    plant = Admission(tmp_path)
    settings = plant.settings_with(TIGHTER)
    reloads = read_changes(settings)
    with pytest.raises(UnreachableError, match="admission did not answer"):
        send_changes(reloads, settings, plant.store, lambda *_: None, principal="ops", reason="storm", now=T0)
    assert read_changes(settings) == reloads


def test_what_was_accepted_is_in_force_though_a_later_zone_gets_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zone_reload, "ANSWER_S", 0.3)
    plant = Admission(tmp_path)
    silent = FITTED.model_copy(update={"zone": "Q"})
    write_fleet(fleet_path(plant.settings), [FITTED, silent])
    settings = plant.settings_with(TIGHTER, TIGHTER.model_copy(update={"zone": "Q"}))
    reloads = read_changes(settings)

    def post(topic: str, message: Message) -> None:
        if message.zone == ZONE:
            plant.post(topic, message)

    with pytest.raises(UnreachableError, match="change of Q"):
        send_changes(reloads, settings, plant.store, post, principal="ops", reason="storm", now=T0)
    assert [zone.limits.import_cap_mw for zone in fleet_in_force(settings).zones] == [55.0, 60.0]
    assert [one.zone.zone for one in read_changes(settings)] == ["Q"]


def test_a_run_that_continues_keeps_the_state_of_charge_that_it_began_with(tmp_path: Path) -> None:
    plant = Admission(tmp_path)
    (battery,) = FITTED.batteries
    resumed = battery.model_copy(update={"soc_start": 0.83})
    assets = tuple(resumed if asset == battery else asset for asset in FITTED.assets)
    write_fleet(fleet_path(plant.settings), [FITTED.model_copy(update={"assets": assets})])
    (change,) = read_changes(plant.settings_with(TIGHTER))
    assert change.zone.batteries == (resumed,)
