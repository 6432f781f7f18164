"""Guesses how to read a file: columns, units, times and numbers; every guess is tested on the file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from vpp.domain import LOAD, PRICE, SOLAR, WIND
from vpp.errors import ConfigError, DataError
from vpp.files.availability import NOT_CHANNELS, ZONE_COLUMN, channel_of
from vpp.files.columns import CANONICAL, is_canonical
from vpp.files.mapping import Mapping, fitting_mapping
from vpp.files.numbers import NumberStyle, readable_styles
from vpp.files.table import SourceTable, open_table
from vpp.files.time_text import aware_mask, fitting_formats, iso_times
from vpp.files.times import zone_of_name
from vpp.files.units import POWER_UNITS, TEMPERATURE_UNITS

ROWS = 2000
_LISTED = 12
_NO_POWER = "capacity|kapazit|install|profile|resid|share|anteil|forecast|progno|batter|speicher|wall|reactive|residual"
NAMES: tuple[tuple[str, str], ...] = (
    ("load_forecast_da_mw", r"(load|demand|last).*(forecast|prognose)|(forecast|prognose).*(load|demand|last)"),
    (PRICE, r"price|preis|tarif|tariff|spot|\blmp\b|\bspp\b|\brrp\b|(eur|usd|gbp|aud|[€$£])/|ct/"),
    (
        SOLAR,
        rf"^(?!.*({_NO_POWER}|wind)).*(solar|(?<![a-z])pv(?![a-z])|photovolt|inverter|generation|erzeugung|production)",
    ),
    (WIND, rf"^(?!.*({_NO_POWER}|speed|geschw)).*wind"),
    (
        LOAD,
        rf"^(?!.*({_NO_POWER})).*(load|demand|consum|verbrauch|last\b|netzlast|usage|(?<![a-z])(use|home|house|haus)(?![a-z]))",
    ),
    ("temperature_c", r"temp"),
    ("frequency_hz", r"freq|\bhz\b"),
)
"""Channel to what its column is usually called, in the order of trial."""
_NET_OF_GRID = rf"^(?!.*({_NO_POWER}|export|feed|einspeis)).*(import|grid|bezug)"
"""What a site takes from the grid: its load where it makes no power itself."""
TIMES = r"time|zeit|date|datum|stamp|when|hour|start|von|interval|period"
_ENDS = r"ending|(?<![a-z])(end|bis)(?![a-z])"
_CLOCK = r"\d{1,2}:\d{2}(:\d{2})?(\s?[AaPp]\.?[Mm]\.?)?"
ZONES = r"^(?!.*time).*(zone|region|area|site|gebiet|node|country)"
SOC = r"(?<![a-z])soc(?![a-z])|state of charge|ladezustand|ladestand"
_CENTS = {"ct", "cent", "cents", "c", "p", "pence", "eurocent"}


@dataclass(slots=True)
class Choices:
    """What the user stated; None: it is guessed.

    Attributes:
        zone: Zone name where the file has no zone column.
        time_zone: Time zone of stamps without an offset.
        time_format: How times are written.
        decimal: Decimal mark.
        thousands: Mark between thousands.
        unit: Unit of power columns whose name has none.
        columns: Channel to its columns, which are added, besides what is guessed.
        default_zone: Zone name where neither the user nor the file gives one.
    """

    zone: str | None = None
    time_zone: str | None = None
    time_format: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    unit: str = "MW"
    columns: dict[str, list[str]] = field(default_factory=dict)
    default_zone: str = "SITE"


def guess_mapping(path: Path, choices: Choices) -> dict[str, Any]:
    """Return the content of a mapping file for a data file: that of a shipped one where one fits, else guessed.

    Raises:
        DataError: The file has no time column or no column of a channel; names what to state.
        ConfigError: A guess has several answers; names the option.
    """
    table = open_table(path, None)
    name = path.name.partition(".")[0]
    for column in [column for columns in choices.columns.values() for column in columns]:
        if column not in table.header:
            raise ConfigError(f"{path} has no column {column!r}", hint=f"its columns are {', '.join(table.header)}")
    shipped = None if choices.columns else fitting_mapping(table.header, path.name)
    if shipped is not None:
        return {**_as_stated(shipped, table, choices), "name": name}
    cells = _sample(table)
    mapping: dict[str, Any] = {"name": name}
    time_columns, mapping["time"] = _time(path, cells, choices)
    zone_columns = [n for n in map(str, cells) if re.search(ZONES, n, re.IGNORECASE) and _is_text(cells[n])]
    zone_column = min(zone_columns, key=lambda name: name.casefold() != ZONE_COLUMN, default=None)
    words = {name for name in map(str, cells) if not text_of(cells[name]).str.contains(r"\d").any()}
    channels = _channels(table, choices, {*time_columns, *words, zone_column or ""})
    if not channels:
        raise DataError(
            f"{path}: no column looks like a channel; the columns are {', '.join(table.header)}",
            hint="name them: --column load_mw=COLUMN",
        )
    if zone_column is not None and choices.zone is None:
        mapping["zone_column"] = zone_column
    else:
        mapping["zone"] = choices.zone or choices.default_zone
    if table.separator not in ("", ","):
        mapping["separator"] = table.separator
    mapping |= _numbers(path, cells, [column for source in channels.values() for column in columns_of(source)], choices)
    mapping["channels"] = channels
    soc = next((name for name in table.header if re.search(SOC, name, re.IGNORECASE)), None)
    if soc is not None and "zone" in mapping:
        mapping["assets"] = {f"{mapping['zone']}-battery-1": {"soc": {"from": soc, "unit": _soc_unit(cells[soc])}}}
    return mapping


def columns_of(source: dict[str, Any]) -> list[str]:
    """Return the columns that a channel of a mapping is read from."""
    return [source["from"]] if isinstance(source["from"], str) else list(source["from"])


def left_alike(content: dict[str, Any], ignored: Iterable[str]) -> list[str]:
    """Return notes on columns that are not read although they look like a channel that is read from another one."""
    notes = []
    for name in ignored:
        channel = next((channel for channel, pattern in NAMES if re.search(pattern, name, re.IGNORECASE)), None)
        if channel in (SOLAR, WIND, LOAD) and channel in content["channels"]:
            first = columns_of(content["channels"][channel])
            options = " ".join(f'--column "{channel}={option}"' for option in [*first, name])
            notes.append(f"{name} also looks like {channel} and is not read; to add it: {options}")
    return notes


def needs_time_zone(path: Path) -> bool:
    """Return whether nothing in the file states the time zone of its stamps, so a person has to."""
    table = open_table(path, None)
    if fitting_mapping(table.header, path.name) is not None:
        return False
    cells = _sample(table)
    column = _time_column(cells)
    if zone_of_name(column) is not None:
        return False
    text = cells[column].astype(str)
    if pd.api.types.is_numeric_dtype(cells[column]) or text.str.fullmatch(r"\d{9,14}").all():
        return False
    return not bool(aware_mask(text, ("iso",)).all())


def _sample(table: SourceTable) -> pd.DataFrame:
    names = [name for name in table.header if name not in table.doubles]
    for chunk in table.chunks(names, names, ROWS):
        return chunk.cells
    raise DataError(f"{table.path} holds no rows", hint="give a file with a header line and at least two rows")


def _time_column(cells: pd.DataFrame) -> str:
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
    raise DataError(
        f"no column holds times; the columns are {', '.join(map(str, cells.columns[:_LISTED]))}"
        + (f" and {len(cells.columns) - _LISTED} more" if len(cells.columns) > _LISTED else ""),
        hint="write a mapping file with time: {column: ..., format: ...} (docs/guide/data.md)",
    )


def _as_stated(mapping: Mapping, table: SourceTable, choices: Choices) -> dict[str, Any]:
    """Return a shipped mapping's content for a file, with what the user stated instead of what it states."""
    content: dict[str, Any] = mapping.model_dump(
        mode="json", by_alias=True, exclude_unset=True, exclude={"description", "signs"}
    )
    if not mapping.has_zone_parts and mapping.long is None and not mapping.tables:
        names = {name.casefold() for name in table.header}
        for channel in mapping.channels:
            source = content["channels"][channel]
            source["from"] = [name for name in source["from"] if name.casefold() in names]
            if not source["from"]:
                del content["channels"][channel]
    if choices.zone is not None and not mapping.has_zone_parts:
        content = {key: value for key, value in content.items() if key not in ("zone_column", "zone_header")}
        content["zone"] = choices.zone
    for key, value in (("zone", choices.time_zone), ("format", choices.time_format)):
        if value is not None:
            content["time"][key] = value
    for key, value in (("decimal", choices.decimal), ("thousands", choices.thousands)):
        if value is not None:
            content[key] = value
    return content


