"""Whole numbers with a point between thousands are never read as fractions without a word."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpp.errors import DataError
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file, read_frame


def file(folder, cells):
    path = folder / "x.csv"
    rows = "".join(f"2024-01-{1 + i // 24:02}T{i % 24:02}:00Z,ZZ,{cell}\n" for i, cell in enumerate(cells))
    path.write_text("timestamp,zone,load_mw\n" + rows, encoding="utf-8")
    return path


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(100, 2_000_000), min_size=4, max_size=100))
def test_whole_numbers_with_a_point_between_thousands_are_refused_or_read_rightly(tmp_path_factory, values):
    path = file(tmp_path_factory.mktemp("f"), [f"{value:,}".replace(",", ".") for value in values])
    stated = parse_mapping('decimal: ","\nthousands: "."', "m")
    assert read_frame(path, "ZZ", mapping=stated)["load_mw"].tolist() == [float(value) for value in values]
    if min(values) < 1000 <= max(values):
        with pytest.raises(DataError, match="row "):
            inspect_file(path)


@pytest.mark.parametrize(
    ("cells", "is_refused"),
    [
        (["10.050", "9.871", "12.000"], True),
        (["10.050", "9.871", "0.500"], False),
        (["10.050", "9.87", "12.000"], False),
        (["10.050", "9.871", "12"], False),
    ],
)
def test_groups_of_three_alone_are_refused_between_semicolons(tmp_path, cells, is_refused):
    path = file(tmp_path, cells)
    path.write_text(path.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")
    if is_refused:
        with pytest.raises(DataError, match=r"row 2: load_mw .* can be 10\.050 or 10050: all its cells"):
            inspect_file(path)
        assert read_frame(path, "ZZ", mapping=parse_mapping('decimal: "."', "m"))["load_mw"].iloc[0] == 10.05
    else:
        assert read_frame(path, "ZZ")["load_mw"].tolist() == [float(cell) for cell in cells]


@pytest.mark.parametrize(
    "cells",
    [
        ["998.5", "1.006", "100", "7"],
        ["0.998", "1.006", "250", "3"],
        ["998", "999", "1001", "1.250"],
        ["12", "1.250", "7", "1.125"],
        ["1.250", "1.125", "2.005", "0.5"],
        ["100.25", "120", "130.125", "140"],
    ],
)
def test_decimal_numbers_are_left_alone(tmp_path, cells):
    assert read_frame(file(tmp_path, cells), "ZZ")["load_mw"].tolist() == [float(cell) for cell in cells]


def test_a_stated_decimal_point_is_taken(tmp_path):
    path = file(tmp_path, ["998", "1.006", "1.021", "100"])
    with pytest.raises(
        DataError, match=r"row 3: load_mw '1\.006' can be 1\.006 or 1006: cells without a mark reach 998"
    ):
        inspect_file(path)
    assert inspect_file(path, parse_mapping('decimal: "."', "m")).rows == 4
