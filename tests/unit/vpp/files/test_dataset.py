"""A folder of Parquet files is read like one file: what a Parquet store keeps of telemetry trains a model."""

from pathlib import Path

import pandas as pd
import pytest

from tests.worlds.store_rows import slot, telemetry
from vpp.errors import DataError
from vpp.files.dataset import names_of, size_and_change
from vpp.files.reader import inspect_file, read_frame
from vpp.store.export import export
from vpp.store.parquet.store import ParquetStore

SLOTS = 5 * 48


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with ParquetStore(tmp_path) as store:
        for zone in ("GB", "7"):
            store.write("telemetry", [telemetry(i, 30_000.0 + i % 48, 50.0 + i % 7, zone=zone) for i in range(SLOTS)])
        corrected = ("GB", slot(3), 31_000.0, None, None, None, None, None, None, None, 1)
        store.write("telemetry", [corrected, telemetry(SLOTS, 30_000.0, 50.0)])
        export(store, "telemetry", "csv", tmp_path / "telemetry.csv", zone="GB")
    return tmp_path / "run=" / "telemetry"


def test_a_stored_table_is_read_as_its_export_is(folder: Path) -> None:
    file = folder.parents[1] / "telemetry.csv"
    info, as_file = inspect_file(folder), inspect_file(file)
    assert (info.zones, info.step_min, info.rows) == (("7", "GB"), 30, 2 * SLOTS + 1)
    assert (info.columns, info.span("GB")) == (as_file.columns, as_file.span("GB"))
    frame = read_frame(folder, "GB")
    pd.testing.assert_frame_equal(frame, read_frame(file, "GB"))
    row = frame.iloc[3]
    assert (row["load_mw"], row["price_per_mwh"]) == (31_000.0, 53.0)


def test_a_range_is_read(folder: Path) -> None:
    frame = read_frame(folder, "GB", start=slot(48), end=slot(96))
    assert (frame.index[0], len(frame)) == (pd.Timestamp(slot(48)), 48)


def test_a_new_file_changes_a_folder(folder: Path) -> None:
    before = size_and_change(folder)
    with ParquetStore(folder.parents[1]) as store:
        store.write("telemetry", [telemetry(0, 1.0)])
    assert size_and_change(folder) > before
    file = folder.parents[1] / "telemetry.csv"
    assert size_and_change(file) == (file.stat().st_size, file.stat().st_mtime_ns)


def test_folders_name_columns(folder: Path) -> None:
    assert {"day", "zone", "slot", "load_mw"} <= set(names_of(folder))


def test_a_folder_without_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder without Parquet files"):
        inspect_file(tmp_path)


def test_a_file_that_is_no_parquet_is_named(folder: Path) -> None:
    next(folder.rglob("day=2022-01-03/**/*.parquet")).write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot read"):
        inspect_file(folder)


def test_a_row_without_a_time_is_refused_as_in_a_file(tmp_path: Path) -> None:
    times = pd.DatetimeIndex(["2024-01-01T00:00Z", "2024-01-01T00:30Z", pd.NaT])
    pd.DataFrame({"timestamp": times, "zone": "A", "load_mw": [1.0, 2.0, 3.0]}).to_parquet(tmp_path / "a.parquet")
    for path in (tmp_path, tmp_path / "a.parquet"):
        with pytest.raises(DataError, match="row 4: timestamp is empty"):
            inspect_file(path)
