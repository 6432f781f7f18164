"""What every store promises, asked of SQLite and Parquet always and of InfluxDB where a real one runs."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service_fixtures import InfluxService
from tests.worlds.store_rows import T0, any_rows, asset, forecast, slot, telemetry
from vpp.errors import ConfigError, RefusedError
from vpp.settings import InfluxSettings, Settings
from vpp.store import Store, open_store
from vpp.store.query import LAST_TIME, Filters, order_columns
from vpp.store.tables import BY_NAME, TABLES

Open = Callable[..., Store]


INFLUX = pytest.param("influx", marks=[pytest.mark.services, pytest.mark.contract])


@pytest.fixture(params=["sqlite", "parquet", INFLUX])
def open_new(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same new store each time; ``run`` names a run beside it."""
    opened: list[Store] = []
    name = f"t-{uuid.uuid4().hex[:12]}"

    def make(run: str = "", *, read_only: bool = False) -> Store:
        if request.param != "influx":
            chosen = Settings(data_dir=tmp_path, run=run, store={"kind": request.param})
        else:
            server: InfluxService = request.getfixturevalue("influx")
            influx = InfluxSettings(url=server.url, org=server.org, bucket=server.bucket, token=server.token)
            chosen = Settings(store={"kind": "influx"}, influx=influx, run=f"{name}{run}")
        opened.append(open_store(chosen, read_only=read_only))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(open_new: Open) -> Store:
    return open_new()


