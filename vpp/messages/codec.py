"""Messages to JSON bytes and back."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, cast, get_args

import msgspec

from vpp.errors import MessageError
from vpp.json_keys import check_keys
from vpp.messages.alert_acts import AlertAct
from vpp.messages.bids import Order
from vpp.messages.decision import Decision
from vpp.messages.decision_v1 import read_form_1
from vpp.messages.integers import check_free_values
from vpp.messages.plant import Audit
from vpp.messages.telemetry import Deadline, Observation, Promotion, Publication
from vpp.messages.times import settle_times
from vpp.messages.unions import Message
from vpp.messages.zone_change import ZoneChange

# What people, agents and the field write. What a step writes has each key once, and may be long.
_FROM_OUTSIDE = (Order, ZoneChange, Audit, AlertAct, Observation, Publication, Promotion, Deadline)

_encoder = msgspec.json.Encoder()


def encode(message: Message) -> bytes:
    """Return ``message`` as JSON; NaN and infinity become null, as missing values do."""
    return _encoder.encode(message)


def unjudged(order: Order) -> Order:
    """Return an order without the fields that the admission step adds."""
    return msgspec.structs.replace(order, verdict=None, verdict_reason=None, admission=None)


def unjudged_digest(order: Order) -> str:
    """Return a hash of an order as it was sent, with approval and time of sending."""
    return blake2b(encode(unjudged(order)), digest_size=16).hexdigest()


def read_decision(body: bytes | str) -> Decision:
    """Return the decision record in ``body``, of the present form or of form 1.

    Raises:
        MessageError: The message is not valid (reason ``not_json`` or ``schema``).
    """
    return cast("Decision", _read_decision(body.encode() if isinstance(body, str) else body))


class Decoder:
    """Decodes the messages of one topic; anything else is a ``MessageError`` with its reason code.

    The times of a message that decodes are in UTC and within ``vpp.messages.times``' calendar. Its integers
    fit 64 bits.

    Args:
        union: The union of message types that the topic carries.
    """

    def __init__(self, union: Any) -> None:
        self._decode = msgspec.json.Decoder(union).decode
        self._has_decisions = union is Decision or Decision in get_args(union)

    def __call__(self, payload: bytes | None, *, key: str | None = None) -> Any:
        """Return the message in ``payload``.

        Args:
            payload: The record's value.
            key: The record's key where it must equal the message's zone, else None.

        Raises:
            MessageError: With reason ``empty``, ``not_json``, ``schema``, ``time`` or ``key``.
        """
        if not payload:
            raise MessageError("the record has no value", reason="empty")
        try:
            message = self._read(payload)
            if isinstance(message, _FROM_OUTSIDE):
                _check_keys(payload)
            check_free_values(message)
            settle_times(message)
        except msgspec.ValidationError as error:
            raise MessageError(str(error), reason="schema") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MessageError(str(error), reason="not_json") from error
        if key is not None and message.zone != key:
            raise MessageError(f"key {key!r} is not the zone {message.zone!r}", reason="key")
        return message

    def _read(self, payload: bytes) -> Any:
        try:
            return self._decode(payload)
        except msgspec.ValidationError:
            older = read_form_1(payload) if self._has_decisions else None
            if older is None:
                raise
            return older


def _check_keys(payload: bytes) -> None:
    try:
        check_keys(payload)
    except ValueError as error:
        raise MessageError(str(error), reason="schema") from error


_read_decision = Decoder(Decision)
