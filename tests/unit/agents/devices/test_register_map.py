"""Registers to numbers and back, in every type and order that devices use."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.devices.register_map import RegisterPoint, RegisterType

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
