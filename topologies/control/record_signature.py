"""Signed audit records of plans: the audit topic has many writers, so an unsigned record proves nothing."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC

import msgspec

from vpp.messages import Audit


class SignedDetail(msgspec.Struct, frozen=True):
    """What the detail of a signed audit record holds: the detail proper, and the signature over the whole record."""

    text: str
    signature: str


def signed_record(record: Audit, key: bytes | None) -> Audit:
    """Return an audit record whose detail carries a signature; without a key as it is."""
    if key is None:
        return record
    detail = SignedDetail(record.detail, _signature(record, key))
    return msgspec.structs.replace(record, detail=msgspec.json.encode(detail).decode())


def verified_record(record: Audit, key: bytes | None) -> Audit | None:
    """Return an audit record with its detail proper, None if a key is set that did not sign just this record."""
    if key is None:
        return record
    try:
        detail = msgspec.json.decode(record.detail or "", type=SignedDetail)  # an empty text is stored as NULL
    except msgspec.DecodeError:
        return None
    bare = msgspec.structs.replace(record, detail=detail.text)
    return bare if hmac.compare_digest(_signature(bare, key).encode(), detail.signature.encode()) else None


def _signature(record: Audit, key: bytes) -> str:
    content = (
        record.zone,
        record.audit_id,
        record.at.astimezone(UTC).isoformat(timespec="microseconds"),
        record.principal,
        record.action,
        record.verdict,
        record.detail,
        record.digest,
    )
    return hmac.new(key, b"audit:" + msgspec.json.encode(content), hashlib.sha256).hexdigest()
