"""Guesses how a file is to be read: columns, units, times and numbers; every guess is tried on the file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from vpp.domain import LOAD, PRICE, SOLAR, WIND
from vpp.errors import ConfigError, DataError
from vpp.files.availability import NOT_CHANNELS, channel_of
from vpp.files.columns import is_canonical
from vpp.files.numbers import NumberStyle, readable_styles
from vpp.files.table import SourceTable, open_table
from vpp.files.time_text import aware_mask, fitting_formats, iso_times
from vpp.files.units import POWER_UNITS

ROWS = 2000
NAMES: tuple[tuple[str, str], ...] = (
    ("load_forecast_da_mw", r"(load|demand|last).*(forecast|prognose)|(forecast|prognose).*(load|demand|last)"),
    (PRICE, r"price|preis|tarif|tariff|spot|\blmp\b|\brrp\b|eur/|\$/|ct/"),
    (SOLAR, r"solar|\bpv\b|photovolt|inverter|generation|erzeugung"),
    (WIND, r"wind(?!.*(speed|geschw))"),
    (LOAD, r"load|demand|consum|verbrauch|last\b|netzlast|usage|\buse\b|import|grid|bezug"),
    ("temperature_c", r"temp"),
    ("frequency_hz", r"freq|\bhz\b"),
)
"""Channel to what its column is usually called, in the order of trial."""
TIMES = r"time|zeit|date|datum|stamp|when|hour|start|von|interval|period"
ZONES = r"zone|region|area|site|gebiet|node|country"
SOC = r"\bsoc\b|state of charge|ladezustand|ladestand"
PRICE_UNITS = (("/kwh", "per_kWh"), ("/mwh", "per_MWh"))


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
        columns: Channel to column, besides what is guessed.
        default_zone: Zone name where neither the user nor the file gives one.
    """

    zone: str | None = None
    time_zone: str | None = None
    time_format: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    unit: str = "MW"
    columns: dict[str, str] = field(default_factory=dict)
    default_zone: str = "SITE"


def guess_mapping(path: Path, choices: Choices) -> dict[str, Any]:
    """Return the content of a mapping file for a data file.

    Raises:
        DataError: The file has no time column or no column of a channel; names what to state.
        ConfigError: A guess has several answers; names the option.
    """
    table = open_table(path, None)
    cells = _sample(table)
    for wanted in choices.columns.values():
        if wanted not in table.header:
            raise ConfigError(f"{path} has no column {wanted!r}", hint=f"its columns are {', '.join(table.header)}")
    mapping: dict[str, Any] = {"name": path.name.partition(".")[0]}
    time_column, mapping["time"] = _time(path, cells, choices)
    zone_column = next((n for n in table.header if re.search(ZONES, n, re.IGNORECASE) and _is_text(cells[n])), None)
    channels = _channels(table, choices, {time_column, zone_column or ""})
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
    mapping |= _numbers(path, cells, [source["from"] for source in channels.values()], choices)
    mapping["channels"] = channels
    soc = next((name for name in table.header if re.search(SOC, name, re.IGNORECASE)), None)
    if soc is not None and "zone" in mapping:
        mapping["assets"] = {f"{mapping['zone']}-battery-1": {"soc": {"from": soc, "unit": _soc_unit(cells[soc])}}}
    return mapping


def needs_time_zone(path: Path) -> bool:
    """Return whether the file's stamps carry no offset, so that their time zone has to be stated."""
    cells = _sample(open_table(path, None))
    column = _time_column(cells)
    text = cells[column].astype(str)
    if pd.api.types.is_numeric_dtype(cells[column]) or text.str.fullmatch(r"\d{9,14}").all():
        return False
    return not bool(aware_mask(text, ("iso",)).all())


def _sample(table: SourceTable) -> pd.DataFrame:
    names = [name for name in table.header if name and name not in table.doubles]
    for chunk in table.chunks(names, names, ROWS):
        return chunk.cells
    raise DataError(f"{table.path} holds no rows", hint="give a file with a header line and at least two rows")


def _time_column(cells: pd.DataFrame) -> str:
    likely = sorted(cells.columns, key=lambda name: not re.search(TIMES, name, re.IGNORECASE))
    for name in likely:
        column = cells[name]
        if pd.api.types.is_datetime64_any_dtype(column) or fitting_formats(column.astype(str)):
            return str(name)
    raise DataError(
        f"no column holds times; the columns are {', '.join(map(str, cells.columns))}",
        hint="write a mapping file with time: {column: ..., format: ...} (docs/guide/data.md)",
    )


def _time(path: Path, cells: pd.DataFrame, choices: Choices) -> tuple[str, dict[str, Any]]:
    name = _time_column(cells)
    entry: dict[str, Any] = {"column": name}
    column = cells[name]
    if not pd.api.types.is_datetime64_any_dtype(column):
        text = column.astype(str)
        fits = fitting_formats(text)
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
    if choices.time_zone is not None and choices.time_zone != "UTC":
        entry["zone"] = choices.time_zone
    return name, entry


def _channels(table: SourceTable, choices: Choices, used: set[str]) -> dict[str, dict[str, Any]]:
    channels: dict[str, dict[str, Any]] = {}
    for channel, column in choices.columns.items():
        channels[channel_of(channel)] = _source(channel_of(channel), column, choices)
        used = used | {column}
    for name in table.header:
        plain = channel_of(name.casefold())
        if name not in used and is_canonical(plain) and name.casefold() not in NOT_CHANNELS and plain not in channels:
            channels[plain] = {"from": name}
            used = used | {name}
    for channel, pattern in NAMES:
        if channel in channels:
            continue
        like = [name for name in table.header if name not in used and re.search(pattern, name, re.IGNORECASE)]
        if like and not re.search(SOC, like[0], re.IGNORECASE):
            channels[channel] = _source(channel, like[0], choices)
            used = used | {like[0]}
    for channel in (LOAD, SOLAR, WIND, PRICE):
        if channel in channels:
            channels[channel]["required"] = True
    return channels


def _source(channel: str, column: str, choices: Choices) -> dict[str, Any]:
    source: dict[str, Any] = {"from": column}
    plain = column.casefold().replace(" ", "")
    if channel == PRICE:
        unit = next((unit for mark, unit in PRICE_UNITS if mark in plain), None)
        unit = "ct_per_kWh" if "ct/kwh" in plain or "cent/kwh" in plain else unit
    elif channel.endswith("_mw"):
        words = re.findall(r"[a-z]+", column.casefold())
        unit = next((POWER_UNITS[word] for word in reversed(words) if word in POWER_UNITS), choices.unit)
    else:
        unit = None
    if unit is not None and unit not in ("MW", "per_MWh"):
        source["unit"] = unit
    return source


def _numbers(path: Path, cells: pd.DataFrame, columns: list[str], choices: Choices) -> dict[str, Any]:
    text = [cells[name] for name in columns if not pd.api.types.is_numeric_dtype(cells[name])]
    if choices.decimal is None and choices.thousands is None:
        fits = readable_styles(text, NumberStyle())
        if NumberStyle() not in fits and len(fits) > 1:
            shown = " or ".join(f"decimal {style.decimal!r}, thousands {style.thousands!r}" for style in fits)
            raise ConfigError(
                f"{path}: its numbers can be read with {shown}", hint="state which: --decimal , or --thousands ."
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
