"""Shapes that files come in: Parquet as pandas writes it, stray and double columns, encodings, long form."""

import bz2
import decimal
import gzip
import lzma
import zipfile

import numpy as np
import pandas as pd
import pytest

from vpp.errors import ConfigError, DataError
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file, read_frame

STAMPS = pd.date_range("2024-01-01", periods=24, freq="h", tz="UTC")
FRAME = pd.DataFrame({"timestamp": STAMPS, "zone": "ZZ", "load_mw": np.arange(24.0) + 900, "price": 50.0})

PARQUET = {
    "plain": FRAME,
    "sorted, so with an index": FRAME.iloc[::-1].sort_values(["timestamp", "zone"]),
    "time as index": FRAME.set_index("timestamp"),
    "an index without a name": FRAME.set_index("timestamp").rename_axis(None),
    "two levels": FRAME.set_index(["timestamp", "zone"]),
    "categories": FRAME.assign(zone=FRAME["zone"].astype("category")),
    "decimals": FRAME.assign(load_mw=FRAME["load_mw"].map(lambda value: decimal.Decimal(int(value)))),
    "naive times": FRAME.assign(timestamp=FRAME["timestamp"].dt.tz_localize(None)),
    "local times": FRAME.assign(timestamp=FRAME["timestamp"].dt.tz_convert("Asia/Kolkata")),
    "times as text": FRAME.assign(timestamp=FRAME["timestamp"].astype(str)),
    "numbers as text": FRAME.assign(load_mw=FRAME["load_mw"].astype(str)),
    "lists beside": FRAME.assign(more=FRAME["load_mw"].map(lambda value: [value, 2])),
    "a truth value beside": FRAME.assign(flag=True),
}


@pytest.mark.parametrize("name", PARQUET)
def test_parquet_is_read_by_column_whatever_pandas_wrote(tmp_path, name):
    path = tmp_path / "x.parquet"
    PARQUET[name].to_parquet(path)
    frame = read_frame(path, "ZZ")
    assert list(frame.columns) == ["load_mw", "price_per_mwh"]
    assert frame.index[0] == STAMPS[0]
    assert frame["load_mw"].tolist() == FRAME["load_mw"].tolist()


@pytest.mark.parametrize(
    "written",
    [
        lambda path: FRAME.to_csv(path),
        lambda path: FRAME.reset_index().to_csv(path),
        lambda path: FRAME.set_index("timestamp").to_csv(path, index_label=""),
        lambda path: FRAME.to_csv(path, index=False, header=[" timestamp", "Zone ", "LOAD_MW", "Price"]),
        lambda path: FRAME.assign(zone=" ZZ ").to_csv(path, index=False),
        lambda path: FRAME.to_csv(path, index=False, encoding="utf-16"),
        lambda path: FRAME.to_csv(path, index=False, encoding="utf-8-sig", sep="\t"),
        lambda path: FRAME.assign(note="x").to_csv(path, index=False, header=[*FRAME.columns, "zone 2"]),
        lambda path: path.write_text("sep=;\n" + FRAME.to_csv(index=False, sep=";"), encoding="utf-8-sig"),
        lambda path: path.write_text('"sep=\t"\n' + FRAME.to_csv(index=False, sep="\t"), encoding="utf-16"),
        lambda path: FRAME.reset_index().to_csv(path, index_label="Unnamed: 0", header=["Unnamed: 0.1", *FRAME]),
    ],
    ids=[
        "index",
        "two indexes",
        "index as time",
        "case and blanks",
        "blanks in zones",
        "UTF-16",
        "BOM and tabs",
        "text",
        "Excel's separator line",
        "Excel's separator line, tabs",
        "indexes saved again",
    ],
)
def test_a_csv_of_these_shapes_is_read_alike(tmp_path, written):
    path = tmp_path / "x.csv"
    written(path)
    frame = read_frame(path, "ZZ")
    assert list(frame.columns) == ["load_mw", "price_per_mwh"]
    assert frame["load_mw"].tolist() == FRAME["load_mw"].tolist()


PACKED = {
    "zip": lambda path, content: _zip(path, {"data.csv": content}),
    "bzip2": lambda path, content: path.write_bytes(bz2.compress(content)),
    "xz": lambda path, content: path.write_bytes(lzma.compress(content)),
    "gzip": lambda path, content: path.write_bytes(gzip.compress(content)),
    "UTF-16 without a mark": lambda path, content: path.write_bytes(content.decode().encode("utf-16-le")),
    "UTF-16 without a mark, big end first": lambda path, content: path.write_bytes(
        content.decode().encode("utf-16-be")
    ),
    "UTF-32 without a mark": lambda path, content: path.write_bytes(content.decode().encode("utf-32-le")),
    "carriage returns": lambda path, content: path.write_bytes(content.replace(b"\n", b"\r")),
    "a line break in the header": lambda path, content: path.write_bytes(
        content.replace(b"timestamp,", b'"note\nof two lines",timestamp,').replace(b"2024-", b'"a\nb",2024-')
    ),
}


