import itertools
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topologies.sources.availability_order import Refits, Window, refit_times, replay_messages
from topologies.sources.feed import open_file
from topologies.sources.simulator import Simulator
from vpp.files.cells.availability import available_at
from vpp.files.zone_fitting import zone_for
from vpp.fleet.lookup import find_zone
from vpp.fleet.schema import Zone
from vpp.messages import End, Observation, Promotion, Publication, encode

START = datetime(2024, 3, 29, tzinfo=UTC)
CHANNELS = ("load_mw", "price_per_mwh", "load_forecast_da_mw", "wind_forecast_da_mw")


def shipped(name: str) -> Zone:
    result = find_zone(name)
    assert result is not None
    return result


def zone(name, channels=CHANNELS, step_min=60):
    return zone_for(name, step_min=step_min, channels=channels)[0]


def chunk(names, hours, first=START, **columns):
    slots = pd.date_range(first, periods=hours, freq="h").tz_localize(None).repeat(len(names))
    rows = pd.DataFrame({"slot": slots, "zone": list(names) * hours})
    for i, name in enumerate(CHANNELS):
        rows[name] = columns.get(name, np.arange(len(rows), dtype=float) + 1000.0 * i)
    return rows


def known_at(message, zones):
    match message:
        case Observation():
            return message.slot + zones[message.zone].step.delta
        case Publication() | Promotion():
            return message.available_at
        case _:
            return None


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(st.sampled_from(["DE_LU", "FR", "GB", "NSW1"]), min_size=1, max_size=3, unique=True),
    days=st.integers(1, 8),
    cuts=st.lists(st.integers(1, 190), max_size=5),
    warm_days=st.integers(0, 4),
)
def test_everything_is_sent_in_order_of_availability(names, days, cuts, warm_days):
    names = sorted(names)
    zones = {name: zone(name) for name in names}
    rows = chunk(names, 24 * 8)
    edges = sorted({0, len(rows), *(cut * len(names) for cut in cuts if cut * len(names) < len(rows))})
    chunks = [rows[a:b] for a, b in itertools.pairwise(edges)]
    window = Window(START + timedelta(days=warm_days), START + timedelta(days=days), timedelta(days=2))
    sent = list(replay_messages(chunks, zones, window=window))
    times = [(known_at(m, zones), isinstance(m, Observation)) for m in sent if not isinstance(m, End)]
    assert times == sorted(times)
    for message in sent:
        if isinstance(message, Publication):
            for channel, values in message.series.items():
                for i, value in enumerate(values):
                    slot = message.first_slot + i * timedelta(hours=1)
                    owner, _, own = channel.rpartition(":")
                    source = shipped(owner or message.zone)
                    assert value is None or available_at(source, own, slot) == message.available_at
    assert [m.zone for m in sent if isinstance(m, End)] == names
    assert all(isinstance(m, End) for m in sent[-len(names) :])
    for name in names:
        slots = [m.slot for m in sent if isinstance(m, Observation) and m.zone == name]
        first = max(START + timedelta(days=warm_days - 2), START)
        assert slots == [
            first + timedelta(hours=h) for h in range(int((START + timedelta(days=days) - first) / timedelta(hours=1)))
        ]


def test_the_range_is_half_open_and_earlier_rows_are_history():
    start, end = START + timedelta(days=3), START + timedelta(days=4)
    window = Window(start, end, timedelta(days=2))
    sent = list(replay_messages([chunk(["GB"], 24 * 6)], {"GB": zone("GB")}, window=window))
    observed = [m for m in sent if isinstance(m, Observation)]
    assert [m.history for m in observed] == [True] * 48 + [False] * 24
    assert observed[0].slot == START + timedelta(days=1)
    assert observed[48].slot == START + timedelta(days=3)
    assert observed[-1].slot == START + timedelta(days=3, hours=23)
    assert sent[-1] == End(zone="GB", producer="source", last_slot=observed[-1].slot)
    published = [m for m in sent if isinstance(m, Publication)]
    assert all(m.history == (m.available_at <= start) for m in published)
    assert max(m.available_at for m in published) < end
    assert max(m.first_slot for m in published) == end - timedelta(hours=1)  # the local day after the range


def test_the_run_clock_is_the_time_of_availability_and_history_has_none():
    window = Window(START + timedelta(days=3), START + timedelta(days=4), timedelta(days=1))
    sent = list(replay_messages([chunk(["GB"], 24 * 6)], {"GB": zone("GB")}, window=window))
    for message in sent[:-1]:
        expected = None if message.history else known_at(message, {"GB": zone("GB")})
        assert message.sent_at == expected


