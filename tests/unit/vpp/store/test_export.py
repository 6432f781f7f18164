"""Exports: literal files, the same bytes for the same rows, nothing half written."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.worlds.store_rows import asset, forecast, slot, telemetry
from vpp.errors import ConfigError, DataError, UnreachableError
from vpp.files.columns import zone_name
from vpp.files.reader import inspect_file, iter_chunks, read_frame
from vpp.messages import SlotClosed
from vpp.plain_text import cell_text
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.export import Format, export
from vpp.store.message_rows import rows_of


@pytest.fixture
def store(tmp_path: Path):
    with open_store(Settings(data_dir=tmp_path / "data")) as store:
        yield store


def exported(store: Store, table: str, fmt: Format, **conditions) -> str:
    out = io.BytesIO()
    export(store, table, fmt, out, **conditions)
    return out.getvalue().decode()


def test_csv(store: Store) -> None:
    store.write("assets", [asset(1, "B1", -0.1), asset(0, 'B "2", old', 1e22)])
    assert exported(store, "assets", "csv") == (
        "zone,slot,asset_id,asset_kind,power_mw,energy_mwh,soc,planned_mw,source,available,outcome\n"
        'GB,2022-01-01T00:00:00Z,"B ""2"", old",battery,1e+22,5e+21,0.5,1e+22,twin,true,\n'
        "GB,2022-01-01T00:30:00Z,B1,battery,-0.1,-0.05,0.5,-0.1,twin,true,\n"
    )


def test_json_nests_json_columns(store: Store) -> None:
    typed = ("skill_lost", "net_load_mw", None, "none", None, "[]")
    store.write("alerts", [("GB", slot(0), "a1", "warning", "drift", "It drifts", '{"mae":1.5,"n":null}', *typed)])
    assert exported(store, "alerts", "json") == (
        '[\n{"zone":"GB","slot":"2022-01-01T00:00:00Z","alert_id":"a1","severity":"warning","topic":"drift",'
        '"text":"It drifts","values":{"mae":1.5,"n":null},"code":"skill_lost","channel":"net_load_mw","asset_id":null,'
        '"effect":"none","ended_at":null,"also":[]}\n]\n'
    )


def test_texts_of_others_are_neither_formulas_nor_commands(store: Store) -> None:
    store.write("assets", [asset(0, "=HYPERLINK(1)\x1b[2J\x9b", -1.0)])
    assert "\nGB,2022-01-01T00:00:00Z,'=HYPERLINK(1)\\x1b[2J\\x9b,battery,-1.0,-0.5," in exported(
        store, "assets", "csv"
    )
    text = exported(store, "assets", "json")
    assert all(line.isprintable() for line in text.splitlines())
    assert json.loads(text)[0]["asset_id"] == "=HYPERLINK(1)\x1b[2J\x9b"


def test_missing_is_empty_or_null(store: Store) -> None:
    store.write("telemetry", [telemetry(0, None)])
    assert exported(store, "telemetry", "csv").splitlines()[1] == "GB,2022-01-01T00:00:00Z,,0.0,0.0,,,50.0,{},{},0"
    assert '"load_mw":null' in exported(store, "telemetry", "json")


def test_parquet_keeps_types(store: Store, tmp_path: Path) -> None:
    store.write("assets", [asset(0, "B1", 5.0)])
    assert export(store, "assets", "parquet", tmp_path / "a.parquet") == 1
    table = pq.read_table(tmp_path / "a.parquet")
    assert [str(field.type) for field in table.schema] == [
        *(
            "string",
            "timestamp[us, tz=UTC]",
            "string",
            "string",
            "double",
            "double",
            "double",
            "double",
            "string",
            "bool",
            "string",
        )
    ]
    assert table.to_pylist()[0]["slot"] == datetime(2022, 1, 1, tzinfo=UTC)


def test_an_empty_table(store: Store, tmp_path: Path) -> None:
    assert exported(store, "ends", "csv") == "zone,seen_at,topic,producer,last_slot\n"
    assert exported(store, "ends", "json") == "[]\n"
    assert export(store, "ends", "parquet", tmp_path / "e.parquet") == 0
    assert pq.read_table(tmp_path / "e.parquet").column_names == ["zone", "seen_at", "topic", "producer", "last_slot"]


@pytest.mark.parametrize("fmt", get_args(Format))
def test_the_same_rows_give_the_same_bytes_however_they_came(
    tmp_path: Path, fmt: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vpp.store.export.GROUP_ROWS", 30)
    rows = [forecast(i, h, i / 7 + h / 3, zone=zone) for zone in ("GB", "NSW1") for i in range(10) for h in (30, 60)]
    result = []
    for name, order, chunk in (("a", rows, 1000), ("b", [*rows[::-1], *rows[:5]], 7)):
        monkeypatch.setattr("vpp.store.contract.CHUNK_ROWS", chunk)
        with open_store(Settings(data_dir=tmp_path / name)) as store:
            for row in order:
                store.write("forecasts", [row])
            out = tmp_path / f"{name}.out"
            assert export(store, "forecasts", fmt, out) == 40
        result.append(out.read_bytes())
    assert result[0] == result[1]


def test_conditions(store: Store) -> None:
    store.write("telemetry", [telemetry(i, 1.0, zone=zone) for zone in ("GB", "NSW1") for i in range(4)])
    text = exported(store, "telemetry", "csv", zone="GB", start=slot(1), end=slot(3))
    assert [line.split(",")[:2] for line in text.splitlines()[1:]] == [
        ["GB", "2022-01-01T00:30:00Z"],
        ["GB", "2022-01-01T01:00:00Z"],
    ]


def test_nothing_half_written_stays(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no table"):
        export(store, "nothing", "csv", tmp_path / "x.csv")
    store.write("telemetry", [telemetry(0, 1.0)])
    store.close()
    with pytest.raises(UnreachableError):
        export(store, "telemetry", "csv", tmp_path / "x.csv")
    (tmp_path / "file").touch()
    with pytest.raises(UnreachableError):
        export(store, "telemetry", "csv", tmp_path / "file" / "x.csv")
    assert [path.name for path in tmp_path.glob("x.*")] == []


CHANNELS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8).filter(
    lambda name: name not in ("zone", "stamp", "slot", "duration_s") and not name.startswith("asset:")
)
NUMBERS = st.none() | st.floats(-1e12, 1e12, allow_nan=False)
ZONES = (
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=6)
    .map(zone_name)
    .filter(
        lambda name: name and cell_text(name) == name  # a CSV cannot tell '=a from =a with the mark against formulas
    )
)


@st.composite
def histories(draw):
    """Closed slots of a few zones: by zone, a frame of channels by slot."""
    names = draw(st.lists(ZONES, min_size=1, max_size=3, unique_by=str.casefold))
    channels = ["load_mw", "price_per_mwh", *draw(st.lists(CHANNELS, max_size=4, unique=True))]
    return {
        zone: [
            {channel: float(n % 7) if channel == "load_mw" else draw(NUMBERS) for channel in channels}
            for n in range(draw(st.integers(9, 12)))
        ]
        for zone in names
    }


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.sampled_from(["csv", "parquet"]))
def test_every_channel_of_exported_telemetry_is_read_back_to_the_bit(tmp_path_factory, zones, fmt) -> None:
    folder = tmp_path_factory.mktemp("export")
    with open_store(Settings(data_dir=folder)) as store:
        for zone, slots in zones.items():
            for n, values in enumerate(slots):
                message = SlotClosed(zone=zone, slot=slot(n), step_min=30, values=values, net_load_mw=None)
                for table, row in rows_of(message, "telemetry", slot(n)):
                    store.write(table, [row])
        export(store, "telemetry", fmt, folder / f"history.{fmt}")
    info = inspect_file(folder / f"history.{fmt}")
    assert set(info.zones) == set(zones)
    for zone, slots in zones.items():
        frame = read_frame(folder / f"history.{fmt}", zone, info=info)
        assert list(frame.index) == [slot(n) for n in range(len(slots))]
        for channel in slots[0]:
            sent = [values[channel] for values in slots]
            if channel not in frame:
                assert sent == [None] * len(slots)
                continue
            assert [None if value != value else value for value in frame[channel]] == sent
    # Both formats, one chunk or many: rows of all zones come in one order of time, as `vpp train --data` reads them.
    order = [row for chunk in iter_chunks(folder / f"history.{fmt}", info=info) for row in chunk["slot"]]
    assert order == sorted(order)


def test_exported_telemetry_can_be_trained_on_again(store: Store, tmp_path: Path) -> None:
    row = (50.0, None, 5.0, 45.0, 30.0, None, "{}", "{}", 0)
    store.write("telemetry", [(zone, slot(n), *row) for zone in ("CITY", "TOWN") for n in range(3)])
    export(store, "telemetry", "csv", tmp_path / "history.csv")
    info = inspect_file(tmp_path / "history.csv")
    assert info.notes == ("read with the mapping stored_telemetry",)
    for zone in ("CITY", "TOWN"):
        assert info.spans[zone].channels == ("load_mw", "wind_mw", "price_per_mwh")
        frame = read_frame(tmp_path / "history.csv", zone)
        assert list(frame.index) == [slot(n) for n in range(3)]
        assert frame["price_per_mwh"].tolist() == [30.0] * 3


def test_a_broken_cell_of_channels_is_refused_with_its_row(store: Store, tmp_path: Path) -> None:
    store.write("telemetry", [telemetry(n, 1.0) for n in range(3)])
    export(store, "telemetry", "csv", tmp_path / "x.csv")
    text = (tmp_path / "x.csv").read_text(encoding="utf-8").replace("{},{},0", "{},[1],0", 2)
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="row 2: values holds no JSON object"):
        inspect_file(tmp_path / "x.csv")
