"""Reads data files of canonical shape (and others through a mapping): CSV, CSV.gz, Parquet, chunk by chunk.

Canonical shape: one header line; ``timestamp`` (UTC start of the interval), ``zone``, then power in MW, ``price`` per
MWh and so on; sorted by timestamp; an empty field is missing. A file is never loaded whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vpp.domain import PRICE
from vpp.errors import DataError
from vpp.files.availability import is_forecast
from vpp.files.columns import ASSET_MARK, Layout, resolve
from vpp.files.mapping import Mapping, load_mapping, shipped_mappings
from vpp.files.step_detection import Spacing

CHUNK_ROWS = 100_000
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class ZoneSpan:
    """What a file holds of one zone; ``channels`` are those with at least one value."""

    zone: str
    first: datetime
    last: datetime
    rows: int
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What a file holds.

    Attributes:
        zones: Zone names, sorted.
        step_min: Slot length in minutes.
        columns: Channels of all zones in file order.
        first: UTC start of the first slot.
        last: UTC start of the last slot.
        rows: Number of rows.
        tick_s: Seconds between rows where they come faster than the step, else None.
        spans: The same by zone.
        notes: What a reader should know.
    """

    zones: tuple[str, ...]
    step_min: int
    columns: tuple[str, ...]
    first: datetime
    last: datetime
    rows: int
    tick_s: float | None = None
    spans: dict[str, ZoneSpan] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def inspect_file(path: Path | str, mapping: Mapping | str | None = None) -> FileInfo:
    """Read a file once, check it and return what it holds.

    Args:
        path: A .csv, .csv.gz or .parquet file.
        mapping: Mapping, its file, or the name of a shipped one; None: canonical, or a shipped mapping that fits.

    Raises:
        DataError: It cannot be read: missing columns, a bad time or number, unsorted or duplicate rows, mixed steps.
    """
    spacing = Spacing(str(path))
    seen: dict[str, set[str]] = {}
    targets: tuple[str, ...] = ()
    layout = open_layout(path, mapping)
    for chunk in _chunks(path, layout, mapping, CHUNK_ROWS):
        spacing.add(chunk["slot"].to_numpy(), chunk["zone"].to_numpy())
        targets = layout.targets
        for zone, part in chunk.groupby("zone", sort=False):
            found = seen.setdefault(str(zone), set())
            found.update(name for name in targets if name not in found and part[name].notna().any())
    if not spacing.zones:
        raise DataError(f"{path} holds no rows", hint="give a file with a header line and at least two rows")
    step_min, tick_s = spacing.step(layout.step_min)
    columns = tuple(name for name in targets if not name.startswith(ASSET_MARK))
    spans = {
        name: ZoneSpan(
            name, utc(zone.first), utc(zone.last), zone.rows, tuple(c for c in columns if c in seen.get(name, ()))
        )
        for name, zone in sorted(spacing.zones.items())
    }
    return FileInfo(
        zones=tuple(spans),
        step_min=step_min,
        columns=columns,
        first=min(span.first for span in spans.values()),
        last=max(span.last for span in spans.values()),
        rows=sum(span.rows for span in spans.values()),
        tick_s=tick_s,
        spans=spans,
        notes=layout.notes,
    )


def read_frame(
    path: Path | str,
    zone: str,
    *,
    mapping: Mapping | str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    neighbours: Collection[str] = (),
    step_min: int | None = None,
) -> pd.DataFrame:
    """Return one zone's channels on a regular index of UTC slot starts.

    Args:
        path: The file.
        zone: Zone name.
        mapping: As ``inspect_file``.
        start: First slot (inclusive), None: the file's first.
        end: End of the range (exclusive), None: the file's last slot.
        neighbours: Zones whose price and published forecasts are wanted too, as columns ``ZONE:channel``.
        step_min: Slot length; None: from the rows.

    Returns:
        One float64 column per channel; NaN where a value or row is missing. Rows faster than the step are averaged.

    Raises:
        DataError: As ``inspect_file``, and for a zone that the file does not have in the range.
    """
    wanted = {zone, *neighbours}
    spacing = Spacing(str(path))
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in wanted}
    layout = open_layout(path, mapping)
    names: set[str] = set()
    for chunk in iter_chunks(path, mapping=mapping, layout=layout, start=start, end=end):
        names.update(chunk["zone"].unique())
        chosen = chunk[chunk["zone"].isin(wanted)]
        spacing.add(chosen["slot"].to_numpy(), chosen["zone"].to_numpy())
        for name, part in chosen.groupby("zone", sort=False):
            parts[str(name)].append(part)
    if not parts[zone]:
        raise DataError(
            f"{path} has no rows of zone {zone!r} in that range; zones there: {', '.join(sorted(names)) or 'none'}",
            hint="check the zone's name and the range (UTC, end exclusive)",
        )
    step = step_min or spacing.step(layout.step_min)[0]
    frame = _regular(parts[zone], step, keep_all=True)
    for name in neighbours:
        if parts[name]:
            other = _regular(parts[name], step, keep_all=False)
            frame = frame.join(other.add_prefix(f"{name}:"))
    return frame


