"""The name of a canonical column may state another unit; the plant then reads that unit, and never a bare number."""

import pytest

from vpp.errors import DataError
from vpp.files.cells.units import UNITS, named_unit
from vpp.files.columns import canonical_target
from vpp.files.reader import inspect_file, read_frame

HOURS = [f"2024-05-01T{hour:02}:00Z" for hour in range(24)]


def frame_of(folder, column, value):
    path = folder / "x.csv"
    path.write_text(f"timestamp,zone,{column}\n" + "".join(f"{at},ZZ,{value}\n" for at in HOURS), encoding="utf-8")
    return read_frame(path, "ZZ")


@pytest.mark.parametrize(
    ("column", "value", "channel", "read"),
    [
        ("load_kw", 900, "load_mw", 0.9),
        ("load_w", 900, "load_mw", 9e-4),
        ("Load (GW)", 9, "load_mw", 9000.0),
        ("LOAD_MW", 9, "load_mw", 9.0),
        ("Solar [kW]", 5, "solar_mw", 0.005),
        ("wind kWh", 5, "wind_mw", 0.005),
        ("load_forecast_da_kw", 7, "load_forecast_da_mw", 0.007),
        ("price_ct_kwh", 30, "price_per_mwh", 300.0),
        ("price (EUR/MWh)", 30, "price_per_mwh", 30.0),
        ("Price €/kWh", 0.3, "price_per_mwh", 300.0),
        ("price_eur_per_mwh", 30, "price_per_mwh", 30.0),
    ],
)
def test_a_unit_in_the_name_of_a_column_is_read(tmp_path, column, value, channel, read):
    path = tmp_path / "x.csv"
    other = "" if channel in ("load_mw", "solar_mw", "wind_mw", "price_per_mwh") else ",load_mw"
    rows = "".join(f"{at},ZZ,{value}{',1' if other else ''}\n" for at in HOURS)
    path.write_text(f"timestamp,zone,{column}{other}\n{rows}", encoding="utf-8")
    assert read_frame(path, "ZZ")[channel].tolist() == pytest.approx([read] * 24)


@pytest.mark.parametrize(
    ("column", "value", "read"),
    [("temperature_f", 212, 100.0), ("temperature (K)", 300, 26.85), ("Temperature °C", 7, 7)],
)
def test_a_temperature_is_read_in_its_unit(tmp_path, column, value, read):
    path = tmp_path / "x.csv"
    path.write_text(
        f"timestamp,zone,load_mw,{column}\n" + "".join(f"{at},ZZ,1,{value}\n" for at in HOURS), encoding="utf-8"
    )
    assert read_frame(path, "ZZ")["temperature_c"].tolist() == pytest.approx([read] * 24)


@pytest.mark.parametrize("column", ["load_mw", "price", "wind_speed_kmh", "temperature_c", "frequency_hz"])
def test_a_canonical_name_keeps_its_meaning(column):
    _, unit = canonical_target(column)
    assert unit is None or UNITS[unit] == (1.0, 0.0)


@pytest.mark.parametrize("column", ["demand_kw", "load", "kw", "heat_load_kw", "price_gas_kwh_total", "meter_wh"])
def test_other_names_state_no_canonical_channel(column):
    assert named_unit(column) is None


def test_a_column_that_may_be_the_load_is_pointed_out(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("timestamp,zone,price,demand\n" + "".join(f"{at},ZZ,50,{3}\n" for at in HOURS), encoding="utf-8")
    assert "if it is the load, name it load_mw" in " ".join(inspect_file(path).warnings)
    with pytest.raises(DataError, match="no column is a load, solar, wind or price"):
        frame_of(tmp_path, "demand", 3)


@pytest.mark.parametrize(
    ("column", "value", "noted"),
    [
        ("price", 0.31, True),
        ("price", -0.1, True),
        ("price_kwh", 0.31, False),
        ("price", 31, False),
        ("price", 0, False),
    ],
)
def test_a_price_that_looks_like_one_per_kwh_is_pointed_out(tmp_path, column, value, noted):
    path = tmp_path / "x.csv"
    rows = "".join(f"{at},ZZ,5,{value}\n" for at in HOURS)
    path.write_text(f"timestamp,zone,load_mw,{column}\n{rows}", encoding="utf-8")
    assert ("per_kWh" in " ".join(inspect_file(path).warnings)) is noted
