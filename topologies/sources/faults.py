"""Telemetry faults on demand: drop-outs, spikes, frozen values, duplicates, late records; seeded by zone and slot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import numpy as np

from topologies.sources.noise import place_code
from vpp.domain import NET_LOAD_CHANNELS
from vpp.messages import End, Observation, Raw, Values


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each fault begins, as a chance per slot and zone (0 to 1).

    Attributes:
        dropout: A record, or one of its channels, is lost for 1 to 6 slots.
        spike: One channel reads five times its value.
        freeze: All channels keep their values for 4 to 12 slots.
        duplicate: The record is repeated.
        late: The record comes 1 to 3 slots late.
        seed: Same seed, same faults.
    """

    dropout: float = 0.0
    spike: float = 0.0
    freeze: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    seed: int = 0

    @classmethod
    def all_at(cls, rate: float, seed: int = 0) -> Faults:
        """Return every fault at the same rate."""
        return cls(rate, rate, rate, rate, rate, seed)

    @property
    def any(self) -> bool:
        """Whether there are faults at all."""
        return max(self.dropout, self.spike, self.freeze, self.duplicate, self.late) > 0.0


@dataclass(slots=True)
class _Zone:
    lost: int = 0
    lost_channel: str | None = None
    frozen: int = 0
    frozen_values: Values = field(default_factory=dict)
    held: list[tuple[int, Observation]] = field(default_factory=list)


def with_faults(messages: Iterable[Raw], faults: Faults) -> Iterator[Raw]:
    """Yield the records with faults; history, publications and promotions stay whole.

    A late record keeps its slot and gets the run clock of when it is sent. Nothing is held past the zone's end.
    """
    zones: dict[str, _Zone] = {}
    for message in messages:
        if isinstance(message, Observation) and not message.history:
            state = zones.setdefault(message.zone, _Zone())
            yield from _one(state, message, faults)
        elif isinstance(message, End):
            for _, delayed in zones.get(message.zone, _Zone()).held:
                yield delayed
            yield message
        else:
            yield message


def _one(state: _Zone, message: Observation, faults: Faults) -> Iterator[Raw]:
    draw = np.random.default_rng([faults.seed, place_code(message.zone), int(message.slot.timestamp())])
    chance = draw.random(5)
    length = int(draw.integers(1, 7))
    broken = _broken(state, message, faults, chance, length, int(draw.integers(0, 1_000_000)))
    waiting = [(countdown - 1, delayed) for countdown, delayed in state.held]
    state.held = [item for item in waiting if item[0] > 0]
    due = [delayed for countdown, delayed in waiting if countdown <= 0]
    if broken is not None and chance[4] < faults.late:
        state.held.append((1 + length % 3, broken))
    elif broken is not None:
        yield broken
        if chance[3] < faults.duplicate:
            yield broken
    for delayed in due:
        yield _sent(delayed, message.sent_at)


def _broken(
    state: _Zone, message: Observation, faults: Faults, chance: np.ndarray, length: int, pick: int
) -> Observation | None:
    channels = [name for name in NET_LOAD_CHANNELS if name in message.values] or sorted(message.values)
    if not channels:
        return message
    if state.lost == 0 and chance[0] < faults.dropout:
        state.lost = length
        state.lost_channel = None if pick % 2 else channels[pick % len(channels)]
    if state.frozen == 0 and chance[2] < faults.freeze:
        state.frozen = 2 * length + 2
        state.frozen_values = dict(message.values)
    values = dict(message.values)
    if state.frozen:
        state.frozen -= 1
        values = dict(state.frozen_values)
    if chance[1] < faults.spike:
        channel = channels[pick % len(channels)]
        value = values[channel]
        values[channel] = None if value is None else 5.0 * value
    if state.lost:
        state.lost -= 1
        if state.lost_channel is None:
            return None
        values[state.lost_channel] = None
    return msgspec.structs.replace(message, values=values)


def _sent(message: Observation, sent_at: datetime | None) -> Observation:
    return msgspec.structs.replace(message, sent_at=sent_at)
