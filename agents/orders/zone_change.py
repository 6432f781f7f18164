"""Changes of a zone's configuration: signed by the requester, checked at admission, and checked again in every step."""

from __future__ import annotations

import hashlib
import hmac

import msgspec
from pydantic import ValidationError

from vpp.errors import MessageError
from vpp.fleet.live_change import differences
from vpp.fleet.schema import Zone
from vpp.messages import Audit, ZoneChange, encode

ACCEPTED, REFUSED = "accepted", "refused"
FORGED = "change_forged"
"""Reason of a change that nobody with the approval key signed."""


def audit_id(change: ZoneChange) -> str:
    """Return the id of the audit record that answers a change."""
    return f"zone-change-{change_digest(change)}"


def change_digest(change: ZoneChange) -> str:
    """Return a hash of all that is asked."""
    return hashlib.blake2b(encode(_bare(change)), digest_size=8).hexdigest()


def sealed(change: ZoneChange, key: bytes | None) -> ZoneChange:
    """Return the change signed with the approval key; as it is without one."""
    return change if key is None else msgspec.structs.replace(change, seal=_signature(change, key))


def changed_zone(zone: Zone, change: ZoneChange, key: bytes | None) -> Zone:
    """Return a zone as a change makes it.

    Args:
        zone: As it is configured now.
        change: The change.
        key: The approval key; None takes changes unsigned.

    Raises:
        MessageError: The seal is missing or wrong (reason ``FORGED``), it is no configuration of this zone
            (``schema``), or it changes what needs a restart (``restart``).
    """
    if key is not None and not hmac.compare_digest(_signature(change, key).encode(), change.seal.encode()):
        raise MessageError("the change is not signed with the approval key", reason=FORGED)
    try:
        changed = Zone.model_validate(change.config)
    except ValidationError as error:
        raise MessageError(f"the change is no configuration of a zone: {error}", reason="schema") from error
    if changed.zone != zone.zone:
        raise MessageError(f"the change is for the zone {changed.zone}", reason="schema")
    fixed = [one.key for one in differences(zone, changed) if not one.live]
    if fixed:
        raise MessageError(f"a restart is needed to change {', '.join(fixed)}", reason="restart")
    return changed


def change_audit(change: ZoneChange, verdict: str, detail: str) -> Audit:
    """Return the audit record of a change.

    Args:
        change: The change.
        verdict: ``ACCEPTED`` or ``REFUSED``.
        detail: What it changes, or why it is refused.
    """
    return Audit(
        zone=change.zone,
        audit_id=audit_id(change),
        at=change.at,
        principal=change.principal,
        action="zone_change",
        verdict=verdict,
        detail=detail,
        digest=change_digest(change),
    )


def _bare(change: ZoneChange) -> ZoneChange:
    return msgspec.structs.replace(change, seal="")


def _signature(change: ZoneChange, key: bytes) -> str:
    return hmac.new(key, b"zone-change:" + encode(_bare(change)), hashlib.sha256).hexdigest()