def test_without_a_start_every_row_counts():
    sent = list(replay_messages([chunk(["GB"], 30)], {"GB": zone("GB")}))
    assert sum(isinstance(m, Observation) and not m.history for m in sent) == 30


def test_missing_values_are_null_and_an_empty_row_is_sent():
    load = np.array([1.0, np.nan, 3.0])
    rows = chunk(["GB"], 3, load_mw=load, price_per_mwh=np.array([1.0, np.nan, np.nan]))
    sent = list(replay_messages([rows], {"GB": zone("GB")}))
    values = [m.values for m in sent if isinstance(m, Observation)]
    assert values == [
        {"load_mw": 1.0, "price_per_mwh": 1.0},
        {"load_mw": None, "price_per_mwh": None},
        {"load_mw": 3.0, "price_per_mwh": None},
    ]


def test_columns_that_the_zone_lacks_are_left_out_and_forecasts_are_no_observations():
    sent = list(replay_messages([chunk(["GB"], 2)], {"GB": zone("GB", ("load_mw", "wind_forecast_da_mw"))}))
    assert all(set(m.values) == {"load_mw"} for m in sent if isinstance(m, Observation))
    assert all(set(m.series) == {"wind_forecast_da_mw"} for m in sent if isinstance(m, Publication))


def test_a_day_ahead_price_is_published_for_a_local_day_and_stays_in_the_observation():
    zones = {"DE_LU": zone("DE_LU", ("load_mw", "price_per_mwh"))}
    sent = list(replay_messages([chunk(["DE_LU"], 24 * 5)], zones))
    assert all("price_per_mwh" in m.values for m in sent if isinstance(m, Observation))
    published = [m for m in sent if isinstance(m, Publication)]
    # 2024-03-31 has 23 hours in Berlin; the first day is cut by the file's begin at 01:00 local time.
    assert [len(m.series["price_per_mwh"]) for m in published] == [23, 24, 23, 24, 24, 2]
    assert published[2].available_at == datetime(2024, 3, 30, 12, tzinfo=UTC)


def test_neighbours_come_as_publications_of_the_receiver():
    zones = {"DE_LU": zone("DE_LU")}
    rows = chunk(["DE_LU", "FR"], 48)
    sent = list(replay_messages([rows], zones, neighbours={"FR": zone("FR")}))
    assert {m.zone for m in sent} == {"DE_LU"}
    channels = {channel for m in sent if isinstance(m, Publication) for channel in m.series}
    assert channels == {
        "price_per_mwh",
        "load_forecast_da_mw",
        "wind_forecast_da_mw",
        "FR:price_per_mwh",
        "FR:load_forecast_da_mw",
        "FR:wind_forecast_da_mw",
    }


def test_a_gap_inside_a_publication_is_null():
    rows = chunk(["GB"], 48)
    rows.loc[30, "load_forecast_da_mw"] = np.nan
    rows = rows.drop(index=31)
    sent = list(replay_messages([rows], {"GB": zone("GB", ("load_mw", "load_forecast_da_mw"))}))
    last = [m for m in sent if isinstance(m, Publication)][-1]
    assert last.first_slot == START + timedelta(hours=24)
    assert [i for i, value in enumerate(last.series["load_forecast_da_mw"]) if value is None] == [6, 7]


def test_a_shift_moves_every_time_by_whole_weeks():
    week = timedelta(weeks=5)
    window = Window(START + timedelta(days=2), START + timedelta(days=3), timedelta(days=1))
    plain = list(replay_messages([chunk(["GB"], 120)], {"GB": zone("GB")}, window=window))
    moved = Window(window.start, window.end, window.warm_up, week)
    shifted = list(replay_messages([chunk(["GB"], 120)], {"GB": zone("GB")}, window=moved))
    for one, other in zip(plain, shifted, strict=True):
        for name in ("slot", "sent_at", "available_at", "first_slot", "last_slot"):
            before = getattr(one, name, None)
            assert getattr(other, name, None) == (None if before is None else before + week)


def test_refits_are_asked_for_after_all_that_was_known_then():
    zones = {"GB": zone("GB")}
    window = Window(START + timedelta(days=1), START + timedelta(days=4), timedelta(days=1))
    asked = []

    def hook(one, now):
        asked.append((one.zone, now))
        return Promotion(zone=one.zone, available_at=now, model_id=f"m{len(asked)}", sha256="0")

    sent = list(replay_messages([chunk(["GB"], 160)], zones, window=window, refits=Refits(hook, timedelta(days=2))))
    assert asked == [("GB", START + timedelta(days=1)), ("GB", START + timedelta(days=3))]
    at = [i for i, m in enumerate(sent) if isinstance(m, Promotion)]
    for index, now in zip(at, (day for _, day in asked), strict=True):
        assert known_at(sent[index - 1], zones) <= now < known_at(sent[index + 1], zones)
    assert all(getattr(m, "history", True) for m in sent[: at[0]])


