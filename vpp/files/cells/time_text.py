"""Time formats: ISO 8601 and variants, patterns, intervals with two ends, epochs, Excel's days."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from vpp.errors import DataError
from vpp.files.cells.numbers import NumberStyle, read_numbers

EPOCHS = {"epoch_s": 1_000_000_000, "epoch_ms": 1_000_000, "epoch_us": 1000, "epoch_ns": 1}
"""Format to nanoseconds per unit."""
EXCEL = "excel"
STYLES = ("iso", *EPOCHS, EXCEL)

_OFFSET = re.compile(r"(?:[Zz]|\d[+-]\d\d(?::?\d\d)?)$")
_TIMED = re.compile(r"[T ]\d\d(?::?\d\d)?")
_NAMED_OFFSETS = {"UTC": 0, "GMT": 0, "BST": 60, "WET": 0, "WEST": 60, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180}
_NO_NAMES: Mapping[str, int] = {}
_PLAIN_NUMBERS = NumberStyle()
_WITH_OFFSET = ("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S")
_PATTERNS = (
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%d-%m-%Y %H:%M",
    "%m-%d-%Y %H:%M",
    "%d-%b-%Y %H:%M",
    "%d.%m.%Y %H.%M",
    "%d.%m.%Y %H.%M.%S",
    "%d/%m/%Y %Hh%M",
    "%y-%m-%d %H:%M",
    "%d-%m-%y %H:%M",
    "%m-%d-%y %H:%M",
    "%d-%b-%y %H:%M",
    "%y.%m.%d %H:%M",
    "%y/%m/%d %H:%M",
    "%d.%m.%y %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y %I:%M:%S %p",
    "%d/%m/%Y %I:%M %p",
    "%d/%m/%Y %I:%M:%S %p",
    "%Y-%m-%d %I:%M %p",
    "%Y-%m-%d %I:%M:%S %p",
    "%m/%d/%Y, %I:%M:%S %p",
    "%d.%m.%Y, %H:%M",
    "%d.%m.%Y, %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
    "%m-%d-%Y %H:%M:%S",
    "%d-%m-%Y %I:%M %p",
    "%m-%d-%Y %I:%M %p",
    "%a %b %d %H:%M:%S %Y",
    "%b %d %Y %I:%M%p",
    "%d-%b-%Y %H:%M:%S",
    "%d %b %Y %H:%M",
    "%d %b %Y %H:%M:%S",
    "%d %B %Y %H:%M",
    "%b %d, %Y %I:%M %p",
    "%b %d, %Y %H:%M",
    "%B %d, %Y %I:%M %p",
    "%a, %d %b %Y %H:%M:%S",
    "%Y%m%d %H:%M",
    "%Y-%jT%H:%M",
    "%Y-%j %H:%M",
    "%G-W%V-%u",
    "%d.%m.%Y %H Uhr",
    "%d/%m/%y %H:%M",
    "%m/%d/%y %H:%M",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%a, %d %b %Y %H:%M:%S %z",
    *(pattern + offset for pattern in _WITH_OFFSET for offset in ("%z", " %z")),
)
_COMPACT = {"%Y%m%d%H": 10, "%Y%m%d%H%M": 12, "%Y%m%d%H%M%S": 14}
"""Pattern without marks to its number of digits."""
_ISO_PATTERNS = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
_HINT_ROWS = 2000
_FIRST_ROWS = 8
_MOST = 0.5
_CLOCKS = r"(\d\d?):(\d\d)(?::00)?\s*[-\u2013]\s*(\d\d?):(\d\d)(?::00)?$"
_APART = r"(\d\d:\d\d(?:[.,]\d+)?)\s*(?:UTC|GMT|\s)([+-]\d\d(?::?\d\d)?|Z)$"
"""An offset after a space or a name: ``00:00 +01:00``, ``00:00 UTC+01``."""
_ENDING = r"\s([A-Za-z/_]{2,})$"
_NOON = re.compile(r"\b([AP])\.?M\b\.?", re.IGNORECASE)


def names_of_zone(zone: str) -> dict[str, int]:
    """Return the short names of a time zone's clock with their offsets in minutes.

    >>> names_of_zone("America/Chicago")
    {'CST': -360, 'CDT': -300}
    """
    noons = [datetime(2024, month, 1, 12, tzinfo=ZoneInfo(zone)) for month in (1, 7)]
    offsets = {str(noon.tzname()): noon.utcoffset() for noon in noons}
    return {name: int(offset.total_seconds() // 60) for name, offset in offsets.items() if offset and name.isalpha()}


def iso_times(text: pd.Series[Any], names: Mapping[str, int] = _NO_NAMES) -> pd.Series[Any]:
    """Return ISO 8601 times as naive ones, those with an offset in UTC; NaT for cells without a time.

    Args:
        text: Cells.
        names: Names of time zones that stand for offsets (minutes), besides those of Europe.
    """
    text, minutes = _without_names(first_ends(_plain(text)), names)
    text = text.str.replace(r"(:\d\d(?:\.\d+)?|T\d\d)([+-]\d\d)$", r"\1\2:00", regex=True)
    late = text.str.contains(r"[T ]24:?00", regex=True)
    if late.any():
        text = text.str.replace(r"([T ])24(:?00)", r"\g<1>00\2", regex=True)
    text = text.where(~text.str.fullmatch(r"[+-]?\d+(?:\.\d*)?"), "")  # a bare number is no ISO time
    aware = _has_offset(text)
    parsed = _parsed(text, aware)
    parsed = parsed + pd.to_timedelta(late.to_numpy().astype(np.int64), unit="D")
    return _earlier(parsed, minutes)


def pattern_times(text: pd.Series[Any], pattern: str, names: Mapping[str, int] = _NO_NAMES) -> pd.Series[Any]:
    """Return times of a strptime pattern as naive ones; a pattern of two ends gives the first.

    Args:
        text: Cells.
        pattern: Pattern of strptime.
        names: As ``iso_times``; a name that the pattern itself ends with says nothing.
    """
    head, mark = first_of_two(pattern)
    text = first_ends(text) if mark is None else text.str.split(mark, n=1, regex=False).str[0].str.strip()
    names = {name: offset for name, offset in names.items() if not head.endswith(name)}
    text, minutes = _without_names(text.str.replace(_NOON, lambda match: f"{match[1]}M", regex=True), names)
    late = text.str.contains(r"\b24:00", regex=True)
    if late.any():
        text = text.str.replace(r"\b24:00", "00:00", regex=True)
    has_zone = "%z" in head
    try:
        parsed = pd.to_datetime(text, format=head, errors="coerce", utc=has_zone)
    except (ValueError, re.error):
        return pd.Series(pd.NaT, index=text.index, dtype="datetime64[ns]")
    if has_zone:
        parsed = parsed.dt.tz_localize(None)
    parsed = parsed + pd.to_timedelta(late.to_numpy().astype(np.int64), unit="D")
    return _earlier(parsed, minutes)


def epoch_times(column: pd.Series[Any], style: str, written: NumberStyle = _PLAIN_NUMBERS) -> pd.Series[Any]:
    """Return seconds, milliseconds, micro- or nanoseconds since 1970 as naive UTC times.

    Args:
        column: Numbers, or their text.
        style: Key of ``EPOCHS``.
        written: How the file writes numbers.
    """
    numbers = _numbers(column, written)
    whole_seconds = np.floor(numbers / (1_000_000_000 // EPOCHS[style]))
    rest_ns = (numbers - whole_seconds * (1_000_000_000 // EPOCHS[style])) * EPOCHS[style]
    times: pd.Series[Any] = pd.to_datetime(whole_seconds, unit="s", errors="coerce")
    if not _is_near(times):
        return times
    near: pd.Series[Any] = times.dt.as_unit("ns") + pd.to_timedelta(rest_ns.round(), unit="ns")
    return near


def clocks_of_hours(hours: pd.Series[Any], parts: pd.Series[Any] | None, part_min: float) -> pd.Series[Any]:
    """Return times of day as clocks: an hour that ends, 1 to 24, or a part of it, becomes the clock of its end.

    Args:
        hours: Clocks (kept as they are), or numbers of hours.
        parts: Number of the part within each hour, from 1; None: the hour is whole. What is no such number gives what
            is no time.
        part_min: Length of a part (min).
    """
    text = hours.astype(str).str.strip()
    if not text.str.fullmatch(r"\d{1,2}").all():
        return text
    if parts is None:
        return _clocks(text.astype(int) * 60)
    part = pd.to_numeric(parts, errors="coerce")
    is_part = part.between(1, 60 / part_min) & (part % 1 == 0)
    minutes = (text.astype(int) - 1) * 60 + part.where(is_part, 0) * part_min
    return _clocks(minutes.astype(int)).where(is_part, text + ":?")


def days_of_file_name(path: str, clocks: pd.Series[Any]) -> pd.Series[Any]:
    """Return times of day behind the day that the file's name holds; a clock that starts anew is of the next day.

    Raises:
        DataError: The name holds no day.
    """
    text = clocks.astype(str).str.strip()
    if not text.str.fullmatch(r"\d{1,2}:\d\d").all():
        return text
    day = re.search(r"(?<!\d)(20\d\d)-?(\d\d)-?(\d\d)(?!\d)", Path(path).name)
    first = pd.NaT if day is None else pd.to_datetime("-".join(day.groups()), errors="coerce")
    if pd.isna(first):
        raise DataError(
            f"{path} holds times of day without a date",
            hint="name the file by its day, such as demand-20240131.csv",
        )
    hours = text.str.split(":").str[0].astype(int)
    days = first + pd.to_timedelta((hours.diff() <= -12).cumsum(), unit="D")
    return days.dt.strftime("%Y-%m-%d") + " " + text


def _clocks(minutes: pd.Series[Any]) -> pd.Series[Any]:
    return (minutes // 60).astype(str).str.zfill(2) + ":" + (minutes % 60).astype(str).str.zfill(2)


def excel_times(column: pd.Series[Any], written: NumberStyle = _PLAIN_NUMBERS) -> pd.Series[Any]:
    """Return Excel's days since 1899-12-30 as naive times, to the second; ``written`` as ``epoch_times``."""
    numbers = _numbers(column, written)
    return pd.to_datetime(numbers, unit="D", origin="1899-12-30", errors="coerce").dt.round("s")


