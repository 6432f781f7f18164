"""A worker whose CPU time is split by what it is spent on: ``python -m tests.bench.split_worker TOPOLOGY FIRST LAST``.

It runs the worker as it is, with clocks around its parts, and writes ``split.json`` into the data directory: what it
took from record FIRST on until record LAST was processed. TOPOLOGY may be ``pass``, the plain copy of ``pass_through``.
What no clock counts is the Kafka client: Quix, librdkafka with its threads, polling and producing.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from quixstreams.checkpointing.checkpoint import Checkpoint
from quixstreams.state.base.state import TransactionState

from tests.bench import pass_through
from topologies.runtime import store_sink, worker
from topologies.runtime.runner import Runner
from topologies.runtime.status import StatusFile
from topologies.runtime.store_sink import StoreSink
from vpp.atomic_file import write_atomic
from vpp.settings import Settings, load_settings
from vpp.store import open_store
from vpp.streams import kafka

PARTS = ("decode", "state_read", "work", "encode", "state_write", "changelog", "store", "kafka_client")
COMMIT_EVERY_SLOTS = 4


class Split:
    """Exclusive CPU time of the main thread by part: what runs inside another part counts for itself alone."""

    def __init__(self) -> None:
        self.cpu_ns: Counter[str] = Counter()
        self.state_bytes = 0
        self._inner_ns: list[int] = []

    def timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``work`` with its time counted as ``part``."""

        def run(*arguments: Any, **named: Any) -> Any:
            self._inner_ns.append(0)
            began = time.thread_time_ns()
            try:
                return work(*arguments, **named)
            finally:
                took = time.thread_time_ns() - began
                self.cpu_ns[part] += took - self._inner_ns.pop()
                if self._inner_ns:
                    self._inner_ns[-1] += took

        return run


class TimedReducer:
    """A reducer with a clock around each call."""

    def __init__(self, reducer: Any, split: Split) -> None:
        self.initial = reducer.initial
        self.load = split.timed("state_read", reducer.load)
        self.step = split.timed("work", reducer.step)
        self._changes = split.timed("state_write", reducer.changes)
        self._split = split

    def changes(self, state: Any) -> Mapping[str, bytes | None]:
        """Return the changed values, their bytes counted."""
        changes: Mapping[str, bytes | None] = self._changes(state)
        self._split.state_bytes += sum(len(value) for value in changes.values() if value)
        return changes


def write_marks(settings: Settings, split: Split, first: int, last: int) -> None:
    """Write what was spent between two records once the later one is processed."""
    start: dict[str, Any] = {}
    seen = 0
    plain = StatusFile.on_processed

    def on_processed(status: StatusFile, topic: str, partition: int, offset: int) -> None:
        nonlocal seen
        plain(status, topic, partition, offset)
        seen += 1
        if seen == first:
            start.update(cpu_ns=dict(split.cpu_ns), total_s=time.process_time(), state_bytes=split.state_bytes)
        if seen == last:
            parts = {part: (split.cpu_ns[part] - start["cpu_ns"].get(part, 0)) / 1e9 for part in PARTS}
            total_s = time.process_time() - start["total_s"]
            parts["kafka_client"] = total_s - sum(parts.values())
            figures = {"cpu_s": parts, "total_s": total_s, "state_bytes": split.state_bytes - start["state_bytes"]}
            write_atomic(settings.data_dir / "split.json", json.dumps(figures))

    put(StatusFile, "on_processed", on_processed)


def put(owner: Any, name: str, value: Any) -> None:
    """Replace an attribute of a class, an object or a module of this process."""
    setattr(owner, name, value)


def clock_the_worker(settings: Settings, split: Split) -> None:
    """Put the clocks in place."""
    for owner, name, part in (
        (Checkpoint, "commit", "changelog"),
        (TransactionState, "get_bytes", "state_read"),
        (TransactionState, "set_bytes", "state_write"),
        (TransactionState, "delete", "state_write"),
        (worker, "wire_record", "encode"),
        (StoreSink, "_rows", "work"),
    ):
        put(owner, name, split.timed(part, getattr(owner, name)))
    init, sink_init = Runner.__init__, StoreSink.__init__

    def clocked(runner: Runner, topology: str, zone_of: Any, make: Any, **options: Any) -> None:
        init(runner, topology, zone_of, lambda zone: TimedReducer(make(zone), split), **options)
        put(runner, "_decode", split.timed("decode", runner._decode))

    def clocked_sink(sink: StoreSink, *arguments: Any, **options: Any) -> None:
        sink_init(sink, *arguments, **options)
        put(sink, "_decoders", {wire: split.timed("decode", each) for wire, each in sink._decoders.items()})

    put(Runner, "__init__", clocked)
    put(StoreSink, "__init__", clocked_sink)
    store = open_store(settings)
    put(store, "write_all", split.timed("store", store.write_all))
    put(store_sink, "open_store", lambda _: store)


def main(topology: str, first: int, last: int, commit_every: int) -> None:
    """Run one worker, its clocks read at two records, until it is stopped."""
    settings = load_settings()
    split = Split()
    write_marks(settings, split, first, last)
    if topology == "pass":
        pass_through.main("json")
        return
    clock_the_worker(settings, split)
    if topology != "storage":
        put(worker, "application", partial(kafka.application, commit_every=commit_every))
    worker.main(topology)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
