"""Approval of one order: bound to its content, signed, and checked again where orders are admitted.

Whoever approves signs the order's digest. The admission step verifies it, so neither the server that relays an order
nor the model that asked for it can change it afterwards or approve it itself. Without a key (one machine, one user)
approvals are bound to the order but not signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime, timedelta

import msgspec

from vpp.errors import MessageError
from vpp.messages import Order, encode
from vpp.messages.times import Time, settle_times

PLAN_LIFE = timedelta(minutes=10)
CLOCK_SKEW = timedelta(minutes=1)
_VERSION = "v1"


class Approval(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who approved which order.

    ``digest``: of the order. ``mode``: ``operator``, ``elicit``, ``budget``, or ``hold`` (a hold needs no approval,
    but the signature of the server that took it). ``given_at`` and ``expires_at``: wall
    time of the approval and of the end of the plan that it was given for. ``cost``: the most that it may
    lose before the plant stops it, None if it was not priced. ``power_mw``, ``energy_mwh``: with it what counts
    against a budget, None if no budget approved.
    """

    digest: str
    approver: str
    mode: str
    given_at: Time
    expires_at: Time
    power_mw: float | None = None
    energy_mwh: float | None = None
    cost: float | None = None


def order_digest(order: Order) -> str:
    """Return a hash of all that is asked: the order without the time of sending, approval and verdict."""
    unjudged = msgspec.structs.replace(
        order, sent_at=None, approved_by=None, approval=None, verdict=None, verdict_reason=None, admission=None
    )
    return hashlib.blake2b(encode(unjudged), digest_size=16).hexdigest()


def approve(order: Order, approval: Approval, key: bytes | None) -> Order:
    """Return the order with the approval on it.

    Args:
        order: The order.
        approval: The approval; its digest must be the order's.
        key: The secret that the admission step knows too; None leaves the approval unsigned.
    """
    body = base64.urlsafe_b64encode(msgspec.json.encode(approval)).decode()
    return msgspec.structs.replace(
        order, approved_by=approval.approver, approval=f"{_VERSION}.{body}.{_signature(body, key)}"
    )


def refuse_approval(order: Order, key: bytes | None, sent_at: datetime | None = None) -> str | None:
    """Return why the approval on an order does not hold, as words; None if it does.

    Without a key an order that only names its approver holds too.

    Args:
        order: The order.
        key: The secret that approvals are signed with, None if they are not.
        sent_at: The broker's time of the order, so an approval kept for later is void; None: not known.
    """
    if order.approval is None:
        return "it is not signed" if key is not None else None
    version, _, remainder = order.approval.partition(".")
    body, _, signature = remainder.partition(".")
    if version != _VERSION:
        return f"version {version!r} is not known"
    if key is not None and not _is_same(_signature(body, key), signature):
        return "its signature is wrong"
    approval = approval_of(order)
    return "it cannot be read" if approval is None else _void(approval, order, sent_at)


def _void(approval: Approval, order: Order, sent_at: datetime | None) -> str | None:
    if approval.approver != order.approved_by:
        return f"it was given by {approval.approver}, not by {order.approved_by}"
    if approval.digest != order_digest(order):
        return "it belongs to another order"
    if (approval.mode == "hold") != (order.action == "hold"):
        return f"it was given in the mode {approval.mode}, which is not for a {order.action} order"
    if approval.given_at >= approval.expires_at:
        return "the plan had expired"
    if approval.expires_at - approval.given_at > PLAN_LIFE + CLOCK_SKEW:
        return "its validity is longer than a plan's"
    if sent_at is not None and sent_at >= approval.expires_at + CLOCK_SKEW:
        return "it was sent after the plan had expired"
    return None


def approval_of(order: Order) -> Approval | None:
    """Return the approval of an order, unchecked; None if none can be read."""
    _, _, remainder = (order.approval or "").partition(".")
    try:
        approval = msgspec.json.decode(base64.urlsafe_b64decode(remainder.partition(".")[0]), type=Approval)
        settle_times(approval)
    except (binascii.Error, msgspec.DecodeError, MessageError, ValueError):
        return None
    return approval


def sign_admission(order: Order, key: bytes | None) -> Order:
    """Return a judged order with the admission step's signature on its content; without a key unchanged."""
    bare = msgspec.structs.replace(order, admission=None)
    return bare if key is None else msgspec.structs.replace(bare, admission=_admission(bare, key))


def was_admitted(order: Order, key: bytes) -> bool:
    """Return whether the admission step signed an order and its verdict as they are."""
    bare = msgspec.structs.replace(order, admission=None)
    return _is_same(_admission(bare, key), order.admission or "")


def _admission(order: Order, key: bytes) -> str:
    return hmac.new(key, b"admission:" + encode(order), hashlib.sha256).hexdigest()


def _is_same(expected: str, actual: str) -> bool:
    # As bytes: of texts that are not ASCII the comparison would raise.
    return hmac.compare_digest(expected.encode(), actual.encode())


def _signature(body: str, key: bytes | None) -> str:
    return "" if key is None else hmac.new(key, body.encode(), hashlib.sha256).hexdigest()
