"""What is special to the Parquet store: files that other tools read, interrupted writes, days, many and old files."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.worlds.store_rows import forecast, slot, telemetry
from vpp.errors import ConfigError, DataError, UnreachableError
from vpp.store.parquet.files import MOST_FILES
from vpp.store.parquet.store import ParquetStore

DAY = 48


@pytest.fixture
def store(tmp_path: Path) -> ParquetStore:
    return ParquetStore(tmp_path / "store", "a/b")


def files(store: ParquetStore, tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "store").rglob("*.parquet"))


def test_rows_lie_by_day_and_zone(store: ParquetStore, tmp_path: Path) -> None:
    store.write("telemetry", [telemetry(i, 1.0, zone=zone) for zone in ("GB", "N/1") for i in (0, DAY)])
    places = {file.parent.relative_to(tmp_path / "store").as_posix() for file in files(store, tmp_path)}
    assert places == {
        f"run=a%2Fb/telemetry/day={day}/zone={zone}" for day in ("2022-01-01", "2022-01-02") for zone in ("GB", "N%2F1")
    }


def test_other_tools_read_a_table(store: ParquetStore, tmp_path: Path) -> None:
    store.write("telemetry", [telemetry(i, float(i), zone=zone) for zone in ("GB", "N1") for i in (0, 1, DAY)])
    frame = pd.read_parquet(tmp_path / "store" / "run=a%2Fb" / "telemetry")
    assert sorted(frame["zone"].unique()) == ["GB", "N1"]
    assert frame["load_mw"].sum() == 2 * (1 + DAY)


def test_many_writes_become_one_file_and_lose_nothing(store: ParquetStore, tmp_path: Path) -> None:
    for i in range(DAY):
        store.write("telemetry", [telemetry(i, float(i), 50.0)])
        assert len(files(store, tmp_path)) <= MOST_FILES
    store.write("telemetry", [("GB", slot(0), None, 7.0, None, 93.0, None, None, None, None, 1)])
    for i in range(MOST_FILES):
        store.write("telemetry", [telemetry(2 * DAY + i, 1.0)])
    found = store.read("telemetry", end=slot(DAY))
    assert found.column("load_mw") == [float(i) for i in range(DAY)]
    assert found.dicts()[0]["solar_mw"] == 7.0
    assert found.column("price_per_mwh") == [50.0] * DAY


def test_what_an_interrupted_write_leaves_is_no_second_row(store: ParquetStore, tmp_path: Path) -> None:
    for i in range(MOST_FILES):
        store.write("forecasts", [forecast(i, 30, float(i))])
    before = files(store, tmp_path)
    kept = tmp_path / "kept"
    kept.mkdir()
    for file in before:
        shutil.copy(file, kept)
    store.write("forecasts", [forecast(MOST_FILES, 30, 99.0)])
    (whole,) = files(store, tmp_path)
    # Killed after the one file was made and before the many were gone, and while the next was written.
    for file in before:
        shutil.copy(kept / file.name, file)
    (whole.parent / "00000099-0.parquet.1-1.part").write_bytes(b"PAR1")
    store.write("forecasts", [forecast(i, 30, float(i)) for i in range(MOST_FILES)])
    assert store.count("forecasts") == MOST_FILES + 1
    assert store.read("forecasts").column("q50") == [*map(float, range(MOST_FILES)), 99.0]


def test_a_reader_goes_on_while_many_files_become_one(store: ParquetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [telemetry(i, float(i)) for i in range(MOST_FILES)]
    for row in rows:
        store.write("telemetry", [row])
    opened = pq.ParquetFile
    waiting = [telemetry(MOST_FILES, 1.0)]

    def open_late(path: Path) -> pq.ParquetFile:
        if waiting:
            store.write("telemetry", [waiting.pop()])
        return opened(path)

    monkeypatch.setattr(pq, "ParquetFile", open_late)
    assert store.read("telemetry", end=slot(MOST_FILES)).values == rows


def test_a_column_that_an_older_file_lacks_is_empty(store: ParquetStore, tmp_path: Path) -> None:
    store.write("telemetry", [telemetry(0, 1.0)])
    (file,) = files(store, tmp_path)
    pq.write_table(pq.ParquetFile(file).read().drop_columns(["load_mw"]), file)
    assert store.read("telemetry", columns=["load_mw", "solar_mw"]).values == [(None, 0.0)]


def test_prune_removes_folders_and_cuts_the_day_of_the_limit(store: ParquetStore, tmp_path: Path) -> None:
    store.write("telemetry", [telemetry(i, 1.0) for i in range(3 * DAY)])
    assert store.prune("telemetry", slot(DAY + 1)) == DAY + 1
    assert store.count("telemetry") == 2 * DAY - 1
    assert not any("2022-01-01" in str(file) for file in files(store, tmp_path))


def test_prune_deletes_no_file_that_comes_meanwhile(store: ParquetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("telemetry", [telemetry(0, 1.0)])
    opened = pq.ParquetFile
    waiting = [telemetry(1, 2.0)]

    def open_late(path: Path) -> pq.ParquetFile:
        if waiting:
            store.write("telemetry", [waiting.pop()])
        return opened(path)

    monkeypatch.setattr(pq, "ParquetFile", open_late)
    store.prune("telemetry", slot(1))
    assert store.read("telemetry").column("load_mw") == [2.0]


def test_prune_leaves_nothing_of_an_interrupted_write(store: ParquetStore, tmp_path: Path) -> None:
    store.write("telemetry", [telemetry(0, 1.0)])
    (file,) = files(store, tmp_path)
    (file.parent / "00000001-0.parquet.1-1.part").write_bytes(b"PAR1")
    assert store.prune("telemetry", slot(1)) == 1
    assert not file.parent.parent.exists()


def test_a_key_column_that_an_older_file_lacks_is_an_empty_text(store: ParquetStore, tmp_path: Path) -> None:
    rows = [forecast(0, 30, 1.0)]
    store.write("forecasts", rows)
    (file,) = files(store, tmp_path)
    pq.write_table(pq.ParquetFile(file).read().drop_columns(["target"]), file)
    store.write("forecasts", rows)
    assert store.read("forecasts").column("target") == ["", "net_load"]


@pytest.mark.parametrize("zone", ["ü" * 60, "z" * 300])
def test_a_zone_whose_name_is_too_long_for_a_folder(store: ParquetStore, tmp_path: Path, zone: str) -> None:
    names = [zone, zone + "2", "GB"]
    store.write("telemetry", [telemetry(i, 1.0, zone=name) for name in names for i in (0, DAY)])
    assert [span.zone for span in store.spans("telemetry")] == sorted(names)
    assert store.count("telemetry", zone=zone) == 2
    assert store.latest("telemetry", zone).column("slot") == [slot(DAY)]
    assert [row[0] for chunk in store.scan("telemetry") for row in chunk] == sorted(2 * names)
    hashed = [file for file in files(store, tmp_path) if "zone=%%" in str(file)]
    assert set().union(*(pd.read_parquet(file, partitioning=None)["zone"] for file in hashed)) == {zone, zone + "2"}


def test_a_negative_zero_is_a_zero_as_in_other_stores(store: ParquetStore) -> None:
    store.write("telemetry", [telemetry(0, -0.0)])
    assert [str(value) for value in store.read("telemetry").column("load_mw")] == ["0.0"]


def test_only_the_columns_of_a_query_are_read(store: ParquetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("telemetry", [telemetry(0, 1.0)])
    columns: list[str] = []
    read = pq.ParquetFile.read

    def noting(file: pq.ParquetFile, **arguments: list[str]) -> pa.Table:
        columns.extend(arguments["columns"])
        return read(file, **arguments)

    monkeypatch.setattr(pq.ParquetFile, "read", noting)
    store.spans("telemetry")
    assert columns == ["slot"]


def test_a_file_of_another_program_is_left_out(store: ParquetStore, tmp_path: Path) -> None:
    store.write("telemetry", [telemetry(0, 1.0)])
    (file,) = files(store, tmp_path)
    for name in ("._" + file.name, "copy.parquet"):
        file.with_name(name).write_bytes(b"no Parquet")
    store.write("telemetry", [telemetry(1, 2.0)])
    assert store.read("telemetry").column("load_mw") == [1.0, 2.0]


def test_a_folder_that_is_not_there_yet_is_a_store(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path / "a" / "b")
    store.ping()
    assert store.count("telemetry") == 0
    store.write("telemetry", [telemetry(0, 1.0)])
    assert store.count("telemetry") == 1


def test_a_renamed_run_keeps_its_rows(store: ParquetStore) -> None:
    store.write("telemetry", [telemetry(0, 1.0)])
    store.rename_run("a/b", "c")
    store.rename_run("gone", "d")
    assert store.runs() == ("c",)
    assert store.count("telemetry", run="c") == 1


def test_what_is_no_store_says_so(store: ParquetStore, tmp_path: Path) -> None:
    store.write("telemetry", [telemetry(0, 1.0)])
    (file,) = files(store, tmp_path)
    file.write_bytes(b"no Parquet")
    with pytest.raises(ConfigError, match=file.name):
        store.read("telemetry")
    with pytest.raises(ConfigError, match=file.name):
        store.count("telemetry")
    (tmp_path / "store" / "run=a%2Fb" / "telemetry" / "day=new").mkdir()
    with pytest.raises(ConfigError, match="day=new"):
        store.spans("telemetry")
    beside = ParquetStore(file)
    with pytest.raises(ConfigError, match="no folder"):
        beside.ping()
    with pytest.raises(UnreachableError):
        beside.write("telemetry", [telemetry(0, 1.0)])


def test_a_row_of_a_wrong_type_is_refused(store: ParquetStore) -> None:
    with pytest.raises(DataError, match="telemetry"):
        store.write("telemetry", [("GB", slot(0), "much", *[None] * 8)])


def test_a_day_is_one_of_utc(store: ParquetStore, tmp_path: Path) -> None:
    at = datetime.fromisoformat("2022-01-02T00:30:00+02:00")
    store.write("telemetry", [("GB", at, 1.0, *[None] * 8)])
    (file,) = files(store, tmp_path)
    assert f"day={date(2022, 1, 1)}" in str(file)
    assert store.read("telemetry", start=at, end=at + timedelta(minutes=1)).column("slot") == [at.astimezone(UTC)]
