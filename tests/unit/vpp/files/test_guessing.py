"""Guesses of ``vpp init``: what a column is, which are parts of one channel, and where the time of a row stands."""

import contextlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from vpp.errors import ConfigError, DataError
from vpp.files.guessing import Choices, guess_mapping, left_alike, needs_time_zone
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file, read_frame

STAMPS = pd.date_range("2024-06-01", periods=96, freq="30min")
LOCAL = pd.date_range("2024-10-26", "2024-10-28", freq="30min", tz="Europe/Berlin")[:-1]
HOURS = LOCAL[::2]


def table(folder, columns, separator=","):
    """Write a file and return its path; each column is a list of cells."""
    path = folder / "site.csv"
    rows = [separator.join(columns), *(separator.join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def guessed(path, **choices):
    """Return the frame that a guessed mapping reads."""
    content = guess_mapping(path, Choices(**choices))
    mapping = parse_mapping(yaml.safe_dump(content, allow_unicode=True), "guess")
    (zone,) = inspect_file(path, mapping).zones
    return read_frame(path, zone, mapping=mapping)


@pytest.mark.parametrize(
    ("names", "channel", "read"),
    [
        (("Wind offshore", "Wind onshore"), "wind_mw", 3.0),
        (("wind_onshore_mw", "wind_offshore_mw"), "wind_mw", 3.0),
        (("Wind total", "Wind onshore"), "wind_mw", 1.0),
        (("solar_capacity", "solar_generation"), "solar_mw", 2.0),
        (("Wind capacity", "Wind generation"), "wind_mw", 2.0),
        (("Residual load", "Load"), "load_mw", 2.0),
        (("Load forecast", "Load"), "load_mw", 2.0),
        (("Battery consumption", "House consumption"), "load_mw", 2.0),
        (("Grid export", "Grid import"), "load_mw", 1.0),
        (("Netzbezug", "Netzeinspeisung"), "load_mw", -1.0),
        (("Energie | Produktion", "Energie | Verbrauch"), "solar_mw", 1.0),
        (("Opwek", "Verbruik"), "load_mw", 2.0),
        (("Consommation", "Eolien"), "wind_mw", 2.0),
        (("LV ActivePower (MW)", "Theoretical_Power_Curve (MWh)"), "load_mw", 1.0),
        (("PV_power_mw", "x"), "solar_mw", 1.0),
        (("From Grid (MW)", "Home (MW)"), "load_mw", 2.0),
        (("System production", "x"), "solar_mw", 1.0),
    ],
)
def test_a_column_is_what_its_name_says(tmp_path, names, channel, read):
    path = table(tmp_path, {"time": STAMPS, names[0]: [1] * 96, names[1]: [2] * 96})
    assert guessed(path)[channel].iloc[0] == read


@pytest.mark.parametrize(
    "names", [("Residual load", "Solar"), ("Imports", "Solar"), ("Grid import (kW)", "Wind"), ("Wind capacity", "x")]
)
def test_what_is_no_load_is_not_taken_for_one(tmp_path, names):
    path = table(tmp_path, {"time": STAMPS, names[0]: [1] * 96, names[1]: [2] * 96})
    with contextlib.suppress(DataError):
        assert "load_mw" not in guess_mapping(path, Choices())["channels"]


def test_columns_that_look_alike_are_named_and_can_be_added(tmp_path):
    path = table(tmp_path, {"time": STAMPS, "PV east (kW)": [1] * 96, "PV west (kW)": [2] * 96})
    (note,) = left_alike(guess_mapping(path, Choices()), ["PV west (kW)"])
    assert '--column "solar_mw=PV east (kW)" --column "solar_mw=PV west (kW)"' in note
    both = guessed(path, columns={"solar_mw": ["PV east (kW)", "PV west (kW)"]})
    assert both["solar_mw"].iloc[0] == pytest.approx(0.003)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("Price p/kWh", "ct_per_kWh"),
        ("unit rate tariff (pence/kWh)", "ct_per_kWh"),
        ("Preis [ct/kWh]", "ct_per_kWh"),
        ("Price (EUR/kWh)", "per_kWh"),
        ("Price $/kWh", "per_kWh"),
        ("price_eur_kwh", "per_kWh"),
        ("price_ct_kwh", "ct_per_kWh"),
        ("spot price per kWh", "per_kWh"),
        ("Spot price (öre/kWh)", "ct_per_kWh"),
        ("Strømpris øre/kWh", "ct_per_kWh"),
        ("Strompreis Rp/kWh", "ct_per_kWh"),
        ("price_ore_kwh", "ct_per_kWh"),
        ("Price mills/kWh", None),
        ("Price EUR/MWh", None),
    ],
)
def test_a_price_is_read_in_the_unit_of_its_name(tmp_path, name, unit):
    path = table(tmp_path, {"time": STAMPS, "load_mw": [1] * 96, name: [2] * 96})
    assert guess_mapping(path, Choices())["channels"]["price_per_mwh"].get("unit") == unit


