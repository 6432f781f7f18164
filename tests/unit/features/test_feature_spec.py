import pytest

from features.derived_series import depth_days, is_published, known_channels, present
from features.feature_list import build_spec, rows
from features.feature_spec import Op
from vpp.domain import NET_LOAD, Step

GB = [
    NET_LOAD,
    "load_mw",
    "solar_mw",
    "wind_mw",
    "embedded_wind_mw",
    "national_demand_forecast_da_mw",
    "transmission_wind_forecast_da_mw",
    "embedded_wind_forecast_da_mw",
    "solar_forecast_da_mw",
]


def test_the_table_holds_the_basic_features() -> None:
    names = build_spec(GB, Step(30)).names
    wanted = [f"net load change over {span}" for span in ("30 min", "1 h", "6 h", "1 d", "7 d")]
    wanted += [f"net load {word} of 1 d" for word in ("mean", "std", "min", "max")]
    wanted += ["renewable penetration", "net load gradient over 2 h", "time of day, sine 1", "time of week, cosine"]
    wanted += ["season of the year, sine", "net load position in its day's range", "penetration x gradient"]
    assert set(wanted) <= set(names)
    lags = [n for n in names if n.startswith("net load change over ") and n.count(" ") == 5]
    assert len(lags) >= 12


def test_names_are_unique_and_origin_columns_come_first() -> None:
    spec = build_spec(GB, Step(30))
    assert len(set(spec.names)) == len(spec.names)
    targets = [f.op > Op.FIRST_TARGET_OP for f in spec.features]
    assert targets == sorted(targets)
    assert spec.n_origin == targets.count(False)


def test_a_zone_uses_what_it_has() -> None:
    spec = build_spec([NET_LOAD, "load_mw"], Step(30))
    assert {s.name for s in spec.series} == {"net", "load"}
    assert not [n for n in spec.names if "solar" in n or "wind" in n or "published" in n]


def test_great_britain_reads_its_forecast_of_national_demand() -> None:
    result = present(GB)
    assert dict(result["published"].terms) == {
        "national_demand_forecast_da_mw": 1.0,
        "transmission_wind_forecast_da_mw": -1.0,
    }
    assert result["published"].published
    assert not result["net"].published


@pytest.mark.parametrize("step_min", [5, 30, 60])
def test_every_step_has_a_table_with_lags_to_a_week(step_min: int) -> None:
    spec = build_spec(GB, Step(step_min))
    code = spec.code[spec.code[:, 0] == Op.CHANGE]
    assert code[:, 3].max() == 7 * 1440 // step_min


WEATHER = ["temperature_forecast_d1_c", "ghi_forecast_d1_wm2", "wind_speed_100m_forecast_d1_ms"]


def test_weather_forecasts_are_read_where_a_zone_has_them() -> None:
    names = set(build_spec([*GB, *WEATHER], Step(30)).names)
    assert {f"forecast {what} change" for what in ("temperature", "irradiance", "wind speed")} <= names
    assert not [name for name in build_spec(GB, Step(30)).names if name.startswith("forecast ")]
    assert present(["wind_speed_forecast_d1_kmh"])["wind_speed_ahead"].published
    assert all(is_published(channel) and depth_days(channel) == 9 for channel in WEATHER)
    assert depth_days("dew_point_forecast_d1_c") == 0


def test_the_hash_follows_channels_and_step() -> None:
    hashes = {
        build_spec(GB, Step(30)).hash,
        build_spec(GB[:-1], Step(30)).hash,
        build_spec(GB, Step(60)).hash,
    }
    assert len(hashes) == 3
    assert build_spec(list(reversed(GB)), Step(30)).hash == build_spec(GB, Step(30)).hash


def test_every_row_that_reads_another_names_one_before_it() -> None:
    seen: set[str] = set()
    for feature in rows(Step(30)):
        assert set(feature.of) <= seen
        seen.add(feature.name)


def test_the_ring_keeps_what_some_feature_reads() -> None:
    assert all(depth_days(channel) > 0 for channel in known_channels(GB))
    assert depth_days("FR:load_forecast_da_mw") > 0
    assert depth_days("raw_ccgt_mw") == 0
