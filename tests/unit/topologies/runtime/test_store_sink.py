"""The storage sink against a real SQLite store: what it writes and buries, and what it does when the store is gone."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from quixstreams.sinks import SinkBackpressureError

from agents.orders.approval import sign_admission
from mcp_server.queries.orders import one_by_id
from tests.worlds.builders import T0, ZONE, closed_slot, forecast_at, order_of, slot_at
from topologies.runtime.store_sink import StoreSink
from vpp import messages as m
from vpp.errors import UnreachableError
from vpp.store.sqlite import SqliteStore
from vpp.store.table import Row, Table
from vpp.streams.reducer import Output
from vpp.streams.topics import FEATURES, RAW, STORED, TOPICS
from vpp.streams.tracing import Hop

SEEN_MS = 1_700_000_000_123
SEEN_AT = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)


class FlakyStore(SqliteStore):
    """A SQLite store that can be out of reach."""

    away = False

    def limit_pages(self, more: int) -> None:
        """Let the file grow by so many pages and no further: SQLite then says that the disk is full."""
        assert self._connection is not None
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        self._connection.execute(f"PRAGMA max_page_count = {pages + more}")

    def _write(self, batches: Mapping[Table, Sequence[Row]], run: str) -> None:
        if self.away:
            raise UnreachableError("away", retry_after_s=3.0)
        super()._write(batches, run)


class Bench:
    """A sink with its store and the dead letters that it sent."""

    def __init__(self, path: Path, retention: timedelta | None = None, *, approval_key: bytes | None = None) -> None:
        self.store = FlakyStore(path)
        self.letters: list[m.DeadLetter] = []
        topics = {topic.wire(): topic for topic in STORED}
        self.sink = StoreSink(self.store, topics, self._bury, retention, approval_key=approval_key)
        self.offset = 0

    def _bury(self, letters: list[Output]) -> None:
        self.letters += [letter.message for letter in letters if isinstance(letter.message, m.DeadLetter)]

    def send(
        self, topic: str, value: m.Message | bytes | None, key: bytes | None = b"Z", headers: Sequence[Any] = ()
    ) -> None:
        payload = m.encode(value) if isinstance(value, m.Record) else value
        self.sink.add(payload, key, SEEN_MS, headers, f"vpp.{topic}", 0, self.offset)
        self.offset += 1


@pytest.fixture
def bench(tmp_path: Path):
    bench = Bench(tmp_path / "store.sqlite")
    yield bench
    bench.store.close()


def test_every_topic_but_raw_telemetry_and_feature_rows_is_read() -> None:
    assert [topic for topic in TOPICS if topic not in STORED] == [RAW, FEATURES]


def test_rows_appear_with_the_flush_and_not_before(bench: Bench) -> None:
    bench.send("telemetry", closed_slot(0))
    bench.send("forecasts", forecast_at(0))
    assert bench.store.count("telemetry") == 0
    bench.sink.flush()
    assert (bench.store.count("telemetry"), bench.store.count("forecasts")) == (1, 96)
    assert (bench.sink.rows, bench.sink.last_slot) == (97, {ZONE: T0})


def test_a_checkpoint_repeated_leaves_the_same_tables(bench: Bench) -> None:
    for _ in range(2):
        bench.send("telemetry", closed_slot(0))
        bench.send("telemetry", m.End(zone=ZONE, producer="telemetry", last_slot=T0))
        bench.sink.flush()
    assert bench.store.count("telemetry") == 1
    assert bench.store.read("ends").values == [(ZONE, SEEN_AT, "telemetry", "telemetry", T0)]


def test_the_way_of_a_slot_is_stored_with_its_records(bench: Bench) -> None:
    hop = Hop("a" * 32, 1_000, 1_010, 1_020)
    bench.send("telemetry", closed_slot(0), headers=hop.headers("telemetry"))
    bench.send("telemetry", closed_slot(1, history=True), headers=hop.headers("telemetry"))
    bench.send("forecasts", forecast_at(0), headers=[("traceparent", b"text")])
    bench.sink.flush()
    (row,) = bench.store.read("hops").dicts()
    assert (row["slot"], row["step"], row["trace_id"]) == (T0, "telemetry", "a" * 32)
    assert [row[name].timestamp() for name in ("arrived_at", "taken_at", "sent_at")] == [1.0, 1.01, 1.02]
    assert row["stored_at"] > row["sent_at"]


def test_history_leaves_no_row(bench: Bench) -> None:
    bench.send("telemetry", closed_slot(0, history=True))
    bench.sink.flush()
    assert bench.store.count("telemetry") == 0


def test_a_correction_changes_only_what_it_names(bench: Bench) -> None:
    bench.send("telemetry", closed_slot(0, net_mw=500.0, price=None))
    correction = m.Correction(
        zone=ZONE, slot=T0, step_min=30, values={"price_per_mwh": 55.5}, net_load_mw=500.0, revision=1
    )
    bench.send("telemetry", correction)
    bench.send("forecasts", correction)
    bench.sink.flush()
    (row,) = bench.store.read("telemetry").dicts()
    assert (row["load_mw"], row["price_per_mwh"], row["revision"]) == (500.0, 55.5, 1)
    assert row["values"] == '{"load_mw":500.0,"price_per_mwh":null}'


@pytest.mark.parametrize("first", ["orders", "bids"])
def test_an_order_is_one_row_whichever_topic_comes_first(bench: Bench, first: str) -> None:
    order = m.Order(zone=ZONE, order_id="o1", action="hold", principal="ana", reason="storm", issued_at=T0)
    admitted = m.Order(
        zone=ZONE, order_id="o1", action="hold", principal="ana", reason="storm", issued_at=T0, verdict="accepted"
    )
    sent = {"orders": order, "bids": admitted}
    for topic in sorted(sent, key=lambda topic: topic != first):
        bench.send(topic, sent[topic])
        bench.sink.flush()
    (row,) = bench.store.read("orders").dicts()
    assert (row["verdict"], row["action"]) == ("accepted", "hold")
    assert '"verdict"' not in row["body"]


def test_no_forged_order_stands_for_the_one_whose_id_and_time_it_carries(tmp_path: Path) -> None:
    key = b"k" * 32
    bench = Bench(tmp_path / "store.sqlite", approval_key=key)
    true = order_of("target", asset_ids=["gas"], power_mw=2.0, approved_by="ann")
    other = msgspec.structs.replace(true, power_mw=15.0)
    refused = {"verdict": "refused", "verdict_reason": "forged"}
    bench.send("orders", true)
    bench.send("bids", sign_admission(msgspec.structs.replace(true, verdict="accepted"), key))
    for forged in (other, true):
        for topic in ("orders", "bids"):
            bench.send(topic, msgspec.structs.replace(forged, **refused))
            bench.send(topic, msgspec.structs.replace(forged, verdict="accepted", admission="0" * 64))
    bench.send("orders", other)
    bench.send("bids", sign_admission(msgspec.structs.replace(other, **refused), key))
    bench.sink.flush()
    rows = bench.store.read("orders").dicts()
    bench.store.close()
    power = {row["verdict"]: msgspec.json.decode(row["body"])["power_mw"] for row in rows}
    assert power == {"accepted": 2.0, "refused": 15.0}
    assert [row["verdict"] for row in one_by_id(rows, key)] == ["accepted"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff\x00", "not_json"),
        (b'{"kind":"slot"}', "schema"),
        (b"", "empty"),
        (None, "empty"),
        (m.encode(m.End(zone="Z", producer="x")).replace(b'"end"', b'"observation"'), "schema"),
        (m.encode(closed_slot(0)).replace(b"2022-01-03", b"0001-01-03"), "time"),
    ],
)
def test_broken_records_become_dead_letters(bench: Bench, value: bytes | None, reason: str) -> None:
    bench.send("telemetry", closed_slot(0))
    bench.send("telemetry", value)
    bench.send("telemetry", closed_slot(1))
    bench.sink.flush()
    assert bench.store.read("telemetry").column("slot") == [T0, slot_at(1)]
    (letter,) = bench.letters
    assert (letter.reason, letter.topic, letter.partition, letter.offset) == (reason, "telemetry", 0, 1)
    assert bench.sink.dead_letters == 1


def test_lists_of_unequal_length_and_huge_numbers_are_buried_too(bench: Bench) -> None:
    whole = m.encode(forecast_at(0))
    bench.send("forecasts", whole.replace(b'"horizon_min":[30,', b'"horizon_min":[30,45,', 1))
    entry = m.Trade(
        zone=ZONE,
        slot=T0,
        asset_id="b",
        revision=10**30,
        side="buy",
        energy_mwh=1.0,
        price_per_mwh=1.0,
        revenue=1.0,
        currency="GBP",
    )
    bench.send("ledger", entry)
    bench.sink.flush()
    assert [letter.reason for letter in bench.letters] == ["schema", "schema"]


@pytest.mark.drill("disk_full")
def test_a_full_disk_is_backpressure_and_nothing_is_lost(bench: Bench) -> None:
    bench.send("telemetry", closed_slot(0))
    bench.sink.flush()
    bench.store.limit_pages(2)
    for index in range(1, 200):
        bench.send("telemetry", closed_slot(index))
    with pytest.raises(SinkBackpressureError):
        bench.sink.flush()
    assert bench.store.count("telemetry") == 1
    bench.store.limit_pages(1_000_000)
    for index in range(1, 200):
        bench.send("telemetry", closed_slot(index))
    bench.sink.flush()
    assert bench.store.count("telemetry") == 200


@pytest.mark.drill("slow_sink")
def test_an_unreachable_store_is_backpressure_and_nothing_is_kept_twice(bench: Bench) -> None:
    bench.store.away = True
    bench.send("telemetry", closed_slot(0))
    bench.send("telemetry", b"junk")
    with pytest.raises(SinkBackpressureError) as caught:
        bench.sink.flush()
    assert caught.value.retry_after == 3.0
    assert bench.letters == []
    bench.store.away = False
    bench.sink.flush()
    assert bench.store.count("telemetry") == 0
    bench.send("telemetry", closed_slot(0))
    bench.send("telemetry", b"junk")
    bench.sink.flush()
    assert (bench.store.count("telemetry"), len(bench.letters)) == (1, 1)


def test_an_alert_from_far_ahead_prunes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "store.sqlite", timedelta(days=1))
    bench.send("telemetry", closed_slot(0))
    for at in (T0, datetime(2199, 1, 1, tzinfo=UTC)):
        bench.send("alerts", m.Alert(zone=ZONE, slot=at, alert_id=f"a{at}", severity="warning", topic="t", text="x"))
    bench.sink.flush()
    assert bench.store.count("alerts") == 2
    assert bench.sink.last_slot == {ZONE: T0}
    bench.store.close()


def test_a_start_without_closed_slots_prunes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "store.sqlite", timedelta(days=1))
    for n, at in enumerate((T0, SEEN_AT)):
        bench.send("alerts", m.Alert(zone=ZONE, slot=at, alert_id=f"a{n}", severity="warning", topic="t", text="x"))
    bench.sink.flush()
    assert bench.store.count("alerts") == 2
    bench.store.close()


def test_retention_of_slots_after_the_clock_of_the_broker_goes_by_that_clock(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "store.sqlite", timedelta(days=1))
    dates = [SEEN_AT + timedelta(days=days) for days in (-3, 1, 2, 30)]
    for at in dates:
        slot = at.replace(minute=0, second=0, microsecond=0)
        bench.send("telemetry", msgspec.structs.replace(closed_slot(0), slot=slot))
        bench.sink.flush()
    assert bench.store.count("telemetry") == 3
    bench.store.close()


def test_retention_goes_by_the_newest_time_in_the_table_and_not_by_the_clock(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "store.sqlite", timedelta(days=1))
    for index in range(5 * 48):
        bench.send("telemetry", closed_slot(index))
        bench.sink.flush()
    result = bench.store.read("telemetry").column("slot")
    assert result[-1] == slot_at(239)
    assert slot_at(239) - timedelta(days=1, hours=1) <= result[0] <= slot_at(239) - timedelta(days=1)
    bench.store.close()


def test_ends_and_audit_are_kept_for_ever(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "store.sqlite", timedelta(days=1))
    for day in range(5):
        at = T0 + timedelta(days=day)
        bench.send(
            "audit",
            m.Audit(zone=ZONE, audit_id=f"a{day}", at=at, principal="ana", action="hold", verdict="accepted"),
        )
        bench.sink.flush()
    assert bench.store.count("audit") == 5
    bench.store.close()
