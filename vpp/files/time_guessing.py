"""Guesses the time of a file: which columns hold it, and how it is written; every guess is tested on the file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from vpp.errors import ConfigError, DataError
from vpp.files.cells.time_text import fitting_formats, iso_times, times_like
from vpp.files.times import zone_of_name

TIMES = r"time|zeit|date|datum|stamp|when|hour|start|von|interval|period"
_ENDS = r"ending|(?<![a-z])(end|bis)(?![a-z])"
_CLOCK = r"\d{1,2}:\d{2}(:\d{2})?(\s?[AaPp]\.?[Mm]\.?)?"
_HOURS = r"(?<![a-z])(hours?|stunde|std|heures?|horas?|or[ae]|uur|godzina|he|hr)(?![a-z])|hourending"
_SURE_ROWS = 12
_LISTED = 12


def text_of(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as text without blanks at its ends."""
    return column.astype(str).str.strip()


def time_column(cells: pd.DataFrame) -> str:
    """Return the column that holds the times.

    Raises:
        DataError: No column does, or a cell of it is none.
    """
    likely = sorted(cells.columns, key=lambda name: not re.search(TIMES, name, re.IGNORECASE))
    for name in likely:
        column = cells[name]
        if pd.api.types.is_datetime64_any_dtype(column) or fitting_formats(column.astype(str)):
            return str(name)
        if len(column) > 2 and fitting_formats(column.astype(str).iloc[1:]):
            raise DataError(
                f"row 2 is no data: {name} {str(column.iloc[0])!r} is not a time",
                hint="remove this row if it is a second header line",
            )
        fits = fitting_formats(column.astype(str).iloc[:_SURE_ROWS])
        if fits and (fits[0] == "iso" or "%" in fits[0]) and len(column) > _SURE_ROWS:
            for cell in column[times_like(column.astype(str), fits[0]).isna()].iloc[:1]:
                raise DataError(
                    f"{name} {str(cell)!r} is not a time as the cells above it are ({fits[0]})",
                    hint="correct the cell, or remove its row if it is no data (a total, a note)",
                )
    raise DataError(
        f"no column holds times; the columns are {', '.join(map(str, cells.columns[:_LISTED]))}"
        + (f" and {len(cells.columns) - _LISTED} more" if len(cells.columns) > _LISTED else ""),
        hint="write a mapping file with time: {column: ..., format: ...} (docs/guide/data.md)",
    )


def guess_time(
    path: Path, cells: pd.DataFrame, time_zone: str | None, time_format: str | None
) -> tuple[set[str], dict[str, Any]]:
    """Return the columns that the time is read from, and the content of ``time:`` in a mapping.

    Args:
        path: The file, for errors.
        cells: Its first rows.
        time_zone: Time zone of stamps without an offset, None: not stated.
        time_format: How times are written, None: guessed.

    Raises:
        DataError: No column holds times.
        ConfigError: Several formats fit.
    """
    name = time_column(cells)
    entry: dict[str, Any] = {"column": name}
    column = cells[name]
    used = {name}
    if re.search(_ENDS, name, re.IGNORECASE):
        entry["stamp"] = "end"
    if not pd.api.types.is_datetime64_any_dtype(column):
        text = column.astype(str)
        fits = fitting_formats(text)
        if text.duplicated().any() and not text.str.contains(":").any():
            used |= _time_of_day(cells, entry)
        if "clock" in entry:
            seconds = ":%S" if text_of(cells[entry["clock"]]).str.count(":").max() > 1 else ""
            fits = [pattern if pattern == "iso" else f"{pattern} %H:%M{seconds}" for pattern in fits]
        if time_format is not None:
            entry["format"] = time_format
        elif iso_times(text).notna().all():
            fits = ["iso"]
        elif len(fits) > 1:
            raise ConfigError(
                f"{path}: the times of {name} ({text.iloc[0]}) can be read as {' or as '.join(fits[:3])}",
                hint=f'state which: --time-format "{fits[0]}"',
            )
        else:
            entry["format"] = fits[0]
    if time_zone is not None and (time_zone != "UTC" or zone_of_name(name) is not None):
        entry["zone"] = time_zone
    return used, entry


def _time_of_day(cells: pd.DataFrame, entry: dict[str, Any]) -> set[str]:
    """State the column of the clock, or of the settlement period, beside a column of dates; return those used."""
    clocks = [str(name) for name in cells if text_of(cells[name]).str.fullmatch(_CLOCK).all()]
    if clocks:
        clock = min(clocks, key=lambda name: bool(re.search(_ENDS, name, re.IGNORECASE)))
        entry["clock"] = clock
        if re.search(_ENDS, clock, re.IGNORECASE):
            minutes = text_of(cells[clock]).str.split(":").map(lambda part: 60 * int(part[0]) + int(part[1]))
            entry |= {"stamp": "end", "period_min": int(minutes.drop_duplicates().sort_values().diff().min())}
        return set(clocks)
    for name in map(str, cells):
        numbers = pd.to_numeric(cells[name], errors="coerce")
        if re.search(_HOURS, name, re.IGNORECASE) and numbers.between(0, 24).all() and (numbers % 1 == 0).all():
            entry["clock"] = name
            if numbers.min() >= 1:
                entry |= {"stamp": "end", "period_min": 60}
            return {name}
        if re.search("period", name, re.IGNORECASE) and numbers.between(1, 100).all() and numbers.max() > 24:
            entry |= {"period": name, "period_min": 30 if numbers.max() <= 50 else 15}
            return {name}
    return set()
