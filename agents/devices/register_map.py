"""Register maps: addresses of a device's values and their conversion to MW. Tables without a connection.

``value = raw × scale × sign``, in ``unit``; from there to MW, a share (0 to 1) or Hz. A point names an address, or a
SunSpec model and point, whose address, type and scale the device tells when it is scanned.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from vpp.errors import ConfigError, nearest_hint
from vpp.fleet.assets import Strict
from vpp.validation_text import describe
from vpp.yaml_text import read_yaml, text_of

SHIPPED = Path(__file__).resolve().parents[2] / "vpp" / "_assets" / "devices"

RegisterType = Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
PointUnit = Literal["W", "kW", "MW", "%", "share", "Hz", "1"]

_FORMATS = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
_RANGES = {
    f"{sign}{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if sign == "int" else (0, 2**bits - 1)
    for sign in ("int", "uint")
    for bits in (16, 32, 64)
}
_SUNSPEC_MISSING = {
    "int16": -(2**15),
    "uint16": 2**16 - 1,
    "int32": -(2**31),
    "uint32": 2**32 - 1,
    "int64": -(2**63),
    "uint64": 2**64 - 1,
}
_FACTORS: dict[str, float] = {"W": 1e-6, "kW": 1e-3, "MW": 1.0, "%": 0.01, "share": 1.0, "Hz": 1.0, "1": 1.0}
REGISTERS = 65_536
MAX_SPAN = 100
"""Registers that one request reads at most; the protocol allows 125."""
MAX_GAP = 16
"""Unused registers that are read along rather than asked around."""


class RegisterPoint(Strict):
    """One number in the registers of a device.

    Attributes:
        address: Address of its first register, counted from 0; or ``model`` and ``point``.
        model: SunSpec model number.
        point: Name of the point in that model.
        type: How it is kept.
        scale: ``unit`` per raw number, a power of ten as a rule.
        sign: -1 if the device counts power out of the grid as positive.
        unit: Unit of ``raw × scale``; ``%`` and ``share`` of a power are of the nameplate.
        registers: Holding registers can be written, input registers only read.
        word_order: ``little`` where the low word comes first.
        byte_order: ``little`` where the low byte of each register comes first.
        missing: The raw number for a missing value.
    """

    address: int | None = Field(default=None, ge=0, le=65535)
    model: int | None = None
    point: str | None = None
    type: RegisterType = "int16"
    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    sign: Literal[1, -1] = 1
    unit: PointUnit = "1"
    registers: Literal["holding", "input"] = "holding"
    word_order: Literal["big", "little"] = "big"
    byte_order: Literal["big", "little"] = "big"
    missing: int | None = None

    @model_validator(mode="after")
    def _place(self) -> RegisterPoint:
        if (self.address is None) == (self.model is None) or (self.model is None) != (self.point is None):
            raise ValueError("a point has either an address, or a model and a point")
        if self.address is not None and self.address + self.count > REGISTERS:
            raise ValueError(f"address {self.address}: {self.type} does not end by the last register, {REGISTERS - 1}")
        return self

    @property
    def start(self) -> int:
        """Address of the first register.

        Raises:
            ValueError: A SunSpec point whose device has not been scanned.
        """
        if self.address is None:
            raise ValueError(f"model {self.model} point {self.point} has no address yet")
        return self.address

    @property
    def count(self) -> int:
        """Number of registers."""
        return struct.calcsize(_FORMATS[self.type]) // 2

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"model {self.model} point {self.point}" if self.address is None else f"address {self.address}"

    def meets(self, other: RegisterPoint) -> bool:
        """Return whether both have a register in common, as far as the map tells."""
        if self.address is None or other.address is None:
            return self.place == other.place
        return self.address < other.address + other.count and other.address < self.address + self.count

    def decode(self, registers: list[int]) -> float | None:
        """Return the value of the registers in ``unit``; None if they hold no value."""
        words = self._ordered(registers)
        (raw,) = struct.unpack(f">{_FORMATS[self.type]}", struct.pack(f">{len(words)}H", *words))
        if raw == self.missing or not math.isfinite(raw):
            return None
        return float(raw) * self.scale * self.sign

    def encode(self, value: float) -> list[int]:
        """Return the registers that hold a value in ``unit``, at the nearest number that they can hold."""
        raw: float = value / self.scale * self.sign
        if self.type in _RANGES:
            low, high = _RANGES[self.type]
            raw = min(max(round(raw), low), high)
        packed = struct.pack(f">{_FORMATS[self.type]}", raw)
        return self._ordered(list(struct.unpack(f">{self.count}H", packed)))

    def _ordered(self, registers: list[int]) -> list[int]:
        """Return registers between the device's order and high word, high byte first; the same both ways."""
        words = registers if self.word_order == "big" else registers[::-1]
        return words if self.byte_order == "big" else [word >> 8 | (word & 0xFF) << 8 for word in words]

    def to_mw(self, value: float, nameplate_mw: float) -> float:
        """Return a power in ``unit`` as MW."""
        return value * _FACTORS[self.unit] * (nameplate_mw if self.unit in ("%", "share") else 1.0)

    def of_mw(self, power_mw: float, nameplate_mw: float) -> float:
        """Return a power in MW as ``unit``."""
        return power_mw / self.to_mw(1.0, nameplate_mw)

    def plain(self, value: float) -> float:
        """Return a share (0 to 1), frequency or number from ``unit``."""
        return value * _FACTORS[self.unit]


class RegisterWrite(RegisterPoint):
    """A number that is written beside the setpoint: a constant, or a time that follows the command.

    ``value`` is in ``unit``; ``valid_for_s``: how long the command still holds; ``heartbeat_s``: the device's watchdog.
    """

    value: float | Literal["valid_for_s", "heartbeat_s"]


