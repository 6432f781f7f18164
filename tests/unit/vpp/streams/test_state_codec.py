"""State values: read only by the shape that wrote them, and marked as changed in one way."""

from __future__ import annotations

import logging
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from topologies.runtime.runner import MAX_PAYLOAD_BYTES
from vpp.numerics.significant_bits import FLOAT32_BITS, round_significant
from vpp.streams.state_codec import ArrayCodec, ChangedValues, ValueKey, pack, unpack


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
        pytest.param(b"\x03" + pack({"a": 1.5}, "plant-1")[1:], id="another version"),
    ],
)
def test_anything_else_is_no_value(raw: bytes | None) -> None:
    assert unpack(raw, dict[str, float], "plant-1") is None


@pytest.mark.parametrize("as_text", [False, True])
def test_a_long_value_is_kept_in_fewer_bytes_and_a_short_one_in_no_more_than_one(as_text: bool) -> None:
    bids = {f"horizon-{n}": 0.1 * n for n in range(200)}
    raw = pack(bids, "plant-1", as_text=as_text)
    assert len(raw) < 0.7 * len(msgspec.msgpack.encode(bids))
    assert unpack(raw, dict[str, float], "plant-1", as_text=as_text) == bids
    assert len(pack(7, "plant-1")) == 9 + 2


def test_a_value_longer_than_a_record_may_be_is_not_deflated() -> None:
    flood = ["x" * 1000] * 1000
    raw = pack(flood, "rows")
    assert len(raw) > MAX_PAYLOAD_BYTES
    assert unpack(raw, list, "rows") == flood


@pytest.mark.parametrize("as_text", [False, True])
def test_a_value_of_version_1_is_read(as_text: bool) -> None:
    old = b"\x01" + pack(None, "plant-1")[1:9] + msgspec.msgpack.encode({"a": 1.5})
    assert unpack(old, dict[str, float], "plant-1", as_text=as_text) == {"a": 1.5}


@settings(deadline=None)
@given(st.binary(max_size=80), st.integers(0, 500), st.binary(max_size=1500))
def test_a_value_is_as_short_as_in_the_largest_window(pattern: bytes, times: int, rest: bytes) -> None:
    value = pattern + rest + pattern * times + rest
    body = msgspec.msgpack.encode(value)
    deflated = zlib.compress(body, 6, -zlib.MAX_WBITS)
    is_deflated = len(body) >= 100 and len(deflated) < len(body)
    packed = pack(value, "text-1")
    assert packed[9:] == (b"\1" + deflated if is_deflated else b"\0" + body)
    assert unpack(packed, bytes, "text-1") == value


def test_broken_deflated_bytes_are_no_value() -> None:
    raw = pack(list(range(1000)), "plant-1")
    assert unpack(raw[:10] + b"\xff" * 40, list[int], "plant-1") is None
    assert unpack(raw[:-8], list[int], "plant-1") is None


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("body", [b'"\xff\xfe"', b"\xa2\xff\xfe", b"\x91" * 5000, b"[" * 5000, b"\xc1", b""])
def test_a_broken_body_is_no_value(body: bytes, as_text: bool) -> None:
    head = pack(0, "plant-1")[:10]
    assert unpack(head + body, dict, "plant-1", as_text=as_text) is None
    assert unpack(head + body, str, "plant-1", as_text=as_text) is None


def test_changed_values_are_taken_once_in_the_order_of_their_names() -> None:
    changed = ChangedValues()
    for kind, part in (("settled", 12), ("head", None), ("last", "actor"), ("head", None)):
        changed.mark(kind, part)
    assert changed.take() == [ValueKey("head"), ValueKey("last", "actor"), ValueKey("settled", 12)]
    assert changed.take() == []
    keys = (ValueKey("head"), ValueKey("settled", 12), ValueKey("ring", (42, 19000)))
    assert [key.name for key in keys] == ["head", "settled:12", "ring:42.19000"]


def test_arrays_read_back_in_their_types_and_shapes() -> None:
    days, sums = np.array([7], dtype=np.int64), np.array([[1.5, np.nan], [-0.0, 2.0]])
    codec = ArrayCodec("scores-1", days, sums)
    other_days, other_sums = np.zeros_like(days), np.zeros_like(sums)
    assert codec.unpack(codec.pack(days, sums), other_days, other_sums)
    assert (other_days.tobytes(), other_sums.tobytes()) == (days.tobytes(), sums.tobytes())


WIDE = st.floats(1e-30, 1e30) | st.floats(-1e30, -1e-30) | st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan])


@settings(deadline=None)
@given(arrays(np.float64, (2, 5), elements=WIDE), st.integers(4, FLOAT32_BITS))
def test_rounded_floats_read_back_to_the_bit(values: np.ndarray, bits: int) -> None:
    round_significant(values, bits)
    kept = values.astype(np.float32).astype(np.float64)
    codec, again = ArrayCodec("a-1", kept, bits=bits), np.zeros_like(kept)
    assert codec.unpack(codec.pack(kept), again)
    assert again.tobytes() == kept.tobytes()


@settings(deadline=None)
@given(arrays(np.int32, (3, 4)))
def test_whole_numbers_read_back(values: np.ndarray) -> None:
    codec, again = ArrayCodec("a-1", values), np.zeros_like(values)
    assert codec.unpack(codec.pack(values), again)
    assert np.array_equal(again, values)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (0, 3), (1, 1), (2, 3, 4)])
def test_arrays_of_any_shape_read_back(shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape)
    codec, again = ArrayCodec("a-1", values), np.full(shape, np.nan)
    raw = codec.pack(values)
    assert codec.unpack(raw, again)
    assert np.array_equal(again, values)
    assert not codec.unpack(raw + b"\0", again)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_broken_bytes_of_arrays_raise_nothing(body: bytes) -> None:
    like = [np.zeros(3, np.int64), np.zeros((2, 5)), np.zeros(4, np.bool_), np.zeros(6, np.int32)]
    codec = ArrayCodec("a-1", *like)
    codec.unpack(codec.pack(*like)[:9] + body, *like)


def test_rounded_floats_that_are_like_their_neighbours_take_few_bytes() -> None:
    means = 100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.03, (6, 48)), axis=1))
    round_significant(means, 9)
    assert len(ArrayCodec("a-1", means, bits=9).pack(means)) < 1.1 * means.size


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(None, id="nothing"),
        pytest.param(ArrayCodec("a-1", np.zeros(2), bits=9).pack(np.ones(2)), id="other bits"),
        pytest.param(ArrayCodec("a-2", np.zeros(2)).pack(np.ones(2)), id="another revision"),
        pytest.param(ArrayCodec("a-1", np.zeros(3)).pack(np.ones(3)), id="another shape"),
        pytest.param(ArrayCodec("a-1", np.zeros(2, np.int64)).pack(np.ones(2, np.int64)), id="another type"),
        pytest.param(ArrayCodec("a-1", np.zeros(2)).pack(np.ones(2))[:-1], id="cut short"),
    ],
)
def test_arrays_of_another_form_change_nothing(raw: bytes | None) -> None:
    values = np.zeros(2)
    assert not ArrayCodec("a-1", values).unpack(raw, values)
    assert values.tolist() == [0.0, 0.0]


def test_a_kept_value_of_another_form_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert unpack(pack(1, "counts-1"), int, "counts-2") is None
    assert [record.message for record in caplog.records if "counts-2" in record.message] == [
        "kept state is of another version, its reader starts again form=counts-2"
    ]
