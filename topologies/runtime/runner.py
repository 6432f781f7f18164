"""Runs reducers by zone over one input topic, independent of the transport: Quix, a loop or a test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from agents.orders.zone_change import OPEN_AUTHORITY, REFUSED, ChangeAuthority, change_audit
from topologies.runtime.broker_clock import refuse_future
from topologies.runtime.refused_records import CODES, dead_letter, refusal_alert
from topologies.runtime.zone_changes import ADMISSION, ByteState, apply_change, zone_applied
from vpp.errors import ConfigError, MessageError, UnreachableError
from vpp.fleet.schema import Zone
from vpp.logs import log_about
from vpp.messages import Decoder, KnownLags, ZoneChange, encode
from vpp.streams.reducer import HeldMessage, HoldsMessages, Origin, Output, ProvesState, Reducer
from vpp.streams.signatures import Verifier
from vpp.streams.topics import AUDIT, INPUT_OF, PREFIX
from vpp.streams.tracing import read_trace_id, trace_id_of

log = logging.getLogger(__name__)

GENERATION = "generation"
MAX_PAYLOAD_BYTES = 900_000
CHECKED_FROM_BYTES = 50_000


class Runner:
    """One topology's reducers, one per zone, with decoded states cached while they match what the engine keeps.

    The engine's state is the truth. A generation counter beside it tells whether a cached state still is the one that
    was kept (it is not after a rebalance), so no hook into the engine is needed.

    Args:
        topology: Name of the topology; decides what its topic carries.
        zone_of: Finds the configuration of a zone, None for one that nobody configured.
        make: Makes the reducer of a zone.
        verifier: Checks the signature of records; None accepts unsigned ones.
        prefix: Prefix of the wire names of topics.
        real_time: Whether the run goes by the real time, so nothing can lie after the broker's clock.
        authority: Checks changes of zones.

    Attributes:
        last_slot: Last slot by zone.
        dead_letters: Records that could not be used, since the start.
        slot: Slot of the last processed record, None if it has none.
    """

    def __init__(
        self,
        topology: str,
        zone_of: Callable[[str], Zone | None],
        make: Callable[[Zone], Reducer[Any]],
        *,
        verifier: Verifier | None = None,
        prefix: str = PREFIX,
        real_time: bool = False,
        authority: ChangeAuthority = OPEN_AUTHORITY,
    ) -> None:
        self._input = INPUT_OF[topology]
        self._wire = self._input.wire(prefix)
        self._decode = Decoder(self._input.carries)
        self._verifier = verifier
        self._real_time = real_time
        self._authority = authority
        self._topology = topology
        self._zone_of = zone_of
        self._make = make
        self._reducers: dict[str, Reducer[Any]] = {}
        self._holders: dict[str, HoldsMessages | None] = {}
        self._zones: dict[str, Zone] = {}
        self._cache: dict[str, tuple[int, Any]] = {}
        self.last_slot: dict[str, Any] = {}
        self.dead_letters = 0
        self.slot: datetime | None = None
        self._about: dict[str, Any] = {}

    def process(
        self,
        payload: bytes | None,
        key: bytes | None,
        origin: Origin,
        state: ByteState,
        headers: Iterable[tuple[str, Any]] | None = None,
    ) -> Iterator[Output]:
        """Yield what one record gives: the reducer's outputs, or one dead letter.

        Broken input becomes a dead letter with its reason. So does a record that a reducer fails on: its state is
        untouched, the failure is logged loudly, and the stream continues.

        Args:
            payload: Raw value; None: a tombstone.
            key: Raw key, the zone's name.
            origin: Topic, partition and offset.
            state: State of the key.
            headers: Headers of the record.

        Raises:
            UnreachableError: Infrastructure is lost; the worker must stop and try again.
        """
        self.slot = None
        self._about = {
            "trace_id": read_trace_id(headers),
            "zone": (key or b"").decode("utf-8", "replace"),
            "slot": None,
            "topic": origin.topic,
            "partition": origin.partition,
            "offset": origin.offset,
        }
        log_about(self._about)
        yield from self._or_bury(partial(self._apply, payload, key, origin, state, headers), (payload, key), origin)

    def proofs(self) -> dict[str, Mapping[str, KnownLags]]:
        """Return the completeness of lags by zone, for steps that read history."""
        proofs = {}
        for name, (_, state) in sorted(self._cache.items()):
            reducer = self._reducers[name]
            if isinstance(reducer, ProvesState) and (proof := reducer.proof(state)):
                proofs[name] = proof
        return proofs

    def _apply(
        self,
        payload: bytes | None,
        key: bytes | None,
        origin: Origin,
        state: ByteState,
        headers: Iterable[tuple[str, Any]] | None,
    ) -> list[Output]:
        if payload is not None and len(payload) > MAX_PAYLOAD_BYTES:
            raise MessageError(f"{len(payload)} bytes is more than {MAX_PAYLOAD_BYTES}", reason="huge")
        if key is None:
            raise MessageError("the record has no key; the key must be the zone", reason="key")
        name = _zone_name(key)
        if self._verifier is not None:
            self._verifier.check(self._input, self._wire, (key, payload), headers, origin.appended_at)
        message = self._decode(payload, key=name)
        self.slot = self._about["slot"] = getattr(message, "slot", None)
        if self.slot is not None and self._about["trace_id"] is None:
            self._about["trace_id"] = trace_id_of(name, self.slot)
        current = self._load(name, state)
        reducer = self._reducers[name]
        if self._real_time and origin.appended_at is not None:
            refuse_future(message, self._zones[name].step, origin.appended_at)
        holder = self._holders[name]
        if not isinstance(message, ZoneChange):
            current, outputs = reducer.step(current, message, origin)
        elif holder is not None and holder.is_holding(current):
            holder.hold(current, message, origin)
            outputs = []
        else:
            return self._change(name, message, origin, state)
        self._keep(name, state, current, outputs, len(payload or b""))
        if holder is not None:
            outputs += self._release(name, origin, state)
        if self.slot is not None:
            self.last_slot[name] = self.slot
        return outputs

    def _change(self, name: str, change: ZoneChange, origin: Origin, state: ByteState) -> list[Output]:
        """Take a change of a zone; its reducer is made anew, and its state loaded, with the next record.

        Admission answers a change that it refuses in the audit; all other steps refuse it as a record.

        Args:
            name: The zone.
            change: The change.
            origin: Place of the change in the log.
            state: State of the zone.
        """
        try:
            outputs = apply_change(self._topology, self._configured(name), change, state, self._authority, origin)
        except MessageError as error:
            if self._topology != ADMISSION:
                raise
            audit = Output(AUDIT.name, change_audit(change, REFUSED, str(error)))
            return [audit, *self._alert(error.reason, name.encode(), origin)]
        generation, _ = self._cache.pop(name)
        state.set_bytes(GENERATION, (generation + 1).to_bytes(8, "little"))
        return outputs

    def _release(self, name: str, origin: Origin, state: ByteState) -> list[Output]:
        """Apply the messages that the reducer releases; a failing one becomes a dead letter."""
        outputs: list[Output] = []
        while True:
            current = self._load(name, state)
            holder = self._holders[name]  # another one after a change of the zone
            if holder is None:
                return outputs
            current, held = holder.release(current)
            self._keep(name, state, current, [], 0)
            if held is None:
                return outputs
            payload = encode(held.message)
            take = partial(self._take, name, held, origin, state, len(payload))
            if isinstance(held.message, ZoneChange):
                take = partial(self._change, name, held.message, held.origin, state)
            outputs += self._or_bury(take, (payload, name.encode()), held.origin)

    def _take(self, name: str, held: HeldMessage[Any], origin: Origin, state: ByteState, size: int) -> list[Output]:
        current, outputs = held.take(self._load(name, state), origin)
        self._keep(name, state, current, outputs, size)
        return outputs

    def _load(self, name: str, state: ByteState) -> Any:
        """Return the state of a zone: the cached one where it is the one that the engine keeps."""
        stored = state.get_bytes(GENERATION)
        generation = int.from_bytes(stored, "little") if stored else 0
        cached = self._cache.get(name)
        if cached is None or cached[0] != generation:
            cached = self._cache[name] = (generation, self._reducer(name, state).load(name, state.get_bytes))
        return cached[1]

    def _keep(self, name: str, state: ByteState, current: Any, outputs: list[Output], size: int) -> None:
        """Have the engine keep the state after a record.

        Args:
            name: The zone.
            state: What the engine keeps of it.
            current: The state.
            outputs: What the record gave.
            size: Its bytes.
        """
        generation, _ = self._cache[name]
        changes = self._reducers[name].changes(current)
        self._check_size(name, size, changes, outputs)
        if changes:
            generation += 1
            for field, value in changes.items():
                if value is None:
                    state.delete(field)
                else:
                    state.set_bytes(field, value)
            state.set_bytes(GENERATION, generation.to_bytes(8, "little"))
        self._cache[name] = (generation, current)

    def _check_size(self, name: str, size: int, changes: Mapping[str, bytes | None], outputs: list[Output]) -> None:
        """Refuse a record that makes a value which a broker would refuse: the worker could never commit it.

        The state that the engine keeps is untouched; the changed one is forgotten.
        """
        largest = max((len(value) for value in changes.values() if value), default=0)
        if max(largest, size) > CHECKED_FROM_BYTES:
            largest = max(largest, *(len(encode(output.message)) for output in outputs), 0)
        if largest > MAX_PAYLOAD_BYTES:
            self._cache.pop(name, None)
            raise MessageError(f"it makes a value of {largest} bytes, more than {MAX_PAYLOAD_BYTES}", reason="huge")

    def _configured(self, name: str) -> Zone:
        zone = self._zone_of(name)
        if zone is None:
            raise MessageError(f"zone {name!r} is in no fleet file", reason="unknown_zone", hint="add it to fleet.yaml")
        return zone

    def _reducer(self, name: str, state: ByteState) -> Reducer[Any]:
        """Return the reducer for a zone as the last change left it; made anew only where that is another one."""
        zone = zone_applied(self._configured(name), state)
        if self._zones.get(name) != zone:
            self._zones[name] = zone
            reducer = self._reducers[name] = self._make(zone)
            # Asked once: to look for a protocol's methods takes longer than a short step.
            self._holders[name] = reducer if isinstance(reducer, HoldsMessages) else None
        return self._reducers[name]

    def _or_bury(
        self, work: Callable[[], list[Output]], record: tuple[bytes | None, bytes | None], origin: Origin
    ) -> list[Output]:
        """Return the outputs of ``work`` on a record (value and key), or the record's dead letter and its alert.

        Raises:
            UnreachableError: As in ``process``.
        """
        try:
            return work()
        except MessageError as error:
            self.dead_letters += 1
            letter = dead_letter(error.reason, str(error), *record, origin)
            return [letter, *self._alert(error.reason, record[1], origin)]
        except (UnreachableError, ConfigError):
            raise
        except Exception as error:  # a bug on one record must not stop the zone's stream
            log.exception("reducer failed topology=%s origin=%s", self._topology, origin)
            self.dead_letters += 1
            self._cache.pop(_zone_name(record[1]), None)
            return [dead_letter("failed", f"{type(error).__name__}: {error}", *record, origin)]

    def _alert(self, reason: str, key: bytes | None, origin: Origin) -> list[Output]:
        """Return the alert of a refused record, by the clock of its zone; nothing for a zone that nobody configured."""
        if reason not in CODES:
            return []
        name = _zone_name(key)
        zone = self._zone_of(name)
        at: datetime | None = self.last_slot.get(name) or origin.appended_at
        return [] if zone is None or at is None else [refusal_alert(name, reason, origin, zone.step, at)]


def _zone_name(key: bytes | None) -> str:
    try:
        return (key or b"").decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"the key is not UTF-8: {key!r}", reason="key") from error
