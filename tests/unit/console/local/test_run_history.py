"""A run goes on where it stopped, refuses another source, and is never lost when another one starts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from console.local.run_history import (
    continue_run,
    delete_run,
    keep_under_another_name,
    list_runs,
    read_record,
    record_path,
)
from topologies.runtime.directory_lock import directory_locked
from topologies.sources.checkpoint import Checkpoint, checkpoint_path, write_checkpoint
from topologies.sources.options import SIMULATION_START, SourceOptions, open_feed
from vpp.errors import ConfigError, RefusedError
from vpp.fleet.in_force import fleet_path
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.table import Row, Table
from vpp.store.tables import ASSETS, AUDIT, BIDS, DECISIONS, ENDS, LEDGER, SETPOINTS, TELEMETRY
from vpp.streams.topics import expected_ends

ZONES = ("SIM_NORTH", "SIM_SOUTH")
NOW = datetime(2026, 3, 4, 5, tzinfo=UTC)
OPTIONS = SourceOptions(kind="simulate", zones=ZONES)
STEP = timedelta(minutes=30)
FOUR_SLOTS = replace(OPTIONS, end=SIMULATION_START + 4 * STEP)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def start(settings: Settings, options: SourceOptions = OPTIONS, now: datetime = NOW) -> SourceOptions:
    continuation = continue_run(options, open_feed(options, settings), settings, now)
    assert not continuation.finished
    return continuation.options


OF_EACH_SLOT = (TELEMETRY, BIDS, ASSETS, LEDGER, DECISIONS)
VALUES: dict[str, Any] = {"text": "x", "int": 0, "real": 0.5, "json": "{}", "bool": True}


def settle(
    settings: Settings,
    slots: int,
    zone: str = "SIM_NORTH",
    first: datetime = SIMULATION_START,
    tables: tuple[Table, ...] = OF_EACH_SLOT,
) -> None:
    """Write one row of each slot into each table, as storage does when all steps have come so far."""
    audit = (zone, NOW, f"{zone}-{slots}", "local:me", "hold", "accepted", "", "", "h")
    with open_store(settings) as store:
        rows = {table: [row_at(table, zone, first + n * STEP) for n in range(slots)] for table in tables}
        store.write_all({**rows, AUDIT: [audit]})


def row_at(table: Table, zone: str, slot: datetime) -> Row:
    return tuple(
        zone if column.name == "zone" else slot if column.type == "time" else VALUES[column.type]
        for column in table.columns
    )


def test_a_new_run_starts_as_asked_and_is_recorded(settings: Settings) -> None:
    assert start(settings) == OPTIONS
    record = read_record(record_path(settings))
    assert record is not None
    assert (record.zones, record.start, record.began_at) == (ZONES, SIMULATION_START, NOW)


def test_the_same_source_goes_on_after_the_last_slot_settled_in_every_zone(settings: Settings) -> None:
    start(settings)
    settle(settings, 7, "SIM_NORTH")
    settle(settings, 5, "SIM_SOUTH")
    assert start(settings).start == SIMULATION_START + 5 * STEP
    settle(settings, 9, "SIM_SOUTH")
    again = start(settings, replace(OPTIONS, speed=600.0))
    assert again.start == SIMULATION_START + 7 * STEP
    assert again.refit_from == SIMULATION_START


@pytest.mark.parametrize("behind", [*OF_EACH_SLOT, SETPOINTS], ids=lambda table: table.name)
def test_a_slot_that_lacks_rows_after_a_kill_is_run_again(settings: Settings, behind: Table) -> None:
    start(settings)
    settle(settings, 7, tables=tuple(table for table in OF_EACH_SLOT if table is not behind))
    settle(settings, 5, first=SIMULATION_START + STEP * (behind is SETPOINTS), tables=(behind,))
    assert start(settings).start == SIMULATION_START + 5 * STEP


def test_a_run_that_was_killed_before_its_first_slot_was_whole_starts_again(settings: Settings) -> None:
    start(settings)
    settle(settings, 1, tables=(TELEMETRY, BIDS))
    assert start(settings) == OPTIONS
    with pytest.raises(RefusedError, match="holds simulator"):
        start(settings, replace(OPTIONS, seed=1))


def test_slots_that_are_left_out_are_no_continuation_of_the_plant(settings: Settings) -> None:
    start(settings)
    settle(settings, 3)
    later = replace(OPTIONS, start=SIMULATION_START + 9 * STEP)
    assert continue_run(later, open_feed(later, settings), settings, NOW).skips
    assert not continue_run(OPTIONS, open_feed(OPTIONS, settings), settings, NOW).skips


def test_the_same_command_line_with_a_start_goes_on_too(settings: Settings) -> None:
    asked = replace(OPTIONS, start=SIMULATION_START, end=SIMULATION_START + 10 * STEP)
    start(settings, asked)
    settle(settings, 4)
    assert start(settings, asked).start == SIMULATION_START + 4 * STEP


@pytest.mark.parametrize("other", [{"seed": 1}, {"zones": ("SIM_NORTH",)}, {"step_min": 15}, {"live": True}])
def test_another_source_or_zone_set_is_refused_with_the_two_ways_out(settings: Settings, other: dict[str, Any]) -> None:
    start(settings)
    settle(settings, 3)
    with pytest.raises(RefusedError) as refused:
        start(settings, replace(OPTIONS, **other))
    assert "--run NAME" in str(refused.value.hint)
    assert "--fresh" in str(refused.value.hint)
    start(settings.model_copy(update={"run": "other"}), replace(OPTIONS, **other))


def test_settled_slots_are_not_decided_again_and_later_ones_may_be_skipped(settings: Settings) -> None:
    start(settings)
    settle(settings, 6)
    with pytest.raises(RefusedError, match="settled up to 2025-06-02T02:30:00Z"):
        start(settings, replace(OPTIONS, start=SIMULATION_START + STEP))
    later = SIMULATION_START + 48 * STEP
    assert start(settings, replace(OPTIONS, start=later)).start == later


def test_a_source_without_further_rows_is_finished(settings: Settings) -> None:
    options = replace(OPTIONS, end=SIMULATION_START + 4 * STEP)
    start(settings, options)
    settle(settings, 4)
    continuation = continue_run(options, open_feed(options, settings), settings, NOW)
    assert (continuation.finished, continuation.last) == (True, SIMULATION_START + 3 * STEP)


class TestLastingBroker:
    """A broker that remembers: the checkpoint of the source says how far it is, the store what came of it."""

    @pytest.fixture
    def lasting(self, settings: Settings) -> Settings:
        lasting = settings.model_copy(
            update={"kafka": settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})}
        )
        start(lasting, FOUR_SLOTS)
        for zone in ZONES:
            settle(lasting, 4, zone)
        return lasting

    def checkpoint(self, settings: Settings, options: SourceOptions, **fields: Any) -> None:
        place = Checkpoint(identity=options.identity, began_at=NOW, **fields)
        write_checkpoint(checkpoint_path(settings), place)

    def end(self, settings: Settings) -> None:
        with open_store(settings) as store:
            rows = [(zone, NOW, topic, producer, None) for zone in ZONES for topic, producer in expected_ends()]
            store.write(ENDS, rows)

    def test_a_finished_run_of_the_same_file_has_nothing_to_do(self, lasting: Settings) -> None:
        self.checkpoint(lasting, FOUR_SLOTS, finished=True)
        self.end(lasting)
        again = continue_run(FOUR_SLOTS, open_feed(FOUR_SLOTS, lasting), lasting, NOW)
        assert (again.finished, again.last) == (True, SIMULATION_START + 3 * STEP)

    def test_what_was_sent_and_not_stored_is_still_worked_off(self, lasting: Settings) -> None:
        self.checkpoint(lasting, FOUR_SLOTS, finished=True)
        assert start(lasting, FOUR_SLOTS) == FOUR_SLOTS

    def test_half_a_run_goes_on_by_the_checkpoint_of_its_source(self, lasting: Settings) -> None:
        self.checkpoint(lasting, FOUR_SLOTS, sent=9)
        assert start(lasting, FOUR_SLOTS) == FOUR_SLOTS

    def test_other_options_are_another_run(self, lasting: Settings) -> None:
        self.checkpoint(lasting, replace(FOUR_SLOTS, seed=1), finished=True)
        self.end(lasting)
        assert start(lasting, FOUR_SLOTS) == FOUR_SLOTS


@pytest.mark.parametrize("later", [timedelta(hours=1), timedelta(days=3)])
def test_a_source_shifted_to_now_goes_on_in_its_own_time(settings: Settings, later: timedelta) -> None:
    live = replace(OPTIONS, live=True)
    start(settings, live)
    shift = timedelta(weeks=(NOW - SIMULATION_START) // timedelta(weeks=1))
    settle(settings, 5, first=SIMULATION_START + shift)
    assert start(settings, live, NOW + later).start == SIMULATION_START + 5 * STEP


def test_fresh_keeps_the_run_under_a_free_name_with_its_audit(settings: Settings) -> None:
    assert keep_under_another_name(settings) is None
    for n in (1, 2):
        start(settings, replace(OPTIONS, seed=n))
        settle(settings, 3)
        assert keep_under_another_name(settings) == f"default-{n}"
    start(settings)
    rows = {row["run"]: row for row in list_runs(settings)}
    assert set(rows) == {"default", "default-1", "default-2"}
    assert [rows[f"default-{n}"]["audit_rows"] for n in (1, 2)] == [1, 1]
    assert rows["default-2"]["source"] == "simulator (seed 2, 30 min)"
    assert rows["default-2"]["last"] == SIMULATION_START + 2 * STEP
    assert (rows["default"]["in_use"], rows["default"]["last"]) == (True, None)


def test_fresh_takes_the_fleets_of_the_run_along(settings: Settings) -> None:
    start(settings)
    settle(settings, 1)
    folder = record_path(settings).parent
    fleets = ("fleet.001.yaml", "fleet.start.yaml", "fleet.yaml")
    for name in fleets:
        (folder / name).write_text("zones: {}", encoding="utf-8")
    assert keep_under_another_name(settings) == "default-1"
    assert sorted(path.name for path in folder.iterdir()) == []
    assert sorted(path.name for path in (folder.parent / "default-1").iterdir()) == [*fleets, "record.json"]


def test_a_deleted_run_leaves_its_audit_and_the_deletion_in_it(settings: Settings) -> None:
    start(settings)
    settle(settings, 3)
    assert delete_run(settings, "local:me", NOW) == 3 * len(OF_EACH_SLOT)
    with open_store(settings, read_only=True) as store:
        assert store.count(ASSETS) == 0
        assert set(store.read(AUDIT, columns=("action",)).column("action")) == {"hold", "delete_run"}
    assert start(settings) == OPTIONS
    with pytest.raises(ConfigError, match="there is no run nothing"):
        delete_run(settings.model_copy(update={"run": "nothing"}), "local:me", NOW)


@pytest.mark.parametrize("broker", ["", "127.0.0.1:1"])
def test_the_files_of_a_deleted_run_go_with_it_unless_a_broker_keeps_its_topics(
    settings: Settings, broker: str
) -> None:
    start(settings)
    settle(settings, 1)
    other = settings.model_copy(update={"run": "other"})
    files = [fleet_path(one).with_name(name) for one in (settings, other) for name in ("fleet.yaml", "settings.json")]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", encoding="utf-8")
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": broker})
    delete_run(settings.model_copy(update={"kafka": kafka}), "local:me", NOW)
    assert [path.exists() for path in files] == [bool(broker)] * 2 + [True] * 2
    assert fleet_path(settings).parent.exists() == bool(broker)


def test_a_running_plant_keeps_its_rows(settings: Settings) -> None:
    start(settings)
    settle(settings, 3)
    with directory_locked(settings.data_dir):
        for act in (keep_under_another_name, lambda s: delete_run(s, "local:me", NOW)):
            with pytest.raises(RefusedError, match="another `vpp up`"):
                act(settings)
    assert [row["run"] for row in list_runs(settings)] == ["default"]


def test_catching_up_begins_two_days_ago_and_goes_on_where_it_stopped(settings: Settings) -> None:
    options = replace(OPTIONS, catch_up=True)
    begin = datetime(2026, 3, 2, tzinfo=UTC)
    assert start(settings, options).start == begin
    settle(settings, 4, first=begin)
    assert start(settings, options, NOW + timedelta(days=9)).start == begin + 4 * STEP
    with pytest.raises(RefusedError, match="on in real time"):
        start(settings)


def test_a_file_in_real_time_keeps_its_weekdays_and_hours_over_restarts(settings: Settings, tmp_path: Path) -> None:
    path, first, rows = tmp_path / "own.csv", datetime(2024, 1, 1, tzinfo=UTC), 48 * 200
    lines = [f"{(first + n * STEP).isoformat()},GB,{30000 + n % 48}" for n in range(rows)]
    path.write_text("timestamp,zone,load_mw\n" + "\n".join(lines) + "\n")
    options = SourceOptions(kind="replay", path=path, zones=("GB",), live=True, catch_up=True)
    begun = start(settings, options)
    assert begun.start == datetime(2024, 3, 1, tzinfo=UTC)
    assert begun.shift_weeks is not None
    shift = timedelta(weeks=begun.shift_weeks)
    assert timedelta(days=2) <= NOW - (begun.start + shift) < timedelta(days=9)
    settle(settings, 300, "GB", first=begun.start + shift)
    again = start(settings, options, NOW + timedelta(days=10))
    assert (again.start, again.shift_weeks) == (begun.start + 300 * STEP, begun.shift_weeks)