@pytest.mark.parametrize("name", ["Load (MVA)", "load_tw", "Load hp", "Demand MJ", "Verbrauch (PS)", "Price per GWh"])
def test_a_unit_that_is_not_converted_is_refused(tmp_path, name):
    path = table(tmp_path, {"time": STAMPS, "solar_mw": [1] * 96, name: [2] * 96})
    with pytest.raises(ConfigError, match="has a unit that is not converted"):
        guess_mapping(path, Choices())


@pytest.mark.parametrize(("name", "read"), [("Temp (°F)", 0.0), ("temp_c", 32.0), ("Temperature", 32.0)])
def test_a_temperature_is_read_in_the_unit_of_its_name(tmp_path, name, read):
    path = table(tmp_path, {"time": STAMPS, "load_mw": [1] * 96, name: [32] * 96})
    assert guessed(path)["temperature_c"].iloc[0] == pytest.approx(read)


def test_the_only_power_of_a_wind_plant_is_its_wind(tmp_path):
    path = table(tmp_path, {"time": STAMPS, "Wind speed (m/s)": [5] * 96, "LV ActivePower (kW)": [1500] * 96})
    frame = guessed(path, site_channel="wind_mw")
    assert frame["wind_mw"].tolist() == [1.5] * 96


@pytest.mark.parametrize(
    ("cells", "read"),
    [("1,5 kW", 0.0015), ("1500 W", 0.0015), ("1.234,5 MW", 1234.5), ("12 kWh", 0.024)],
)
def test_a_unit_in_the_cells_counts(tmp_path, cells, read):
    path = table(tmp_path, {"time": STAMPS, "Verbrauch": ["-", *[cells] * 95]}, ";")
    assert guessed(path)["load_mw"].iloc[1:].to_numpy() == pytest.approx(read)


def test_what_stands_before_the_header_line_and_the_encoding_are_stated(tmp_path):
    path = table(tmp_path, {"Zeit": STAMPS, "Außentemperatur": [5] * 96, "Verbrauch": [2] * 96}, ";")
    path.write_bytes(("Anlage: Köln\nStand; heute\n\n" + path.read_text(encoding="utf-8")).encode("cp1252"))
    content = guess_mapping(path, Choices())
    assert (content["encoding"], content["skip_rows"]) == ("cp1252", 3)
    assert guessed(path)["load_mw"].tolist() == [2.0] * 96


def test_a_row_that_is_no_data_is_named(tmp_path):
    path = table(tmp_path, {"time": [*STAMPS, "Total"], "load_mw": [1] * 97})
    with pytest.raises(DataError, match="'Total' is not a time as the cells above"):
        guess_mapping(path, Choices())


@pytest.mark.parametrize("name", ["time", "load_mw", "Verbrauch"])
def test_a_column_that_comes_twice_is_refused(tmp_path, name):
    path = table(tmp_path, {"time": STAMPS, "load_mw": [1] * 96, name + " ": [1] * 96, name + "  ": [1] * 96})
    with pytest.raises(DataError, match=f"column '{name}' comes twice"):
        guess_mapping(path, Choices())


def test_numbers_are_names_of_zones_in_the_zone_column(tmp_path):
    path = table(tmp_path, {"time": np.repeat(STAMPS, 2), "zone": ["007", "12"] * 96, "load_mw": [1] * 192})
    content = guess_mapping(path, Choices())
    assert content["zone_column"] == "zone"


CLOCKED: dict[str, dict[str, list[Any]]] = {
    "begin": {"Datum": [f"{at:%d.%m.%Y}" for at in LOCAL], "Uhrzeit": [f"{at:%H:%M}" for at in LOCAL]},
    "both ends": {
        "Datum": [f"{at:%d.%m.%Y}" for at in LOCAL],
        "von": [f"{at:%H:%M}" for at in LOCAL],
        "bis": [f"{at + pd.Timedelta('30min'):%H:%M}" for at in LOCAL],
    },
    "iso": {"date": [f"{at:%Y-%m-%d}" for at in LOCAL], "clock": [f"{at:%H:%M:%S}" for at in LOCAL]},
    "end": {
        "Date": [f"{at:%Y-%m-%d}" for at in LOCAL],
        "Half hour ending": [f"{at.hour:02}:30" if at.minute == 0 else f"{at.hour + 1:02}:00" for at in LOCAL],
    },
    "hour from 0": {
        "Date": [f"{at:%Y-%m-%d}" for at in HOURS],
        "Hour": [at.hour for at in HOURS],
    },
    "hour from 1": {
        "Data": [f"{at:%Y-%m-%d}" for at in HOURS],
        "Godzina": [at.hour + 1 for at in HOURS],
    },
    "period": {
        "SettlementDate": [f"{at:%Y-%m-%d}" for at in LOCAL],
        "SettlementPeriod": [int((at - at.normalize()) / pd.Timedelta("30min")) + 1 for at in LOCAL],
    },
}


