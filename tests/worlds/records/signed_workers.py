"""All workers of a plant in one process, with what a broker adds: signatures in headers, and the broker's time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from agents.plant.reducer import PlantReducer
from tests.worlds.builders import ZONE, actor_bid_at, closed_slot, trader_bid_at
from tests.worlds.forecasts.no_model import no_model
from tests.worlds.plant_loop import NET, PLANT, PRICES
from topologies.runtime.in_process import MemoryState
from topologies.runtime.inference import InferenceStep
from topologies.runtime.reducers import make_reducer
from topologies.runtime.runner import Runner
from topologies.runtime.store_sink import StoreSink
from vpp import messages as m
from vpp.fleet.schema import Zone
from vpp.settings import Settings
from vpp.store.sqlite import SqliteStore
from vpp.streams.kafka import WireRecord, wire_record
from vpp.streams.reducer import Origin, Output, Reducer
from vpp.streams.signatures import signer_of, verifier_of
from vpp.streams.topics import BY_NAME, FEATURES, INPUT_OF, PREFIX, STORED

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def reducer_of(topology: str, settings: Settings, zone: Zone) -> Reducer[Any]:
    """Return a topology's reducer; a plant that prices no alternatives."""
    return PlantReducer(zone, explore=False) if topology == "plant" else make_reducer(topology, zone, settings)


@dataclass
class SignedWorkers:
    """The zone ``Z`` with every worker, each signing what it writes as the settings say.

    ``now_ms``: the broker's time of the next records (ms since 1970).
    """

    folder: Path
    settings: Settings
    now_ms: int = NOW_MS
    real_time: bool = False
    letters: list[m.DeadLetter] = field(default_factory=list)
    alerts: list[m.Alert] = field(default_factory=list)

    def __post_init__(self) -> None:
        verifier = verifier_of(self.settings)
        self._signers = {
            name: signer_of(self.settings, name) for name in (*INPUT_OF, "inference", "storage", "simulate")
        }
        self._inference = InferenceStep(self.settings, no_model, {ZONE: PLANT}.get)
        self._runners = {
            name: Runner(
                name,
                {ZONE: PLANT}.get,
                partial(reducer_of, name, self.settings),
                verifier=verifier,
                real_time=self.real_time,
            )
            for name in INPUT_OF
        }
        self._states = {name: MemoryState() for name in INPUT_OF}
        self._waiting: deque[WireRecord] = deque()
        self._offset = 0
        self.store = SqliteStore(self.folder / "store.sqlite")
        topics = {topic.wire(): topic for topic in STORED}
        self._sink = StoreSink(self.store, topics, self._bury, None, verifier, {ZONE: PLANT}.get)

    def send(self, topic: str, message: m.Message, writer: str) -> None:
        """Send a message as its writer would."""
        self.put(wire_record(Output(topic, message), self._signers[writer], PREFIX))

    def put(self, record: WireRecord) -> None:
        """Put a record on a topic, whoever made it, and let all workers read until nothing is left."""
        self._waiting.append(record)
        while self._waiting:
            one = self._waiting.popleft()
            self._offset += 1
            topic = BY_NAME[one.topic]
            origin = Origin(topic.name, 0, self._offset, datetime.fromtimestamp(self.now_ms / 1000, UTC))
            for name, source in INPUT_OF.items():
                if source is topic:
                    outputs = self._runners[name].process(one.value, one.key, origin, self._states[name], one.headers)
                    self._take(list(outputs), name)
            if topic is FEATURES:
                self._take(self._inference.process(one.value, one.key, origin, one.headers), "inference")
            if topic in STORED:
                self._sink.add(one.value, one.key, self.now_ms, one.headers, topic.wire(), 0, self._offset)
        self._sink.flush()

    def bid(self, index: int) -> None:
        """Let both policies bid for a slot."""
        seen = closed_slot(index)
        self.send("bids", actor_bid_at(index, NET, observation=seen, observed_net_mw=50.0), "actor")
        self.send("bids", trader_bid_at(index, PRICES, observation=seen), "trader")

    def powers(self) -> list[tuple[Any, ...]]:
        """Return every setpoint in the store."""
        columns = ("slot", "asset_id", "revision", "power_mw")
        return self.store.read("setpoints", columns=columns).values

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def _take(self, outputs: list[Output], writer: str) -> None:
        for output in outputs:
            self._note(output)
            self._waiting.append(wire_record(output, self._signers[writer], PREFIX))

    def _bury(self, outputs: list[Output]) -> None:
        for output in outputs:
            self._note(output)
            record = wire_record(output, self._signers["storage"], PREFIX)
            self._sink.add(record.value, record.key, self.now_ms, record.headers, BY_NAME[output.topic].wire(), 0, 0)

    def _note(self, output: Output) -> None:
        if isinstance(output.message, m.DeadLetter):
            self.letters.append(output.message)
        if isinstance(output.message, m.Alert):
            self.alerts.append(output.message)
