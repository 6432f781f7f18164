"""Bodies of a webhook in three forms: the same records, and a clear error for each that is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topologies.gateways.webhook_body import observations_of
from vpp.errors import DataError
from vpp.messages import AssetReading, Observation

ARRIVED = datetime(2026, 1, 1, 12, 0, 3, tzinfo=UTC)
AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
NS = int(AT.timestamp()) * 10**9


def read(body: bytes | str, kind: str = "application/json", **more: str | None) -> list[Observation]:
    raw = body.encode() if isinstance(body, str) else body
    zone = more.pop("zone", None)
    return observations_of(raw, kind, zone=zone, arrived_at=ARRIVED, precision=more.get("precision") or "ns")


SAME = [
    pytest.param(
        '{"zone": "GB", "time": "2026-01-01T12:00:00Z", "values": {"load_mw": 31000.5, "solar_mw": null}}',
        "application/json",
        id="json",
    ),
    pytest.param(
        '[{"zone": "GB", "time": "2026-01-01T13:00:00+01:00", "values": {"load_mw": 31000.5}}]',
        "application/json; charset=utf-8",
        id="json list, other offset",
    ),
    pytest.param("zone,time,load_mw,solar_mw\nGB,2026-01-01T12:00:00Z,31000.5,\n", "text/csv", id="csv"),
    pytest.param("\ufeffzone,time,load_mw\r\nGB,2026-01-01T12:00:00+00:00,31000.5\r\n", "text/csv", id="csv of Excel"),
    pytest.param(f"grid,zone=GB load_mw=31000.5 {NS}", "text/plain", id="line protocol"),
    pytest.param(f"# comment\n\ngrid,zone=GB,place=a\\ b load_mw=31000.5 {NS}", "text/plain", id="comment"),
]


@pytest.mark.parametrize(("body", "kind"), SAME)
def test_three_forms_say_the_same(body: str, kind: str) -> None:
    (one,) = read(body, kind)
    assert (one.zone, one.slot, one.values["load_mw"], one.duration_s) == ("GB", AT, 31000.5, 1.0)
    assert one.values.get("solar_mw") is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"zone": "HOME", "asset": "bat", "power_mw": -0.002, "soc": 0.4, "available": true}', "application/json"),
        ("zone,asset,power_mw,soc,available\nHOME,bat,-0.002,0.4,true", "text/csv"),
        ("battery,zone=HOME,asset=bat power_mw=-0.002,soc=0.4,available=t", "text/plain"),
    ],
)
def test_an_asset_is_read_and_a_record_without_a_time_is_of_its_arrival(body: str, kind: str) -> None:
    (one,) = read(body, kind)
    assert one.assets == {"bat": AssetReading(power_mw=-0.002, soc=0.4, available=True)}
    assert one.slot == ARRIVED


@pytest.mark.parametrize(("precision", "parts"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_times_of_line_protocol_have_a_unit(precision: str, parts: int) -> None:
    (one,) = read(f"a load_mw=5i {int(AT.timestamp()) * parts}", "text/plain", zone="GB", precision=precision)
    assert (one.zone, one.slot, one.values) == ("GB", AT, {"load_mw": 5.0})


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("{}", "application/xml", "content type"),
        ("{", "application/json", "not a record"),
        ("[]", "application/json", "no record"),
        ('{"values": {"load_mw": 1}}', "application/json", "record 1 names no zone"),
        ('{"zone": "GB", "valeus": {}}', "application/json", "valeus"),
        ('{"zone": "GB", "values": {}}', "application/json", "holds no value"),
        ('{"zone": "GB", "values": {"load_mw": "1"}}', "application/json", "float"),
        (
            json.dumps({"zone": "GB", "values": {f"c{i}": 1 for i in range(1001)}}),
            "application/json",
            "more than 1000 channels",
        ),
        ('{"zone": "GB", "values": {"a b": 1}}', "application/json", "no name of a channel"),
        ('{"zone": "GB", "time": "2026-01-01T12:00:00", "values": {"load_mw": 1}}', "application/json", "no offset"),
        ("zone,time,load_mw\nGB,0001-01-01T00:00:00+14:00,1", "text/csv", "not between 1900 and 2200"),
        ("zone,time,load_mw\nGB,9999-12-31T23:00:00-10:00,1", "text/csv", "not between 1900 and 2200"),
        (
            '{"zone": "GB", "time": "2226-01-01T12:00:00Z", "values": {"load_mw": 1}}',
            "application/json",
            "not between 1900 and 2200",
        ),
        ('{"zone": "GB", "values": {"load_mw": 1}, "duration_s": 0}', "application/json", "duration_s"),
        ('{"zone": "GB", "power_mw": 1}', "application/json", "go together"),
        ('{"zone": "GB", "asset": "bat", "values": {"load_mw": 1}}', "application/json", "go together"),
        ("zone,load_mw\nGB,1\nGB,abc", "text/csv", "record 2: load_mw 'abc'"),
        ("zone,load_mw\nGB,nan", "text/csv", "load_mw is nan"),
        ("zone,load_mw\nGB,1,2", "text/csv", "as many fields"),
        ("zone,load_mw,solar_mw\nGB,1", "text/csv", "as many fields"),
        ("zone,time,load_mw\nGB,noon,1", "text/csv", "no ISO time"),
        (b"zone,load_mw\nG\xff,1", "text/csv", "UTF-8"),
        ("grid,zone=GB", "text/plain", "not of the form"),
        ("grid,zone=GB load_mw=1 noon", "text/plain", "no time"),
        ("grid,zone=GB load_mw", "text/plain", "name=value"),
        ('grid,zone=GB load_mw="high"', "text/plain", "no number"),
        ("grid,zone=GB load_mw=1 99999999999999999999999", "text/plain", "no time"),
    ],
)
def test_what_is_wrong_is_named_with_its_record(body: bytes | str, kind: str, text: str) -> None:
    with pytest.raises(DataError, match=text):
        read(body, kind)


@given(body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "text/csv", "text/plain"]))
def test_any_bytes_are_records_or_an_error_in_data(body: bytes, kind: str) -> None:
    try:
        observations = read(body, kind, zone="GB")
    except DataError:
        return
    assert observations