def _zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("name", ["x.csv", "x.dat"])
def test_a_file_is_read_by_what_it_holds_whatever_its_name(tmp_path, packed, name):
    PACKED[packed](tmp_path / name, FRAME.to_csv(index=False).encode())
    assert read_frame(tmp_path / name, "ZZ")["load_mw"].tolist() == FRAME["load_mw"].tolist()


def test_parquet_is_known_by_its_first_bytes(tmp_path):
    FRAME.to_parquet(tmp_path / "x.csv")
    FRAME.to_csv(tmp_path / "x.parquet", index=False)
    assert read_frame(tmp_path / "x.csv", "ZZ").equals(read_frame(tmp_path / "x.parquet", "ZZ"))


def test_an_archive_of_several_files_a_workbook_and_a_folder_are_refused(tmp_path):
    _zip(tmp_path / "a.zip", {"a.csv": "x", "b.csv": "y"})
    _zip(tmp_path / "b.xlsx", {"[Content_Types].xml": "x", "xl/workbook.xml": "y"})
    for name, text in (("a.zip", "holds 2 files"), ("b.xlsx", "an Excel workbook"), (".", "is a folder")):
        with pytest.raises(DataError, match=text):
            inspect_file(tmp_path / name)


def csv(folder, text, encoding="utf-8"):
    path = folder / "x.csv"
    path.write_bytes(text.encode(encoding))
    return path


ROWS = "".join(f"2024-01-01T{h:02}:00Z,Süd,{h}\n" for h in range(24))


@pytest.mark.parametrize(
    ("text", "encoding", "expected", "hint"),
    [
        (
            "timestamp,zone,load_mw,load_mw\n" + ROWS.replace("\n", ",1\n"),
            "utf-8",
            "'load_mw' comes twice (columns 3, 4)",
            "own name",
        ),
        (
            "timestamp,zone,price,price_per_mwh\n" + ROWS.replace("\n", ",1\n"),
            "utf-8",
            "are both price_per_mwh",
            "ignore",
        ),
        ("timestamp,zone,load_mw\n" + ROWS, "cp1252", "row 2: the text is not utf-8", "encoding: cp1252"),
        ("timestamp,zone,load_mw\n2024-01-01T00:00Z,A,18,401.9\n", "utf-8", "row 2 has more fields", "quotes"),
        (
            "timestamp,zone,load_mw\n2024-01-01T00:00Z,AB,1\n2024-01-01T01:00Z,ab,1\n",
            "utf-8",
            "differ by case",
            "one way",
        ),
        ("", "utf-8", "no header line", "header"),
        ("2024-01-01T00:00Z,A,18\n2024-01-01T01:00Z,A,19\n", "utf-8", "no header line, it begins", "in front"),
        ("made by a tool\ntimestamp;zone;load_mw\n", "utf-8", "no column timestamp", "skip_rows: 1"),
        ("Site A\n\ntimestamp,zone,load_mw\n", "utf-8", "no column timestamp", "skip_rows: 2"),
        ("timestamp,zone,load_mw\nUTC,,MW\n" + ROWS, "utf-8", "row 2: load_mw 'MW'", "second header line"),
        ("timestamp,zone,load_mw\n" + ROWS + "timestamp,zone,load_mw\n", "utf-8", "row 26: load_mw", "the header"),
        ("timestamp,zone,load_mw\n" + ROWS + "Total,,276\n", "utf-8", "row 26: the zone is empty", "totals"),
        ("timestamp,zone,load\n" + ROWS, "utf-8", "no column is a load", "vpp init"),
        ("timestamp,zone,load_mw,load_kw\n" + ROWS.replace("\n", ",1\n"), "utf-8", "are both load_mw", "ignore"),
        ('{"timestamp": 1}', "utf-8", "is JSON", "CSV"),
        ("timestamp,zone,load_mw\n2024-01-01T00:00Z,A\x07,1\n", "utf-8", "row 2: the zone 'A\\x07'", "remove"),
        ("<!DOCTYPE html>", "utf-8", "is HTML", "CSV"),
        ("\0\0\0\0", "utf-8", "is no text", "CSV"),
    ],
)
def test_what_cannot_be_read_rightly_is_refused(tmp_path, text, encoding, expected, hint):
    with pytest.raises(DataError) as caught:
        inspect_file(csv(tmp_path, text, encoding))
    assert expected in str(caught.value)
    assert hint in str(caught.value.hint)


