"""Mistakes that only a whole column shows."""

import numpy as np
import pandas as pd
import pytest

from vpp.files.channel_check import Readings
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file

DAYS = pd.date_range("2024-06-01", periods=288, freq="15min", tz="UTC")
USE = 0.4 + 0.3 * np.sin(np.arange(288) / 96 * 2 * np.pi) ** 2
SUN = np.maximum(0.0, np.sin((np.arange(288) / 96 - 0.25) * 2 * np.pi))
METER = 20_451.3 + np.cumsum(USE / 4)
TODAY = np.concatenate([np.cumsum(day / 4) for day in USE.reshape(3, 96)])
GAPS = np.where(np.arange(288) % 7 == 3, np.nan, METER)


def inspected(tmp_path, values, unit="", channel="load_mw"):
    path = tmp_path / "site.csv"
    pd.DataFrame({"timestamp": DAYS, "zone": "ZZ", "x": values, "price": 40.0 + SUN}).to_csv(path, index=False)
    text = f"{{zone_column: zone, channels: {{{channel}: {{from: x{unit}}}, price: {{from: price}}}}}}"
    return inspect_file(path, parse_mapping(text, "m"))


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (METER, ""),
        (METER, ", unit: kWh"),
        (np.round(METER), ", unit: kW"),
        (TODAY, ", unit: kWh"),
        (np.cumsum(SUN), ""),
        (GAPS, ""),
        (np.where(np.arange(288) == 150, -9999.0, METER), ""),
    ],
    ids=["meter", "kWh", "whole", "of the day", "solar", "gaps", "mark"],
)
def test_the_readings_of_a_cumulative_meter_are_pointed_out(tmp_path, values, unit):
    info = inspected(tmp_path, values, unit)
    assert info.cumulative == ("load_mw",)
    assert "ZZ: load_mw only rises" in " ".join(info.warnings)
    assert "difference of each reading" in " ".join(info.warnings)


@pytest.mark.parametrize(
    "values",
    [
        USE,
        SUN,
        np.full(288, 3.0),
        np.where(np.arange(288) % 96 < 8, 11.0, 0.0),
        np.where(np.arange(288) < 90, METER, np.nan),
    ],
    ids=["load", "sun", "flat", "charger", "less than a day"],
)
def test_power_is_no_meter(tmp_path, values):
    assert inspected(tmp_path, values).cumulative == ()


def test_the_chunks_do_not_matter():
    stamps, taken = DAYS.tz_localize(None).to_numpy(), []
    for rows in (288, 10, 1):
        readings = Readings(stamps[0], stamps[0], float(TODAY[0]))
        for at in range(0, 288, rows):
            readings.add(stamps[at : at + rows], TODAY[at : at + rows])
        taken.append(readings)
    assert taken[0] == taken[1] == taken[2]
    assert (taken[0].rises, taken[0].resets, taken[0].falls) == (285, 2, 0)


def test_channels_that_are_no_power_may_rise(tmp_path):
    assert inspected(tmp_path, METER, channel="temperature_c").cumulative == ()
