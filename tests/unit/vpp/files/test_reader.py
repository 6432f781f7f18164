import gzip
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpp.errors import DataError
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file, iter_chunks, read_frame

HEADER = "timestamp,zone,load_mw,solar_mw,price,quality\n"


def write(folder, text, name="data.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rows(*stamps, zone="A"):
    return HEADER + "".join(f"{stamp},{zone},100,1,5,ok\n" for stamp in stamps)


def test_a_canonical_file_is_described(tmp_path):
    text = HEADER + (
        "2024-01-01T00:00:00Z,A,100,,5.5,ok\n2024-01-01T00:00:00Z,B,7,1,,ok\n"
        "2024-01-01T00:30:00Z,A,101,,,ok\n2024-01-01T00:30:00Z,B,8,2,,dropout\n"
    )
    info = inspect_file(write(tmp_path, text))
    assert info.zones == ("A", "B")
    assert info.step_min == 30
    assert info.columns == ("load_mw", "solar_mw", "price_per_mwh")
    assert (info.first, info.last, info.rows) == (utc("2024-01-01T00:00"), utc("2024-01-01T00:30"), 4)
    assert info.spans["A"].channels == ("load_mw", "price_per_mwh")
    assert info.spans["B"].channels == ("load_mw", "solar_mw")


def test_a_frame_is_regular_and_keeps_missing_values_missing(tmp_path):
    stamps = ("2024-01-01T00:00:00Z", "2024-01-01T00:30:00Z", "2024-01-01T02:00:00Z")
    frame = read_frame(write(tmp_path, rows(*stamps)), "A")
    assert list(frame.index) == list(pd.date_range("2024-01-01", periods=5, freq="30min", tz="UTC"))
    assert frame["load_mw"].isna().tolist() == [False, False, True, True, False]
    assert frame.dtypes.unique().tolist() == [np.dtype("float64")]


def test_a_range_is_half_open(tmp_path):
    stamps = [f"2024-01-01T{hour:02}:00:00Z" for hour in range(6)]
    frame = read_frame(write(tmp_path, rows(*stamps)), "A", start=utc("2024-01-01T01:00"), end=utc("2024-01-01T04:00"))
    assert [stamp.hour for stamp in frame.index] == [1, 2, 3]


@pytest.mark.parametrize("chunk_rows", [2, 100_000])
def test_zones_one_after_the_other_are_read_in_order_of_time(tmp_path, chunk_rows):
    hours = [f"2024-01-01T{hour:02}:00:00Z" for hour in range(5)]
    of_b = "".join(rows(*hours[:4], zone="B").splitlines(keepends=True)[1:])
    path = write(tmp_path, rows(*hours[1:]) + of_b)
    info = inspect_file(path)
    assert (info.rows, info.first, info.spans["B"].last) == (8, utc("2024-01-01T00:00"), utc("2024-01-01T03:00"))
    slots = pd.concat(iter_chunks(path, info=info, chunk_rows=chunk_rows), ignore_index=True)
    expected = [(0, "B"), *((hour, zone) for hour in (1, 2, 3) for zone in "AB"), (4, "A")]
    assert list(zip(slots["slot"].dt.hour, slots["zone"], strict=True)) == expected
    assert read_frame(path, "B", info=info)["load_mw"].tolist() == [100.0] * 4


def test_a_zone_that_is_not_in_order_is_refused_where_zones_stand_one_after_the_other(tmp_path):
    text = rows("2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z", "2024-01-01T02:00:00Z")
    wrong = "2024-01-01T01:00:00Z,B,1,,,\n2024-01-01T00:00:00Z,B,1,,,\n"
    with pytest.raises(DataError, match="00:00:00Z comes after 2024-01-01T01:00:00Z in zone B"):
        inspect_file(write(tmp_path, text + wrong))


def test_gzip_and_parquet_give_the_same_rows(tmp_path):
    text = rows(*[f"2024-01-01T{hour:02}:00:00Z" for hour in range(5)])
    plain = write(tmp_path, text)
    zipped = tmp_path / "data.csv.gz"
    zipped.write_bytes(gzip.compress(text.encode()))
    table = pd.read_csv(plain)
    table.to_parquet(tmp_path / "text.parquet")
    table.assign(timestamp=pd.to_datetime(table["timestamp"])).to_parquet(tmp_path / "typed.parquet")
    expected = read_frame(plain, "A")
    for name in ("data.csv.gz", "text.parquet", "typed.parquet"):
        pd.testing.assert_frame_equal(read_frame(tmp_path / name, "A"), expected)


def test_neighbours_bring_prices_and_forecasts_only(tmp_path):
    text = "timestamp,zone,load_mw,price,load_forecast_da_mw\n"
    for hour in range(3):
        text += f"2024-01-01T{hour:02}:00:00Z,A,1,2,3\n2024-01-01T{hour:02}:00:00Z,B,4,5,6\n"
    frame = read_frame(write(tmp_path, text), "A", neighbours=("B",))
    assert list(frame.columns) == [
        "load_mw",
        "price_per_mwh",
        "load_forecast_da_mw",
        "B:price_per_mwh",
        "B:load_forecast_da_mw",
    ]
    assert frame["B:price_per_mwh"].tolist() == [5.0, 5.0, 5.0]


def test_local_time_with_24_rows_a_day_is_utc_plus_one_all_year(tmp_path):
    text = "local_time_cet,zone,price\n"
    text += "".join(f"2016-03-27T{hour:02}:00:00,EPEX_DE,{hour}\n" for hour in range(24))
    frame = read_frame(write(tmp_path, text), "EPEX_DE")
    assert frame.index[0] == pd.Timestamp("2016-03-26T23:00Z")
    assert len(frame) == 24
    assert frame["price_per_mwh"].tolist() == [float(hour) for hour in range(24)]


@pytest.mark.parametrize(
    ("text", "expected", "hint"),
    [
        pytest.param("when,zone,load_mw\n1,A,1\n", "no column timestamp", "mapping", id="no time"),
        pytest.param("timestamp,load_mw\n2024-01-01T00:00Z,1\n", "no column 'zone'", "zone: NAME", id="no zone"),
        pytest.param("timestamp,zone\n2024-01-01T00:00Z,A\n", "no column holds a channel", "load_mw", id="no channel"),
        pytest.param(HEADER, "no rows", "header", id="empty"),
        pytest.param(rows("2024-01-01T00:00Z"), "fewer than two rows", "step", id="one row"),
        pytest.param(
            rows("2024-01-01T00:00Z", "nonsense"), "row 3: timestamp 'nonsense'", "time.format", id="bad time"
        ),
        pytest.param(
            HEADER + "2024-01-01T00:00Z,A,1,2,3,ok\n2024-01-01T01:00Z,A,1,x,3,ok\n",
            "row 3: solar_mw 'x'",
            "empty",
            id="bad number",
        ),
        pytest.param(rows("2024-01-01T01:00Z", "2024-01-01T00:00Z"), "not sorted", "sort", id="unsorted"),
        pytest.param(rows("2024-01-01T00:00Z", "2024-01-01T00:00Z"), "comes twice for zone A", "one row", id="twice"),
        pytest.param(
            rows("2024-01-01T00:00Z", "2024-01-01T00:30Z", "2024-01-01T01:00Z", "2024-01-01T01:20Z"),
            "mixes steps",
            "step_min: 60",
            id="odd spacing",
        ),
        pytest.param(
            rows("2024-01-01T00:00Z", "2024-01-01T00:07Z", "2024-01-01T00:14Z"),
            "every 420 s",
            "step_min",
            id="step does not divide a day",
        ),
        pytest.param(
            HEADER + "2024-01-01T00:00Z,,1,2,3,ok\n", "row 2: the zone is empty", "zone name", id="empty zone"
        ),
    ],
)
def test_a_bad_file_says_what_is_wrong_and_what_to_do(tmp_path, text, expected, hint):
    with pytest.raises(DataError, match=expected) as caught:
        inspect_file(write(tmp_path, text))
    assert hint in str(caught.value.hint)


def test_a_step_that_changes_half_way_is_refused(tmp_path):
    hourly = pd.date_range("2024-01-01", periods=100, freq="h", tz="UTC")
    quarterly = pd.date_range(hourly[-1] + pd.Timedelta("15min"), periods=200, freq="15min", tz="UTC")
    text = rows(*[stamp.isoformat() for stamp in [*hourly, *quarterly]])
    with pytest.raises(DataError, match="rows every 15 min, but 99 times 60 min apart"):
        inspect_file(write(tmp_path, text))


def test_each_zone_may_have_its_own_step(tmp_path):
    text = HEADER + "".join(
        f"2024-01-01T{i // 2:02}:{30 * (i % 2):02}:00Z,A,1,1,1,ok\n"
        + (f"2024-01-01T{i // 2:02}:00:00Z,B,1,1,1,ok\n" if i % 2 == 0 else "")
        for i in range(8)
    )
    info = inspect_file(write(tmp_path, text))
    assert {name: span.step_min for name, span in info.spans.items()} == {"A": 30, "B": 60}
    assert len(read_frame(write(tmp_path, text), "B")) == 4


def test_missing_and_broken_files_are_data_errors(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        inspect_file(tmp_path / "none.csv")
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(gzip.compress(rows(*[f"2024-01-01T{h:02}:00Z" for h in range(24)]).encode())[:-20])
    with pytest.raises(DataError, match="cannot read"):
        inspect_file(broken)


def test_an_unknown_zone_is_named_with_those_that_are_there(tmp_path):
    with pytest.raises(DataError, match=r"no rows of zone 'Z'.*zones there: A"):
        read_frame(write(tmp_path, rows("2024-01-01T00:00Z", "2024-01-01T01:00Z")), "Z")


def test_an_hour_that_comes_twice_is_distinguished_by_order(tmp_path):
    mapping = parse_mapping(
        "zone: S\ntime: {column: at, zone: Europe/Berlin}\nchannels: {load_mw: {from: kw, unit: kW}}", "m"
    )
    stamps = (
        "2024-10-27T01:30",
        "2024-10-27T02:00",
        "2024-10-27T02:30",
        "2024-10-27T02:00",
        "2024-10-27T02:30",
        "2024-10-27T03:00",
    )
    path = write(tmp_path, "at,kw\n" + "".join(f"{stamp},{i}\n" for i, stamp in enumerate(stamps)))
    for chunk_rows in (1, 2, 3, 100):
        slots = pd.concat(iter_chunks(path, mapping=mapping, chunk_rows=chunk_rows))["slot"]
        assert [str(slot.time()) for slot in slots] == [
            "23:30:00",
            "00:00:00",
            "00:30:00",
            "01:00:00",
            "01:30:00",
            "02:00:00",
        ]


def test_an_hour_that_does_not_exist_points_to_a_fixed_offset(tmp_path):
    mapping = parse_mapping("time: {column: timestamp, zone: Europe/Berlin}", "m")
    path = write(tmp_path, rows("2024-03-31T01:00:00", "2024-03-31T02:00:00", "2024-03-31T03:00:00"))
    with pytest.raises(DataError, match="does not exist in Europe/Berlin") as caught:
        inspect_file(path, mapping)
    assert "Etc/GMT-1" in str(caught.value.hint)


def test_rows_faster_than_the_stated_step_are_averaged(tmp_path):
    mapping = parse_mapping("step_min: 5", "m")
    stamps = pd.date_range("2024-01-01", periods=60, freq="10s", tz="UTC")
    text = "timestamp,zone,load_mw\n" + "".join(f"{stamp.isoformat()},A,{i}\n" for i, stamp in enumerate(stamps))
    path = write(tmp_path, text)
    info = inspect_file(path, mapping)
    assert (info.step_min, info.spans["A"].lengths_s) == (5, (10.0,))
    assert read_frame(path, "A", mapping=mapping)["load_mw"].tolist() == [14.5, 44.5]


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.floats(-1e5, 1e5, allow_nan=False)), min_size=2, max_size=40),
    chunk_rows=st.integers(1, 50),
)
def test_any_chunking_gives_back_what_was_written(tmp_path_factory, values, chunk_rows):
    stamps = pd.date_range("2024-03-30", periods=len(values), freq="h", tz="UTC")
    text = "timestamp,zone,load_mw\n" + "".join(
        f"{stamp:%Y-%m-%dT%H:%M:%SZ},A,{'' if value is None else repr(value)}\n"
        for stamp, value in zip(stamps, values, strict=True)
    )
    path = write(tmp_path_factory.mktemp("rows"), text)
    read = pd.concat(iter_chunks(path, chunk_rows=chunk_rows), ignore_index=True)
    assert [None if np.isnan(value) else value for value in read["load_mw"]] == values
    assert read["slot"].dt.tz_localize("UTC").tolist() == stamps.tolist()


@pytest.mark.parametrize(
    ("name", "zones", "step_min"),
    [
        ("gb_30min_2019_2023.csv.gz", 1, 30),
        ("gb_5min_2023.csv.gz", 1, 5),
        ("nem_5regions_30min_2025_2026.csv.gz", 5, 30),
        ("eu_zones_60min_2018_2020.csv.gz", 7, 60),
        ("epf_de_60min_2012_2017.csv.gz", 1, 60),
    ],
)
def test_real_files_read_as_they_are(data_dir, name, zones, step_min):
    info = inspect_file(data_dir / name)
    assert len(info.zones) == zones
    assert info.step_min == step_min