def test_a_resumed_replay_does_not_ask_again_for_past_refits():
    asked = []

    def hook(one, now):
        asked.append(now)

    window = Window(START + timedelta(days=1), START + timedelta(days=4))
    since = START + timedelta(days=2, hours=5)
    refits = Refits(hook, timedelta(days=1), since)
    list(replay_messages([chunk(["GB"], 160)], {"GB": zone("GB")}, window=window, refits=refits))
    assert asked == [START + timedelta(days=3)]


def test_refits_of_a_run_that_goes_on_are_counted_from_its_first_slot():
    week = timedelta(weeks=1)
    start = START + timedelta(days=9, hours=5)
    assert list(islice(refit_times(start, week, START), 3)) == [start, START + 2 * week, START + 3 * week]
    assert list(islice(refit_times(START, week), 3)) == [START, START + week, START + 2 * week]
    assert list(refit_times(START, None)) == [START]


def test_a_zone_that_drifted_is_retrained_on_what_was_sent_by_then():
    begin = START + timedelta(days=1)

    class Drifted:
        asked: ClassVar[list[datetime]] = []

        def zones(self, now):
            return ["GB"] if now == begin + timedelta(hours=7) and not self.asked else []

        def retrain(self, one, now):
            self.asked.append(now)
            return Promotion(zone=one.zone, available_at=now, model_id="new", sha256="0", cause="drift")

    zones, window = {"GB": zone("GB")}, Window(begin, begin + timedelta(days=1))
    refits = Refits(lambda *_: None, None, drift=Drifted())
    sent = list(replay_messages([chunk(["GB"], 160)], zones, window=window, refits=refits))
    assert Drifted.asked == [begin + timedelta(hours=7)]
    (at,) = [i for i, m in enumerate(sent) if isinstance(m, Promotion)]
    assert known_at(sent[at - 1], zones) == begin + timedelta(hours=7) < known_at(sent[at + 1], zones)


def test_measured_assets_are_readings_of_the_observation():
    one = shipped("SIM_NORTH")
    simulator = Simulator((one,), 1, measured_assets=True)
    sent = list(replay_messages(simulator.chunks(START, START + timedelta(days=1)), {"SIM_NORTH": one}))
    readings = [m.assets["SIM_NORTH-battery-1"] for m in sent if isinstance(m, Observation)]
    assert readings[0].soc == 0.05
    assert readings[0].power_mw == 0.0
    charging = [reading for reading in readings if reading.power_mw and reading.power_mw < 0]
    assert len(charging) == 4


def test_the_five_nem_regions_are_five_keys_and_only_one_has_prices(data_dir):
    feed = open_file(data_dir / "nem_5regions_30min_2025_2026.csv.gz")
    window = Window(datetime(2025, 9, 1, tzinfo=UTC), datetime(2025, 9, 2, tzinfo=UTC), timedelta(days=1))
    sent = list(replay_messages(feed.chunks(window.first_row, window.read_until), feed.zones, window=window))
    for name in ("NSW1", "QLD1", "SA1", "TAS1", "VIC1"):
        mine = [m for m in sent if m.zone == name and isinstance(m, Observation)]
        assert sum(not m.history for m in mine) == 48
        assert all(("price_per_mwh" in m.values) == (name == "VIC1") for m in mine)


def test_great_britain_for_a_month_is_1488_half_hours(data_dir):
    feed = open_file(data_dir / "gb_30min_2019_2023.csv.gz", names=("GB",))
    window = Window(datetime(2022, 1, 1, tzinfo=UTC), datetime(2022, 2, 1, tzinfo=UTC))
    sent = list(replay_messages(feed.chunks(window.first_row, window.read_until), feed.zones, window=window))
    observed = [m for m in sent if isinstance(m, Observation)]
    assert sum(m.history for m in observed) == 60 * 48
    assert sum(not m.history for m in observed) == 1488
    assert b"NaN" not in b"".join(encode(m) for m in sent)


@pytest.mark.parametrize("name", ["eu_dayahead_60min_2019_2025.csv.gz"])
def test_neighbours_in_a_file_reach_the_zones_that_list_them(data_dir, name):
    feed = open_file(data_dir / name, names=("DE_LU",))
    assert set(feed.neighbours) == {"FR", "NL", "BE", "PL", "CZ"}
    frame = feed.frame("DE_LU", datetime(2019, 3, 1, tzinfo=UTC))
    assert "CZ:price_per_mwh" in frame.columns
