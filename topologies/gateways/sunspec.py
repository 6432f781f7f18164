"""Addresses of a device's SunSpec models and conversion of their points; definitions from pysunspec2."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, cast

import sunspec2.device

from agents.devices.register_map import RegisterMap, RegisterType
from vpp.errors import ConfigError, DataError

BASES = (40000, 50000, 0)
"""Where the marker ``SunS`` may stand."""
MARK = [0x5375, 0x6E53]
END = 0xFFFF
MAX_MODELS = 100
LAST = 65534

Read = Callable[[int, int], Awaitable[list[int]]]
"""Reads holding registers: address, count."""

_TYPES: dict[str, RegisterType] = {
    "int16": "int16",
    "uint16": "uint16",
    "int32": "int32",
    "uint32": "uint32",
    "int64": "int64",
    "uint64": "uint64",
    "acc16": "uint16",
    "acc32": "uint32",
    "acc64": "uint64",
    "enum16": "uint16",
    "enum32": "uint32",
    "bitfield16": "uint16",
    "bitfield32": "uint32",
    "float32": "float32",
    "float64": "float64",
    "sunssf": "int16",
    "count": "uint16",
    "raw16": "uint16",
}


@cache
def model_points(model: int) -> dict[str, Any]:
    """Return the points of a SunSpec model by name: pysunspec2's definitions with their offsets.

    Raises:
        ConfigError: pysunspec2 does not know the model.
    """
    try:
        return cast("dict[str, Any]", sunspec2.device.Model(model_id=model).points)
    except Exception as error:  # pysunspec2 raises errors of several kinds
        raise ConfigError(f"SunSpec model {model} cannot be read: {error}", hint="is the number right?") from error


async def scan(read: Read) -> dict[int, range]:
    """Return the registers of each model of a device, its header included; the first of several of one number.

    Where nothing can be read behind a model the list ends too: some devices leave the end mark out.

    Raises:
        DataError: The device has no SunSpec marker at the places where the standard allows one.
    """
    for base in BASES:
        try:
            mark = await read(base, 2)
        except DataError:
            continue
        if mark == MARK:
            break
    else:
        raise DataError(
            f"no SunSpec marker at the registers {', '.join(map(str, BASES))}",
            hint="is SunSpec enabled, and is the unit id right? else write a map with addresses",
        )
    places: dict[int, range] = {}
    address = base + 2
    for _ in range(MAX_MODELS):
        if address > LAST:
            raise DataError(f"the SunSpec models do not end: the next would be at {address}")
        try:
            model, length = await read(address, 2)
        except DataError:
            if not places:
                raise
            break
        if model == END:
            break
        places.setdefault(model, range(address, address + 2 + length))
        address += 2 + length
    return places


async def resolved(register_map: RegisterMap, read: Read) -> RegisterMap:
    """Return a map with addresses and scales as this device has them; one without SunSpec points as it is.

    Raises:
        DataError: The device lacks a model, or a scale factor is not implemented.
        ConfigError: A model or point is unknown.
    """
    write = register_map.write
    extras = () if write is None else (*write.before, *write.after, write.setpoint, write.watchdog, write.sequence)
    points = [*register_map.points(), *(point for point in extras if point is not None)]
    pairs = {(point.model, point.point) for point in points if point.model is not None and point.point is not None}
    if not pairs:
        return register_map
    places = await scan(read)
    table: dict[tuple[int, str], tuple[int, RegisterType, float]] = {}
    for model, name in sorted(pairs):
        if model not in places:
            have = ", ".join(map(str, sorted(places)))
            raise DataError(f"the device has no SunSpec model {model}", hint=f"it has {have}; take another map")
        model_map = model_points(model)
        if name not in model_map:
            raise ConfigError(f"SunSpec model {model} has no point {name}", hint="look at the model's definition")
        definition = model_map[name].pdef
        address = _address(model_map, name, model, places[model])
        scale = await _scale(model_map, definition.get("sf"), model, places[model], read)
        kind = _TYPES.get(definition["type"])
        if kind is None:
            raise ConfigError(f"SunSpec model {model} point {name} is no number ({definition['type']})")
        table[model, name] = (address, kind, scale)
    return register_map.resolved(lambda model, name: table[model, name])


def _address(points: dict[str, Any], name: str, model: int, place: range) -> int:
    """Return where a point of a model is.

    Raises:
        DataError: The device's model is shorter: another one's registers are there.
    """
    start: int = place.start + points[name].offset
    if start + points[name].len > min(place.stop, LAST + 2):
        raise DataError(
            f"the device's SunSpec model {model} has {len(place) - 2} registers, and no point {name} in them",
            hint="it has a shorter form of the model; take another map",
        )
    return start


async def _scale(points: dict[str, Any], factor: int | str | None, model: int, place: range, read: Read) -> float:
    if factor is None:
        return 1.0
    if isinstance(factor, int):
        return float(10.0**factor)
    (raw,) = await read(_address(points, factor, model, place), 1)
    exponent = raw - 65536 if raw >= 32768 else raw
    if not -10 <= exponent <= 10:
        raise DataError(f"scale factor {factor} is not implemented by the device ({exponent})")
    return float(10.0**exponent)
