"""Slot lengths: jitter, faster rows and a step that changes are averaged where the slot is stated, else refused."""

import re
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vpp.errors import DataError
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file, iter_chunks, read_frame
from vpp.files.step_detection import CLOCKS, SkippedHour


def file(folder, stamps, values=None, prices=None):
    path = folder / "x.csv"
    values = range(len(stamps)) if values is None else values
    prices = [""] * len(stamps) if prices is None else prices
    rows = "".join(f"{s:%Y-%m-%dT%H:%M:%SZ},ZZ,{v},{p}\n" for s, v, p in zip(stamps, values, prices, strict=True))
    path.write_text("timestamp,zone,load_mw,price\n" + rows, encoding="utf-8")
    return path


def late(freq, count, seconds, start="2024-05-01"):
    regular = pd.date_range(start, periods=count, freq=freq, tz="UTC")
    return [stamp + pd.Timedelta(seconds=seconds[i % len(seconds)]) for i, stamp in enumerate(regular)]


STATED = {
    "10 s, late by 0 or 1 s": (late("10s", 360, [1, 0, 0]), 5, 12),
    "quarter-hours, late": (late("15min", 96, [2, 1, 0]), 15, 96),
    "quarter-hours, early and late": (late("15min", 96, [2, -3, 0, 1], "2024-05-01T00:15"), 15, 96),
    "quarter-hours into half-hours": (late("15min", 96, [2, 1]), 30, 48),
    "60 then 15 min": (late("60min", 48, [0]) + late("15min", 96, [0], "2024-05-03"), 60, 72),
    "a gap of 20 days": (late("60min", 48, [0]) + late("60min", 48, [0], "2024-05-23"), 60, 576),
    "seconds apart, uneven": (late("7s", 600, [0, 3, -2, 1], "2024-05-01T00:00:02"), 1, 70),
}


@pytest.mark.parametrize("name", STATED)
@pytest.mark.parametrize("chunk_rows", [7, 100_000])
def test_rows_become_slots_where_their_length_is_stated(tmp_path, name, chunk_rows):
    stamps, step_min, slots = STATED[name]
    path, mapping = file(tmp_path, stamps), parse_mapping(f"step_min: {step_min}", "m")
    info = inspect_file(path, mapping)
    frame = read_frame(path, "ZZ", mapping=mapping, info=info)
    assert (info.step_min, len(frame)) == (step_min, slots)
    whole = pd.concat(iter_chunks(path, mapping=mapping, info=info), ignore_index=True)
    parts = pd.concat(iter_chunks(path, mapping=mapping, info=info, chunk_rows=chunk_rows), ignore_index=True)
    pd.testing.assert_frame_equal(parts[whole.columns.tolist()], whole)
    assert not whole.duplicated(["slot", "zone"]).any()


