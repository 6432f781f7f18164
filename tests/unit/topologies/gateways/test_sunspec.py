"""SunSpec devices as they are found: models of odd lengths, unknown models in between, no mark at the end."""

from __future__ import annotations

import pytest

from agents.devices.register_map import RegisterMap, load_register_map
from topologies.gateways.simulation.modbus import sunspec_image
from topologies.gateways.sunspec import BASES, Read, resolved, scan
from vpp.errors import DataError

PV = load_register_map("sunspec_pv")
IMAGE = sunspec_image(PV, 5.0)
CONTROLS = 123


def reader(image: list[int]) -> Read:
    """Return how a device with these registers is read; there are no others."""

    async def read(address: int, count: int) -> list[int]:
        words = image[address - BASES[0] : address - BASES[0] + count] if address >= BASES[0] else []
        if len(words) != count:
            raise DataError("illegal address")
        return words

    return read


async def with_model(model: int, registers: int) -> tuple[list[int], list[int]]:
    """Return the image of an inverter before and from a model on, its length changed."""
    place = (await scan(reader(IMAGE)))[model]
    start, stop = place.start - BASES[0], place.stop - BASES[0]
    saved = (IMAGE[start + 2 : stop] + [0] * registers)[:registers]
    return [*IMAGE[:start], model, registers, *saved], IMAGE[stop:]


def power_address(register_map: RegisterMap) -> int:
    assert register_map.read.power is not None
    return register_map.read.power.start


@pytest.mark.parametrize("more", [1, 7, 30])
async def test_models_that_are_longer_than_documented_or_unknown_are_passed_over(more: int) -> None:
    usual = await resolved(PV, reader(IMAGE))
    before, after = await with_model(1, len((await scan(reader(IMAGE)))[1]) - 2 + more)
    unknown = [64_001, more, *[9] * more, 64_002, 0]
    result = await resolved(PV, reader([*before, *unknown, *after]))
    assert power_address(result) == power_address(usual) + more + len(unknown)


async def test_a_model_that_is_too_short_for_a_point_is_not_read_into_the_next_one() -> None:
    before, after = await with_model(CONTROLS, 5)
    with pytest.raises(DataError, match="123 has 5 registers, and no point"):
        await resolved(PV, reader([*before, *after]))


async def test_of_two_models_of_one_number_the_first_counts() -> None:
    usual = await scan(reader(IMAGE))
    twice = [*IMAGE[:-2], *IMAGE[2:]]
    assert await scan(reader(twice)) == usual


async def test_a_device_without_a_mark_at_its_end_is_read_all_the_same() -> None:
    assert await scan(reader(IMAGE[:-2])) == await scan(reader(IMAGE))
    with pytest.raises(DataError, match="illegal address"):
        await scan(reader(IMAGE[:2]))