def aware_mask(text: pd.Series[Any], formats: Sequence[str], names: Mapping[str, int] = _NO_NAMES) -> Any:
    """Return a mask of the cells with an offset, the name of one, or a format that reads one.

    Args:
        text: Cells.
        formats: Formats that they may have.
        names: As ``iso_times``.
    """
    if any("%z" in pattern for pattern in formats):
        return np.ones(len(text), dtype=bool)
    ends = first_ends(_plain(text))
    names = {name: offset for name, offset in names.items() if not any(f.endswith(name) for f in formats)}
    bare, _ = _without_names(ends, names)
    return _has_offset(bare) | (bare != ends.str.strip()).to_numpy()


def first_of_two(pattern: str) -> tuple[str, str | None]:
    """Return the first end of a pattern that names both ends of an interval and what stands between; else itself."""
    directives = re.findall(r"%[-#]?[A-Za-z]", pattern)
    if len(directives) == len(set(directives)):
        return pattern, None
    for mark in (" - ", " -- ", " / ", "/", " to ", ";", " \u2013 ", "\u2013", "-"):
        ends = pattern.split(mark)
        if len(ends) == 2 and re.findall(r"%[-#]?[A-Za-z]", ends[0]) == re.findall(r"%[-#]?[A-Za-z]", ends[1]):
            return ends[0].strip(), mark
    return pattern, None


