"""A signature of an audit record covers every field of it, and holds after the record was stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.builders import ZONE
from tests.worlds.plant_loop import Loop
from topologies.control.record_signature import signed_record, verified_record
from vpp.messages import Audit
from vpp.store.tables import AUDIT

KEY = b"k" * 32
AT = datetime(2026, 3, 4, 12, 0, 0, 123456, UTC)
RECORD = Audit(
    zone="Z",
    audit_id="propose:p1",
    at=AT,
    principal="agent",
    action="plan:propose",
    verdict="ok",
    detail="text",
    digest="d" * 32,
)
OTHER: dict[type, Callable[[Any], Any]] = {
    str: lambda text: text + "x",
    datetime: lambda at: at + timedelta(microseconds=1),
}


def test_no_field_of_a_signed_record_can_be_changed() -> None:
    signed = signed_record(RECORD, KEY)
    assert verified_record(signed, KEY) == RECORD
    for name in Audit.__struct_fields__:
        value = getattr(signed, name)
        forged = msgspec.structs.replace(signed, **{name: OTHER[type(value)](value)})
        assert verified_record(forged, KEY) is None, name


@given(
    seconds=st.integers(0, 7_000_000_000),
    microseconds=st.integers(0, 999_999),
    hours=st.integers(-12, 14),
)
def test_a_time_is_the_same_in_every_zone(seconds: int, microseconds: int, hours: int) -> None:
    at = datetime.fromtimestamp(86_400, UTC) + timedelta(seconds=seconds, microseconds=microseconds)
    signed = signed_record(msgspec.structs.replace(RECORD, at=at), KEY)
    elsewhere = msgspec.structs.replace(signed, at=at.astimezone(timezone(timedelta(hours=hours))))
    assert verified_record(elsewhere, KEY) is not None


@pytest.mark.parametrize("microsecond", [0, 1, 123456, 999999])
def test_a_record_that_was_stored_is_still_signed(microsecond: int, tmp_path: Path) -> None:
    loop = Loop(tmp_path, key=KEY)
    record = msgspec.structs.replace(RECORD, zone=ZONE, at=AT.replace(microsecond=microsecond))
    loop.post("audit", signed_record(record, KEY))
    rows = loop.store.read(AUDIT, columns=Audit.__struct_fields__).dicts()
    assert [verified_record(Audit(**row), KEY) for row in rows] == [record]
