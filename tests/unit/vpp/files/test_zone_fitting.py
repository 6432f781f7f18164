from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from vpp.errors import ConfigError
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file
from vpp.files.zone_fitting import Overrides, zone_for, zones_for_file
from vpp.fleet.lookup import find_zone, known_facts, shipped_fleet, write_fleet, zone_table
from vpp.fleet.market import PriceKnown
from vpp.fleet.schema import Fleet, load_fleet, parse_fleet

NET = ("load_mw", "price_per_mwh")


def test_every_shipped_zone_is_complete():
    zones = shipped_fleet().zones
    assert len(zones) == 23
    for zone in zones:
        facts = known_facts(zone.zone)
        assert zone.batteries, zone.zone
        assert zone.synthetic == zone.zone.startswith("SIM_")
        if facts is not None:
            assert facts["time_zone"] == zone.time_zone
            assert facts["market"] == zone.market.model_copy(
                update={"contingent_bids": facts["market"].contingent_bids}
            )


def test_great_britain_is_the_measured_fleet():
    zone = find_zone("GB")
    assert zone is not None
    assert (zone.share.region_mw, zone.share.served_mw) == (43748.0, 100.0)
    assert (zone.limits.ramp_limit_mw, zone.limits.import_cap_mw) == (3.0, 86.0)
    battery, peaker, load = zone.batteries[0], zone.peakers[0], zone.loads[0]
    assert (battery.charge_mw, battery.energy_mwh, battery.soc_min, battery.soc_max) == (8.0, 16.0, 0.05, 0.95)
    assert battery.charge_efficiency * battery.discharge_efficiency == pytest.approx(0.88, abs=1e-4)
    assert (peaker.capacity_mw, peaker.ramp_mw_per_h, peaker.fuel_cost_per_mwh) == (15.0, 16.0, 160.0)
    assert (load.capacity_mw, load.curtail_cost_per_mwh) == (6.0, 300.0)
    assert (zone.market.price_known, zone.market.currency) == (PriceKnown.AFTER, "GBP")


def test_every_name_in_the_table_has_a_time_zone_and_a_market():
    for name in zone_table()["zones"]:
        facts = known_facts(name)
        assert facts is not None
        zone, _ = zone_for(name, step_min=60, channels=NET)
        assert zone.time_zone == facts["time_zone"]
        assert isinstance(name, str)


@pytest.mark.slow
def test_every_zone_of_the_real_files_has_a_fleet(data_dir):
    for path in sorted(data_dir.glob("*.csv.gz")):
        for name in inspect_file(path).zones:
            assert find_zone(name) is not None, name


def test_the_ramp_limit_follows_the_step_of_the_data():
    zone, notes = zone_for("GB", step_min=5, channels=("load_mw", "wind_mw", "price_per_mwh"))
    assert zone.step_min == 5
    assert zone.limits.ramp_limit_mw == 0.5
    assert zone.channels == ("load_mw", "wind_mw", "price_per_mwh")
    assert "ramp limit scaled to 500 kW per step" in notes[0]


def test_a_half_hourly_mean_of_five_minute_prices_is_known_only_afterwards():
    at_start, _ = zone_for("VIC1", step_min=5, channels=NET)
    after, notes = zone_for("VIC1", step_min=30, channels=NET)
    assert at_start.market.price_known is PriceKnown.AT_START
    assert after.market.price_known is PriceKnown.AFTER
    assert "known only afterwards" in " ".join(notes)


def test_prices_alone_mean_trading_without_grid_limits():
    zone, notes = zone_for("FR", step_min=60, channels=("price_per_mwh",))
    assert zone.limits.ramp_limit_mw == 1e6
    assert "trading only" in " ".join(notes)


def test_a_zone_without_prices_counts_energy_flat():
    zone, notes = zone_for("AT", step_min=60, channels=("load_mw", "solar_mw", "wind_mw"))
    assert zone.energy_price_flat_per_mwh == 100.0
    assert "energy counts at 100 EUR/MWh" in " ".join(notes)


def test_a_renewable_without_its_channel_is_left_out():
    zone, notes = zone_for("DE_LU", step_min=60, channels=NET)
    assert zone.renewables == ()
    assert "DE_LU-wind-1 is left out" in " ".join(notes)


def test_an_unknown_zone_is_scaled_to_its_history_and_says_so():
    index = pd.date_range("2024-01-01", periods=48 * 40, freq="30min", tz="UTC")
    wave = 500.0 + 100.0 * np.sin(np.arange(len(index)) / 7.0)
    history = pd.DataFrame({"load_mw": wave, "solar_mw": np.full(len(index), 50.0)}, index=index)
    zone, notes = zone_for("NOWHERE", step_min=30, channels=("load_mw", "solar_mw"), history=lambda: history)
    assert zone.share.region_mw == pytest.approx(550.0, abs=0.1)
    assert zone.share.served_mw == 100.0
    assert zone.time_zone == "UTC"
    assert zone.limits.import_cap_mw == pytest.approx(86.0)
    ramp = float(pd.Series(wave).diff().abs().quantile(0.85))
    assert zone.limits.ramp_limit_mw == pytest.approx(ramp * 100.0 / zone.share.region_mw)
    assert "unknown zone, runs as UTC" in notes[0]
    assert "no fleet file has it" in notes[1]


def test_a_small_site_is_served_whole():
    index = pd.date_range("2024-01-01", periods=200, freq="h", tz="UTC")
    history = pd.DataFrame({"load_mw": np.linspace(0.1, 0.5, 200)}, index=index)
    zone, _ = zone_for("SITE", step_min=60, channels=("load_mw",), history=lambda: history)
    assert zone.share.factor == 1.0
    assert zone.batteries[0].charge_mw == pytest.approx(0.04)