def first_ends(text: pd.Series[Any]) -> pd.Series[Any]:
    """Return the first end of intervals written ``A - B`` or, in ISO 8601, ``A/B``; other cells as they are.

    ``00:00-00:30`` is an interval, and no time with an offset, where both ends move together from row to row.
    """
    text = text.str.strip()
    tails = text.str.extract(_CLOCKS)
    if len(text) > 1 and tails.notna().all(axis=None):
        minutes = tails.astype(np.int64)
        lengths = (60 * (minutes[2] - minutes[0]) + minutes[3] - minutes[1]) % 1440
        if lengths.nunique() == 1 and (minutes[2] * 60 + minutes[3]).nunique() > 1:
            return text.str.replace(r"\s*[-\u2013]\s*\d\d?:\d\d(?::00)?$", "", regex=True)
    return text.str.replace(r"(?:\s+(?:-|to)\s+|\s*\u2013\s*).*$", "", regex=True).str.replace(
        r"^(\d{4}-\d\d-\d\dT[^/]+)/.*$", r"\1", regex=True
    )


def time_hint(text: pd.Series[Any], formats: Sequence[str]) -> str:
    """Return the next step for a time column; each format named was tried on the column first."""
    cells = text.astype("str").fillna("").str.strip().iloc[:_HINT_ROWS]
    filled = cells[~cells.isin(["", "nan", "None", "NaT"])]
    if filled.empty or (len(filled) < len(cells) and "iso" in formats and iso_times(filled).notna().all()):
        return "give every row a time, or remove it"
    fits = [name for name in fitting_formats(filled) if name not in formats]
    if fits:
        commas = 'decimal: "," and ' if _has_decimal_commas(filled) else ""
        return f"state how times are written in a mapping file: {commas}time: {{format: {_listed(fits)}}}"
    if any(times_like(filled, name).notna().mean() > _MOST for name in formats):
        return "correct the cell, or remove the row if it is no data (a total, a note)"
    words = _endings(filled)
    fits = _fitting(filled.str.replace(_ENDING, "", regex=True), (*_ISO_PATTERNS, *_PATTERNS)) if words else []
    if len(words) == 1 and fits:
        stated = f'{{format: "{fits[0]} {words[0]}", zone: ...}}'
        return f"state in a mapping file how times are written, and their time zone: time: {stated}"
    if fits:
        stated = f'{{format: "{fits[0]}", zone: ...}}'
        return f"state in a mapping file the time zone that has the names {' and '.join(words)}: time: {stated}"
    return "write times as 2024-05-31T22:00:00Z, or give time.format in a mapping file (docs/guide/data.md)"


