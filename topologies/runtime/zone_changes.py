"""The configuration of a zone in one worker: that of its fleet file, or of the last change that came by the log.

A change is kept in the zone's state, so a restart, a rebalance and a replay of the log apply it at the same record.
Once the fleet file itself changes, the file holds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec
from pydantic import ValidationError

from agents.orders.zone_change import ACCEPTED, ChangeAuthority, audit_id, change_audit, changed_zone
from vpp.domain import iso
from vpp.errors import ConfigError, MessageError
from vpp.fleet.live_change import differences
from vpp.fleet.schema import Zone
from vpp.messages import ZoneChange
from vpp.streams.reducer import Origin, Output
from vpp.streams.state_codec import pack, unpack
from vpp.streams.topics import AUDIT, BIDS, FORECASTS, RAW, TELEMETRY

_KEY = "zone"
_SHAPE = "zone-1"
KEPT_PLACES = 32
"""More changes of a zone than a worker reads again after a restart."""
ADMISSION = "orders"
FORWARDED = {
    ADMISSION: (BIDS.name, RAW.name),
    "telemetry": (TELEMETRY.name,),
    "forecast": (FORECASTS.name,),
}
"""Where each step hands a change on; the plant has it from admission, in one order with the orders."""


class AppliedChange(msgspec.Struct):
    """The last change of a zone: its time, the hash of the base configuration, and the result.

    ``places``: id, partition and offset of the last changes that were applied. One that is read again after a restart
    is known by them, also where a topic was made anew and counts from 0 again.
    """

    at: datetime
    file_hash: str
    config: dict[str, Any]
    places: list[tuple[str, int, int]] = []


class ByteState(Protocol):
    """The state of one key as the stream engine offers it."""

    def get_bytes(self, key: str) -> bytes | None:
        """Return the value under ``key``, or None."""
        ...

    def set_bytes(self, key: str, value: bytes) -> None:
        """Keep ``value`` under ``key``."""
        ...

    def delete(self, key: str) -> None:
        """Forget ``key``."""
        ...


def zone_applied(configured: Zone, state: ByteState) -> Zone:
    """Return a zone as the last change left it.

    Args:
        configured: As its fleet file has it.
        state: State of the zone in this step.

    Raises:
        ConfigError: What the change left is no configuration of this version.
    """
    applied = _applied(state)
    if applied is None or applied.file_hash != configured.config_hash:
        return configured
    try:
        return Zone.model_validate(applied.config)
    except ValidationError as error:
        raise ConfigError(
            f"the change of zone {configured.zone} of {iso(applied.at)} is no configuration of this version: {error}",
            hint="write the change into the fleet file: once the file differs, it holds",
        ) from error


def apply_change(
    topology: str, configured: Zone, change: ZoneChange, state: ByteState, authority: ChangeAuthority, origin: Origin
) -> list[Output]:
    """Apply a change to the state of a zone and return the outputs to forward; empty for one that is read again.

    Args:
        topology: The step.
        configured: The zone as its fleet file has it.
        change: The change.
        state: State of the zone in this step; changed.
        authority: Checks the change.
        origin: Place of the change in the log.

    Raises:
        MessageError: The change does not hold (``ChangeAuthority``, ``changed_zone``) or is not newer than the last
            one (``older``).
        ConfigError: As ``zone_applied``.
    """
    applied = _applied(state)
    zone = zone_applied(configured, state)
    check = authority.check_request if topology == ADMISSION else authority.check_admitted
    # First: a forged change is an alert, whatever its time and place.
    check(change, origin.appended_at)
    place = (audit_id(change), origin.partition, origin.offset)
    places = [] if applied is None else applied.places
    if applied is not None and change.at <= applied.at:
        if place in places:
            return []  # read again after a restart
        raise MessageError(f"the change of {iso(applied.at)} was requested later and is in force", reason="older")
    changed = changed_zone(zone, change)
    places = [*places, place][-KEPT_PLACES:]
    record = AppliedChange(change.at, configured.config_hash, changed.model_dump(mode="json"), places)
    state.set_bytes(_KEY, pack(record, _SHAPE, as_text=True))
    admitted = authority.admit(change) if topology == ADMISSION else change
    outputs = [Output(topic, admitted) for topic in FORWARDED.get(topology, ())]
    if topology == ADMISSION:
        detail = f"{change.reason}: {'; '.join(map(str, differences(zone, changed))) or 'no difference'}"
        outputs.append(Output(AUDIT.name, change_audit(change, ACCEPTED, detail)))
    return outputs


def _applied(state: ByteState) -> AppliedChange | None:
    return unpack(state.get_bytes(_KEY), AppliedChange, _SHAPE, as_text=True)