def iter_chunks(
    path: Path | str,
    *,
    mapping: Mapping | str | None = None,
    layout: Layout | None = None,
    zones: Collection[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[pd.DataFrame]:
    """Yield the rows as chunks: ``slot`` (UTC, no tzinfo), ``zone``, one float64 column per channel, in file order.

    Args:
        path: The file.
        mapping: As ``inspect_file``.
        layout: The layout, where the caller has it already.
        zones: Only these, None: all.
        start: First slot (inclusive).
        end: End of the range (exclusive); reading stops there.
        chunk_rows: Rows read at a time.

    Raises:
        DataError: As ``inspect_file``.
    """
    layout = layout or open_layout(path, mapping)
    low = None if start is None else np.datetime64(_naive(start), "ns")
    high = None if end is None else np.datetime64(_naive(end), "ns")
    order = Spacing(str(path))
    for chunk in _chunks(path, layout, mapping, chunk_rows):
        slots = chunk["slot"].to_numpy()
        order.add(slots, chunk["zone"].to_numpy())
        keep = np.ones(len(chunk), dtype=bool)
        if low is not None:
            keep &= slots >= low
        if high is not None:
            keep &= slots < high
        if zones is not None:
            keep &= chunk["zone"].isin(set(zones)).to_numpy()
        if keep.any():
            yield chunk if keep.all() else chunk[keep]
        if high is not None and len(slots) and slots[-1] >= high:
            return


def open_layout(path: Path | str, mapping: Mapping | str | None = None) -> Layout:
    """Return how the file's columns become canonical ones.

    Raises:
        DataError: The file cannot be opened or lacks a column.
        ConfigError: The mapping cannot be read.
    """
    chosen = load_mapping(mapping) if isinstance(mapping, str) else mapping
    header = _header(Path(path), chosen)
    if chosen is None and "timestamp" not in header:
        chosen = next((m for m in shipped_mappings().values() if m.channels and m.fits(header)), None)
    return resolve(header, str(path), chosen)


def utc(stamp: Any) -> datetime:
    """Return a numpy time as an aware UTC datetime."""
    return pd.Timestamp(stamp).to_pydatetime().replace(tzinfo=UTC)


def _naive(when: datetime) -> datetime:
    return when.astimezone(UTC).replace(tzinfo=None)


def _header(path: Path, mapping: Mapping | None) -> tuple[str, ...]:
    if not path.exists():
        raise DataError(f"{path} does not exist", hint="give an existing .csv, .csv.gz or .parquet file")
    try:
        if path.suffix in PARQUET:
            import pyarrow.parquet as pq  # loaded only for Parquet files

            return tuple(pq.read_schema(path).names)
        separator = mapping.separator if mapping else ","
        return tuple(str(name) for name in pd.read_csv(path, nrows=0, sep=separator, encoding="utf-8-sig").columns)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"cannot read {path}: {error}", hint="give a .csv, .csv.gz or .parquet file") from error


def _chunks(path: Path | str, layout: Layout, mapping: Mapping | str | None, chunk_rows: int) -> Iterator[pd.DataFrame]:
    chosen = load_mapping(mapping) if isinstance(mapping, str) else mapping
    row = 2
    try:
        for raw in _raw_chunks(Path(path), layout, chosen or Mapping(), chunk_rows):
            yield layout.apply(raw, row)
            row += len(raw)
    except (OSError, EOFError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path} after row {row - 1}: {error}", hint="is the file complete?") from error


def _raw_chunks(path: Path, layout: Layout, mapping: Mapping, chunk_rows: int) -> Iterator[pd.DataFrame]:
    if path.suffix in PARQUET:
        import pyarrow.parquet as pq  # loaded only for Parquet files

        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=chunk_rows, columns=layout.columns):
                yield batch.to_pandas()
        return
    text = {name: "str" for name in (layout.zone_column, layout.time_column) if name}
    reader = pd.read_csv(
        path,
        sep=mapping.separator,
        decimal=mapping.decimal,
        usecols=layout.columns,
        dtype=text,
        chunksize=chunk_rows,
        encoding="utf-8-sig",
        low_memory=False,
    )
    with reader:
        yield from reader


def _regular(parts: list[pd.DataFrame], step_min: int, *, keep_all: bool) -> pd.DataFrame:
    rows = pd.concat(parts, ignore_index=True)
    names = [
        name
        for name in rows.columns
        if name not in ("slot", "zone")
        and not name.startswith(ASSET_MARK)
        and (keep_all or name == PRICE or is_forecast(name))
    ]
    rows.index = pd.DatetimeIndex(rows["slot"], tz="UTC", name="slot").floor(f"{step_min}min")
    frame = rows[names].astype(np.float64)
    if frame.index.has_duplicates:
        frame = frame.groupby(level=0).mean()
    index = pd.date_range(frame.index[0], frame.index[-1], freq=f"{step_min}min", name="slot")
    return frame.reindex(index)