def fitting_formats(text: pd.Series[Any]) -> list[str]:
    """Return the formats that read every cell as a time of 1980 to 2100: those in rising order, if there are some."""
    if _has_decimal_commas(text):
        text = text.str.replace(",", ".", regex=False)
    lengths = text.iloc[:_HINT_ROWS].str.strip().str.extract(r"^(\d+)$", expand=False).str.len()
    compact = [pattern for pattern, length in _COMPACT.items() if (lengths == length).all()]
    return _fitting(text, ("iso", EXCEL, *EPOCHS, *compact, *_PATTERNS))


def times_like(cells: pd.Series[Any], style: str) -> pd.Series[Any]:
    """Return the times of cells as naive ones by one format: ``iso``, ``excel``, an epoch, or a pattern."""
    if style == "iso":
        return iso_times(cells)
    if style == EXCEL:
        return excel_times(cells)
    return epoch_times(cells, style) if style in EPOCHS else pattern_times(cells, style)


def _fitting(text: pd.Series[Any], formats: Iterable[str]) -> list[str]:
    cells = text.iloc[:_HINT_ROWS]
    fits: dict[str, pd.Series[Any]] = {}
    first = cells.drop_duplicates().iloc[:_FIRST_ROWS]
    for name in formats:
        if times_like(first, name).isna().any():
            continue
        parsed = times_like(cells, name)
        is_time = parsed.notna().all() and parsed.dt.year.between(1980, 2100).all()
        if is_time and not any(parsed.equals(other) for other in fits.values()):  # May is short and long
            fits[name] = parsed
    return [name for name, parsed in fits.items() if parsed.is_monotonic_increasing] or list(fits)


