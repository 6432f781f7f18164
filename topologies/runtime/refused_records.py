"""Records that a worker refuses: a dead letter each, and an alert on possible forgery."""

from __future__ import annotations

import base64
from datetime import datetime

from agents.orders.zone_change import FORGED
from vpp.domain import Step, iso
from vpp.messages import Alert, AlertCode, AlertEffect, DeadLetter
from vpp.streams.reducer import Origin, Output
from vpp.streams.signatures import FOREIGN, UNSIGNED
from vpp.streams.topics import DLQ

MAX_RAW_BYTES = 64_000
CODES = {
    "future": AlertCode.CLOCK_JUMP,
    UNSIGNED: AlertCode.RECORD_UNSIGNED,
    FOREIGN: AlertCode.RECORD_UNSIGNED,
    FORGED: AlertCode.CHANGE_FORGED,
}
"""Reasons that a person should know of at once."""

_CAUSES = {
    "future": "dated after the run's clock",
    UNSIGNED: "without a signature",
    FOREIGN: "with a signature that does not hold",
    FORGED: "that change the zone without the approval key's signature",
}


def dead_letter(reason: str, detail: str, payload: bytes | None, key: bytes | None, origin: Origin) -> Output:
    """Return the dead letter of a record, its raw bytes cut to what a topic can hold.

    Args:
        reason: Reason code.
        detail: What is wrong, in words.
        payload: Raw value; None: a tombstone.
        key: Raw key, the zone's name.
        origin: Topic, partition and offset.
    """
    raw = payload or b""
    return Output(
        DLQ.name,
        DeadLetter(
            zone=(key or b"").decode("utf-8", "replace")[:200],
            reason=reason,
            detail=_encodable(detail[:2000]),
            topic=origin.topic,
            partition=origin.partition,
            offset=origin.offset,
            raw=base64.b64encode(raw[:MAX_RAW_BYTES]).decode(),
            truncated=len(raw) > MAX_RAW_BYTES,
        ),
    )


def refusal_alert(zone: str, reason: str, origin: Origin, step: Step, at: datetime) -> Output:
    """Return the alert that records of a topic were refused: one row for each topic, reason and slot.

    Args:
        zone: The zone.
        reason: One of ``CODES``.
        origin: The first or a later of them.
        step: Slots of the zone.
        at: The run's clock.
    """
    slot = step.floor(at)
    code = CODES[reason]
    alert = Alert(
        zone=zone,
        slot=slot,
        alert_id=f"refused-{reason}-{origin.topic}-{iso(slot)}",
        severity="warning" if code is AlertCode.CLOCK_JUMP else "critical",
        topic="records",
        code=code,
        effect=AlertEffect.QUARANTINED,
        text=f"records {_CAUSES[reason]} came on {origin.topic}, the last at offset {origin.offset} of partition "
        f"{origin.partition}: none was used, each is a dead letter with its cause",
    )
    return Output("alerts", alert)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