REFUSED = {
    "10 s, late by 0 or 1 s": (STATED["10 s, late by 0 or 1 s"][0], "", "step_min: 1"),
    "quarter-hours, late": (STATED["quarter-hours, late"][0], "", "step_min: 15"),
    "60 then 15 min": (STATED["60 then 15 min"][0], "", "step_min: 60"),
    "60 then 15 min, stated too short": (STATED["60 then 15 min"][0], "step_min: 15", "step_min: 60"),
    "hours, stated too short": (late("60min", 48, [0]), "step_min: 30", "step_min: 60"),
    "centres": (late("60min", 48, [1800]), "", "time: {stamp: centre} and step_min: 60"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hint_on_steps_makes_the_file_readable(tmp_path, name):
    stamps, mapping, hint = REFUSED[name]
    path = file(tmp_path, stamps)
    with pytest.raises(DataError) as caught:
        inspect_file(path, parse_mapping(mapping, "m"))
    assert hint in str(caught.value.hint)
    stamp = "time: {stamp: centre}\n" if "centre" in hint else ""
    inspect_file(path, parse_mapping(stamp + "step_min: " + hint.split("step_min: ")[1], "m"))


def test_energy_of_rows_becomes_mean_power_whatever_their_length(tmp_path):
    stamps = late("60min", 24, [0]) + late("15min", 96, [0], "2024-05-02")
    energy = [2.0] * 24 + [0.5] * 96
    mapping = parse_mapping("zone: ZZ\nstep_min: 60\nchannels: {load_mw: {from: load_mw, unit: MWh}}", "m")
    frame = read_frame(file(tmp_path, stamps, energy), "ZZ", mapping=mapping)
    np.testing.assert_allclose(frame["load_mw"], 2.0)


def test_a_slot_of_which_little_is_covered_says_so(tmp_path):
    stamps = [s for s in late("10s", 360, [0]) if not 5 <= s.minute < 9]
    path, mapping = file(tmp_path, stamps), parse_mapping("step_min: 5", "m")
    made = pd.concat(iter_chunks(path, mapping=mapping), ignore_index=True)
    assert made["duration_s"].notna().sum() == 1
    assert made.loc[made["duration_s"].notna(), "slot"].iloc[0] == pd.Timestamp("2024-05-01T00:05")


@pytest.mark.parametrize("every_min", [30, 60])
def test_prices_of_another_step_are_stated_or_refused(tmp_path, every_min):
    stamps = late("15min", 96, [0])
    prices = [s.hour if s.minute % every_min == 0 else "" for s in stamps]
    path = file(tmp_path, stamps, prices=prices)
    with pytest.raises(DataError, match=f"a price every {every_min} min, but slots of 15 min") as caught:
        inspect_file(path)
    assert f"repeat_min: {{price_per_mwh: {every_min}}}" in str(caught.value.hint)
    mapping = parse_mapping(f"repeat_min: {{price: {every_min}}}", "m")
    read = read_frame(path, "ZZ", mapping=mapping)["price_per_mwh"]
    assert read.tolist() == [float(s.hour) for s in stamps]


def test_prices_that_are_missing_now_and_then_are_no_other_step(tmp_path):
    stamps = late("15min", 96, [0])
    prices = ["" if i in (3, 7, 50) else 40 for i in range(96)]
    assert inspect_file(file(tmp_path, stamps, prices=prices)).spans["ZZ"].channels == ("load_mw", "price_per_mwh")


CLOCK_ZONES = ["Europe/London", "Europe/Paris", "Europe/Helsinki", "America/Chicago", "Australia/Melbourne"]


@pytest.mark.parametrize("clock", CLOCK_ZONES)
@pytest.mark.parametrize("freq", ["5min", "30min", "1h"])
def test_local_times_that_are_read_as_utc_are_reported(tmp_path, clock, freq):
    hours = pd.date_range("2024-01-01", "2024-12-31", freq="1h", tz="UTC").tz_convert(clock)
    offsets = [at.utcoffset() or timedelta(0) for at in hours]
    at = next(hours[n] for n in range(1, len(hours)) if offsets[n] > offsets[n - 1])
    local = pd.date_range(at - pd.Timedelta("2D"), at + pd.Timedelta("2D"), freq=freq, inclusive="left")
    path = tmp_path / "a.csv"
    rows = [f"{stamp:%Y-%m-%d %H:%M},ZZ,{n}" for n, stamp in enumerate(local)]
    path.write_text("\n".join(["timestamp,zone,load_mw", *rows, ""]), encoding="utf-8")
    (note,) = [note for note in inspect_file(path).warnings if "is missing, as on clocks of" in note]
    named = re.search(r"zone: ([\w/]+)", note)
    assert named is not None
    # What the note says mends the file: no hour is missing then.
    info = inspect_file(path, parse_mapping(f"time: {{zone: {named[1]}}}", "m"))
    assert not [note for note in info.warnings if "is missing" in note]
    assert (info.last - info.first) / timedelta(minutes=info.step_min) == len(local) - 1
    assert not [
        note for note in inspect_file(path, parse_mapping("time: {zone: UTC}", "m")).warnings if "clocks" in note
    ]


def is_skipped(clock, at):
    local = at.to_pydatetime().replace(tzinfo=ZoneInfo(clock))
    return local.astimezone(UTC).astimezone(ZoneInfo(clock)).replace(tzinfo=None) != at.to_pydatetime()


@settings(max_examples=60)
@given(st.integers(0, 364 * 24), st.sampled_from([1, 2, 3]), st.integers(1, 50))
@example(hour=90 * 24 + 1, missing=1, chunk=7)
def test_another_missing_hour_is_not_taken_for_a_clock(hour, missing, chunk):
    stamps = pd.date_range("2023-12-31", "2025-01-02", freq="1h")
    cut = stamps.delete(range(hour + 24, hour + 24 + missing))
    look = SkippedHour()
    size = max(len(cut) // chunk, 1)
    for begin in range(0, len(cut), size):
        part = cut[begin : begin + size]
        look.add(part.to_numpy(), np.full(len(part), "ZZ"))
    assert bool(look.notes) == (missing == 1 and any(is_skipped(clock, stamps[hour + 24]) for clock in CLOCKS))
