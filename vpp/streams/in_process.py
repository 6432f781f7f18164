"""A reducer driven without a broker, in place of a worker, for backtests, shadows and tests."""

from __future__ import annotations

from typing import Generic, TypeVar

from vpp.messages import Message
from vpp.streams.reducer import Origin, Reducer

S = TypeVar("S")


class ReducerLoop(Generic[S]):
    """The state of one reducer and the log that it reads, message by message.

    State is never written as bytes; ``topologies.runtime.in_process`` runs a whole chain with the bytes of each hop.

    Args:
        reducer: The step.
        zone: Its zone.
        topic: Name of the log, for receipts.
    """

    def __init__(self, reducer: Reducer[S], zone: str, topic: str = "in_process") -> None:
        self._reducer = reducer
        self._zone = zone
        self._topic = topic
        self._offset = -1
        self.state = reducer.initial(zone)

    def step(self, message: Message) -> list[Message]:
        """Apply the next message of the log and return the outputs, in order."""
        self._offset += 1
        origin = Origin(self._topic, 0, self._offset)
        self.state, outputs = self._reducer.step(self.state, message, origin)
        return [output.message for output in outputs]

    def restart(self) -> None:
        """Go back to the state of a zone that nothing is known of; the log continues."""
        self.state = self._reducer.initial(self._zone)
