"""A drill: a running source writes forged values, to demonstrate the guard.

A file in the data directory asks for it; the source looks for it before each record. What has not been sent yet is
forged at the source, as an attacker on the way from the meter would: all that follows is the plant's own work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from topologies.sources.attacks import ALL_CHANNELS, Attack, forge
from topologies.sources.noise import place_code
from vpp.atomic_file import write_atomic
from vpp.domain import NET_LOAD_CHANNELS
from vpp.fleet.schema import Zone
from vpp.messages import Observation, Promotion, Raw, Values
from vpp.messages.times import Time
from vpp.settings import Settings

HISTORY_DAYS = 8
"""What a replay reaches back to, and what sizes are a share of."""

LONGEST_DAYS = 2


class Drill(msgspec.Struct, kw_only=True, frozen=True):
    """What to forge: an attack by name on one zone, for ``slots`` slots from the next one on.

    ``sign``: 1 or -1, its direction. ``since``: its first slot, written by the source that took it.
    """

    zone: str
    attack: str
    kind: str
    size_pct: float | None = None
    channel: str = NET_LOAD_CHANNELS[0]
    lag: int = 0
    noise_pct: float = 0.0
    slots: int
    sign: int = 1
    seed: int = 0
    since: Time | None = None

    @property
    def form(self) -> Attack:
        """The attack."""
        return Attack(
            self.attack, self.kind, self.size_pct, channel=self.channel, lag=self.lag, noise_pct=self.noise_pct
        )


def drill_path(settings: Settings) -> Path:
    """Return the file that requests a drill from a running source."""
    return settings.data_dir / f"drill-{settings.run or 'default'}.json"


def write_drill(path: Path, drill: Drill) -> None:
    """Ask for a drill."""
    write_atomic(path, msgspec.json.encode(drill))


def read_drill(path: Path) -> Drill | None:
    """Return the requested or running drill, None if there is none or it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Drill)
    except (OSError, msgspec.MsgspecError):
        return None


@dataclass(slots=True)
class _Past:
    """True values of a zone by channel, and the values sent by the drill so far."""

    values: dict[str, deque[float]] = field(default_factory=dict)
    sent: int = 0


class Forger:
    """Forges the records of a source during a drill.

    Args:
        path: The file that asks.
        zones: Configuration, for totals that are forged along with their parts.
    """

    def __init__(self, path: Path, zones: Sequence[Zone]) -> None:
        self._path = path
        self._zones = {zone.zone: zone for zone in zones}
        self._past: dict[str, _Past] = {}
        self._drill: Drill | None = None

    def forged(self, messages: Iterable[Raw], already_sent: int = 0) -> Iterator[Raw]:
        """Yield the records, those of the drill's zone and slots with forged values.

        Args:
            messages: Records from the source's beginning on.
            already_sent: Records that the broker has already, promotions not counted; they are part of no new drill.
        """
        to_skip = already_sent
        for message in messages:
            yield self._one(message, to_skip <= 0) if isinstance(message, Observation) else message
            to_skip -= not isinstance(message, Promotion)

    def _one(self, message: Observation, is_new: bool) -> Observation:
        zone = self._zones.get(message.zone)
        if zone is None:
            return message
        past = self._past.setdefault(message.zone, _Past())
        drill = None if message.history else self._asked(message, is_new)
        values = message.values if drill is None else self._values(zone, past, message, drill)
        for name, value in message.values.items():
            column = past.values.setdefault(name, deque(maxlen=(HISTORY_DAYS + LONGEST_DAYS) * zone.step.per_day))
            column.append(np.nan if value is None else value)
        if drill is None:
            return message
        past.sent += 1
        if past.sent >= drill.slots:
            self._path.unlink(missing_ok=True)
            self._drill, past.sent = None, 0
        return msgspec.structs.replace(message, values=values)

    def _asked(self, message: Observation, is_new: bool) -> Drill | None:
        """Return the drill that this record is part of; a new one begins with it."""
        if self._drill is None:
            drill = read_drill(self._path) if self._path.exists() else None
            if drill is None or drill.zone != message.zone:
                return None
            if (drill.since is None and not is_new) or (drill.since is not None and message.slot < drill.since):
                return None
            self._past[message.zone].sent = 0
            self._drill = msgspec.structs.replace(drill, since=message.slot)
            write_drill(self._path, self._drill)
        return self._drill if self._drill.zone == message.zone else None

    def _values(self, zone: Zone, past: _Past, message: Observation, drill: Drill) -> Values:
        values = dict(message.values)
        names = [name for name in NET_LOAD_CHANNELS if name in values]
        names = names if drill.channel == ALL_CHANNELS else [name for name in names if name == drill.channel]
        for name in names:
            channel_values, history = values[name], np.array(past.values.get(name, ()))
            history = history[-HISTORY_DAYS * zone.step.per_day - past.sent :]
            start = len(history) - past.sent
            if channel_values is None or start < max(
                drill.lag * (zone.step.per_day if drill.kind == "replay" else 1), 1
            ):
                continue
            truth = np.concatenate([history, [channel_values], np.full(drill.slots - past.sent - 1, np.nan)])
            rng = np.random.default_rng([drill.seed, place_code(name)])
            forgery = forge(drill.form, truth, start, drill.slots, zone.step.per_day, float(drill.sign), rng)[past.sent]
            if np.isnan(forgery):
                continue
            values[name] = float(forgery)
            for balance in zone.balances:
                total = values.get(balance.total)
                if name in balance.parts and total is not None:
                    values[balance.total] = total + balance.parts[name] * (float(forgery) - channel_values)
        return values
