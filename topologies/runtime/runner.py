"""Runs reducers by zone over one input topic, without knowing what brings the messages: Quix, a loop or a test."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from vpp.errors import ConfigError, MessageError, UnreachableError
from vpp.fleet.schema import Zone
from vpp.messages import DeadLetter, Decoder
from vpp.streams.reducer import Origin, Output, Reducer
from vpp.streams.topics import DLQ, INPUT_OF

log = logging.getLogger(__name__)

GENERATION = "generation"
MAX_RAW_BYTES = 64_000
MAX_PAYLOAD_BYTES = 900_000


class ByteState(Protocol):
    """The state of one key as the stream engine offers it."""

    def get_bytes(self, key: str) -> bytes | None:
        """Return the value under ``key``, or None."""
        ...

    def set_bytes(self, key: str, value: bytes) -> None:
        """Keep ``value`` under ``key``."""
        ...

    def delete(self, key: str) -> None:
        """Forget ``key``."""
        ...


class Runner:
    """One topology's reducers, one per zone, with decoded states cached while they match what the engine keeps.

    The engine's state is the truth. A generation counter beside it tells whether a cached state still is the one that
    was kept (it is not after a rebalance), so no hook into the engine is needed.

    Args:
        topology: Name of the topology; decides what its topic carries.
        zone_of: Finds the configuration of a zone, None for one that nobody configured.
        make: Makes the reducer of a zone.
    """

    def __init__(
        self, topology: str, zone_of: Callable[[str], Zone | None], make: Callable[[Zone], Reducer[Any]]
    ) -> None:
        self._decode = Decoder(INPUT_OF[topology].carries)
        self._topology = topology
        self._zone_of = zone_of
        self._make = make
        self._reducers: dict[str, Reducer[Any]] = {}
        self._cache: dict[str, tuple[int, Any]] = {}
        self.last_slot: dict[str, Any] = {}
        self.dead_letters = 0

    def process(self, payload: bytes | None, key: bytes | None, origin: Origin, state: ByteState) -> Iterator[Output]:
        """Yield what one record gives: the reducer's outputs, or one dead letter.

        Broken input becomes a dead letter with its reason. So does a record that a reducer fails on: its state is
        untouched, the failure is logged loudly, and the stream goes on.

        Args:
            payload: Raw value; None: a tombstone.
            key: Raw key, the zone's name.
            origin: Topic, partition and offset.
            state: State of the key.

        Raises:
            UnreachableError: Infrastructure is lost; the worker must stop and try again.
        """
        try:
            outputs = self._apply(payload, key, origin, state)
        except MessageError as error:
            outputs = [self._bury(error.reason, str(error), payload, key, origin)]
        except (UnreachableError, ConfigError):
            raise
        except Exception as error:  # a bug on one record must not stop the zone's stream
            log.exception("reducer failed topology=%s origin=%s", self._topology, origin)
            self._cache.pop(_zone_name(key), None)
            outputs = [self._bury("failed", f"{type(error).__name__}: {error}", payload, key, origin)]
        yield from outputs

    def _apply(self, payload: bytes | None, key: bytes | None, origin: Origin, state: ByteState) -> list[Output]:
        if payload is not None and len(payload) > MAX_PAYLOAD_BYTES:
            raise MessageError(f"{len(payload)} bytes is more than {MAX_PAYLOAD_BYTES}", reason="huge")
        if key is None:
            raise MessageError("the record has no key; the key must be the zone", reason="key")
        name = _zone_name(key)
        message = self._decode(payload, key=name)
        reducer = self._reducer(name)
        stored = state.get_bytes(GENERATION)
        generation = int.from_bytes(stored, "little") if stored else 0
        cached = self._cache.get(name)
        current = cached[1] if cached and cached[0] == generation else reducer.load(name, state.get_bytes)
        current, outputs = reducer.step(current, message, origin)
        changes = reducer.changes(current)
        if changes:
            generation += 1
            for field, value in changes.items():
                if value is None:
                    state.delete(field)
                else:
                    state.set_bytes(field, value)
            state.set_bytes(GENERATION, generation.to_bytes(8, "little"))
        self._cache[name] = (generation, current)
        slot = getattr(message, "slot", None)
        if slot is not None:
            self.last_slot[name] = slot
        return outputs

    def _reducer(self, name: str) -> Reducer[Any]:
        reducer = self._reducers.get(name)
        if reducer is None:
            zone = self._zone_of(name)
            if zone is None:
                raise MessageError(
                    f"zone {name!r} is in no fleet file", reason="unknown_zone", hint="add it to fleet.yaml"
                )
            reducer = self._reducers[name] = self._make(zone)
        return reducer

    def _bury(self, reason: str, detail: str, payload: bytes | None, key: bytes | None, origin: Origin) -> Output:
        self.dead_letters += 1
        return dead_letter(reason, detail, payload, key, origin)


def dead_letter(reason: str, detail: str, payload: bytes | None, key: bytes | None, origin: Origin) -> Output:
    """Return the dead letter of a record, its raw bytes cut to what a topic can hold.

    Args:
        reason: Reason code.
        detail: What is wrong, in words.
        payload: Raw value; None: a tombstone.
        key: Raw key, the zone's name.
        origin: Topic, partition and offset.
    """
    raw = payload or b""
    return Output(
        DLQ.name,
        DeadLetter(
            zone=(key or b"").decode("utf-8", "replace")[:200],
            reason=reason,
            detail=_encodable(detail[:2000]),
            topic=origin.topic,
            partition=origin.partition,
            offset=origin.offset,
            raw=base64.b64encode(raw[:MAX_RAW_BYTES]).decode(),
            truncated=len(raw) > MAX_RAW_BYTES,
        ),
    )


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _zone_name(key: bytes | None) -> str:
    try:
        return (key or b"").decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"the key is not UTF-8: {key!r}", reason="key") from error
