"""Commands to devices and their proof: sent, acknowledged, read back and measured, each with a time."""

from __future__ import annotations

from enum import StrEnum

from vpp.messages.integers import Integer
from vpp.messages.telemetry import Record
from vpp.messages.times import Time


class CommandOutcome(StrEnum):
    """Outcome of a command. All except ``pending``, ``followed``, ``superseded`` and ``expired`` name a difference.

    ``implausible``: the device shows a power or charge that it cannot have. ``unmeasured``: it gives no power.
    """

    PENDING = "pending"
    FOLLOWED = "followed"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    NOT_REACHED = "not_reached"
    REFUSED = "refused"
    CLIPPED = "clipped"
    STUCK = "stuck"
    DRIFTING = "drifting"
    LOCAL_MODE = "local_mode"
    WRONG_SIGN = "wrong_sign"
    IMPLAUSIBLE = "implausible"
    UNMEASURED = "unmeasured"

    @property
    def is_difference(self) -> bool:
        """Whether the outcome reports a difference between command and device."""
        return self not in _NO_DIFFERENCE


_NO_DIFFERENCE = frozenset(
    {CommandOutcome.PENDING, CommandOutcome.FOLLOWED, CommandOutcome.SUPERSEDED, CommandOutcome.EXPIRED}
)


class CommandCause(StrEnum):
    """Why a command was made: a setpoint, the end of one without a next, or a device that lost it."""

    SETPOINT = "setpoint"
    FALLBACK = "fallback"
    RESTORED = "restored"


class DeviceCommand(Record, kw_only=True, frozen=True, tag="command", omit_defaults=True):
    """One command to one device and its proof so far; each later record of it holds more of the proof.

    ``sequence`` grows by at least 1 from command to command of an asset and never repeats, also over restarts; 0 is a
    setpoint that came too late and was never sent. ``slot``, ``revision`` and ``decision_id`` name the setpoint.
    ``power_mw`` is the commanded power (MW, positive into the grid). Times are those of the gateway's clock;
    ``valid_until`` is None for a fallback, which has no end.
    """

    slot: Time
    asset_id: str
    sequence: Integer
    revision: Integer
    decision_id: str
    power_mw: float
    fallback_mw: float
    cause: CommandCause
    outcome: CommandOutcome
    gateway: str
    device: str
    made_at: Time
    valid_until: Time | None = None
    sent_at: Time | None = None
    acknowledged_at: Time | None = None
    read_back_at: Time | None = None
    read_back_mw: float | None = None
    measured_at: Time | None = None
    measured_mw: float | None = None
    named_at: Time | None = None
