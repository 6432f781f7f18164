"""Reads a history file for a grid backtest: slots as the fleet decides them, and finer rows as ticks inside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from topologies.sources.feed import open_file
from vpp.files.reader import read_frame
from vpp.files.zone_fitting import Overrides
from vpp.fleet.lookup import find_zone
from vpp.fleet.schema import Fleet, Zone

DEFAULT_STEP_MIN = 30
MOST_TICKS = 60
_AHEAD = timedelta(days=3)


@dataclass(frozen=True)
class GridData:
    """A zone's history by slot, its finer rows where there are any, and what was assumed."""

    zone: Zone
    frame: pd.DataFrame
    ticks: pd.DataFrame | None
    notes: tuple[str, ...]


def open_grid_data(
    path: Path,
    name: str | None,
    *,
    start: datetime,
    end: datetime,
    step_min: int | None = None,
    mapping: str | None = None,
    own_fleet: Fleet | None = None,
    overrides: Overrides | None = None,
) -> GridData:
    """Read one zone of a file.

    Rows shorter than the slots that the fleet decides in (its file's ``step_min``, for a fleet of no file half an hour)
    become ticks.

    Args:
        path: The file.
        name: The zone, None if the file has one.
        start: Start of the test range.
        end: Its end; three more days are read for published values.
        step_min: Slot length, a multiple of the file's; None: the fleet's where the file is finer, else the file's.
        mapping: Mapping file or name.
        own_fleet: The user's fleet.
        overrides: Time zone and market from the command line.

    Raises:
        ConfigError: The file has several zones and none is named, or the slot length does not fit.
        DataError: The file cannot be read.
    """
    names = () if name is None else (name,)
    feed = open_file(path, names=names, start=start, mapping=mapping, own_fleet=own_fleet, overrides=overrides)
    zone_name = feed.one_zone().zone
    fine_min = feed.step_min
    slot_min = step_min or _slot_min(zone_name, fine_min, own_fleet)
    if slot_min != fine_min:
        feed = open_file(
            path,
            names=(zone_name,),
            start=start,
            mapping=mapping,
            own_fleet=own_fleet,
            overrides=overrides,
            step_min=slot_min,
        )
    inside = slot_min != fine_min and slot_min // fine_min <= MOST_TICKS
    notes = (
        (*feed.notes, f"{zone_name}: slots of {slot_min} min, rows of {fine_min} min inside") if inside else feed.notes
    )
    until = end + _AHEAD
    ticks = read_frame(path, zone_name, mapping=mapping, end=until, step_min=fine_min) if inside else None
    return GridData(feed.zones[zone_name], feed.frame(zone_name, until), ticks, notes)


def _slot_min(name: str, fine_min: int, own_fleet: Fleet | None) -> int:
    listed = find_zone(name, own_fleet)
    step_min = DEFAULT_STEP_MIN if listed is None else listed.step_min
    return step_min if step_min > fine_min and step_min % fine_min == 0 and 1440 % step_min == 0 else fine_min
