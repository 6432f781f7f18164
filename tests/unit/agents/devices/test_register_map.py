"""Registers to numbers and back, in every type and order that devices use."""

from __future__ import annotations

import math
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.devices.register_map import (
    RegisterMap,
    RegisterPoint,
    RegisterType,
    RegisterWrites,
    load_register_map,
    shipped_maps,
)
from vpp.errors import ConfigError

TYPES = st.sampled_from(get_args(RegisterType))
ORDERS = st.sampled_from(["big", "little"])


@given(kind=TYPES, words=ORDERS, order=ORDERS, sign=st.sampled_from([1, -1]), value=st.integers(0, 30_000))
def test_what_is_written_reads_the_same_in_every_order(
    kind: str, words: str, order: str, sign: int, value: int
) -> None:
    if sign < 0 and kind.startswith("uint"):
        value = 0
    point = RegisterPoint.model_validate(
        {"address": 0, "type": kind, "word_order": words, "byte_order": order, "sign": sign}
    )
    registers = point.encode(float(value))
    assert len(registers) == point.count
    assert point.decode(registers) == value


@given(kind=TYPES, registers=st.lists(st.integers(0, 65_535), min_size=4, max_size=4))
def test_any_registers_are_a_finite_number_or_none(kind: RegisterType, registers: list[int]) -> None:
    point = RegisterPoint(address=0, type=kind)
    value = point.decode(registers[: point.count])
    assert value is None or math.isfinite(value)


@pytest.mark.parametrize(
    ("words", "order", "registers"),
    [
        ("big", "big", [0x1122, 0x3344]),
        ("little", "big", [0x3344, 0x1122]),
        ("big", "little", [0x2211, 0x4433]),
        ("little", "little", [0x4433, 0x2211]),
    ],
)
def test_the_four_orders_of_a_32_bit_number(words: str, order: str, registers: list[int]) -> None:
    point = RegisterPoint.model_validate({"address": 0, "type": "uint32", "word_order": words, "byte_order": order})
    assert point.decode(registers) == 0x11223344


def mapped(**read: dict[str, object]) -> RegisterMap:
    return RegisterMap.model_validate({"name": "own", "control": "none", "read": read})


def test_neighbouring_points_are_read_in_one_request() -> None:
    near = mapped(power={"address": 10, "type": "int32"}, soc={"address": 14, "type": "uint16"})
    assert near.spans() == [("holding", 10, 5)]
    far = mapped(power={"address": 10, "type": "int32"}, soc={"address": 9000, "type": "uint16"})
    assert far.spans() == [("holding", 10, 2), ("holding", 9000, 1)]


def test_a_sunspec_point_gets_its_address_type_and_scale_from_the_device() -> None:
    sunspec = mapped(power={"model": 103, "point": "W", "type": "int16", "unit": "W"})
    with pytest.raises(ValueError, match="no address yet"):
        sunspec.spans()
    located = sunspec.resolved(lambda model, point: (40083, "int16", 10.0))
    power = located.read.power
    assert power is not None
    assert located.spans() == [("holding", 40083, 1)]
    assert power.to_mw(power.decode([150]) or 0.0, nameplate_mw=1.0) == pytest.approx(0.0015)
    assert power.decode([0x8000]) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("control: power\nread: {power: {address: 1, type: int16}}", "write part"),
        ("control: none\nread: {power: {type: int16}}", "address"),
        ("control: none\nread: {powr: {address: 1, type: int16}}", "power"),
        ("control: none\nread: {power: {address: 65535, type: int32}}", "does not end"),
        ("control: none\nread: {power: {address: 1, scale: .inf}}", "scale"),
        ("read: {}\nwrite: {setpoint: {address: 12, registers: input}}", "address 12: input registers"),
        (
            "read: {}\nwrite: {setpoint: {address: 12, type: int32}, sequence: {address: 13}}",
            "address 13 and address 12 write the same register",
        ),
        (
            "read: {}\nwrite: {setpoint: {address: 9, type: int64}, after: [{address: 12, value: 1}]}",
            "address 9 and address 12",
        ),
        (
            "read: {}\nwrite: {setpoint: {model: 704, point: WSet}, watchdog: {model: 704, point: WSet}}",
            "model 704 point WSet",
        ),
    ],
)
def test_a_wrong_map_is_refused_with_its_place(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=reason) as error:
        load_register_map("own.yaml", tmp_path)
    assert "own.yaml" in str(error.value)


def test_a_switch_may_be_written_before_and_after_the_setpoint(tmp_path: Path) -> None:
    switches = "before: [{address: 9, value: 0}], after: [{address: 9, value: 1}]"
    text = f"read: {{}}\nwrite: {{setpoint: {{address: 10, type: int32}}, {switches}}}"
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    own = load_register_map("own.yaml", tmp_path)
    assert own.write is not None
    assert [point.value for point in (*own.write.before, *own.write.after)] == [0.0, 1.0]


@given(st.integers(0, 20), st.integers(0, 20), TYPES, TYPES)
def test_what_a_command_writes_shares_no_register(
    setpoint: int, number: int, kind: RegisterType, number_kind: RegisterType
) -> None:
    points = (RegisterPoint(address=setpoint, type=kind), RegisterPoint(address=number, type=number_kind))
    first, second = ({*range(point.start, point.start + point.count)} for point in points)
    if first & second:
        with pytest.raises(ValueError, match="same register"):
            RegisterWrites(setpoint=points[0], sequence=points[1])
    else:
        assert RegisterWrites(setpoint=points[0], sequence=points[1]).setpoint is points[0]


def test_every_shipped_map_is_read_and_an_unknown_one_names_the_nearest() -> None:
    names = list(shipped_maps())
    assert [load_register_map(name).name for name in names] == names
    with pytest.raises(ConfigError) as error:
        load_register_map(f"{names[0]}x")
    assert names[0] in (error.value.hint or "")


def test_the_read_back_and_the_number_of_a_command_are_read_in_each_cycle() -> None:
    point = {"address": 30, "type": "uint16"}
    write = {"setpoint": {"address": 22}, "sequence": point}
    own = RegisterMap.model_validate({"name": "own", "read": {"power": {"address": 10}}, "write": write})
    assert [point.start for point in own.points()] == [10, 22, 30]
