"""Times in messages: each has a time zone, lies within the supported calendar, and is converted to UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, get_args, get_type_hints

import msgspec

from vpp.errors import MessageError

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time as messages declare it: one without a time zone does not decode."""

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Bounds of a message's times: every store holds them, and no life or horizon added to one leaves the calendar."""


def settle_times(message: msgspec.Struct) -> None:
    """Bring every time of a decoded message to UTC, in place.

    Raises:
        MessageError: With reason ``time``: one lies outside ``EARLIEST`` to ``LATEST``.
    """
    for name in _timed_fields(type(message)):
        value = getattr(message, name)
        settled = _settled(name, value)
        if settled is not value:
            msgspec.structs.force_setattr(message, name, settled)


def _settled(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return _in_utc(name, value)
    if isinstance(value, msgspec.Struct):
        settle_times(value)
    elif isinstance(value, list | tuple):
        return type(value)(_settled(name, item) for item in value)
    elif isinstance(value, Mapping):
        return {key: _settled(name, item) for key, item in value.items()}
    return value


def _in_utc(name: str, instant: datetime) -> datetime:
    if not EARLIEST <= instant < LATEST:
        raise MessageError(
            f"{name} {instant.isoformat()} is not between {EARLIEST.year} and {LATEST.year}", reason="time"
        )
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


@cache
def _timed_fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the fields of a message type that hold times, themselves or further inside."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(name for name in kind.__struct_fields__ if _holds_times(hints[name]))


def _holds_times(hint: Any) -> bool:
    parts = get_args(hint)
    if parts:
        return any(_holds_times(part) for part in parts)
    if not isinstance(hint, type):
        return False
    return bool(_timed_fields(hint)) if issubclass(hint, msgspec.Struct) else issubclass(hint, datetime)
