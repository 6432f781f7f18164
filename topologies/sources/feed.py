"""The source of rows: a file or the simulator behind one interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import msgspec
import pandas as pd

from topologies.sources.simulator import CHANNELS, Simulator
from vpp.atomic_file import write_atomic
from vpp.domain import FREQUENCY
from vpp.errors import ConfigError, DataError
from vpp.files.cells.availability import is_published
from vpp.files.dataset import size_and_change
from vpp.files.file_info import FileInfo
from vpp.files.mapping import Mapping as ColumnMapping
from vpp.files.reader import inspect_file, iter_chunks, read_frame
from vpp.files.zone_fitting import Overrides, zone_for, zones_for_file
from vpp.fleet.lookup import find_zone
from vpp.fleet.schema import Fleet, Zone

SIMULATED_HISTORY = timedelta(days=126)
"""Simulated rows before a run's start: enough for every model, the guard and intervals of day-ahead prices included."""


class Feed(Protocol):
    """Rows of zones, by chunk for sending and by frame for training."""

    @property
    def zones(self) -> Mapping[str, Zone]:
        """The zones that are sent, by name, fitted to the data."""
        ...

    @property
    def neighbours(self) -> Mapping[str, Zone]:
        """Zones whose published values are sent to those that list them."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed, for people."""
        ...

    @property
    def step_min(self) -> int:
        """Slot length in minutes."""
        ...

    @property
    def first(self) -> datetime:
        """First slot that there is."""
        ...

    def chunks(self, start: datetime | None, end: datetime | None) -> Iterator[pd.DataFrame]:
        """Yield rows in order of time over ``[start, end)``, those of neighbours included."""
        ...

    def frame(self, zone: str, end: datetime, start: datetime | None = None) -> pd.DataFrame:
        """Return published and measured values of one zone before ``end``, and published values of its neighbours."""
        ...

    def swings(self, at_s: float, every_s: float) -> dict[str, float]:
        """Return by channel how far a tick that ends at ``at_s`` (s since 1970) lies from its slot's mean."""
        ...


@dataclass(frozen=True, slots=True)
class FileFeed:
    """Rows of a file."""

    path: Path
    info: FileInfo
    zones: dict[str, Zone]
    neighbours: dict[str, Zone]
    notes: tuple[str, ...]
    mapping: ColumnMapping | str | None = None

    @property
    def step_min(self) -> int:
        """Slot length in minutes."""
        return self.info.step_min

    @property
    def first(self) -> datetime:
        """First slot of the zones that are sent."""
        return min(self.info.spans[name].first for name in self.zones)

    def one_zone(self) -> Zone:
        """Return the zone of a feed of one.

        Raises:
            ConfigError: There are several.
        """
        if len(self.zones) != 1:
            names = ", ".join(sorted(self.zones))
            raise ConfigError(f"{self.path} has several zones", hint=f"give one with --zone: {names}")
        (zone,) = self.zones.values()
        return zone

    def chunks(self, start: datetime | None, end: datetime | None) -> Iterator[pd.DataFrame]:
        """Yield rows in order of time over ``[start, end)``, those of neighbours included."""
        names = {*self.zones, *self.neighbours}
        return iter_chunks(self.path, mapping=self.mapping, info=self.info, zones=names, start=start, end=end)

    def frame(self, zone: str, end: datetime, start: datetime | None = None) -> pd.DataFrame:
        """Return the zone's rows before ``end``."""
        around = [name for name in self.zones[zone].neighbours if name in self.info.spans]
        return read_frame(
            self.path,
            zone,
            mapping=self.mapping,
            start=start,
            end=end,
            neighbours=around,
            info=self.info,
        )

    def swings(self, at_s: float, every_s: float) -> dict[str, float]:
        """Return nothing: a file knows no more than its slots' means."""
        return {}


@dataclass(frozen=True, slots=True)
class SimulatorFeed:
    """Rows of the simulator. ``first`` is where its history begins."""

    simulator: Simulator
    first: datetime
    notes: tuple[str, ...]
    zones: dict[str, Zone]
    neighbours: dict[str, Zone] = field(default_factory=dict)

    @property
    def step_min(self) -> int:
        """Slot length in minutes."""
        return next(iter(self.zones.values())).step_min

    def chunks(self, start: datetime | None, end: datetime | None) -> Iterator[pd.DataFrame]:
        """Yield rows in order of time over ``[start, end)``; without ``end`` it never stops."""
        return self.simulator.chunks(max(start or self.first, self.first), end)

    def frame(self, zone: str, end: datetime, start: datetime | None = None) -> pd.DataFrame:
        """Return the zone's rows before ``end``."""
        return self.simulator.frame(self.zones[zone], max(start or self.first, self.first), end)

    def swings(self, at_s: float, every_s: float) -> dict[str, float]:
        """Return the swing of the grid's frequency."""
        return {FREQUENCY: self.simulator.frequency_swing_hz(at_s, every_s)}


