"""Input and output of the command reducer: events of a device's command, and actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from vpp.messages import DeviceCommand, Setpoint


class DeviceReading(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A reading of a device; None is not measured.

    Attributes:
        power_mw: Measured power, positive into the grid.
        soc: State of charge, 0 to 1.
        read_back_mw: The commanded power as the device holds it.
        is_local: Somebody on site has taken control; commands have no effect.
        sequence: Number of the last command that it took.
        values: Channels of the zone that it measures, such as ``load_mw`` of a meter.
    """

    power_mw: float | None = None
    soc: float | None = None
    read_back_mw: float | None = None
    is_local: bool = False
    sequence: int | None = None
    values: dict[str, float | None] = {}


@dataclass(frozen=True, slots=True)
class SetpointCame:
    """A setpoint of the plant arrived; ``starts_at`` and ``ends_at`` are its slot by the gateway's clock."""

    now: datetime
    setpoint: Setpoint
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceAnswered:
    """The device acknowledged or refused the command of ``sequence``; ``last`` is the newest number it has seen."""

    now: datetime
    sequence: int
    accepted: bool
    last: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceRead:
    """A reading arrived; it also proves that the device is reachable."""

    now: datetime
    reading: DeviceReading


@dataclass(frozen=True, slots=True)
class DeviceSilent:
    """The device did not answer a read, or its connection is lost."""

    now: datetime


@dataclass(frozen=True, slots=True)
class HeartbeatSent:
    """The device has taken a heartbeat: its watchdog starts again."""

    now: datetime


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing but time."""

    now: datetime


@dataclass(frozen=True, slots=True)
class GatewayStarted:
    """The gateway has read its journal: unacknowledged commands are sent again with the same number."""

    now: datetime


DeviceEvent = SetpointCame | DeviceAnswered | DeviceRead | DeviceSilent | HeartbeatSent | TimePassed | GatewayStarted


@dataclass(frozen=True, slots=True)
class SendCommand:
    """Transmit a command; the same number may be transmitted again, which a device drops."""

    command: DeviceCommand


@dataclass(frozen=True, slots=True)
class RecordProof:
    """Write the present state of the command to the command ledger."""

    command: DeviceCommand


DeviceAction = SendCommand | RecordProof
