"""The interface of a stateful step: a pure reducer over one partition log, and its state as bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import msgspec

from vpp.messages import KnownLags, Message

Load = Callable[[str], bytes | None]
S = TypeVar("S")


class Origin(msgspec.Struct, frozen=True):
    """Place of an input message in its log. It enters receipts and dead letters, and shows that an order is late.

    ``appended_at``: the broker's time of the record, the same whenever it is read again; None if no broker is.
    """

    topic: str
    partition: int
    offset: int
    appended_at: datetime | None = None


class Output(msgspec.Struct, frozen=True):
    """One message for one topic; the key is the message's zone."""

    topic: str
    message: Message


@runtime_checkable
class ProvesState(Protocol):
    """A reducer that can say how complete the past in its state is."""

    def proof(self, state: Any) -> Mapping[str, KnownLags]:
        """Return the lags by target; nothing before the first slot."""
        ...


@dataclass(frozen=True, slots=True)
class HeldMessage(Generic[S]):
    """A message that a reducer kept in its state until it could be taken.

    Attributes:
        message: The message.
        origin: Its place in the log.
        take: As ``Reducer.step`` of it: the state, and the origin of the record that released it.
    """

    message: Message
    origin: Origin
    take: Callable[[S, Origin], tuple[S, list[Output]]]


@runtime_checkable
class HoldsMessages(Protocol):
    """A reducer that holds messages in its state.

    After each step the caller has it release them one by one and takes each: one that fails costs itself alone. A
    change of the zone, which the caller applies itself, waits in the same queue.
    """

    def is_holding(self, state: Any) -> bool:
        """Return whether a message that comes now has to wait."""
        ...

    def hold(self, state: Any, message: Any, origin: Origin) -> None:
        """Keep a message behind those that wait."""
        ...

    def release(self, state: Any) -> tuple[Any, HeldMessage[Any] | None]:
        """Return the state without the next message that can be applied now, and this message or None."""
        ...


class Reducer(Protocol[S]):
    """A stateful step of one zone.

    Invariants:
        - ``step`` reads no clock and no randomness: same state and message give the same outputs, bit for bit.
        - A slot that was already done yields nothing, so at-least-once delivery leaves the same tables.
        - Outputs do not depend on how two producers' messages to one topic interleave.
        - ``step`` may change ``state`` in place: after the call the caller uses the returned state alone. It validates
          the message before it changes anything.
    """

    def initial(self, zone: str) -> S:
        """Return the state of a zone before its first message."""
        ...

    def step(self, state: S, message: Message, origin: Origin) -> tuple[S, list[Output]]:
        """Return the state after ``message`` and its outputs, in order."""
        ...

    def load(self, zone: str, get: Load) -> S:
        """Return the state kept under this zone, or the initial one where ``get`` finds nothing usable.

        Args:
            zone: The zone whose state it is.
            get: Reads one state value by name, None if there is none.
        """
        ...

    def changes(self, state: S) -> Mapping[str, bytes | None]:
        """Return the values that changed since the last call (None: delete), and count them as kept.

        No value may exceed 256 kB (a changelog record over 1 MB is refused by brokers).
        """
        ...