def _endings(text: pd.Series[Any]) -> list[str]:
    """Return the words that all cells end with (names of a time zone); none if a cell has none."""
    words = text.str.extract(_ENDING, expand=False)
    return [] if words.isna().any() else sorted(words.unique())


def _has_decimal_commas(text: pd.Series[Any]) -> bool:
    return bool(text.str.fullmatch(r"\s*\d{5,}(?:,\d*)?\s*").all() and text.str.contains(",").any())


def _numbers(column: pd.Series[Any], written: NumberStyle) -> pd.Series[Any]:
    if pd.api.types.is_numeric_dtype(column) or column.astype("str").str.fullmatch(r"\s*\d+\s*").all():
        return pd.to_numeric(column, errors="coerce")  # exact, also for nanoseconds
    return pd.Series(read_numbers(column.astype("str"), written).values, index=column.index)


def _plain(text: pd.Series[Any]) -> pd.Series[Any]:
    """Return cells with plain signs and a decimal point; an offset stands bare right behind the time."""
    text = text.str.replace("\u2212", "-", regex=False)
    text = text.str.replace(_APART, r"\1\2", regex=True)
    text = text.str.replace(r"(\d\d:?\d\d|Z)\[[^\]]+\]$", r"\1", regex=True)
    return text.str.replace(r"(:\d\d),(\d+)", r"\1.\2", regex=True)


def _is_near(times: pd.Series[Any]) -> bool:
    years = times.dt.year
    return bool(years.isna().all() or (years.max() < 2200 and years.min() > 1700))


def _listed(fits: list[str]) -> str:
    return " or ".join(f'"{name}"' if "%" in name else name for name in fits[:3])


def _has_offset(text: pd.Series[Any]) -> Any:
    ends = text.str.contains(_OFFSET.pattern, regex=True) & text.str.contains(_TIMED.pattern, regex=True)
    return ends.fillna(False).to_numpy(dtype=bool)


def _parsed(text: pd.Series[Any], aware: Any) -> pd.Series[Any]:
    if aware.all() or not aware.any():
        times = _iso(text, utc=bool(len(aware) and aware.all()))
        return times if times.dt.tz is None else times.dt.tz_localize(None)
    naive = _iso(text.where(~aware), utc=False)
    other = _iso(text.where(aware), utc=True).dt.tz_localize(None)
    return naive.where(~aware, other)


def _iso(text: pd.Series[Any], *, utc: bool) -> pd.Series[Any]:
    """Return ISO times, NaT for cells without a time or with an offset that only pandas sees."""
    try:
        return pd.to_datetime(text, format="ISO8601", utc=utc, errors="coerce")
    except ValueError:
        return pd.Series(pd.NaT, index=text.index, dtype="datetime64[ns]")


def _without_names(text: pd.Series[Any], names: Mapping[str, int]) -> tuple[pd.Series[Any], Any]:
    """Return cells without a time zone's name at their end, and its offset in minutes."""
    offsets = {**_NAMED_OFFSETS, **names}
    named = rf"\s*\(?({'|'.join(offsets)})\)?$"
    zone_names = text.str.extract(named, expand=False)
    if zone_names.isna().all():
        return text, np.zeros(len(text), dtype=np.int64)
    minutes = zone_names.map(offsets).fillna(0).to_numpy(dtype=np.int64)
    return text.str.replace(named, "", regex=True), minutes


def _earlier(times: pd.Series[Any], minutes: Any) -> pd.Series[Any]:
    moved: pd.Series[Any] = times - pd.to_timedelta(minutes, unit="min")
    return moved
