"""Changes of a zone's configuration: signed by the requester, checked at admission, and checked again in every step.

A change holds in one run and for a short time. Admission takes it within ``LIFE`` of the request and signs it. All
other steps take only what admission signed, within ``ADMITTED_LIFE``. So nobody can send a recorded or refused change
again, be it later or in another run.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from pydantic import ValidationError

from agents.orders.approval import CLOCK_SKEW
from vpp.domain import iso
from vpp.errors import MessageError
from vpp.fleet.live_change import differences
from vpp.fleet.schema import Zone
from vpp.messages import Audit, ZoneChange, encode
from vpp.run_in_use import run_label

ACCEPTED, REFUSED = "accepted", "refused"
FORGED = "change_forged"
"""Reason of a change without a valid signature of the step's authority."""
LIFE = timedelta(minutes=10)
"""Longest time from the request of a change to its place in the log of admission, by the broker's time."""
ADMITTED_LIFE = timedelta(days=1)
"""The same to its place in the log of another step: admission may have been down."""


@dataclass(frozen=True, slots=True)
class ChangeAuthority:
    """The run and the key that changes of zones are checked against.

    Attributes:
        run: Name of the run.
        key: The approval key; None takes changes unsigned.
    """

    run: str = ""
    key: bytes | None = None

    def check_request(self, change: ZoneChange, appended_at: datetime | None) -> None:
        """Check requester, run and time of a change, as admission does.

        Args:
            change: The change.
            appended_at: The broker's time of the record, None where no broker is.

        Raises:
            MessageError: It does not hold (reasons ``FORGED``, ``run``, ``expired``, ``future``).
        """
        if self.key is not None and not _is_same(_seal(change, self.key), change.seal):
            raise MessageError("the change is not signed with the approval key", reason=FORGED)
        self._check_place(change, appended_at, LIFE)

    def check_admitted(self, change: ZoneChange, appended_at: datetime | None) -> None:
        """Check that admission accepted a change, in this run and within its life, as all other steps do.

        Args:
            change: The change.
            appended_at: The broker's time of the record, None where no broker is.

        Raises:
            MessageError: As ``check_request``.
        """
        if self.key is not None and not _is_same(_admission(change, self.key), change.admission):
            raise MessageError("the admission step did not sign the change", reason=FORGED)
        self._check_place(change, appended_at, ADMITTED_LIFE)

    def admit(self, change: ZoneChange) -> ZoneChange:
        """Return the change signed by the admission step; as it is without a key."""
        if self.key is None:
            return change
        return msgspec.structs.replace(change, admission=_admission(change, self.key))

    def _check_place(self, change: ZoneChange, appended_at: datetime | None, life: timedelta) -> None:
        if change.run != self.run:
            raise MessageError(f"the change is for the run {run_label(change.run)}", reason="run")
        if appended_at is None:
            return
        if appended_at > change.at + life:
            raise MessageError(
                f"the change was asked for at {iso(change.at)} and sent at {iso(appended_at)}: it no longer holds",
                reason="expired",
            )
        if appended_at < change.at - CLOCK_SKEW:
            raise MessageError(
                f"the change is dated {iso(change.at)}; the broker's clock shows {iso(appended_at)}", reason="future"
            )


OPEN_AUTHORITY = ChangeAuthority()
"""Takes unsigned changes of the run without a name."""


def audit_id(change: ZoneChange) -> str:
    """Return the id of the audit record that answers a change; a copy with another seal has another id."""
    asked = encode(msgspec.structs.replace(change, admission=""))
    return f"zone-change-{hashlib.blake2b(asked, digest_size=8).hexdigest()}"


def change_digest(change: ZoneChange) -> str:
    """Return a hash of all that is asked."""
    return hashlib.blake2b(encode(_bare(change)), digest_size=8).hexdigest()


def sealed(change: ZoneChange, key: bytes | None) -> ZoneChange:
    """Return the change signed with the approval key; as it is without one."""
    return change if key is None else msgspec.structs.replace(change, seal=_seal(change, key))


def changed_zone(zone: Zone, change: ZoneChange) -> Zone:
    """Return a zone as a change makes it.

    Raises:
        MessageError: It is no configuration of this zone (``schema``), or it changes what needs a restart
            (``restart``).
    """
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
    return msgspec.structs.replace(change, seal="", admission="")


def _seal(change: ZoneChange, key: bytes) -> str:
    return _signature(b"zone-change:", change, key)


def _admission(change: ZoneChange, key: bytes) -> str:
    return _signature(b"zone-change-admitted:", change, key)


def _signature(purpose: bytes, change: ZoneChange, key: bytes) -> str:
    return hmac.new(key, purpose + encode(_bare(change)), hashlib.sha256).hexdigest()


def _is_same(expected: str, actual: str) -> bool:
    # As bytes: of texts that are not ASCII the comparison would raise.
    return hmac.compare_digest(expected.encode(), actual.encode())
