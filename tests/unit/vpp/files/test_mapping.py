import pytest

from vpp.errors import ConfigError, DataError
from vpp.files.cells.availability import ASSET_MARK
from vpp.files.mapping import load_mapping, parse_mapping, shipped_mappings
from vpp.files.reader import inspect_file, read_frame

SMART_GRID = (
    "Timestamp,Hour of Day,Electricity Load,Solar PV Output (kW),Wind Power Output (kW),"
    "Battery State of Charge (SOC) (%),Temperature (°C),Wind Speed (m/s)\n"
    "2024-01-01 00:00:00,0,500,0,120.5,40,3.5,5\n"
    "2024-01-01 00:15:00,0,510,0,110,41,3.4,5\n"
    "2024-01-01 00:30:00,0,,0,100,42,3.3,5\n"
)


def test_the_public_smart_grid_file_needs_no_option(tmp_path):
    path = tmp_path / "smart.csv"
    path.write_text(SMART_GRID, encoding="utf-8")
    info = inspect_file(path)
    assert (info.zones, info.step_min) == (("SITE",), 15)
    assert info.notes == ("read with the mapping smart_grid_csv",)
    frame = read_frame(path, "SITE")
    assert frame["load_mw"].tolist()[:2] == [0.5, 0.51]
    assert frame["load_mw"].isna().tolist() == [False, False, True]
    assert frame["wind_mw"].iloc[0] == pytest.approx(0.1205)
    assert frame["wind_speed_kmh"].iloc[0] == 18.0
    assert not any(name.startswith(ASSET_MARK) for name in frame.columns)


def test_units_signs_and_differences_are_converted(tmp_path):
    mapping = parse_mapping(
        """
        zone: HOME
        time: {column: [when, at], format: "%d.%m.%Y %H:%M", zone: Europe/Berlin, stamps: end}
        step_min: 60
        separator: ";"
        decimal: ","
        channels:
          load_mw: {from: use, unit: W, required: true}
          temperature_c: {from: temp, unit: degF}
          price_per_mwh: {from: ct, unit: ct_per_kWh}
        assets:
          HOME-battery-1:
            power_mw: {from: out, minus: in, unit: kW}
            soc: {from: soc, unit: percent}
        """,
        "home",
    )
    path = tmp_path / "home.csv"
    path.write_text(
        "at;use;temp;ct;out;in;soc\n01.07.2024 01:00;1500,5;50;30;0;2;80\n01.07.2024 02:00;1000;32;-1;3;0;70\n",
        encoding="utf-8",
    )
    frame = read_frame(path, "HOME", mapping=mapping)
    assert str(frame.index[0]) == "2024-06-30 22:00:00+00:00"
    assert frame["load_mw"].tolist() == pytest.approx([0.0015005, 0.001])
    assert frame["temperature_c"].tolist() == pytest.approx([10.0, 0.0])
    assert frame["price_per_mwh"].tolist() == pytest.approx([300.0, -10.0])


@pytest.mark.parametrize(("style", "factor"), [("epoch_s", 1), ("epoch_ms", 1000)])
def test_epoch_stamps_are_read(tmp_path, style, factor):
    mapping = parse_mapping(f"zone: A\ntime: {{column: ts, format: {style}}}\nchannels: {{load_mw: {{from: mw}}}}", "e")
    path = tmp_path / "epoch.csv"
    path.write_text(f"ts,mw\n{1704067200 * factor},1\n{1704069000 * factor},2\n", encoding="utf-8")
    frame = read_frame(path, "A", mapping=mapping)
    assert [str(stamp) for stamp in frame.index] == ["2024-01-01 00:00:00+00:00", "2024-01-01 00:30:00+00:00"]


def test_a_required_column_that_is_missing_is_named(tmp_path):
    mapping = parse_mapping("zone: A\nchannels: {load_mw: {from: [use, Use], required: true}}", "mine")
    path = tmp_path / "x.csv"
    path.write_text("timestamp,power\n2024-01-01T00:00Z,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="load_mw needs a column use or Use; the columns are timestamp, power"):
        inspect_file(path, mapping)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("channels: {load_mw: {from: a, unit: horse}}\nzone: A", "unknown unit 'horse'"),
        ("channels: {load_mw: {from: a}}", "give zone: NAME"),
        ("time: {zone: Mars/North}", "unknown time zone"),
        ("time: {stamp: middle}", "start.*centre.*end"),
        ("chanels: {}", "chanels"),
        ("channels: {load_mw: {from: a, unit: degC}}\nzone: A", "degC is no unit of it; one of W, kW, MW"),
        ("channels: {price: {from: a, unit: kW}}\nzone: A", "kW is no unit of it; one of per_MWh"),
        ("channels: {temperature_c: {from: a, unit: percent}}\nzone: A", "one of degC, degF, K"),
        ("channels: {humidity_pct: {from: a, unit: percent}}\nzone: A", "state no unit"),
        ("channels: {load_mw: {from: a, scale: 0}}\nzone: A", "scale must not be 0"),
        ("channels: {load_mw: {from: a}}\nzone: A\nassets: {B: {soc: {from: s, unit: kWh}}}", "percent, fraction"),
        ("channels: {load_mw: {from: a}}\nzone: A\nassets: {B: {power_mw: {from: s, unit: Hz}}}", "one of W, kW"),
        ("zone: A\nzone_header: 'BZN|{zone}'", "not several"),
        ("zone_header: BZN", "has no {zone}"),
        ("a: [", "not YAML"),
    ],
)
def test_a_wrong_mapping_is_refused_with_the_place(text, expected):
    with pytest.raises(ConfigError, match=expected):
        parse_mapping(text, "m")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("laod_mw", "load_mw"),
        ("load_kw", "load_mw"),
        ("Load_mw", "load_mw"),
        ("prize", "price"),
        ("tempreature_c", "temperature_c"),
        ("load_forcast_da_mw", "load_forecast_da_mw"),
    ],
)
def test_a_misspelt_channel_is_refused_with_the_nearest_one(tmp_path, name, near):
    path = tmp_path / "x.csv"
    path.write_text("timestamp,a,b\n2024-01-01T00:00Z,1,1\n2024-01-01T01:00Z,1,1\n", encoding="utf-8")
    mapping = parse_mapping(f"zone: A\nchannels: {{{name}: {{from: a}}, wind_mw: {{from: b}}}}", "mine")
    with pytest.raises(ConfigError, match=rf"channels\.{name} in the mapping .* \(did you mean {near}\?\)"):
        inspect_file(path, mapping)


@pytest.mark.parametrize("name", ["wind_mv", "solar_forecast_d1_mw", "temperature_in_c", "hydro_mw", "FR:load_mw"])
def test_a_channel_of_another_name_is_read(tmp_path, name):
    path = tmp_path / "x.csv"
    path.write_text("timestamp,a,b\n2024-01-01T00:00Z,1,1\n2024-01-01T01:00Z,1,1\n", encoding="utf-8")
    mapping = parse_mapping(f"zone: A\nchannels: {{{name!r}: {{from: a}}, wind_mw: {{from: b}}}}", "mine")
    assert inspect_file(path, mapping).columns == (name, "wind_mw")


def test_a_shipped_mapping_is_found_by_name_and_an_unknown_one_lists_them():
    assert load_mapping("smart_grid_csv") == shipped_mappings()["smart_grid_csv"]
    with pytest.raises(ConfigError) as caught:
        load_mapping("none_such")
    assert "smart_grid_csv" in str(caught.value.hint)