def open_file(
    path: Path,
    *,
    names: tuple[str, ...] = (),
    start: datetime | None = None,
    mapping: str | None = None,
    own_fleet: Fleet | None = None,
    overrides: Overrides | None = None,
    cache_dir: Path | None = None,
    step_min: int | None = None,
) -> FileFeed:
    """Inspect a file and return it as a feed.

    Args:
        path: The file.
        names: Zones to send; none: all.
        start: First slot of the run, up to which an unknown zone's history may be looked at.
        mapping: Mapping file or name.
        own_fleet: The user's fleet.
        overrides: Time zone and market from the command line.
        cache_dir: Folder of cached results of a file, so a restart does not read it again.
        step_min: Slot length, a multiple of the file's; its rows are then averaged into slots. None: the file's.

    Raises:
        DataError: The file cannot be read.
        ConfigError: It has no such zone, or the mapping, the slot length or an override is wrong.
    """
    info = _inspected(path, mapping, cache_dir)
    if step_min is not None and step_min != info.step_min:
        if step_min % info.step_min or 1440 % step_min:
            raise ConfigError(
                f"{path} has steps of {info.step_min} min, which do not make up {step_min} min",
                hint="give a multiple that divides a day into whole slots",
            )
        info = info.with_step(step_min)
    zones, notes = zones_for_file(
        path, info, names or info.zones, run_start=start, mapping=mapping, own_fleet=own_fleet, overrides=overrides
    )
    published_neighbours = {other for zone in zones.values() for other in zone.neighbours if other in info.spans}
    neighbours = {}
    for name in sorted(published_neighbours - set(zones)):
        listed = find_zone(name, own_fleet)
        if listed is not None and any(is_published(listed, channel) for channel in info.spans[name].channels):
            neighbours[name], _ = zone_for(
                name,
                step_min=info.spans[name].step_min,
                channels=info.spans[name].channels,
                own_fleet=own_fleet,
                overrides=overrides,
            )
    return FileFeed(path, info, zones, neighbours, (*info.notes, *notes), mapping)


def open_simulator(
    names: tuple[str, ...],
    *,
    start: datetime,
    history: timedelta = SIMULATED_HISTORY,
    seed: int = 0,
    step_min: int = 30,
    own_fleet: Fleet | None = None,
    overrides: Overrides | None = None,
    measured_assets: bool = False,
) -> SimulatorFeed:
    """Return the simulator as a feed, with ``history`` before ``start``.

    Args:
        names: Zones to simulate.
        start: First live slot.
        history: Length of the rows before ``start``, to train on.
        seed: Seed of weather and load.
        step_min: Length of a slot in minutes.
        own_fleet: The user's fleet.
        overrides: Time zone and market from the command line.
        measured_assets: Whether a battery per zone is reported as measured.
    """
    zones: dict[str, Zone] = {}
    notes = ["synthetic data: a seeded simulator, no real grid"]
    for name in names:
        zones[name], zone_notes = zone_for(
            name, step_min=step_min, channels=CHANNELS, own_fleet=own_fleet, overrides=overrides
        )
        notes += zone_notes
    return SimulatorFeed(Simulator(tuple(zones.values()), seed, measured_assets), start - history, tuple(notes), zones)


def _inspected(path: Path, mapping: str | None, cache_dir: Path | None) -> FileInfo:
    if cache_dir is None or not path.exists():
        return inspect_file(path, mapping)
    size, changed_ns = size_and_change(path)
    described = f"{path.absolute()}|{size}|{changed_ns}|{mapping}|{_stamp(mapping)}"
    cache_path = cache_dir / f"inspected-{sha256(described.encode()).hexdigest()[:16]}.json"
    try:
        return msgspec.json.decode(cache_path.read_bytes(), type=FileInfo)
    except (OSError, msgspec.MsgspecError):
        info = inspect_file(path, mapping)
    write_atomic(cache_path, msgspec.json.encode(info))
    return info


def _stamp(mapping: str | None) -> int:
    if mapping is None:
        return 0
    path = Path(mapping)
    try:
        return path.stat().st_mtime_ns if path.exists() else 0
    except OSError as error:
        raise DataError(f"cannot read {mapping}: {error.strerror}", hint="give an existing mapping file") from error
