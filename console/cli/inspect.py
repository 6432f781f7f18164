"""`vpp inspect`: a preview of a file without any configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from console.cli.options import Json, answer, out, table
from console.local.prepare import MIN_TRAINING_DAYS
from vpp.domain import iso
from vpp.files.inspection import FileReport, ZoneReport, report_file


def inspect(
    file: Path,
    *,
    mapping: Annotated[str | None, Parameter(help="mapping file, or name of a shipped one")] = None,
    json: Json = False,
) -> None:
    """Show what the plant would read of a file: zones, steps, channels, gaps, suspects, and what it leaves out.

    Args:
        file: A CSV, CSV.gz or Parquet file (docs/guide/data.md).
    """
    answer(report_file(file, mapping), as_json=json, render=render_report)


def render_report(report: FileReport) -> None:
    """Print a report for people."""
    out.print(f"{report.file}: {report.rows:,} rows, {len(report.zones)} zones, read as {report.mapping}")
    for note in report.notes:
        out.print(note)
    for zone in report.zones:
        _render_zone(zone)
    if report.ignored:
        ignored = ", ".join(f"{name} ({reason})" for name, reason in report.ignored.items())
        out.print(f"\nnot read: {ignored}")


def _render_zone(zone: ZoneReport) -> None:
    span = f"{iso(zone.first)} to {iso(zone.last)}"
    out.print(f"\n{zone.zone}: slots of {zone.step_min} min, {span}, {zone.slots:,} slots")
    rows = [[c.channel, c.unit, c.values, c.missing, c.lowest, c.highest] for c in zone.channels]
    table(None, ("channel", "unit", "values", "missing", "lowest", "highest"), rows)
    for gap in zone.gaps:
        out.print(f"gap: {gap.slots:,} slots from {iso(gap.first)}")
    if zone.gap_count > len(zone.gaps):
        out.print(f"{zone.gap_count:,} gaps in all; the longest are shown")
    for channel in zone.channels:
        for suspect in channel.suspects:
            place = "" if suspect.row is None else f"row {suspect.row}, "
            line = f"suspect: {place}{iso(suspect.at)}: {channel.channel} {suspect.value:g}, {suspect.why}"
            out.print(line)
        if channel.suspect_count > len(channel.suspects):
            out.print(f"{channel.suspect_count:,} suspects of {channel.channel} in all")
    out.print(f"model: {_trainable(zone)}")


def _trainable(zone: ZoneReport) -> str:
    parts = []
    for target, days in (("net load", zone.net_load_days), ("price", zone.price_days)):
        if not days:
            parts.append(f"no {target}")
        elif days < MIN_TRAINING_DAYS:
            parts.append(f"{target}: {days:g} days are too few ({MIN_TRAINING_DAYS} needed)")
        else:
            parts.append(f"{target}: {days:g} days to train on")
    return "; ".join(parts)
