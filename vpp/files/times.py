"""Time columns: converts the text of the file to UTC instants, chunk by chunk.

Naive stamps are taken in the stated time zone; the hour that comes twice in autumn is told apart by the order of rows,
and a row for the hour that is skipped in spring is dropped where it holds no value (a placeholder).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from vpp.errors import DataError
from vpp.files.cells.numbers import NumberStyle
from vpp.files.cells.time_text import (
    EPOCHS,
    EXCEL,
    aware_mask,
    clocks_of_hours,
    days_of_file_name,
    epoch_times,
    excel_times,
    iso_times,
    names_of_zone,
    pattern_times,
)
from vpp.files.cells.time_text import time_hint as hint_for
from vpp.files.mapping import TimeColumn

_FIRST_YEAR, _LAST_YEAR = 1980, 2200


@dataclass(frozen=True, slots=True)
class Instants:
    """UTC instants (datetime64[ns], no tzinfo) and which rows to keep: the others are placeholders."""

    utc: Any
    keep: Any


@dataclass(slots=True)
class TimeReader:
    """Reads the time of a file's rows in order.

    Attributes:
        time: How the time is written.
        path: The file, for errors.
        column: The time column.
        period: Column of settlement periods, or None.
        clock: Column of the time of day, or None.
        clock_part: Column of the parts of the hour, or None.
        numbers: How the file writes numbers.
        part_hour_min: Minutes that its clock is off the hours of UTC: 30 in India, 45 in Nepal, 0 in Europe.
    """

    time: TimeColumn
    path: str
    column: str
    period: str | None = None
    clock: str | None = None
    clock_part: str | None = None
    numbers: NumberStyle = field(default_factory=NumberStyle)
    part_hour_min: int = 0
    _last_utc: dict[str, pd.Timestamp] = field(default_factory=dict)
    _kinds: dict[bool, tuple[int, str]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Columns of the file that it reads."""
        return [name for name in (self.column, self.period, self.clock, self.clock_part) if name is not None]

    @property
    def is_read_as_utc(self) -> bool:
        """Whether the stamps read so far have no offset and nothing says that they are UTC."""
        return False in self._kinds and self.time.zone == "UTC" and "zone" not in self.time.model_fields_set

    def read(self, raw: pd.DataFrame, zones: Any, empty: Any, rows: Any) -> Instants:
        """Return the instants of a chunk.

        Args:
            raw: The chunk.
            zones: Zone of each row.
            empty: Which rows hold no value at all.
            rows: Numbers of the rows in the file.

        Raises:
            DataError: A time cannot be read, or naive stamps and stamps with an offset are mixed; names the rows.
        """
        text = self._text(raw)
        parsed, aware = self._parse(text)
        bad = parsed.isna().to_numpy()
        if bad.any():
            self._refuse(text, int(np.argmax(bad)), rows)
        self._one_kind(text, aware, rows)
        if self.period is not None:
            return self._settlement(parsed, raw[self.period], empty, rows)
        if aware.all() and len(aware):
            utc, keep = parsed, np.ones(len(parsed), dtype=bool)
        else:
            utc, keep = self._localize(parsed, zones, empty, rows)
        clock = re.search(r"\d{1,2}:(\d\d)", str(text.iloc[0])) if len(text) else None
        if clock is not None:
            self.part_hour_min = int(int(clock[1]) - self.time.wall_shift_min - utc.dt.minute.iloc[0]) % 60
        return Instants(self._checked(utc, text, rows), keep)

    def _text(self, raw: pd.DataFrame) -> pd.Series[Any]:
        """Return the time column, joined with the columns of day or time of day if these are separate."""
        text = raw[self.column]
        if pd.api.types.is_datetime64_any_dtype(text) and self.clock is not None:
            text = text.dt.strftime("%Y-%m-%d")
        elif pd.api.types.is_datetime64_any_dtype(text) or self.time.format[0] in {*EPOCHS, EXCEL}:
            return text
        if self.time.day is not None:
            text = days_of_file_name(self.path, text)
        if self.clock is not None:
            parts = None if self.clock_part is None else raw[self.clock_part]
            text = text.astype(str).str.strip() + " " + clocks_of_hours(raw[self.clock], parts, self.time.period_min)
        return text

    def _parse(self, text: pd.Series[Any]) -> tuple[pd.Series[Any], Any]:
        """Return naive times (those with an offset already in UTC) and which had one."""
        if isinstance(text.dtype, pd.DatetimeTZDtype):
            return text.dt.tz_convert("UTC").dt.tz_localize(None), np.ones(len(text), dtype=bool)
        if pd.api.types.is_datetime64_any_dtype(text):
            return text, np.zeros(len(text), dtype=bool)
        style = self.time.format[0]
        if style in EPOCHS:
            return epoch_times(text, style, self.numbers), np.ones(len(text), dtype=bool)
        if style == EXCEL:
            return excel_times(text, self.numbers), np.zeros(len(text), dtype=bool)
        text = text.astype(str)
        names = {} if self.time.zone == "UTC" else names_of_zone(self.time.zone)
        if self.time.zone != "UTC":
            # A summer-time mark adds no information to local time and row order.
            text = text.str.replace(r"\s+DST$", "", regex=True)
        best: pd.Series[Any] | None = None
        for pattern in self.time.format:
            times = iso_times(text, names) if pattern == "iso" else pattern_times(text, pattern, names)
            if best is None or times.notna().sum() > best.notna().sum():
                best = times
            if times.notna().all():
                break
        assert best is not None
        return best, aware_mask(text, self.time.format, names)

    def _refuse(self, text: pd.Series[Any], row: int, rows: Any) -> None:
        value = text.iloc[row]
        fault = "is empty" if str(value).strip() in ("", "nan", "None", "NaT") else f"{str(value)!r} is not a time"
        raise DataError(f"{self.path}, row {rows[row]}: {self.column} {fault}", hint=hint_for(text, self.time.format))

    def _one_kind(self, text: pd.Series[Any], aware: Any, rows: Any) -> None:
        for kind in (True, False):
            if kind not in self._kinds and (aware == kind).any():
                first_row = int(np.argmax(aware == kind))
                self._kinds[kind] = (int(rows[first_row]), str(text.iloc[first_row]))
        if len(self._kinds) == 2:
            (row, stamp), (other_row, other) = self._kinds[True], self._kinds[False]
            raise DataError(
                f"{self.path} mixes stamps with an offset (row {row}: {stamp}) and without (row {other_row}: {other})",
                hint="write all stamps in UTC (2024-05-31T22:00:00Z), or none with an offset and state time.zone",
            )

    def _checked(self, naive_utc: pd.Series[Any], text: pd.Series[Any], rows: Any) -> Any:
        years = naive_utc.dt.year.to_numpy()
        odd = (years < _FIRST_YEAR) | (years > _LAST_YEAR)
        if odd.any():
            row = int(np.argmax(odd))
            raise DataError(
                f"{self.path}, row {rows[row]}: {self.column} {str(text.iloc[row])!r} would be the year {years[row]}",
                hint=hint_for(text, self.time.format),
            )
        return naive_utc.dt.as_unit("ns").to_numpy(dtype="datetime64[ns]")

    def _settlement(self, days: pd.Series[Any], column: pd.Series[Any], empty: Any, rows: Any) -> Instants:
        """Period p of a local day begins p - 1 periods after its midnight, independent of clock changes."""
        zone = ZoneInfo(self.time.zone)
        periods = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
        length = pd.Timedelta(minutes=self.time.period_min)
        midnight = days.dt.normalize()
        start = midnight.dt.tz_localize(zone).dt.tz_convert("UTC").dt.tz_localize(None)
        end = (midnight + pd.Timedelta(days=1)).dt.tz_localize(zone).dt.tz_convert("UTC").dt.tz_localize(None)
        count = ((end - start) / length).to_numpy()
        bad = ~((periods >= 1) & (periods <= count) & (periods == np.floor(periods)))
        keep = ~(bad & empty)
        if (bad & ~empty).any():
            row = int(np.argmax(bad & ~empty))
            raise DataError(
                f"{self.path}, row {rows[row]}: {self.period} {column.iloc[row]!r} is not a period of "
                f"{days.iloc[row]:%Y-%m-%d}, which has {count[row]:g} in {self.time.zone}",
                hint="state time.period_min (length of a period) and time.zone in the mapping, or correct the row",
            )
        utc = start + pd.to_timedelta(np.where(bad, 0.0, periods - 1.0) * length.total_seconds(), unit="s")
        return Instants(utc.dt.as_unit("ns").to_numpy(dtype="datetime64[ns]"), keep)

    def _localize(self, naive: pd.Series[Any], zones: Any, empty: Any, rows: Any) -> tuple[pd.Series[Any], Any]:
        zone = ZoneInfo(self.time.zone)
        if self.time.wall_shift_min:
            naive = naive - pd.Timedelta(minutes=self.time.wall_shift_min)
        summer = naive.dt.tz_localize(zone, ambiguous=np.ones(len(naive), dtype=bool), nonexistent="NaT")
        lost = summer.isna().to_numpy()
        if (lost & ~empty).any():
            row = int(np.argmax(lost & ~empty))
            raise DataError(
                f"{self.path}, row {rows[row]}: {naive.iloc[row]} does not exist in {self.time.zone}",
                hint="leave the values of this row empty if it is a placeholder; if every day has 24 hours, "
                "give time.zone a fixed offset such as Etc/GMT-1 (UTC+1)",
            )
        twice = naive.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").isna().to_numpy() & ~lost
        if lost.any():
            summer = summer.fillna(pd.Timestamp("2000-01-01", tz=zone))
        utc = summer.dt.tz_convert("UTC").dt.tz_localize(None)
        winter = naive.dt.tz_localize(zone, ambiguous=np.zeros(len(naive), dtype=bool), nonexistent="NaT")
        return self._second_hour(utc, (winter - summer).where(twice), lost, zones), ~lost

    def _second_hour(self, utc: pd.Series[Any], later: pd.Series[Any], lost: Any, zones: Any) -> pd.Series[Any]:
        # When the clock goes back, stamps are repeated, those of an hour or (Lord Howe) half an hour; row order
        # identifies the second ones, which are by ``later`` after the first (NaT: the stamp comes once).
        last = self._last_utc
        twice = later.notna().to_numpy()
        if not twice.any() and not lost.any():
            for zone in dict.fromkeys(zones):
                last[zone] = utc.iloc[int(np.flatnonzero(zones == zone)[-1])]
            return utc
        moved = utc.to_list()
        for i, zone in enumerate(zones):
            if lost[i]:
                continue
            if twice[i] and zone in last and moved[i] <= last[zone]:
                moved[i] += later.iloc[i]
            last[zone] = moved[i]
        return pd.Series(moved, index=utc.index)


def zone_of_name(column: str) -> str | None:
    """Return the time zone that a time column's name states, None if it states none.

    >>> zone_of_name("MTU (CET/CEST)"), zone_of_name("INTERVALSTARTTIME_GMT"), zone_of_name("Time")
    ('Europe/Brussels', 'UTC', None)
    >>> zone_of_name("Datum (GMT+2)")
    'Etc/GMT-2'
    """
    offset = re.search(r"(?:utc|gmt)\s*([+-])\s*(\d{1,2})(?!\d)(?::?00)?", column.casefold())
    if offset is not None and int(offset[2]):
        return f"Etc/GMT{'-' if offset[1] == '+' else '+'}{int(offset[2])}"
    words = set(re.split(r"[^a-z]+", column.casefold()))
    return "Europe/Brussels" if "cest" in words else "UTC" if words & {"utc", "gmt"} else None