def test_scaling_looks_only_at_rows_before_the_run(tmp_path):
    index = pd.date_range("2024-01-01", periods=24 * 100, freq="h", tz="UTC")
    load = np.where(index < pd.Timestamp("2024-03-01", tz="UTC"), 100.0, 900.0) + np.arange(len(index)) % 24
    pd.DataFrame({"timestamp": index, "zone": "X", "load_mw": load}).to_csv(tmp_path / "x.csv", index=False)
    info = inspect_file(tmp_path / "x.csv")
    zones, _ = zones_for_file(tmp_path / "x.csv", info, ["X"], run_start=datetime(2024, 3, 1, tzinfo=UTC))
    assert zones["X"].share.region_mw == 123.0


def test_the_command_line_overrides_time_zone_and_market():
    overrides = Overrides("Asia/Tokyo", "day_ahead")
    zone, _ = zone_for("GB", step_min=30, channels=NET, overrides=overrides)
    assert (zone.time_zone, zone.market.price_known, zone.market.currency) == ("Asia/Tokyo", "day_ahead", "GBP")
    named, _ = zone_for("GB", step_min=30, channels=NET, overrides=Overrides(None, "NEM"))
    assert named.market.currency == "AUD"
    for wrong in (Overrides("Mars/North"), Overrides(None, "moon")):
        with pytest.raises(ConfigError):
            zone_for("GB", step_min=30, channels=NET, overrides=wrong)


def test_a_zone_of_the_users_fleet_wins():
    text = "zones: {GB: {share: {region_mw: 10, served_mw: 1}, limits: {ramp_limit_mw: 1, import_cap_mw: 1}}}"
    own = parse_fleet(text, "own")
    zone, notes = zone_for("GB", step_min=30, channels=NET, own_fleet=own)
    assert zone.share.region_mw == 10.0
    assert notes == []


def test_numbered_simulator_zones_are_copies_with_their_own_assets():
    zone = find_zone("SIM_042")
    assert zone is not None
    assert zone.batteries[0].asset_id == "SIM_042-battery-1"
    assert find_zone("SIM_X") is None


def test_a_written_fleet_reads_back_the_same(tmp_path):
    zones = [zone_for(name, step_min=5, channels=NET)[0] for name in ("GB", "VIC1", "DE_LU", "SIM_001")]
    droop_only = zones[0].frequency.model_copy(update={"fast_reserve_hz": None})
    zones.append(zones[0].model_copy(update={"zone": "DROOP", "frequency": droop_only}))
    write_fleet(tmp_path / "fleet.yaml", zones)
    assert load_fleet(tmp_path / "fleet.yaml") == Fleet(zones=tuple(zones))
    assert (tmp_path / "fleet.yaml").read_text(encoding="utf-8").count("null") == 1


def hourly(values):
    index = pd.date_range("2024-05-01", periods=len(next(iter(values.values()))), freq="h", tz="UTC")
    return lambda: pd.DataFrame(values, index=index)


def day_and_night(peak):
    return np.maximum(0.0, peak * np.sin(np.linspace(-np.pi / 2, 1.5 * np.pi, 25)[:24]))


@pytest.mark.parametrize("peak", [0.005, 2.0, 40.0, 900.0])
def test_a_net_exporter_is_scaled_by_its_largest_net_load_of_either_sign(peak):
    sun = np.tile(day_and_night(peak), 2)
    fitted, notes = zone_for(
        "FARM", step_min=60, channels=("solar_mw",), history=hourly({"solar_mw": sun, "load_mw": 0.001 * peak})
    )
    assert fitted.share.region_mw == pytest.approx(peak, rel=0.01)
    assert fitted.share.served_mw == pytest.approx(min(peak, 100.0), rel=0.01)
    assert any("|net load|" in note for note in notes)


@pytest.mark.parametrize("bad", [1e5, -1e5, 65535.0, 4500.0])
@pytest.mark.parametrize("count", [1, 2])
def test_bad_readings_do_not_scale_the_fleet(bad, count):
    load = 500.0 + 400.0 * np.sin(np.linspace(0, 4 * np.pi, 96))
    load[40 : 40 + count] = bad
    fitted, _ = zone_for("TOWN", step_min=60, channels=("load_mw",), history=hourly({"load_mw": load}))
    assert fitted.share.region_mw == pytest.approx(900.0, rel=0.01)


def test_a_reading_of_an_unknown_asset_is_answered_with_the_nearest(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("timestamp,load_mw,soc\n" + "".join(f"2024-05-01T{h:02}:00Z,1,0.5\n" for h in range(6)), "utf-8")
    mapping = parse_mapping(
        "zone: ZZ\nchannels: {load_mw: {from: load_mw}}\nassets: {ZZ-batery-1: {soc: {from: soc}}}", "m"
    )
    with pytest.raises(ConfigError, match="did you mean ZZ-battery-1"):
        zones_for_file(path, inspect_file(path, mapping), ["ZZ"], mapping=mapping)


def test_a_zone_that_the_file_does_not_have_is_answered_with_the_nearest(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("timestamp,zone,load_mw\n2024-05-01T00:00Z,Nord,1\n2024-05-01T01:00Z,Nord,1\n", "utf-8")
    with pytest.raises(ConfigError, match="did you mean Nord"):
        zones_for_file(path, inspect_file(path), ["nord"])