@pytest.mark.parametrize("name", CLOCKED)
def test_a_day_and_its_clock_or_period_are_read_together(tmp_path, name):
    rows = len(next(iter(CLOCKED[name].values())))
    path = table(tmp_path, {**CLOCKED[name], "load_mw": np.arange(rows)}, ";")
    loads = guessed(path, time_zone="Europe/Berlin")["load_mw"]
    assert loads.index[0] == LOCAL[0]
    assert loads.tolist() == list(range(rows))


def test_a_date_of_two_readings_is_asked_with_its_clock(tmp_path):
    days = {"date": [f"{at:%d/%m/%Y}" for at in STAMPS], "time": [f"{at:%H:%M}" for at in STAMPS]}
    path = table(tmp_path, {**days, "load_mw": [1] * 96})
    with pytest.raises(ConfigError) as error:
        guess_mapping(path, Choices())
    assert '--time-format "%d/%m/%Y %H:%M"' in str(error.value.hint)


DAYS_FIRST = ("%d/%m/%Y %H:%M", "%d-%m-%Y %H:%M", "%d.%m.%y %H:%M", "%d-%m-%y %H:%M", "%d/%m/%y %H:%M")
OTHERS = ("%m/%d/%Y %H:%M", "%m-%d-%Y %H:%M", "%y.%m.%d %H:%M", "%y-%m-%d %H:%M", "%y/%m/%d %H:%M", "%m-%d-%Y %I:%M %p")


@pytest.mark.parametrize("first", ["2024-05-01", "2024-05-09", "2024-05-20", "2024-11-11", "2024-12-30"])
@pytest.mark.parametrize("pattern", DAYS_FIRST + OTHERS)
def test_a_day_and_a_month_are_never_exchanged(tmp_path, pattern, first):
    stamps = pd.date_range(first, periods=48, freq="h", tz="UTC")
    path = table(tmp_path, {"Time": [f"{at:{pattern}}" for at in stamps], "load_mw": range(48)})
    with contextlib.suppress(ConfigError):  # asked where several formats fit
        frame = guessed(path)
        assert list(frame.index) == list(stamps)
        assert frame["load_mw"].tolist() == list(range(48))


@pytest.mark.parametrize(
    "pattern",
    [
        "%d %B %Y %H:%M",
        "%d.%m.%Y %H.%M",
        "%d/%m/%Y %Hh%M",
        "%a %b %d %H:%M:%S %Y",
        "%b %d %Y %I:%M%p",
        "%d-%b-%y %H:%M",
    ],
)
def test_forms_of_one_reading_are_not_asked(tmp_path, pattern):
    stamps = pd.date_range("2024-05-20", periods=48, freq="h", tz="UTC")
    path = table(tmp_path, {"Time": [f"{at:{pattern}}" for at in stamps], "load_mw": range(48)})
    assert list(guessed(path).index) == list(stamps)


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Time (UTC)", "UTC"),
        ("MTU (CET/CEST)", "Europe/Brussels"),
        ("start_gmt", "UTC"),
        ("Datum (GMT+2)", "Etc/GMT-2"),
        ("Time", None),
    ],
)
def test_a_time_zone_in_the_name_of_the_column_counts(tmp_path, name, zone):
    path = table(tmp_path, {name: STAMPS, "load_mw": np.arange(96)})
    assert needs_time_zone(path) is (zone is None)
    assert guessed(path).index[0] == pd.Timestamp("2024-06-01", tz=zone or "UTC")


def test_the_index_that_pandas_writes_without_a_name_is_the_time(tmp_path):
    path = tmp_path / "site.csv"
    pd.DataFrame({"Actual Load": range(len(LOCAL))}, index=LOCAL).to_csv(path)
    assert guessed(path).index[0] == LOCAL[0]


def test_stamps_at_the_end_are_read_so(tmp_path):
    path = table(tmp_path, {"Hour Ending": [f"{at:%Y-%m-%dT%H:%MZ}" for at in STAMPS], "load_mw": [1] * 96})
    assert guessed(path).index[0] == pd.Timestamp("2024-05-31T23:30Z")


def test_a_second_header_line_is_named(tmp_path):
    path = table(tmp_path, {"Datum": ["", *STAMPS], "Last": ["Leistung (MW)", *[1] * 96]})
    with pytest.raises(DataError, match="row 2 is no data"):
        guess_mapping(path, Choices())


def test_zones_stand_in_a_column_of_zones_and_loads_in_one_of_numbers(tmp_path):
    words = {"Time Zone": ["EDT"] * 96, "nerc_region": ["RFC"] * 96, "zone": ["AE"] * 96, "load_area": ["X", "Y"] * 48}
    content = guess_mapping(table(tmp_path, {"time": STAMPS, **words, "load": [1] * 96}), Choices())
    assert content["zone_column"] == "zone"
    assert content["channels"]["load_mw"]["from"] == "load"


def test_a_state_of_charge_is_a_reading_of_the_battery(tmp_path):
    path = table(tmp_path, {"time": STAMPS, "load_mw": [1] * 96, "battery_soc": [50] * 96})
    assert guess_mapping(path, Choices())["assets"]["SITE-battery-1"]["soc"]["unit"] == "percent"
