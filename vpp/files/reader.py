"""Reads data files of canonical shape (and others through a mapping): CSV, CSV.gz, Parquet, chunk by chunk.

Canonical shape: one header line; ``timestamp`` (UTC start of the interval), ``zone``, then power in MW, ``price`` per
MWh and so on; sorted by timestamp, or one zone after the other; an empty field is missing. Only a file in long form, or
with one zone after the other, is loaded whole.
The way of a cell: decode, table, columns, times and numbers (``Layout.apply``), slots (``SlotMaker``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vpp.domain import PRICE
from vpp.errors import ConfigError, DataError, did_you_mean, nearest_hint
from vpp.files.cells.availability import ASSET_MARK, channel_of, is_forecast
from vpp.files.channel_check import ChannelCheck
from vpp.files.columns import FileLayout
from vpp.files.file_info import FileInfo, ZoneSpan
from vpp.files.layout import near_misses, resolve
from vpp.files.long_form import melt, unfold
from vpp.files.mapping import Mapping as ColumnMapping
from vpp.files.mapping import doubts, fitting_mapping, load_mapping, shipped_mappings
from vpp.files.slots import COVERED, SlotMaker, ZoneStep
from vpp.files.step_detection import SkippedHour, Spacing
from vpp.files.table import SourceTable, header_line, open_table

CHUNK_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file with the plan for its columns."""

    table: SourceTable
    layout: FileLayout

    def chunks(self, chunk_rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
        """Yield the rows in canonical shape: ``stamp``, ``zone``, one float64 column per channel.

        Raises:
            DataError: A cell cannot be read.
        """
        is_in_memory = self.table.content is not None
        rows = len(self.table.content.rows) if self.table.content is not None else chunk_rows
        for raw in self.table.chunks(self.layout.columns, self.layout.text_columns, max(rows, 1)):
            chunk = self.layout.apply(raw)
            yield _by_time(chunk) if is_in_memory else chunk

    def chunks_by_time(self, chunk_rows: int, info: FileInfo) -> Iterator[pd.DataFrame]:
        """Yield the rows as ``chunks``, those of all zones in one order of time.

        Args:
            chunk_rows: Rows read at a time, where zones do not stand one after the other.
            info: What ``inspect_file`` returned.
        """
        if info.is_by_zone:
            yield _by_time(pd.concat(list(self.chunks(chunk_rows)), ignore_index=True))
        else:
            yield from self.chunks(chunk_rows)

    @property
    def place(self) -> float:
        """Which place of its interval a stamp names, 0 to 1."""
        return self.layout.time.time.place


def open_file(path: Path | str, mapping: ColumnMapping | str | None = None) -> OpenedFile:
    """Open a file and find how its columns become canonical ones.

    Args:
        path: A .csv, .csv.gz or .parquet file.
        mapping: Mapping, its file, or the name of a shipped one; None: canonical, or a shipped mapping that fits.

    Raises:
        DataError: The file cannot be opened or lacks a column.
        ConfigError: The mapping cannot be read.
    """
    chosen = load_mapping(mapping) if isinstance(mapping, str) else mapping
    table = open_table(Path(path), chosen)
    if chosen is None:
        chosen = fitting_mapping(table.header, table.path.name)
        if chosen is not None:
            table = open_table(Path(path), chosen)
    if chosen is not None and chosen.long is not None:
        table = melt(table, [name for name in table.header if name.casefold() in chosen.keys])
    if chosen is not None and chosen.nested in table.header:
        table = unfold(table)
    layout = _resolved(table, chosen)
    if chosen is not None and chosen in shipped_mappings().values():
        layout.warnings = () if mapping is not None else doubts(chosen, table.header, table.path.name)
    return OpenedFile(table, layout)


def _resolved(table: SourceTable, mapping: ColumnMapping | None) -> FileLayout:
    try:
        return resolve(table.header, str(table.path), mapping, table.nested)
    except DataError as error:
        skip = header_line(table)
        if skip is None:
            raise
        hint = f"its header line stands further down: state skip_rows: {skip} in a mapping file"
        raise DataError(str(error), hint=hint) from error


def inspect_file(path: Path | str, mapping: ColumnMapping | str | None = None) -> FileInfo:
    """Read a file once, check it and return a summary of its content.

    Args:
        path: A .csv, .csv.gz or .parquet file.
        mapping: Mapping, its file, or the name of a shipped one; None: canonical, or a shipped mapping that fits.

    Raises:
        DataError: It cannot be read: missing columns, a bad time or number, unsorted or duplicate rows of a zone, mixed
            steps.
        ConfigError: The mapping cannot be read.
    """
    opened = open_file(path, mapping)
    layout, stated = opened.layout, opened.table.mapping
    spacing = Spacing(str(path), opened.place)
    check, skipped = ChannelCheck(), SkippedHour()
    for chunk in opened.chunks():
        if layout.time.is_read_as_utc:
            skipped.add(chunk["stamp"].to_numpy(), chunk["zone"].to_numpy())
        spacing.add(chunk["stamp"].to_numpy(), chunk["zone"].to_numpy())
        check.add(chunk, layout.targets)
    if not stated.model_fields_set & {"decimal", "thousands"} and not opened.table.is_typed:
        layout.grouped.refuse(opened.table)
    if not spacing.zones:
        raise DataError(f"{path} holds no rows", hint="give a file with a header line and at least two rows")
    steps = spacing.steps(stated.step_min, layout.time.part_hour_min)
    check.refuse_scales(str(path), layout)
    repeat = {channel_of(channel) for channel in stated.repeat_min}
    for channel in repeat - set(layout.targets):
        raise ConfigError(
            f"repeat_min: the file has no channel {channel}{did_you_mean(channel, layout.targets)}",
            hint="correct repeat_min: in the mapping",
        )
    columns = tuple(name for name in layout.targets if not name.startswith(ASSET_MARK))
    short = opened.table.short_rows(layout.zone_column)
    short.refuse_shifted(str(path), {name: rows.rows for name, rows in spacing.zones.items()})
    spans = {}
    for name, rows in sorted(spacing.zones.items()):
        check.refuse_sparse_price(str(path), name, rows.phases, steps[name].step_min, repeat)
        first, last = (_slot(stamp, steps[name], opened.place) for stamp in (rows.first, rows.last))
        present = tuple(column for column in columns if check.has(name, column))
        spans[name] = ZoneSpan(name, first, last, rows.rows, present, steps[name].step_min, steps[name].lengths_s)
    ignored = {name or "(no name)": reason for name, reason in layout.ignored.items() if reason != "no channel" or name}
    return FileInfo(
        zones=tuple(spans),
        step_min=min(span.step_min for span in spans.values()),
        columns=columns,
        first=min(span.first for span in spans.values()),
        last=max(span.last for span in spans.values()),
        rows=sum(span.rows for span in spans.values()),
        spans=spans,
        mapping_name=layout.mapping_name,
        warnings=(
            *layout.warnings,
            *short.notes,
            *near_misses(layout),
            *check.price_notes(),
            *check.meter_notes(),
            *skipped.notes,
        ),
        ignored=ignored,
        assets=tuple(dict.fromkeys(t.split(":", 1)[1].rpartition(":")[0] for t in layout.targets if ASSET_MARK in t)),
        cumulative=tuple(check.cumulative()),
        is_by_zone=spacing.is_by_zone,
        short_rows=short.count,
    )


def read_frame(
    path: Path | str,
    zone: str,
    *,
    mapping: ColumnMapping | str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    neighbours: Collection[str] = (),
    info: FileInfo | None = None,
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
        info: What ``inspect_file`` returned, where the caller has it already.
        step_min: Slot length, a multiple of the file's; None: the file's.

    Returns:
        One float64 column per channel; NaN if a value or row is missing. Rows faster than the step are averaged.

    Raises:
        DataError: As ``inspect_file``, and for a zone that the file does not have in the range.
    """
    info = info or inspect_file(path, mapping)
    if step_min is not None:
        info = info.with_step(step_min)
    zones = {zone, *neighbours}
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in zones}
    for chunk in iter_chunks(path, mapping=mapping, info=info, zones=zones, start=start, end=end):
        for name, part in chunk.groupby("zone", sort=False):
            parts[str(name)].append(part)
    if not parts[zone]:
        raise DataError(
            f"{path} has no rows of zone {zone!r} in that range; zones there: {', '.join(info.zones)}",
            hint=nearest_hint(zone, info.zones, otherwise="check the zone's name and the range (UTC, end exclusive)"),
        )
    frame = _regular(parts[zone], info.spans[zone].step_min, keep_all=True)
    for name in neighbours:
        if parts[name]:
            other = _regular(parts[name], info.spans[name].step_min, keep_all=False)
            frame = frame.join(other.add_prefix(f"{name}:"))
    return frame


def iter_chunks(
    path: Path | str,
    *,
    mapping: ColumnMapping | str | None = None,
    info: FileInfo | None = None,
    zones: Collection[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[pd.DataFrame]:
    """Yield slots as chunks: ``slot`` (UTC, no tzinfo), ``zone``, one float64 column per channel, in order of time.

    A slot of which less than half is covered by rows has its covered seconds in ``duration_s``, others NaN there.

    Args:
        path: The file.
        mapping: As ``inspect_file``.
        info: What ``inspect_file`` returned, where the caller has it already.
        zones: Only these, None: all.
        start: First slot (inclusive).
        end: End of the range (exclusive); reading stops there.
        chunk_rows: Rows read at a time.

    Raises:
        DataError: As ``inspect_file``.
    """
    info = info or inspect_file(path, mapping)
    opened = open_file(path, mapping)
    repeat: Mapping[str, int] = {channel_of(k): minutes for k, minutes in opened.table.mapping.repeat_min.items()}
    maker = SlotMaker(info.zone_steps(zones), opened.place, opened.layout.energies, repeat)
    low = None if start is None else np.datetime64(_naive(start), "ns")
    high = None if end is None else np.datetime64(_naive(end), "ns")
    order = Spacing(str(path))
    for rows in opened.chunks_by_time(chunk_rows, info):
        order.add(rows["stamp"].to_numpy(), rows["zone"].to_numpy())
        chunk = maker.add(rows)
        yield from _within(chunk, low, high)
        if high is not None and len(chunk) and chunk["slot"].iloc[0] >= high:
            return
    remainder = maker.rest()
    if remainder is not None:
        yield from _within(remainder, low, high)


def utc(stamp: Any) -> datetime:
    """Return a numpy time as an aware UTC datetime."""
    return pd.Timestamp(stamp).to_pydatetime().replace(tzinfo=UTC)


def _by_time(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(["stamp", "zone"], kind="stable", ignore_index=True)


def _within(chunk: pd.DataFrame, low: Any, high: Any) -> Iterator[pd.DataFrame]:
    slots = chunk["slot"].to_numpy()
    keep = np.ones(len(chunk), dtype=bool)
    if low is not None:
        keep &= slots >= low
    if high is not None:
        keep &= slots < high
    if keep.any():
        yield chunk if keep.all() else chunk[keep]


def _slot(stamp: Any, step: ZoneStep, place: float) -> datetime:
    at = np.array([stamp.astype("datetime64[ns]").astype(np.int64)])
    length = step.lengths(np.array([np.nan]), np.array([np.nan]))
    return utc(step.slots(at, length, place)[0].astype("datetime64[ns]"))


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def _regular(parts: list[pd.DataFrame], step_min: int, *, keep_all: bool) -> pd.DataFrame:
    rows = pd.concat(parts, ignore_index=True)
    names = [
        name
        for name in rows.columns
        if name not in ("slot", "zone", COVERED)
        and not name.startswith(ASSET_MARK)
        and (keep_all or name == PRICE or is_forecast(name))
    ]
    rows.index = pd.DatetimeIndex(rows["slot"], tz="UTC", name="slot")
    frame = rows[names].astype(np.float64)
    index = pd.date_range(frame.index[0], frame.index[-1], freq=f"{step_min}min", name="slot")
    return frame.reindex(index)
