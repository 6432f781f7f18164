"""Times in any usual form: offsets, intervals, epochs, Excel's days, settlement periods; else refused."""

import itertools

import pandas as pd
import pytest

from vpp.errors import DataError
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file, read_frame

UTC_HOURS = pd.date_range("2024-03-30T23:00Z", periods=30, freq="h")
BERLIN = UTC_HOURS.tz_convert("Europe/Berlin")
EXCEL_DAY_0 = pd.Timestamp("1899-12-30", tz="UTC")


def file(folder, stamps, header="timestamp,zone,load_mw\n", values=None):
    path = folder / "x.csv"
    values = range(len(stamps)) if values is None else values
    rows = "".join(f"{stamp},ZZ,{value}\n" for stamp, value in zip(stamps, values, strict=True))
    path.write_text(header + rows, encoding="utf-8")
    return path


FORMS = {
    "Z": ([f"{s:%Y-%m-%dT%H:%MZ}" for s in UTC_HOURS], ""),
    "+HH": ([f"{s:%Y-%m-%d %H:%M:%S%z}"[:-2] for s in BERLIN], ""),
    "space and +HH:MM": ([f"{s:%Y-%m-%d %H:%M:%S} {s.isoformat()[-6:]}" for s in BERLIN], ""),
    "space and Z": ([f"{s:%Y-%m-%d %H:%M:%S} Z" for s in UTC_HOURS], ""),
    "GMT+HH": ([f"{s:%Y-%m-%d %H:%M GMT%z}"[:-2] for s in BERLIN], ""),
    "+HHMM": ([f"{s:%Y-%m-%dT%H:%M:%S%z}" for s in BERLIN], ""),
    "+HH:MM": ([s.isoformat() for s in BERLIN], ""),
    "fractions": ([f"{s:%Y-%m-%d %H:%M:%S}.000+00" for s in UTC_HOURS], ""),
    "UTC in words": ([f"{s:%Y-%m-%d %H:%M} UTC" for s in UTC_HOURS], ""),
    "ISO interval": ([f"{s:%Y-%m-%dT%H:%MZ}/{s + pd.Timedelta('1h'):%Y-%m-%dT%H:%MZ}" for s in UTC_HOURS], ""),
    "local": ([f"{s:%Y-%m-%d %H:%M}" for s in BERLIN], "time: {zone: Europe/Berlin}"),
    "CET and CEST": ([f"{s:%d/%m/%Y %H:%M} ({s:%Z})" for s in BERLIN], 'time: {format: "%d/%m/%Y %H:%M"}'),
    "two ends": (
        [f"{s:%d.%m.%Y %H:%M} - {s + pd.Timedelta('1h'):%d.%m.%Y %H:%M}" for s in BERLIN],
        'time: {format: "%d.%m.%Y %H:%M - %d.%m.%Y %H:%M", zone: Europe/Berlin}',
    ),
    "two ends by one pattern": (
        [f"{s:%d.%m.%Y %H:%M} - {s + pd.Timedelta('1h'):%d.%m.%Y %H:%M}" for s in BERLIN],
        'time: {format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}',
    ),
    "seconds": ([f"{int(s.timestamp())}" for s in UTC_HOURS], "time: {format: epoch_s}"),
    "milliseconds": ([f"{int(s.timestamp() * 1000)}" for s in UTC_HOURS], "time: {format: epoch_ms}"),
    "Excel": (
        [f"{(s - EXCEL_DAY_0) / pd.Timedelta('1D'):.8f}" for s in UTC_HOURS],
        "time: {format: excel}",
    ),
    "Excel with a decimal comma": (
        [
            f'"{(s - pd.Timestamp("1899-12-30", tz="UTC")) / pd.Timedelta("1D"):.8f}"'.replace(".", ",")
            for s in UTC_HOURS
        ],
        'decimal: ","\ntime: {format: excel}',
    ),
    "seconds with a decimal comma": (
        [f'"{int(s.timestamp())},0"' for s in UTC_HOURS],
        'decimal: ","\ntime: {format: epoch_s}',
    ),
    "names of the stated zone": (
        [f"{s:%Y-%m-%d %H:%M %Z}" for s in UTC_HOURS.tz_convert("America/Chicago")],
        "time: {zone: America/Chicago}",
    ),
    "names of the stated zone behind a pattern": (
        [f"{s:%m/%d/%Y %H:%M %Z}" for s in UTC_HOURS.tz_convert("Asia/Tokyo")],
        'time: {format: "%m/%d/%Y %H:%M", zone: Asia/Tokyo}',
    ),
    "a mail header's": (
        [f'"{s:%a, %d %b %Y %H:%M:%S %z}"' for s in BERLIN],
        'time: {format: "%a, %d %b %Y %H:%M:%S %z"}',
    ),
    "microseconds": ([f"{int(s.timestamp())}000000" for s in UTC_HOURS], "time: {format: epoch_us}"),
    "nanoseconds": ([f"{int(s.timestamp())}000000000" for s in UTC_HOURS], "time: {format: epoch_ns}"),
    "an end by its clock": ([f"{s:%Y-%m-%d %H:%M} - {s + pd.Timedelta('1h'):%H:%M}" for s in UTC_HOURS], ""),
    "an end that looks like an offset": (
        [f"{s:%Y-%m-%d %H:%M}-{s + pd.Timedelta('1h'):%H:%M}" for s in UTC_HOURS],
        "",
    ),
    "a dash between the ends": ([f"{s:%Y-%m-%d %H:%M}\u2013{s + pd.Timedelta('1h'):%H:%M}" for s in UTC_HOURS], ""),
    "zone in brackets": ([f"{s.isoformat()}[Europe/Berlin]" for s in BERLIN], ""),
    "a typographic minus": (
        [s.isoformat().replace("-05:00", "\u221205:00") for s in UTC_HOURS.tz_convert("Etc/GMT+5")],
        "",
    ),
    "a comma before fractions": ([f'"{s:%Y-%m-%dT%H:%M:%S},000Z"' for s in UTC_HOURS], ""),
    "a.m. and p.m.": (
        [f"{s:%m/%d/%Y %I:%M }{'a.m.' if s.hour < 12 else 'p.m.'}" for s in UTC_HOURS],
        'time: {format: "%m/%d/%Y %I:%M %p"}',
    ),
    "a name behind": (
        [f"{s:%Y-%m-%d %H:%M} Europe/Berlin" for s in BERLIN],
        'time: {format: "%Y-%m-%d %H:%M Europe/Berlin", zone: Europe/Berlin}',
    ),
    "ends of a day at 24:00": (
        [
            f"{s:%Y-%m-%d} 24:00" if not (s + pd.Timedelta("1h")).hour else f"{s + pd.Timedelta('1h'):%Y-%m-%d %H:%M}"
            for s in UTC_HOURS
        ],
        "time: {stamp: end}",
    ),
    "ends": ([f"{s + pd.Timedelta('1h'):%Y-%m-%dT%H:%MZ}" for s in UTC_HOURS], "time: {stamp: end}"),
    "centres": ([f"{s + pd.Timedelta('30min'):%Y-%m-%dT%H:%MZ}" for s in UTC_HOURS], "time: {stamp: centre}"),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_same_slots(tmp_path, form):
    stamps, mapping = FORMS[form]
    frame = read_frame(file(tmp_path, stamps), "ZZ", mapping=parse_mapping(mapping, "m"))
    assert list(frame.index) == list(UTC_HOURS)
    assert frame["load_mw"].tolist() == [float(i) for i in range(len(UTC_HOURS))]


@pytest.mark.parametrize(
    ("stamps", "mapping", "expected", "hint"),
    [
        (FORMS["seconds"][0], "", "row 2: timestamp", "format: epoch_s"),
        (FORMS["milliseconds"][0], "", "row 2: timestamp", "format: epoch_ms"),
        (FORMS["Excel"][0], "", "row 2: timestamp", "format: excel"),
        (FORMS["milliseconds"][0], "time: {format: epoch_s}", "would be the year", "format: epoch_ms"),
        (FORMS["seconds"][0], "time: {format: epoch_ms}", "would be the year 1970", "format: epoch_s"),
        (FORMS["microseconds"][0], "", "row 2: timestamp", "format: epoch_us"),
        (["202401050000", "202401050100"], "", "is not a time", '"%Y%m%d%H%M"}'),
        (["2024-122T00:00", "2024-122T01:00"], "", "is not a time", '"%Y-%jT%H:%M"'),
        (["5 January 2024 00:00", "5 January 2024 01:00"], "", "is not a time", '"%d %B %Y %H:%M"'),
        (["2024-01-05 00:00 AEST", "2024-01-05 01:00 AEST"], "", "is not a time", '"%Y-%m-%d %H:%M AEST", zone'),
        (
            ["2024-01-05 00:00 CST", "2024-07-05 01:00 CDT"],
            "",
            "is not a time",
            'names CDT and CST: time: {format: "%Y-%m-%d %H:%M", zone: ...}',
        ),
        (FORMS["Excel with a decimal comma"][0], "", "row 2: timestamp", 'decimal: "," and time: {format: excel}'),
        (FORMS["a mail header's"][0], "", "row 2: timestamp", '"%a, %d %b %Y %H:%M:%S %z"'),
        (["2024-10-27 02:30", "2024-10-27 02:00"], "", "not sorted by time", "state time.zone"),
        (["2024-10-27 02:00", "2024-10-27 02:00"], "", "comes twice", "state time.zone"),
        (["05.01.2024 00:00", "05.01.2024 01:00"], "", "is not a time", '"%d.%m.%Y %H:%M"'),
        (["2024-01-01T00:00Z", "2024-01-01T01:00"], "", "(row 2: 2024-01-01T00:00Z) and without (row 3", "time.zone"),
        (["2024-01-01T00:00Z", ""], "", "row 3: timestamp is empty", "give every row a time"),
        (
            ["2024-03-31 01:00", "2024-03-31 02:00"],
            "time: {zone: Europe/Berlin}",
            "row 3: 2024-03-31 02:00:00 does not",
            "Etc/GMT-1",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_step_that_was_tried(tmp_path, stamps, mapping, expected, hint):
    with pytest.raises(DataError) as caught:
        inspect_file(file(tmp_path, stamps), parse_mapping(mapping, "m"))
    assert expected in str(caught.value)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("zone", "freq", "mapping", "step"),
    [
        ("Asia/Kolkata", "1h", "", "2 times, 30 min apart"),
        ("Asia/Kolkata", "1h", "step_min: 60", "2 times, 30 min apart"),
        ("Asia/Kathmandu", "1h", "", "4 times, 15 min apart"),
        ("Asia/Kathmandu", "1h", "step_min: 60", "4 times, 15 min apart"),
        ("Asia/Kathmandu", "30min", "", "2 times, 15 min apart"),
    ],
)
def test_hours_of_a_clock_that_is_no_whole_hours_off_utc_are_not_shifted(tmp_path, zone, freq, mapping, step):
    stamps = pd.date_range("2024-03-01", periods=30, freq=freq, tz=zone)
    for written in ([s.isoformat() for s in stamps], [f"{s:%Y-%m-%d %H:%M}" for s in stamps]):
        stated = mapping if "+" in written[0] else f"{mapping}\ntime: {{zone: {zone}}}"
        with pytest.raises(DataError, match="away from the starts of slots") as caught:
            inspect_file(file(tmp_path, written), parse_mapping(stated, "m"))
        assert step in str(caught.value.hint)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns"])
def test_half_hours_of_such_a_clock_are_read(tmp_path, zone):
    stamps = pd.date_range("2024-03-09 20:00", periods=48, freq="30min", tz=zone)
    frame = read_frame(file(tmp_path, [s.isoformat() for s in stamps]), "ZZ")
    assert list(frame.index) == list(stamps.tz_convert("UTC"))


def test_a_placeholder_of_the_skipped_hour_is_dropped(tmp_path):
    stamps = [f"2024-03-31 {hour:02}:00" for hour in range(24)]
    values = ["" if hour == 2 else hour for hour in range(24)]
    path = file(tmp_path, stamps, values=values)
    frame = read_frame(path, "ZZ", mapping=parse_mapping("time: {zone: Europe/Berlin}", "m"))
    assert frame["load_mw"].tolist() == [float(hour) for hour in range(24) if hour != 2]


PERIODS = (
    "zone: ZZ\ntime: {column: day, period: sp, zone: Europe/London}\nchannels: {load_mw: {from: mw, required: true}}"
)


@pytest.mark.parametrize(("day", "periods"), [("2024-03-31", 46), ("2024-10-27", 50), ("2024-06-01", 48)])
def test_periods_count_from_local_midnight(tmp_path, day, periods):
    path = tmp_path / "x.csv"
    path.write_text("day,sp,mw\n" + "".join(f"{day},{p},{p}\n" for p in range(1, periods + 1)), encoding="utf-8")
    frame = read_frame(path, "ZZ", mapping=parse_mapping(PERIODS, "m"))
    midnight = pd.Timestamp(day, tz="Europe/London")
    assert frame.index[0] == midnight
    assert frame.index[-1] == midnight + pd.Timedelta(minutes=30 * (periods - 1))
    assert len(frame) == periods
    path.write_text(f"day,sp,mw\n{day},{periods},1\n{day},{periods + 1},1\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"row 3: sp .* is not a period of {day}, which has {periods}"):
        inspect_file(path, parse_mapping(PERIODS, "m"))


@pytest.mark.parametrize("zone", ["Australia/Lord_Howe", "Europe/London", "America/New_York", "Africa/Casablanca"])
@pytest.mark.parametrize("step_min", [10, 30])
def test_a_clock_that_goes_back_by_any_length_is_read_by_order(tmp_path, zone, step_min):
    hours = pd.date_range("2024-01-01", "2025-01-01", freq="30min", tz="UTC").tz_convert(zone)
    no_offset = pd.Timedelta(0)
    back = [
        at
        for at, next_at in itertools.pairwise(hours)
        if (next_at.utcoffset() or no_offset) < (at.utcoffset() or no_offset)
    ]
    assert back
    for at in back:
        stamps = pd.date_range(at - pd.Timedelta("3h"), periods=360 // step_min, freq=f"{step_min}min")
        path = file(tmp_path, [f"{s:%Y-%m-%d %H:%M}" for s in stamps])
        frame = read_frame(path, "ZZ", mapping=parse_mapping(f"time: {{zone: {zone}}}", "m"))
        assert list(frame.index) == list(stamps.tz_convert("UTC"))
        assert frame["load_mw"].tolist() == [float(i) for i in range(len(stamps))]
