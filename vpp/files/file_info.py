"""What a file holds: zones with spans and steps, channels, what is not read, and what people should know."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime

from vpp.errors import ConfigError, did_you_mean
from vpp.files.slots import ZoneStep


@dataclass(frozen=True, slots=True)
class ZoneSpan:
    """What a file holds of one zone; ``channels`` are those with at least one value, ``lengths_s`` its spacings."""

    zone: str
    first: datetime
    last: datetime
    rows: int
    channels: tuple[str, ...]
    step_min: int = 0
    lengths_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What a file holds.

    Attributes:
        zones: Zone names, sorted.
        step_min: Slot length in minutes, the shortest where zones differ.
        columns: Channels of all zones in file order.
        first: UTC start of the first slot.
        last: UTC start of the last slot.
        rows: Number of rows.
        spans: The same by zone.
        mapping_name: The mapping that it is read with; empty for canonical columns.
        warnings: What looks wrong or is missing.
        ignored: Columns that are not read, with the reason.
        assets: Assets with readings.
        cumulative: Channels of power whose values are those of a cumulative meter.
        is_by_zone: Zones stand one after the other, each in order of time.
        short_rows: Rows with fewer fields than the header.
    """

    zones: tuple[str, ...]
    step_min: int
    columns: tuple[str, ...]
    first: datetime
    last: datetime
    rows: int
    spans: dict[str, ZoneSpan] = field(default_factory=dict)
    mapping_name: str = ""
    warnings: tuple[str, ...] = ()
    ignored: dict[str, str] = field(default_factory=dict)
    assets: tuple[str, ...] = ()
    cumulative: tuple[str, ...] = ()
    is_by_zone: bool = False
    short_rows: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know: the mapping, the warnings, and columns that look like numbers but are not read."""
        read_with = (f"read with the mapping {self.mapping_name}",) if self.mapping_name else ()
        return (*read_with, *self.warnings, *_ignored_note(self.ignored))

    def span(self, zone: str) -> ZoneSpan:
        """Return the span of a zone in the file.

        Raises:
            ConfigError: It has no such zone.
        """
        span = self.spans.get(zone)
        if span is None:
            raise ConfigError(
                f"the file has no zone {zone!r}{did_you_mean(zone, self.zones)}",
                hint=f"its zones are {', '.join(self.zones)}",
            )
        return span

    def with_step(self, step_min: int) -> FileInfo:
        """Return the same with slots of another length, into which the rows are averaged."""
        spans = {name: replace(span, step_min=step_min) for name, span in self.spans.items()}
        return replace(self, step_min=step_min, spans=spans)

    def zone_steps(self, zones: Collection[str] | None = None) -> dict[str, ZoneStep]:
        """Return the rules by which rows of these zones (None: all) become slots."""
        return {
            name: ZoneStep(span.step_min, span.lengths_s)
            for name, span in self.spans.items()
            if zones is None or name in zones
        }


def _ignored_note(ignored: dict[str, str]) -> tuple[str, ...]:
    columns = {
        name: reason for name, reason in ignored.items() if reason in ("text", "it contains text that is not a number")
    }
    if not columns:
        return ()
    return ("columns not read: " + ", ".join(f"{name} ({reason})" for name, reason in columns.items()),)
