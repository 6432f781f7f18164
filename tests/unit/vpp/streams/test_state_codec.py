"""State values: read only by the shape that wrote them, and marked as changed in one way."""

from __future__ import annotations

import pytest

from vpp.streams.state_codec import ChangedValues, ValueKey, pack, unpack


def test_a_value_reads_back_in_its_shape() -> None:
    assert unpack(pack({"a": 1.5}, "plant-1"), dict[str, float], "plant-1") == {"a": 1.5}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(None, id="nothing"),
        pytest.param(b"", id="empty"),
        pytest.param(pack({"a": 1.5}, "plant-2"), id="another shape"),
        pytest.param(pack({"a": 1.5}, "plant-1")[:-3], id="cut short"),
        pytest.param(pack({"a": "x"}, "plant-1"), id="another type"),
        pytest.param(b"\x02" + pack({"a": 1.5}, "plant-1")[1:], id="another version"),
    ],
)
def test_anything_else_is_no_value(raw: bytes | None) -> None:
    assert unpack(raw, dict[str, float], "plant-1") is None


def test_changed_values_are_taken_once_in_the_order_of_their_names() -> None:
    changed = ChangedValues()
    for kind, part in (("settled", 12), ("head", None), ("last", "actor"), ("head", None)):
        changed.mark(kind, part)
    assert changed.take() == [ValueKey("head"), ValueKey("last", "actor"), ValueKey("settled", 12)]
    assert changed.take() == []
    assert [key.name for key in (ValueKey("head"), ValueKey("settled", 12))] == ["head", "settled:12"]
