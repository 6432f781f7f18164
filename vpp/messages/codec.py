"""Messages to JSON bytes and back."""

from __future__ import annotations

from typing import Any

import msgspec

from vpp.errors import MessageError
from vpp.messages.unions import Message

_encoder = msgspec.json.Encoder()


def encode(message: Message) -> bytes:
    """Return ``message`` as JSON; NaN and infinity become null, as missing values do."""
    return _encoder.encode(message)


class Decoder:
    """Decodes the messages of one topic; anything else is a ``MessageError`` with its reason code.

    Args:
        union: The union of message types that the topic carries.
    """

    def __init__(self, union: Any) -> None:
        self._decode = msgspec.json.Decoder(union).decode

    def __call__(self, payload: bytes | None, *, key: str | None = None) -> Any:
        """Return the message in ``payload``.

        Args:
            payload: The record's value.
            key: The record's key where it must equal the message's zone, else None.

        Raises:
            MessageError: With reason ``empty``, ``not_json``, ``schema`` or ``key``.
        """
        if not payload:
            raise MessageError("the record has no value", reason="empty")
        try:
            message = self._decode(payload)
        except msgspec.ValidationError as error:
            raise MessageError(str(error), reason="schema") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MessageError(str(error), reason="not_json") from error
        if key is not None and message.zone != key:
            raise MessageError(f"key {key!r} is not the zone {message.zone!r}", reason="key")
        return message
