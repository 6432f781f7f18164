"""A cell is read by the stated convention or not at all; a hint names only what reads the whole column."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.errors import DataError
from vpp.files.cells.numbers import NumberStyle, number_hint, read_numbers
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file, read_frame

GERMAN = NumberStyle(",", ".")


@pytest.mark.parametrize(
    ("style", "cell", "value"),
    [
        (NumberStyle(), "12.5", 12.5),
        (NumberStyle(), "1e3", 1000.0),
        (NumberStyle(), "\u22125.5", -5.5),
        (NumberStyle(), " +7 ", 7.0),
        (NumberStyle(), ".5", 0.5),
        (NumberStyle(","), "12,5", 12.5),
        (NumberStyle(","), "920", 920.0),
        (GERMAN, "1.027", 1027.0),
        (GERMAN, "55.205,77", 55205.77),
        (GERMAN, "1.234.567", 1234567.0),
        (NumberStyle(".", ","), "18,401.9", 18401.9),
        (NumberStyle(".", ","), "12,34,567.5", 1234567.5),
        (NumberStyle(".", "'"), "1\u2019234.5", 1234.5),
        (NumberStyle(",", " "), "1\u00a0234,5", 1234.5),
        (NumberStyle(",", " "), "1\u202f234", 1234.0),
    ],
)
def test_a_number_is_read_by_its_convention(style, cell, value):
    assert style.parse(cell) == value


@pytest.mark.parametrize(
    ("style", "cell"),
    [
        (NumberStyle(), "12,5"),
        (NumberStyle(), "18,401.9"),
        (NumberStyle(","), "1.027"),
        (NumberStyle(","), "60.5"),
        (GERMAN, "1.02"),
        (GERMAN, "1027.5"),
        (GERMAN, "0.131"),
        (NumberStyle(".", ","), "55,20"),
        (NumberStyle(), "12 MW"),
        (NumberStyle(), "0x10"),
        (NumberStyle(), "1_000"),
        (NumberStyle(), "err"),
    ],
)
def test_a_cell_of_another_convention_is_not_read(style, cell):
    assert style.parse(cell) is None


@pytest.mark.parametrize(
    "mark", ["", " ", "-", "--", "n/e", "N/E", "NA", "n/a", "NaN", "null", "#N/A", "k.A.", "\u2013", "inf"]
)
def test_known_marks_are_missing(mark):
    value = NumberStyle().parse(mark)
    assert value is not None
    assert math.isnan(value)


@given(
    st.floats(-1e9, 1e9, allow_nan=False).map(lambda v: round(v, 3)),
    st.sampled_from([(".", ""), (",", ""), (",", "."), (".", ","), (".", "'"), (",", " ")]),
)
def test_what_is_written_is_read(value, marks):
    decimal, thousands = marks
    whole, _, rest = f"{value:,.3f}".partition(".")
    text = whole.replace(",", thousands) + decimal + rest
    assert NumberStyle(decimal, thousands).parse(text) == value


def test_a_hint_was_tried_on_the_whole_column():
    column = pd.Series(["920", "1.011", "1.050"], name="Last", dtype="str")
    hint = number_hint(column, NumberStyle(","))
    assert 'decimal: ".",' in hint
    assert 'decimal: "," with thousands: "."' in hint
    assert number_hint(pd.Series(["1", "err"]), NumberStyle()).endswith("missing: ['err']")
    assert "unit: kW" in number_hint(pd.Series(["1", "12 kW"], name="Load"), NumberStyle(), "MW")
    assert "one unit" in number_hint(pd.Series(["1 MW", "12 kW"]), NumberStyle(), "MW")
    assert "minus sign in front" in number_hint(pd.Series(["1", "(12)"]), NumberStyle(), "MW")
    assert "correct the cell" in number_hint(pd.Series(["1", "12_000"]), NumberStyle(), "MW")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("\u0661\u0662\u066b\u0665", 12.5),
        ("\u0661\u066c\u0662\u0663\u0664\u066b\u0665", 1234.5),
        ("\u06f1\u06f2", 12.0),
        ("\uff11\uff12\uff0e\uff15", 12.5),
    ],
)
@pytest.mark.parametrize("style", [NumberStyle(), GERMAN, NumberStyle(",")])
def test_digits_of_other_scripts_have_one_meaning(style, cell, value):
    expected = None if style.decimal == "," and "\uff0e" in cell else value
    assert style.parse(cell) == expected


@given(
    st.floats(-1e6, 1e6).map(lambda v: round(v, 2)),
    st.sampled_from(
        [
            ("MW", "{} MW"),
            ("kW", "{}kW"),
            ("per_MWh", "€{}"),
            ("per_MWh", "{} EUR/MWh"),
            ("ct_per_kWh", "{} ct/kWh"),
            ("percent", "{} %"),
            ("degC", "{}°C"),
            ("MW", "{}\u00a0MW"),
        ]
    ),
    st.sampled_from([(".", ""), (",", "."), (".", ","), (",", " ")]),
)
def test_a_cell_may_carry_the_unit_of_its_column_and_no_other(value, written, marks):
    unit, text = written
    decimal, thousands = marks
    whole, _, rest = f"{value:,.2f}".partition(".")
    cell = text.format(whole.replace(",", thousands) + decimal + rest)
    style = NumberStyle(decimal, thousands)
    assert read_numbers(pd.Series([cell]), style, unit).values.tolist() == [value]
    assert read_numbers(pd.Series([cell]), style, "GW").unreadable.tolist() == [True]
    assert read_numbers(pd.Series([cell]), style).unreadable.tolist() == [True]


def test_numbers_that_pandas_read_are_taken_as_they_are():
    result = read_numbers(pd.Series([1.0, float("inf"), None]), GERMAN)
    assert result.values[0] == 1.0
    assert [math.isnan(value) for value in result.values] == [False, True, True]
    assert not result.unreadable.any()


MAPPING = 'name: m\ntime: {column: Zeit, format: "%d.%m.%Y %H:%M"}\nzone: ZZ\ndecimal: ","\n'
CHANNELS = 'channels: {load_mw: {from: "Last [MW]", required: true}, price_per_mwh: {from: Preis}}\n'


def german(folder, cells):
    text = "Zeit;Last [MW];Preis\n" + "".join(f"01.01.2024 {h:02}:00;{cell};40,5\n" for h, cell in enumerate(cells))
    path = folder / "last.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_required_column_is_never_dropped_nor_read_by_another_convention(tmp_path):
    path = german(tmp_path, ["920", "905", "1.011", "1.050"])
    with pytest.raises(DataError, match=r"row 4: Last \[MW\] '1.011'"):
        inspect_file(path, parse_mapping(MAPPING + CHANNELS, "m"))
    stated = parse_mapping(MAPPING + 'thousands: "."\n' + CHANNELS, "m")
    assert read_frame(path, "ZZ", mapping=stated)["load_mw"].tolist() == [920.0, 905.0, 1011.0, 1050.0]


def test_one_dash_is_one_missing_value(tmp_path):
    path = german(tmp_path, ["306,7", "-", "300,0"])
    load = read_frame(path, "ZZ", mapping=parse_mapping(MAPPING + CHANNELS, "m"))["load_mw"]
    assert load.isna().tolist() == [False, True, False]


def test_a_stated_mark_is_missing_also_where_it_is_a_number(tmp_path):
    path = german(tmp_path, ["306,7", "999", "300,0", "kA"])
    mapping = parse_mapping(MAPPING + 'missing: ["999", kA]\n' + CHANNELS, "m")
    assert read_frame(path, "ZZ", mapping=mapping)["load_mw"].isna().tolist() == [False, True, False, True]


@pytest.mark.parametrize("mark", ["xx", "\\q", "it's", "n.v", "***"])
def test_the_marks_that_a_hint_names_make_the_file_readable(tmp_path, mark):
    path = tmp_path / "x.csv"
    path.write_text(
        f"timestamp,zone,load_mw\n2024-01-01T00:00Z,A,1\n2024-01-01T01:00Z,A,{mark}\n2024-01-01T02:00Z,A,3\n",
        encoding="utf-8",
    )
    with pytest.raises(DataError) as caught:
        inspect_file(path)
    stated = parse_mapping(str(caught.value.hint).partition("in a mapping file: ")[2], "hint")
    assert read_frame(path, "A", mapping=stated)["load_mw"].count() == 2
