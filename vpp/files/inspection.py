"""A preview of a file: zones, spans, channels with unit and range, gaps, suspects, and what is left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vpp.domain import LOAD, PRICE, SOLAR, WIND
from vpp.files.cells.availability import ASSET_MARK
from vpp.files.file_info import FileInfo
from vpp.files.mapping import Mapping
from vpp.files.reader import inspect_file, iter_chunks, open_file, utc
from vpp.files.slots import COVERED
from vpp.files.zone_fitting import robust_peak

SHOWN_GAPS = 10
SHOWN_SUSPECTS = 10
SUSPECT_PEAKS = 3.0
UNITS = (
    ("_mw", "MW"),
    ("_mwh", "MWh"),
    ("_hz", "Hz"),
    ("_c", "°C"),
    ("_pct", "%"),
    ("_wm2", "W/m²"),
    ("_kmh", "km/h"),
    ("_hpa", "hPa"),
    ("_per_mwh", "currency per MWh"),
    (":soc", "0-1"),
)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A value far from the rest of its channel, with its row (None if rows were reshaped) and instant."""

    row: int | None
    at: datetime
    value: float
    why: str


@dataclass(slots=True)
class ChannelReport:
    """One channel of one zone: how many values, how many rows without one, its range and what looks wrong."""

    channel: str
    unit: str
    values: int
    missing: int
    lowest: float | None
    highest: float | None
    suspects: list[Suspect] = field(default_factory=list)
    suspect_count: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """Slots without a row."""

    first: datetime
    slots: int


@dataclass(slots=True)
class ZoneReport:
    """What is there of one zone. ``days`` are those with a net load or a price, which a model could be trained on."""

    zone: str
    step_min: int
    first: datetime
    last: datetime
    slots: int
    rows: int
    channels: list[ChannelReport]
    gap_count: int
    gaps: list[Gap]
    net_load_days: float
    price_days: float


@dataclass(slots=True)
class FileReport:
    """What the plant would read of a file. ``short_rows`` have fewer fields than the header."""

    file: str
    mapping: str
    rows: int
    zones: list[ZoneReport]
    ignored: dict[str, str]
    notes: list[str]
    short_rows: int


def report_file(path: Path, mapping: Mapping | str | None = None) -> FileReport:
    """Read a file and return a report on how the plant would use it.

    Args:
        path: A .csv, .csv.gz or .parquet file.
        mapping: As ``inspect_file``.

    Raises:
        DataError: It cannot be read; names the row and the next step.
        ConfigError: The mapping is wrong.
    """
    info = inspect_file(path, mapping)
    opened = open_file(path, mapping)
    rows = _rows(path, mapping)
    slots = pd.concat(list(iter_chunks(path, mapping=mapping, info=info)), ignore_index=True)
    zones = [_zone(name, info, rows[rows["zone"] == name], slots[slots["zone"] == name]) for name in info.zones]
    name = opened.table.mapping.name
    return FileReport(
        file=str(path),
        mapping="canonical" if name == "mapping" else name,
        rows=info.rows,
        zones=zones,
        ignored=info.ignored,
        notes=list(info.warnings),
        short_rows=info.short_rows,
    )


def _rows(path: Path, mapping: Mapping | str | None) -> pd.DataFrame:
    opened = open_file(path, mapping)
    is_in_memory = opened.table.content is not None
    parts = []
    for raw in opened.table.chunks(
        opened.layout.columns, opened.layout.text_columns, 10**9 if is_in_memory else 100_000
    ):
        chunk = opened.layout.apply(raw)
        parts.append(chunk.assign(row=raw.rows if len(chunk) == len(raw.rows) else -1))
    return pd.concat(parts, ignore_index=True)


def _zone(name: str, info: FileInfo, rows: pd.DataFrame, slots: pd.DataFrame) -> ZoneReport:
    span = info.spans[name]
    gaps = _gaps(slots["slot"].to_numpy(), span.step_min)
    channels = [
        _channel(column, rows)
        for column in rows.columns
        if column not in ("stamp", "zone", "row", COVERED) and rows[column].notna().any()
    ]
    per_day = 1440 / span.step_min
    power = [column for column in (LOAD, SOLAR, WIND) if column in span.channels]
    with_net = int(slots[power].notna().all(axis=1).sum()) if power else 0
    with_price = int(slots[PRICE].notna().sum()) if PRICE in span.channels else 0
    return ZoneReport(
        zone=name,
        step_min=span.step_min,
        first=span.first,
        last=span.last,
        slots=len(slots),
        rows=span.rows,
        channels=channels,
        gap_count=len(gaps),
        gaps=sorted(gaps, key=lambda gap: -gap.slots)[:SHOWN_GAPS],
        net_load_days=round(with_net / per_day, 1),
        price_days=round(with_price / per_day, 1),
    )


def _channel(name: str, rows: pd.DataFrame) -> ChannelReport:
    values = rows[name].to_numpy()
    present = values[~np.isnan(values)]
    report = ChannelReport(
        channel=name.removeprefix(ASSET_MARK),
        unit=next((unit for end, unit in reversed(UNITS) if name.endswith(end)), ""),
        values=len(present),
        missing=len(values) - len(present),
        lowest=float(present.min()),
        highest=float(present.max()),
    )
    bad, reason = _suspects(name, values)
    report.suspect_count = len(bad)
    numbers: Any = rows["row"].to_numpy()
    stamps: Any = rows["stamp"].to_numpy()
    report.suspects = [
        Suspect(
            row=None if numbers[at] < 0 else int(numbers[at]),
            at=utc(stamps[at]),
            value=float(values[at]),
            why=reason,
        )
        for at in bad[:SHOWN_SUSPECTS]
    ]
    return report


def _suspects(name: str, values: Any) -> tuple[Any, str]:
    if name.endswith(":soc"):
        return np.flatnonzero((values < -0.01) | (values > 1.01)), "no state of charge from 0 to 1"
    peak = robust_peak(values)
    beyond = np.abs(values) > SUSPECT_PEAKS * peak
    return np.flatnonzero(beyond & (peak > 0.0)), f"beyond {SUSPECT_PEAKS:g} times the usual peak of {peak:.4g}"


def _gaps(slots: Any, step_min: int) -> list[Gap]:
    step = np.timedelta64(step_min, "m")
    between = (np.diff(slots) // step).astype(np.int64)
    return [
        Gap(utc(slots[at]) + timedelta(minutes=step_min), int(between[at]) - 1) for at in np.flatnonzero(between > 1)
    ]