class RegisterReads(Strict):
    """What is read in each cycle. ``local``: not 0 while somebody on site has control."""

    power: RegisterPoint | None = None
    soc: RegisterPoint | None = None
    local: RegisterPoint | None = None
    frequency: RegisterPoint | None = None


class RegisterWrites(Strict):
    """What a command writes, in this order: ``before``, ``sequence``, ``setpoint``, ``after``.

    Attributes:
        setpoint: Power, or the upper limit of the output where the map's ``control`` is ``limit``.
        read_back: Registers in which the device shows its setpoint; default: the setpoint's own registers.
        before: Written first, such as the time after which the device falls back by itself.
        after: Written last, such as the switch that makes the setpoint act.
        sequence: The command's number, where the device keeps one; 16 bits are used up after 65,535 commands.
        watchdog: A counter that must grow, else the device goes to its default.
    """

    setpoint: RegisterPoint
    read_back: RegisterPoint | None = None
    before: tuple[RegisterWrite, ...] = ()
    after: tuple[RegisterWrite, ...] = ()
    sequence: RegisterPoint | None = None
    watchdog: RegisterPoint | None = None

    @model_validator(mode="after")
    def _apart(self) -> RegisterWrites:
        single = [point for point in (self.sequence, self.setpoint, self.watchdog) if point is not None]
        constants = [*self.before, *self.after]
        for point in (*single, *constants):
            if point.registers == "input":
                raise ValueError(f"{point.place}: input registers cannot be written")
        for one, other in combinations([*single, *constants], 2):
            # A switch may be set before the setpoint and again after it; anything else would spoil what it meets.
            is_one_switch = one.place == other.place and one.count == other.count and other in constants
            if one.meets(other) and not (is_one_switch and one in constants):
                raise ValueError(f"{one.place} and {other.place} write the same register")
        return self


class RegisterMap(Strict):
    """The register map of a device type.

    Attributes:
        name: Its name.
        note: For which devices it is, for people.
        control: The device takes a ``power``, or an upper ``limit`` of its output, or is only read (``none``).
        read: What is read.
        write: What a command writes; a device that is only read has none.
    """

    name: str
    note: str = ""
    control: Literal["power", "limit", "none"] = "power"
    read: RegisterReads
    write: RegisterWrites | None = None

    @model_validator(mode="after")
    def _control(self) -> RegisterMap:
        if (self.write is None) != (self.control == "none"):
            raise ValueError("a map with control power or limit has a write part, one with none has not")
        return self

    def points(self) -> Iterator[RegisterPoint]:
        """Yield the points read in each cycle, including read-back and sequence."""
        yield from (point for point in self.read.__dict__.values() if point is not None)
        if self.write is not None:
            yield self.write.read_back or self.write.setpoint
            if self.write.sequence is not None:
                yield self.write.sequence

    def resolved(self, locate: Callable[[int, str], tuple[int, RegisterType, float]]) -> RegisterMap:
        """Return the map with an address for each SunSpec point.

        Args:
            locate: Gives address, type and scale of a model's point.
        """

        def placed(point: RegisterPoint) -> RegisterPoint:
            if point.model is None or point.point is None:
                return point
            address, kind, scale = locate(point.model, point.point)
            place = {"address": address, "type": kind, "scale": point.scale * scale, "model": None, "point": None}
            return point.model_copy(update={**place, "missing": _SUNSPEC_MISSING.get(kind)})

        def all_placed(part: Strict) -> dict[str, object]:
            fields = part.__dict__.items()
            single = {name: placed(value) for name, value in fields if isinstance(value, RegisterPoint)}
            several = {name: tuple(map(placed, value)) for name, value in fields if isinstance(value, tuple)}
            return {**single, **several}

        write = self.write and self.write.model_copy(update=all_placed(self.write))
        return self.model_copy(update={"read": self.read.model_copy(update=all_placed(self.read)), "write": write})

    def spans(self) -> list[tuple[str, int, int]]:
        """Return the (kind, address, count) requests that read all points, neighbours in one."""
        places = sorted({(point.registers, point.start, point.start + point.count) for point in self.points()})
        spans: list[tuple[str, int, int]] = []
        for kind, start, end in places:
            if spans and spans[-1][0] == kind:
                _, first, count = spans[-1]
                if start - (first + count) <= MAX_GAP and end - first <= MAX_SPAN:
                    spans[-1] = (kind, first, max(count, end - first))
                    continue
            spans.append((kind, start, end - start))
        return spans


def load_register_map(name: str, beside: Path | None = None) -> RegisterMap:
    """Return a shipped map by its name, or the map in a file.

    Args:
        name: A shipped name, or a path, relative to ``beside``.
        beside: Folder of the device list.

    Raises:
        ConfigError: There is no such map, or it is wrong; the message names the place.
    """
    path = SHIPPED / f"{name}.yaml"
    if not path.is_file():
        path = (beside or Path()) / name
    try:
        text = text_of(path)
    except OSError as error:
        hint = nearest_hint(name, shipped_maps())
        raise ConfigError(f"no register map {name}", hint=f"{hint}; or the path of a file") from error
    data = read_yaml(text, str(path), ConfigError)
    try:
        return RegisterMap.model_validate({"name": path.stem, **(data if isinstance(data, dict) else {})})
    except ValidationError as error:
        models = (RegisterMap, RegisterReads, RegisterWrites, RegisterWrite)
        keys = {key for model in models for key in model.model_fields}
        raise ConfigError(f"{path}: {describe(error, keys)}", hint="see docs/guide/devices.md") from error


def shipped_maps() -> Iterable[str]:
    """Return the names of the maps that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))