class TestRoundTrip:
    @pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_what_was_written_is_read(self, open_new: Open, table, data) -> None:
        rows = data.draw(any_rows(table))
        with open_new(f"-{uuid.uuid4().hex[:8]}") as store:
            assert store.write(table, rows) == len(rows)
            order = [table.names.index(name) for name in order_columns(table)]
            expected = sorted(rows, key=lambda row: tuple(row[i] for i in order))
            assert store.read(table).values == expected
            assert store.count(table) == len(rows)

    def test_another_connection_sees_it(self, open_new: Open) -> None:
        open_new().write("telemetry", [telemetry(0, 100.0)])
        assert open_new(read_only=True).read("telemetry").values == [telemetry(0, 100.0)]

    def test_a_store_without_rows_is_empty(self, store: Store) -> None:
        for table in store.tables():
            assert store.read(table).values == []
            assert store.latest(table).values == []
            assert store.count(table) == 0
            assert store.spans(table) == ()
            assert list(store.scan(table)) == []
            assert store.read(table, max_points=5).values == []

    def test_missing_is_none_and_never_zero(self, store: Store) -> None:
        store.write("telemetry", [telemetry(0, None, float("nan"))])
        row = store.read("telemetry").dicts()[0]
        assert (row["load_mw"], row["price_per_mwh"], row["solar_mw"]) == (None, None, 0.0)

    def test_an_empty_text_outside_the_key_is_missing(self, store: Store) -> None:
        store.write("audit", [("GB", T0, "a1", "ana", "hold", "accepted", "", None, "h")])
        assert store.read("audit").column("detail") == [None]

    def test_times_are_aware_utc_and_keep_microseconds(self, store: Store) -> None:
        at = datetime(2022, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
        store.write("audit", [("GB", at, "a1", "ana", "hold", "accepted", "x", None, "h")])
        (result,) = store.read("audit").column("at")
        assert result == at
        assert result.utcoffset() == timedelta(0)

    def test_a_body_of_half_a_megabyte(self, store: Store) -> None:
        body = '{"plan":"' + "x" * 500_000 + '"}'
        store.write("bids", [("GB", T0, "actor", "model", "m", None, body)])
        assert store.read("bids").column("body") == [body]

    @pytest.mark.parametrize(
        "zone", ["a b", "a,b=c", 'say "hi"', "${r._value}", "back\\slash\\", "Ölüdeniz", "%5C", "a\nb"]
    )
    def test_any_zone_name(self, store: Store, zone: str) -> None:
        store.write("telemetry", [telemetry(0, 1.0, zone=zone), telemetry(0, 2.0)])
        assert store.read("telemetry", zone=zone).column("load_mw") == [1.0]
        assert store.latest("telemetry", zone).column("zone") == [zone]
        assert {span.zone for span in store.spans("telemetry")} == {zone, "GB"}


class TestWritingAgain:
    def test_the_same_row_is_the_same_row(self, store: Store) -> None:
        rows = [forecast(0, h, 100.0) for h in (30, 60)]
        store.write("forecasts", rows)
        store.write("forecasts", rows)
        assert store.read("forecasts").values == rows

    def test_other_values_overwrite(self, store: Store) -> None:
        store.write("telemetry", [telemetry(0, 100.0)])
        store.write("telemetry", [telemetry(0, 101.0)])
        assert store.read("telemetry").column("load_mw") == [101.0]

    def test_missing_values_do_not(self, store: Store) -> None:
        store.write("telemetry", [telemetry(0, 100.0, 55.5)])
        correction = ("GB", T0, None, 7.0, None, 93.0, None, None, None, None, 1)
        store.write("telemetry", [correction])
        assert store.read("telemetry").values == [("GB", T0, 100.0, 7.0, 0.0, 93.0, 55.5, 50.0, "{}", "{}", 1)]

    def test_the_last_of_two_in_one_batch_counts(self, store: Store) -> None:
        store.write("telemetry", [telemetry(0, 100.0), telemetry(0, 101.0)])
        assert store.read("telemetry").column("load_mw") == [101.0]

    def test_a_dead_letter_sent_twice_is_one_row_with_the_later_time(self, store: Store) -> None:
        for second in (0, 5):
            store.write("dlq", [("GB", T0 + timedelta(seconds=second), "telemetry", 3, 7, "schema", "why", "e30=")])
        assert store.read("dlq").column("seen_at") == [T0 + timedelta(seconds=5)]
        assert store.count("dlq") == 1

    def test_dead_letters_of_one_millisecond_are_all_kept(self, store: Store) -> None:
        store.write("dlq", [("", T0, "telemetry.raw", 0, n, "schema", "why", "e30=") for n in range(3000)])
        result = store.read("dlq")
        assert sorted(result.column("offset")) == list(range(3000))
        assert set(result.column("zone")) == {""}

    def test_an_end_seen_twice_is_one_row(self, store: Store) -> None:
        for second in (0, 5):
            store.write("ends", [("GB", T0 + timedelta(seconds=second), "bids", "actor", slot(9))])
        assert store.read("ends").values == [("GB", T0 + timedelta(seconds=5), "bids", "actor", slot(9))]

    def test_tables_of_one_call_are_all_written(self, store: Store) -> None:
        written = store.write_all({BY_NAME["telemetry"]: [telemetry(0, 1.0)], BY_NAME["assets"]: [asset(0, "B1", 5.0)]})
        assert written == 2
        assert (store.count("telemetry"), store.count("assets")) == (1, 1)


class TestReading:
    @pytest.fixture(autouse=True)
    def filled(self, store: Store) -> None:
        store.write(
            "forecasts",
            [
                forecast(i, h, 100.0 * i + h, zone=zone, target=target)
                for zone in ("NSW1", "GB")
                for i in range(4)
                for h in (30, 60, 1020)
                for target in ("price", "net_load")
            ],
        )

    def test_order_is_time_then_key_with_numbers_as_numbers(self, store: Store) -> None:
        rows = store.read("forecasts", zone="GB", limit=7, columns=["issued_at", "horizon_min", "target"])
        assert rows.values == [
            (slot(0), 30, "net_load"),
            (slot(0), 30, "price"),
            (slot(0), 60, "net_load"),
            (slot(0), 60, "price"),
            (slot(0), 1020, "net_load"),
            (slot(0), 1020, "price"),
            (slot(1), 30, "net_load"),
        ]

    def test_descending_is_the_exact_reverse(self, store: Store) -> None:
        up = store.read("forecasts").values
        assert store.read("forecasts", order="desc").values == up[::-1]
        assert store.read("forecasts", order="desc", limit=5).values == up[::-1][:5]

    def test_zones_together_are_ordered_by_time_first(self, store: Store) -> None:
        rows = store.read("forecasts", filters={"horizon_min": 30, "target": "price"}, columns=["issued_at", "zone"])
        assert rows.values[:3] == [(slot(0), "GB"), (slot(0), "NSW1"), (slot(1), "GB")]

    def test_start_is_inclusive_and_end_exclusive(self, store: Store) -> None:
        rows = store.read("forecasts", zone="GB", start=slot(1), end=slot(3), filters={"horizon_min": 30})
        assert sorted(set(rows.column("issued_at"))) == [slot(1), slot(2)]

    def test_a_bound_inside_a_second(self, store: Store) -> None:
        after = slot(1) + timedelta(microseconds=1)
        assert min(store.read("forecasts", start=after).column("issued_at")) == slot(2)
        assert max(store.read("forecasts", end=after).column("issued_at")) == slot(1)

    def test_a_moment_as_a_filter(self, store: Store) -> None:
        rows = store.read("forecasts", zone="GB", filters={"issued_at": slot(2), "horizon_min": 30})
        assert rows.column("q50") == [230.0, 230.0]

    def test_several_zones_and_several_values(self, store: Store) -> None:
        rows = store.read("forecasts", zone=["GB", "NSW1"], filters={"horizon_min": [30, 60], "target": ["price"]})
        assert len(rows) == 2 * 4 * 2
        assert store.count("forecasts", zone="GB", filters={"horizon_min": [30, 60]}) == 16

    def test_filters_on_columns_outside_the_key(self, store: Store) -> None:
        assert store.read("forecasts", filters={"q50": 130.0}).column("horizon_min") == [30] * 4
        assert store.count("forecasts", filters={"source": "model", "q50": [130.0, 160.0]}) == 8
        assert store.read("forecasts", filters={"source": "persistence"}).values == []
        assert store.latest("forecasts", "GB", filters={"q50": 130.0}).column("issued_at") == [slot(1)] * 2

    def test_a_filter_on_no_value(self, open_new: Open) -> None:
        store = open_new()
        row = ("GB", slot(0), "lasts", "warning", "t", "text", "{}", "flat", "load_mw", None, "none", None, "[]")
        over = (*row[:2], "over", *row[3:11], slot(2), *row[12:])
        store.write("alerts", [row, over])
        more: Filters = {"ended_at": None, "code": ["flat", "missing"], "channel": "load_mw"}
        for filters in ({"ended_at": None}, more):
            assert store.read("alerts", filters=filters, columns=["alert_id"]).values == [("lasts",)]
            assert store.count("alerts", filters=filters) == 1
        assert store.read("alerts", filters={"asset_id": None}, columns=["alert_id"]).values == [("lasts",), ("over",)]
        assert store.read("alerts", filters={"channel": None}).values == []
        with pytest.raises(ConfigError, match="every row has it"):
            store.read("alerts", filters={"alert_id": None})

    def test_filters_without_values_find_nothing(self, store: Store) -> None:
        assert store.read("forecasts", filters={"horizon_min": []}).values == []
        assert store.read("forecasts", zone=[]).values == []

    def test_columns_come_in_the_order_asked_for(self, store: Store) -> None:
        rows = store.read("forecasts", zone="GB", columns=["q50", "zone"], limit=1)
        assert (rows.columns, rows.values) == (("q50", "zone"), [(30.0, "GB")])

    def test_latest_is_the_whole_newest_forecast_of_each_zone(self, store: Store) -> None:
        store.write("forecasts", [forecast(9, 30, 7.0)])
        rows = store.latest("forecasts", columns=["zone", "issued_at", "horizon_min", "target"])
        assert rows.values == [
            ("GB", slot(9), 30, "net_load"),
            *(("NSW1", slot(3), h, t) for h in (30, 60, 1020) for t in ("net_load", "price")),
        ]

    def test_spans(self, store: Store) -> None:
        spans = [(s.zone, s.rows, s.first, s.last) for s in store.spans("forecasts")]
        assert spans == [("GB", 24, slot(0), slot(3)), ("NSW1", 24, slot(0), slot(3))]

    def test_scan_goes_by_key(self, store: Store) -> None:
        rows = [row for chunk in store.scan("forecasts") for row in chunk]
        names = BY_NAME["forecasts"].names
        places = [names.index(name) for name in ("zone", "issued_at", "horizon_min", "target")]
        assert len(rows) == 48
        assert rows == sorted(rows, key=lambda row: tuple(row[i] for i in places))

    def test_scan_takes_conditions(self, store: Store) -> None:
        chunks = store.scan("forecasts", zone="GB", start=slot(3), filters={"target": "price"}, columns=["q50"])
        assert [row for chunk in chunks for row in chunk] == [(330.0,), (360.0,), (1320.0,)]

    def test_the_future_is_read_too(self, store: Store) -> None:
        store.write("telemetry", [("GB", datetime(2150, 1, 1, tzinfo=UTC), 1.0, 0.0, 0.0, 1.0, 0.0, 50.0, "", "", 0)])
        assert store.count("telemetry") == 1


class TestDownSampling:
    def test_means_over_round_buckets(self, store: Store) -> None:
        store.write("telemetry", [telemetry(i, float(i), 10.0 if i == 0 else None) for i in range(48)])
        rows = store.read(
            "telemetry", zone="GB", max_points=12, columns=["slot", "load_mw", "price_per_mwh", "quality"]
        )
        assert rows.values[:3] == [
            (slot(0), 1.5, 10.0, None),
            (slot(4), 5.5, None, None),
            (slot(8), 9.5, None, None),
        ]
        assert len(rows) == 12

    def test_few_points_are_left_alone(self, store: Store) -> None:
        rows = [telemetry(i, float(i)) for i in range(48)]
        store.write("telemetry", rows)
        assert store.read("telemetry", max_points=48).values == rows

    def test_each_series_has_its_own_points(self, store: Store) -> None:
        store.write("assets", [asset(i, name, p) for i in range(100) for name, p in (("B1", 4.0), ("B2", -4.0))])
        rows = store.read("assets", max_points=10, columns=["slot", "asset_id", "power_mw", "energy_mwh", "available"])
        assert rows.values[:2] == [(slot(0), "B1", 4.0, 2.0, None), (slot(0), "B2", -4.0, -2.0, None)]
        assert len(rows) <= 20

    def test_a_start_inside_a_bucket(self, store: Store) -> None:
        store.write("telemetry", [telemetry(i, float(i)) for i in range(48)])
        rows = store.read("telemetry", start=slot(1), max_points=12, columns=["slot", "load_mw"])
        assert rows.values[:2] == [(slot(0), 2.0), (slot(4), 5.5)]

    def test_a_bucket_without_numbers_stays(self, store: Store) -> None:
        store.write("telemetry", [telemetry(i, None if i < 24 else 1.0) for i in range(48)])
        rows = store.read("telemetry", max_points=2, columns=["slot", "load_mw"])
        assert rows.values == [(slot(0), None), (slot(24), 1.0)]

    def test_with_a_filter_outside_the_key_and_newest_first(self, store: Store) -> None:
        store.write("assets", [asset(i, "B1", float(i)) for i in range(96)])
        rows = store.read(
            "assets", filters={"source": "twin"}, max_points=2, order="desc", columns=["slot", "power_mw"]
        )
        assert rows.values == [(slot(48), 71.5), (slot(0), 23.5)]


class TestRunsAndRetention:
    def test_runs_do_not_see_each_other(self, open_new: Open) -> None:
        one, two = open_new(), open_new("-two")
        one.write("telemetry", [telemetry(0, 1.0)])
        two.write("telemetry", [telemetry(0, 2.0)])
        assert one.read("telemetry").column("load_mw") == [1.0]
        assert one.read("telemetry", run=two.run).column("load_mw") == [2.0]
        assert set(one.runs()) >= {one.run, two.run}

    def test_prune_removes_what_is_older(self, open_new: Open) -> None:
        one, two = open_new(), open_new("-two")
        for store in (one, two):
            store.write("telemetry", [telemetry(i, 1.0, zone=zone) for zone in ("GB", "NSW1") for i in range(4)])
        assert one.prune("telemetry", slot(2)) == 4
        assert one.read("telemetry", zone="GB").column("slot") == [slot(2), slot(3)]
        assert two.count("telemetry") == 8

    @pytest.mark.parametrize("table", ["dlq", "ends", "forecasts", "audit"])
    def test_prune_of_an_empty_table(self, store: Store, table: str) -> None:
        assert store.prune(table, slot(2)) == 0

    @pytest.mark.parametrize("end", [datetime.max.replace(tzinfo=UTC), LAST_TIME])
    def test_prune_to_the_end_of_time_removes_all_rows(self, store: Store, end: datetime) -> None:
        store.write("telemetry", [telemetry(i, 1.0) for i in range(3)])
        assert store.prune("telemetry", end) == 3

    def test_prune_to_the_beginning_of_time_removes_none(self, store: Store) -> None:
        store.write("telemetry", [telemetry(0, 1.0)])
        assert store.prune("telemetry", datetime.min.replace(tzinfo=UTC)) == 0

    def test_prune_of_dead_letters(self, store: Store) -> None:
        store.write("dlq", [("GB", slot(i), "bids", 0, i, "schema", "why", "e30=") for i in range(4)])
        assert store.prune("dlq", slot(3)) == 3
        assert store.read("dlq").column("offset") == [3]


class TestRefusals:
    def test_a_reader_does_not_write(self, open_new: Open) -> None:
        reader = open_new(read_only=True)
        with pytest.raises(RefusedError):
            reader.write("telemetry", [telemetry(0, 1.0)])
        with pytest.raises(RefusedError):
            reader.prune("telemetry", slot(0))

    def test_unknown_names_say_the_nearest(self, store: Store) -> None:
        with pytest.raises(ConfigError) as caught:
            store.read("forecast")
        assert caught.value.hint == "did you mean forecasts?"
        with pytest.raises(ConfigError) as caught:
            store.read("forecasts", columns=["horizon"])
        assert caught.value.hint == "did you mean horizon_min?"
        with pytest.raises(ConfigError, match="no column 'asset'"):
            store.read("forecasts", filters={"asset": "B1"})

    def test_wrong_questions(self, store: Store) -> None:
        with pytest.raises(ConfigError, match="no time zone"):
            store.read("forecasts", start=datetime(2022, 1, 1))  # noqa: DTZ001  # what is refused
        with pytest.raises(ConfigError, match="never 'soon'"):
            store.read("forecasts", filters={"horizon_min": "soon"})
        with pytest.raises(ConfigError, match="zone is no filter"):
            store.read("forecasts", filters={"zone": "GB"})

    def test_ping(self, open_new: Open) -> None:
        open_new().ping()
        open_new(read_only=True).ping()

    def test_closing_twice_is_fine(self, store: Store) -> None:
        store.close()
        store.close()
