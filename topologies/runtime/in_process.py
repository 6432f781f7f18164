"""The whole chain as one loop without a broker: the reducers that the workers run, for backtests and tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from agents.orders.zone_change import ChangeAuthority
from topologies.runtime.reducers import STEPS, make_reducer
from topologies.runtime.runner import Runner
from vpp.fleet.schema import Zone
from vpp.messages import Message, encode
from vpp.settings import Settings
from vpp.store import Store
from vpp.store.message_rows import rows_of
from vpp.store.table import Row, Table
from vpp.streams.reducer import Origin, Output, Reducer
from vpp.streams.topics import INPUT_OF, RAW

BATCH_ROWS = 20_000


class MemoryState:
    """State of one topology and zone in a dict."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def get_bytes(self, key: str) -> bytes | None:
        """Return the value under ``key``, or None."""
        return self._values.get(key)

    def set_bytes(self, key: str, value: bytes) -> None:
        """Keep ``value`` under ``key``."""
        self._values[key] = value

    def delete(self, key: str) -> None:
        """Forget ``key``."""
        self._values.pop(key, None)

    def values(self) -> dict[str, bytes]:
        """Return a copy of all values by key."""
        return dict(self._values)

    @property
    def size_bytes(self) -> int:
        """Bytes of all values together."""
        return sum(map(len, self._values.values()))


class Chain:
    """Runs every step for every zone in one process, message by message, bytes on each hop as on the wire.

    Args:
        settings: Gives the model registry.
        zone_of: Finds a zone's configuration.
        steps: The topologies to run, by default all.
    """

    def __init__(
        self, settings: Settings, zone_of: Callable[[str], Zone | None], steps: tuple[str, ...] = STEPS
    ) -> None:
        authority = ChangeAuthority(settings.run, settings.approval_secret)
        self._runners = {
            step: Runner(step, zone_of, partial(_make, step, settings), authority=authority) for step in steps
        }
        self._readers: dict[str, list[str]] = {}
        for step in steps:
            self._readers.setdefault(INPUT_OF[step].name, []).append(step)
        self._states: dict[tuple[str, str], MemoryState] = {}
        self._offsets: dict[str, int] = {}

    def feed(self, message: Message, topic: str = RAW.name) -> list[Output]:
        """Send one message in and return everything that came of it, in order, the message itself first."""
        outputs: list[Output] = []
        waiting: deque[Output] = deque([Output(topic, message)])
        while waiting:
            output = waiting.popleft()
            outputs.append(output)
            offset = self._offsets.get(output.topic, -1) + 1
            self._offsets[output.topic] = offset
            payload: bytes | None = None
            for step in self._readers.get(output.topic, ()):
                payload = encode(output.message) if payload is None else payload
                state = self._states.setdefault((step, output.message.zone), MemoryState())
                key = output.message.zone.encode()
                waiting.extend(self._runners[step].process(payload, key, Origin(output.topic, 0, offset), state))
        return outputs

    def state_bytes(self, zone: str) -> dict[str, int]:
        """Return the bytes of state of each step for a zone."""
        return {step: state.size_bytes for (step, name), state in self._states.items() if name == zone}


def _make(step: str, settings: Settings, zone: Zone) -> Reducer[Any]:
    return make_reducer(step, zone, settings)


def run_into_store(chain: Chain, messages: Iterable[Message], store: Store, run: str = "") -> None:
    """Feed all messages and write what every topic carries into the store, as the storage topology does.

    Args:
        chain: The steps.
        messages: Messages of the sources, in order.
        store: The store to write.
        run: Name of the run.
    """
    pending: dict[str, tuple[Table, list[Row]]] = {}
    epoch = datetime.fromtimestamp(0, UTC)
    row_count = 0
    for message in messages:
        for output in chain.feed(message):
            for table, row in rows_of(output.message, output.topic, epoch):
                pending.setdefault(table.name, (table, []))[1].append(row)
                row_count += 1
        if row_count >= BATCH_ROWS:
            _flush(store, pending, run)
            row_count = 0
    _flush(store, pending, run)


def _flush(store: Store, pending: dict[str, tuple[Table, list[Row]]], run: str) -> None:
    for table, rows in pending.values():
        if rows:
            store.write(table, rows, run=run)
            rows.clear()


def outputs_of(chain: Chain, messages: Iterable[Message]) -> dict[str, list[Any]]:
    """Feed all messages and return what each topic carried, in order."""
    outputs: dict[str, list[Any]] = {}
    for message in messages:
        for output in chain.feed(message):
            outputs.setdefault(output.topic, []).append(output.message)
    return outputs