def test_a_zone_named_na_is_a_zone(tmp_path):
    path = csv(tmp_path, "timestamp,zone,load_mw\n" + ROWS.replace("Süd", "NA"))
    assert inspect_file(path).zones == ("NA",)


def test_a_long_file_keeps_its_zone_column(tmp_path):
    path = tmp_path / "x.csv"
    FRAME.rename(columns={"timestamp": "Time", "zone": "Zone"}).melt(["Time", "Zone"]).to_csv(path, index=False)
    mapping = parse_mapping("time: {column: time}\nlong: {name: variable, value: value}", "m")
    frame = read_frame(path, "ZZ", mapping=mapping)
    assert frame["load_mw"].tolist() == FRAME["load_mw"].tolist()
    assert frame["price_per_mwh"].tolist() == [50.0] * len(FRAME)


def test_blank_lines_count_as_rows_and_hold_nothing(tmp_path):
    lines = ROWS.splitlines(keepends=True)
    path = csv(tmp_path, "timestamp,zone,load_mw\n" + lines[0] + "\n,,\n" + lines[1] + "2024-01-01T02:00Z,Süd,x\n")
    with pytest.raises(DataError, match="row 6: load_mw 'x'"):
        inspect_file(path)


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("zone: Z\nchannels: {load_mw: {from: lod_mw, required: true}}", "did you mean load_mw"),
        ("time: {column: timestmp}", "did you mean timestamp"),
        ("zone_column: zoen", "did you mean zone"),
        ("ignore: [load_mv]", "did you mean load_mw"),
        ("repeat_min: {prise: 60}", "repeat_min"),
        ("long: {name: nme, value: load_mw}", "nme"),
    ],
)
def test_a_name_that_the_file_does_not_have_is_answered_with_the_nearest(tmp_path, mapping, expected):
    path = csv(tmp_path, "timestamp,zone,load_mw\n" + ROWS)
    with pytest.raises((DataError, ConfigError), match=expected):
        inspect_file(path, parse_mapping(mapping, "m"))


def test_a_column_that_is_not_there_and_not_required_is_said(tmp_path):
    path = csv(tmp_path, "timestamp,zone,load_mw\n" + ROWS)
    mapping = parse_mapping("zone: Z\nchannels: {load_mw: {from: load_mw}, price: {from: zon}}", "m")
    assert "channels.price: the file has no column zon (did you mean zone?)" in inspect_file(path, mapping).notes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zone: NO", "YAML reads NO as false"),
        ("zone: 50", "write '50' in quotes"),
        ("zone: A\nzone: B", "zone comes twice"),
        ("decimal: ','\nthousands: ','", "decimal and thousands are both"),
        ("time: {format: isoo}", "did you mean iso"),
        ("time: 5", "time must hold keys"),
        ("encoding: utf-99", "unknown encoding"),
        ("seperator: ';'", "did you mean separator"),
        ("channels: {load_mw: {form: x}}\nzone: A", "channels.load_mw.from is missing"),
        ("channels: {load_mw: {from: x, scale: .inf}}\nzone: A", "must be finite"),
        ("repeat_min: {price: 7}", "do not divide a day"),
        ("- a", "must hold keys"),
    ],
)
def test_a_mistake_in_a_mapping_is_one_clear_line(text, expected):
    with pytest.raises(ConfigError) as caught:
        parse_mapping(text, "m.yaml")
    assert expected in f"{caught.value} | {caught.value.hint}"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("opener", [open, gzip.open])
def test_a_file_that_ends_inside_a_row_is_refused(tmp_path, opener, ending):
    rows = FRAME.assign(timestamp=[f"{stamp:%Y-%m-%dT%H:%MZ}" for stamp in STAMPS])
    text = rows.to_csv(index=False, lineterminator=ending)
    path = tmp_path / "x.csv"
    for cut in (1, 3, 5, 9, 12, 20):
        with opener(path, "wb") as file:
            file.write(text[: -len(ending) - cut].encode())
        commas = text[: -len(ending) - cut].rpartition("\n")[2].count(",")
        if commas == 3:  # the last cell is there, wholly or in part
            assert inspect_file(path).rows == 24
            continue
        with pytest.raises(DataError):
            inspect_file(path)


@pytest.mark.parametrize("text", ["", "\n", "\n\n"])
def test_the_end_of_the_last_line_may_be_missing(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(FRAME.to_csv(index=False).strip() + text, encoding="utf-8")
    assert inspect_file(path).rows == 24