def _time(path: Path, cells: pd.DataFrame, choices: Choices) -> tuple[set[str], dict[str, Any]]:
    """Return the columns that the time is read from, and how."""
    name = _time_column(cells)
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
        if choices.time_format is not None:
            entry["format"] = choices.time_format
        elif iso_times(text).notna().all():
            fits = ["iso"]
        elif len(fits) > 1:
            raise ConfigError(
                f"{path}: the times of {name} ({text.iloc[0]}) can be read as {' or as '.join(fits[:3])}",
                hint=f'state which: --time-format "{fits[0]}"',
            )
        else:
            entry["format"] = fits[0]
    if choices.time_zone is not None and (choices.time_zone != "UTC" or zone_of_name(name) is not None):
        entry["zone"] = choices.time_zone
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
        if re.search("period", name, re.IGNORECASE) and numbers.between(1, 100).all() and numbers.max() > 24:
            entry |= {"period": name, "period_min": 30 if numbers.max() <= 50 else 15}
            return {name}
    return set()


def text_of(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as text without blanks at its ends."""
    return column.astype(str).str.strip()


def _channels(table: SourceTable, choices: Choices, used: set[str]) -> dict[str, dict[str, Any]]:
    channels: dict[str, dict[str, Any]] = {}
    for channel, columns in choices.columns.items():
        channels[channel_of(channel)] = _source(channel_of(channel), columns, choices)
        used = used | set(columns)
    for name in table.header:
        plain = channel_of(name.casefold())
        if name not in used and plain in CANONICAL and plain not in channels:
            channels[plain] = {"from": name}
            used = used | {name}
    for channel, pattern in NAMES:
        if channel in channels:
            continue
        like = _alike(table.header, pattern, used)
        if not like and channel == LOAD and not {SOLAR, WIND} & set(channels):
            like = _alike(table.header, _NET_OF_GRID, used)
        like = _parts(like) if channel == WIND else like[:1]
        if like and not re.search(SOC, like[0], re.IGNORECASE):
            channels[channel] = _source(channel, like, choices)
            used = used | set(like)
    for name in table.header:
        plain = channel_of(name.casefold())
        if name not in used and is_canonical(plain) and name.casefold() not in NOT_CHANNELS and plain not in channels:
            channels[plain] = {"from": name}
            used = used | {name}
    for channel in (LOAD, SOLAR, WIND, PRICE):
        if channel in channels:
            channels[channel]["required"] = True
    return channels


def _alike(header: Iterable[str], pattern: str, used: set[str]) -> list[str]:
    return [name for name in header if name not in used and re.search(pattern, name, re.IGNORECASE)]


def _parts(names: list[str]) -> list[str]:
    """Return the columns of wind on land and at sea where they come apart, else the first."""
    total = [name for name in names if not re.search("onshore|offshore", name, re.IGNORECASE)]
    return total[:1] or [
        name for sea in ("onshore", "offshore") for name in names if re.search(sea, name, re.IGNORECASE)
    ]


def _source(channel: str, columns: list[str], choices: Choices) -> dict[str, Any]:
    column = columns[0]
    source: dict[str, Any] = {"from": column} if len(columns) == 1 else {"from": columns, "add_up": True}
    if channel == PRICE:
        words = re.findall("[a-z]+", column.casefold())
        unit = None if "kwh" not in words else "ct_per_kWh" if _CENTS & set(words) else "per_kWh"
    elif channel == "temperature_c":
        words = re.split("[^a-z]+", column.casefold())
        unit = next((TEMPERATURE_UNITS[word] for word in reversed(words) if word in TEMPERATURE_UNITS), None)
    elif channel.endswith("_mw"):
        words = re.findall(r"[a-z]+", column.casefold())
        unit = next((POWER_UNITS[word] for word in reversed(words) if word in POWER_UNITS), choices.unit)
    else:
        unit = None
    if unit not in (None, "MW", "degC"):
        source["unit"] = unit
    return source


def _numbers(path: Path, cells: pd.DataFrame, columns: list[str], choices: Choices) -> dict[str, Any]:
    text = [cells[name] for name in columns if not pd.api.types.is_numeric_dtype(cells[name])]
    if choices.decimal is None and choices.thousands is None:
        fits = readable_styles(text, NumberStyle())
        if NumberStyle() not in fits and len(fits) > 1:
            styles = " or ".join(f"decimal {style.decimal!r}, thousands {style.thousands!r}" for style in fits)
            raise ConfigError(
                f"{path}: its numbers can be read with {styles}", hint="state which: --decimal , or --thousands ."
            )
        style = NumberStyle() if NumberStyle() in fits or not fits else fits[0]
    else:
        style = NumberStyle(choices.decimal or ".", choices.thousands or "")
    entry = {} if style.decimal == "." else {"decimal": style.decimal}
    return entry if not style.thousands else {**entry, "thousands": style.thousands}


def _is_text(column: pd.Series[Any]) -> bool:
    return not pd.api.types.is_numeric_dtype(column) and bool(
        pd.to_numeric(column.astype(str), errors="coerce").isna().all()
    )


def _soc_unit(column: pd.Series[Any]) -> str:
    values = pd.to_numeric(column.astype(str).str.replace(",", "."), errors="coerce")
    return "percent" if float(values.median()) > 1.05 else "fraction"
