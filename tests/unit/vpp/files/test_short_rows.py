"""Rows with fewer fields than the header: read as far as they go, counted, and named with what they lack."""

import gzip

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpp.errors import DataError
from vpp.files.inspection import report_file
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file, read_frame
from vpp.files.short_rows import find_short_rows

HEADER = ["timestamp", "zone", "load_mw", "wind_mw", "price"]
STAMPS = pd.date_range("2024-01-01", periods=48, freq="h", tz="UTC")


def rows(zone="ZZ"):
    return [[f"{s:%Y-%m-%dT%H:%MZ}", zone, str(900 + i % 7), str(i % 5), str(50 - i % 9)] for i, s in enumerate(STAMPS)]


def text(table, header=HEADER, separator=",", end="\n"):
    return "".join(separator.join(fields) + end for fields in (header, *table))


def test_rows_in_the_middle_are_named_with_what_they_lack(tmp_path):
    table = rows()
    table[8], table[20], table[30], table[40] = table[8][:4], table[20][:2], table[30][:4], table[40][:3]
    path = tmp_path / "x.csv"
    path.write_text(text(table), encoding="utf-8")
    info = inspect_file(path)
    (note,) = info.warnings
    assert info.short_rows == 4
    assert note.startswith("4 rows have fewer fields than the header, and what is not there counts as missing: ")
    assert "row 10 has no price; row 22 has no load_mw, wind_mw, price; row 32 has no price; and 1 more" in note
    frame = read_frame(path, "ZZ", info=info)
    assert len(frame) == 48
    assert frame.iloc[8].tolist()[:2] == [901.0, 3.0]
    assert frame.isna().sum().tolist() == [1, 2, 4]


@st.composite
def written(draw):
    """A table in some form, with the width of each of its rows."""
    separator = draw(st.sampled_from(",;\t|"))
    quote = draw(st.booleans())
    widths = draw(st.lists(st.sampled_from([2, 3, 4, 5, 5, 5]), min_size=48, max_size=48))
    cells = [[f'"{cell}"' if quote else cell for cell in row] for row in rows()]
    table = [row[:width] for row, width in zip(cells, widths, strict=True)]
    if widths[-1] < 5:
        table[-1], widths[-1] = cells[-1], 5
    end = draw(st.sampled_from(["\n", "\r\n"]))
    body = text(table, separator=separator, end=end)
    head = draw(st.integers(0, 3))
    return "".join(f"note {n}{end}" for n in range(head)) + body, separator, head, widths


@settings(max_examples=40)
@given(written())
def test_every_cell_is_read_or_reported_and_no_other_cell_moves(tmp_path_factory, file):
    content, separator, head, widths = file
    path = tmp_path_factory.mktemp("short") / "x.csv"
    path.write_bytes(content.encode())
    sep = {"\t": "\\t"}.get(separator, separator)
    mapping = parse_mapping(f'separator: "{sep}"\nskip_rows: {head}', "m")
    info = inspect_file(path, mapping)
    short = [(row, width) for row, width in enumerate(widths, start=head + 2) if width < 5]
    assert info.short_rows == len(short)
    note = next((note for note in info.warnings if "fewer fields" in note), "")
    for row, width in short[:3]:
        assert f"row {row} has no {', '.join(HEADER[width:])}" in note
    frame = read_frame(path, "ZZ", mapping=mapping, info=info)
    for row, width, (_, cells) in zip(rows(), widths, frame.iterrows(), strict=True):
        expected = [float(cell) if place < width else None for place, cell in enumerate(row) if place > 1]
        assert [None if value != value else value for value in cells] == expected


def test_a_row_that_lost_its_zone_is_refused(tmp_path):
    table = rows()
    del table[8][1]
    path = tmp_path / "x.csv"
    path.write_text(text(table), encoding="utf-8")
    with pytest.raises(DataError, match="row 10 has fewer fields than the header, and its zone '901' stands in no"):
        inspect_file(path)


def test_a_zone_whose_rows_all_end_early_is_read_where_every_zone_is_so(tmp_path):
    table = [row[:4] for row in (*rows("A"), *rows("B"))]
    path = tmp_path / "x.csv"
    path.write_text(text(table), encoding="utf-8")
    info = inspect_file(path)
    assert (info.zones, info.short_rows) == (("A", "B"), 96)


@pytest.mark.parametrize(
    "header", [[*HEADER, ""], [*HEADER, "", " "]], ids=["one column without a name", "two columns without a name"]
)
def test_columns_without_a_name_are_not_missed(tmp_path, header):
    path = tmp_path / "x.csv"
    path.write_text(text(rows(), header=header), encoding="utf-8")
    info = inspect_file(path)
    assert (info.short_rows, info.warnings) == (0, ())


@pytest.mark.parametrize("blank", ["", ",", ",,", "  ", ", ,"])
def test_a_line_without_any_value_is_no_row(tmp_path, blank):
    lines = text(rows()).splitlines()
    lines.insert(9, blank)
    path = tmp_path / "x.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert inspect_file(path).short_rows == 0


def test_line_ends_and_separators_in_quotes_are_no_rows_and_fields():
    lines = ['t,"a,\n', 'b",c\n', '1,"x\n', 'y,z",3\n', '2,"p,q"\n', "3,4,5\n", "6\n"]
    short = find_short_rows(lines, ["t", "a,\nb", "c"], ",", 0)
    assert short.first == [(3, ("c",)), (5, ("a,\nb", "c"))]


def test_a_row_of_a_long_table_without_its_value_is_reported(tmp_path):
    lines = [f"{row[0]},ZZ,load_mw,{row[2]}" for row in rows()]
    lines[5] = lines[5].rpartition(",")[0]
    path = tmp_path / "x.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("timestamp,zone,name,value\n" + "\n".join(lines) + "\n")
    mapping = parse_mapping("zone_column: zone\nlong: {name: name, value: value}", "m")
    info = inspect_file(path, mapping)
    assert info.short_rows == 1
    assert "row 7 has no value" in info.warnings[0]


def test_a_record_of_an_exchange_file_that_ends_early_is_reported(tmp_path):
    body = ["I,T,DEMAND,1,timestamp,zone,load_mw,price"]
    body += [f"D,T,DEMAND,1,{row[0]},ZZ,{row[2]},{row[4]}" for row in rows()]
    body[3] = body[3].rpartition(",")[0]
    path = tmp_path / "x.csv"
    path.write_text("\n".join([*body, "C,END OF REPORT"]) + "\n", encoding="utf-8")
    info = inspect_file(path, parse_mapping("zone_column: zone\ntables: [T.DEMAND]", "m"))
    assert info.short_rows == 1
    assert "row 4 has no price" in info.warnings[0]


def test_the_report_counts_them(tmp_path):
    table = rows()
    table[8] = table[8][:4]
    path = tmp_path / "x.csv"
    path.write_text(text(table), encoding="utf-8")
    report = report_file(path)
    assert report.short_rows == 1
    assert any("row 10 has no price" in note for note in report.notes)
