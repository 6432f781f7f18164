"""Trace headers: one id along the whole way, times of the step, and nothing that a stranger's header can break."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.builders import T0, ZONE, closed_slot, forecast_at, slot_at
from vpp.domain import iso
from vpp.messages import Observation, Promotion
from vpp.streams.tracing import Hop, RecordTrace, read_hop, read_trace_id, source_headers, trace_id_of

FOREIGN = "0af7651916cd43dd8448eb211c80319c"


def foreign(trace_id: str = FOREIGN) -> list[tuple[str, bytes]]:
    return [("traceparent", f"00-{trace_id}-b7ad6b7169203331-01".encode())]


def test_headers_say_what_was_written() -> None:
    hop = Hop(FOREIGN, 10, 20, 30)
    assert read_hop(hop.headers("actor")) == hop
    assert dict(hop.headers("actor"))["traceparent"] != dict(hop.headers("trader"))["traceparent"]


def test_the_id_of_a_slot_needs_no_message() -> None:
    observation = Observation(zone=ZONE, slot=T0, values={})
    assert read_trace_id(source_headers(observation)) == trace_id_of(ZONE, T0)
    assert len({trace_id_of(ZONE, T0), trace_id_of(ZONE, slot_at(1)), trace_id_of("Y", slot_at(1))}) == 3
    assert source_headers(Promotion(zone=ZONE, available_at=T0, model_id="m", sha256="s")) == []


def test_a_step_passes_the_id_and_the_arrival_on() -> None:
    telemetry = RecordTrace(source_headers(Observation(zone=ZONE, slot=T0, values={})), 1_000, 1_005)
    closed = telemetry.hop_of(closed_slot(0), T0, 1_007)
    assert closed == Hop(trace_id_of(ZONE, T0), 1_000, 1_005, 1_007)
    forecast = RecordTrace(closed.headers("telemetry"), 99_999, 1_010).hop_of(forecast_at(0), T0, 1_020)
    assert forecast == Hop(trace_id_of(ZONE, T0), 1_000, 1_010, 1_020)


def test_a_tick_of_the_next_slot_closes_the_one_before_under_its_own_id() -> None:
    tick = T0 + timedelta(minutes=30, seconds=5)
    taken = RecordTrace(source_headers(Observation(zone=ZONE, slot=tick, values={})), 1_000, 1_005)
    closed = taken.hop_of(closed_slot(0), tick, 1_007)
    assert closed is not None
    assert closed.trace_id == trace_id_of(ZONE, T0)


def test_an_id_from_outside_goes_along_with_its_slot_alone() -> None:
    taken = RecordTrace(foreign(), 1_000, 1_005)
    same, other = taken.hop_of(closed_slot(0), T0, 1_007), taken.hop_of(closed_slot(0), slot_at(1), 1_007)
    assert same is not None
    assert other is not None
    assert (same.trace_id, other.trace_id) == (FOREIGN, trace_id_of(ZONE, T0))


def test_a_record_of_no_slot_has_no_passage() -> None:
    promotion = Promotion(zone=ZONE, available_at=T0, model_id="m", sha256="s")
    assert RecordTrace(None, 1_000).hop_of(promotion, None, 1_007) is None


@pytest.mark.parametrize("value", [b"", b"00-x-y-01", foreign("0" * 32)[0][1], "00-text", None, b"\xff" * 200])
def test_a_header_that_cannot_be_read_is_none(value: object) -> None:
    assert read_trace_id([("traceparent", value)]) is None
    assert read_hop([("traceparent", value), ("tracestate", b"vpp=1-2-3")]) is None


@given(st.binary(max_size=80))
def test_no_tracestate_breaks_a_step(state: bytes) -> None:
    trace = RecordTrace([*foreign(), ("tracestate", state)], 1_000, 1_005)
    assert trace.trace_id == FOREIGN
    assert trace.hop_of(closed_slot(0), T0, 1_007) is not None


def test_times_are_those_of_the_wall() -> None:
    arrived, taken, sent = Hop(FOREIGN, 1_000, 2_500, 3_001).times
    assert [iso(at) for at in (arrived, taken)] == ["1970-01-01T00:00:01Z", "1970-01-01T00:00:02.500000Z"]
    assert sent - taken == timedelta(milliseconds=501)
