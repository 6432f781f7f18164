"""Guesses how to read a file: its form, columns, units and numbers; every guess is tested on the file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from vpp.domain import LOAD, PRICE, SOLAR, WIND
from vpp.errors import ConfigError, DataError
from vpp.files.cells.availability import NOT_CHANNELS, ZONE_COLUMN, channel_of
from vpp.files.cells.numbers import NumberStyle, readable_styles
from vpp.files.cells.time_text import aware_mask
from vpp.files.cells.units import (
    POWER_UNITS,
    TEMPERATURE_UNITS,
    foreign_unit,
    unit_in_cells,
    unit_of_price,
    without_unit,
)
from vpp.files.columns import CANONICAL, is_canonical
from vpp.files.decoding import guess_encoding, is_parquet
from vpp.files.mapping import Mapping, fitting_mapping
from vpp.files.table import SourceTable, lines_before_header, open_table
from vpp.files.time_guessing import TIMES, guess_time, text_of, time_column
from vpp.files.times import zone_of_name

ROWS = 2000
_NO_POWER = "capacity|kapazit|install|profile|resid|share|anteil|forecast|progno|batter|speicher|wall|reactive|residual"
NAMES: tuple[tuple[str, str], ...] = (
    ("load_forecast_da_mw", r"(load|demand|last).*(forecast|prognose)|(forecast|prognose).*(load|demand|last)"),
    (
        PRICE,
        r"price|preis|pris\b|\bcena\b|prix|precio|prezzo|prijs|tarif|tariff|spot|\blmp\b|\bspp\b|\brrp\b|(eur|usd|gbp|aud|[€$£])/|ct/",
    ),
    (
        SOLAR,
        rf"^(?!.*({_NO_POWER}|wind)).*(sol(ar|aire)|(?<![a-z])pv(?![a-z])|photovolt|inverter|generation|erzeug|produ[ck]t|ertrag|opwek|fotovolt)",
    ),
    (WIND, rf"^(?!.*({_NO_POWER}|speed|geschw)).*(wind|[eé]olien|e[oó]lic)"),
    (
        LOAD,
        rf"^(?!.*({_NO_POWER})).*(load|demand|consum|consomm|verbrauch|verbruik|carico|last\b|netzlast|usage|(?<![a-z])(use|home|house|haus)(?![a-z]))",
    ),
    ("temperature_c", r"temp"),
    ("frequency_hz", r"freq|\bhz\b"),
)
"""Channel to what its column is usually called, in the order of trial."""
_TO_GRID = r"export|feed|einspeis"
_FROM_GRID = rf"^(?!.*({_NO_POWER}|{_TO_GRID})).*(import|grid|bezug)"
"""What a site takes from the grid; less what it gives to it, it is the load where no power of its own is measured."""
_POWER = (
    rf"^(?!.*({_NO_POWER}|apparent|blind|schein|theor|curve|factor|limit|setpoint|{_TO_GRID}))"
    r".*(power|leistung|puissance|potencia|potenza|vermogen|energ|^\W*[kmg]?wh?\W*$)"
)
ZONES = r"^(?!.*time).*(zone|region|area|site|gebiet|node|country)"
SOC = r"(?<![a-z])soc(?![a-z])|state of charge|ladezustand|ladestand"


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
        site_channel: What the only column of power is, where its name does not say it.
    """

    zone: str | None = None
    time_zone: str | None = None
    time_format: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    unit: str = "MW"
    columns: dict[str, list[str]] = field(default_factory=dict)
    default_zone: str = "SITE"
    site_channel: str = LOAD


def guess_mapping(path: Path, choices: Choices) -> dict[str, Any]:
    """Return the content of a mapping file for a data file: that of a shipped one where one fits, else guessed.

    Raises:
        DataError: The file has no time column or no column of a channel; names what to state.
        ConfigError: A guess has several answers; names the option.
    """
    table, form = _opened(path)
    name = path.name.partition(".")[0]
    for column in [column for columns in choices.columns.values() for column in columns]:
        if column not in table.header:
            raise ConfigError(f"{path} has no column {column!r}", hint=f"its columns are {', '.join(table.header)}")
    shipped = None if choices.columns else fitting_mapping(table.header, path.name)
    if shipped is not None:
        return {**form, **_as_stated(shipped, table, choices), "name": name}
    _refuse_doubles(table)
    cells = _sample(table)
    mapping: dict[str, Any] = {"name": name, **form}
    time_columns, mapping["time"] = guess_time(path, cells, choices.time_zone, choices.time_format)
    zone_columns = [
        n
        for n in map(str, cells)
        if n.casefold() == ZONE_COLUMN or (re.search(ZONES, n, re.IGNORECASE) and _is_text(cells[n]))
    ]
    zone_column = min(zone_columns, key=lambda name: name.casefold() != ZONE_COLUMN, default=None)
    words = {name for name in map(str, cells) if not text_of(cells[name]).str.contains(r"\d").any()}
    channels = _channels(table, choices, {*time_columns, *words, zone_column or ""})
    if not channels:
        raise DataError(
            f"{path}: no column looks like a channel; the columns are {', '.join(table.header)}",
            hint=f"name them: --column {choices.site_channel}=COLUMN",
        )
    if zone_column is not None and choices.zone is None:
        mapping["zone_column"] = zone_column
    else:
        mapping["zone"] = choices.zone or choices.default_zone
    if table.separator not in ("", ","):
        mapping["separator"] = table.separator
    mapping |= _numbers(path, _values(cells, channels), choices)
    mapping["channels"] = channels
    soc = next((name for name in table.header if re.search(SOC, name, re.IGNORECASE)), None)
    if soc is not None and "zone" in mapping:
        mapping["assets"] = {f"{mapping['zone']}-battery-1": {"soc": {"from": soc, "unit": _soc_unit(cells[soc])}}}
    return mapping


def _opened(path: Path) -> tuple[SourceTable, dict[str, Any]]:
    """Return the file as a table, and what of its form a mapping has to state: encoding, lines before the header."""
    encoding = guess_encoding(path) if path.is_file() and not is_parquet(path) else None
    form: dict[str, Any] = {} if encoding is None else {"encoding": encoding}
    table = open_table(path, Mapping(**form))
    lines = 0 if fitting_mapping(table.header, path.name) is not None else lines_before_header(table)
    if lines > table.mapping.skip_rows:
        form["skip_rows"] = lines
        table = open_table(path, Mapping(**form))
    return table, form


def _refuse_doubles(table: SourceTable) -> None:
    """Refuse a file that has a column of a time, a zone or a channel twice.

    Raises:
        DataError: It has; names the columns.
    """
    patterns = (TIMES, ZONES, *(pattern for _, pattern in NAMES))
    for name in sorted(table.doubles):
        if is_canonical(channel_of(name.casefold())) or any(re.search(p, name, re.IGNORECASE) for p in patterns):
            places = ", ".join(str(at) for at, column in enumerate(table.header, start=1) if column == name)
            raise DataError(
                f"{table.path}: column {name!r} comes twice (columns {places})", hint="give each its own name"
            )


def columns_of(source: dict[str, Any]) -> list[str]:
    """Return the columns that a channel of a mapping is read from."""
    columns = [source["from"]] if isinstance(source["from"], str) else list(source["from"])
    return columns + ([source["minus"]] if isinstance(source.get("minus"), str) else [])


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
    table, _ = _opened(path)
    if fitting_mapping(table.header, path.name) is not None:
        return False
    cells = _sample(table)
    column = time_column(cells)
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


def _as_stated(mapping: Mapping, table: SourceTable, choices: Choices) -> dict[str, Any]:
    """Return a shipped mapping's content for a file, with the user's statements in place of its own."""
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
        like = _parts(like) if channel == WIND else like[:1]
        if like and not re.search(SOC, like[0], re.IGNORECASE):
            channels[channel] = _source(channel, like, choices)
            used = used | set(like)
    if not {LOAD, SOLAR, WIND} & set(channels):
        channels |= _of_site(table.header, used, choices)
        used = used.union(*map(columns_of, channels.values()))
    for name in table.header:
        plain = channel_of(name.casefold())
        if name not in used and is_canonical(plain) and name.casefold() not in NOT_CHANNELS and plain not in channels:
            channels[plain] = {"from": name}
            used = used | {name}
    for channel in (LOAD, SOLAR, WIND, PRICE):
        if channel in channels:
            channels[channel]["required"] = True
    return channels


def _of_site(header: Iterable[str], used: set[str], choices: Choices) -> dict[str, dict[str, Any]]:
    """Return the channel of a site that measures its exchange with the grid, or one power only."""
    taken = _alike(header, _FROM_GRID, used)[:1]
    if taken and choices.site_channel == LOAD:
        given = _alike(header, rf"^(?!.*({_NO_POWER})).*({_TO_GRID})", used)
        return {LOAD: _source(LOAD, taken, choices) | ({"minus": given[0]} if given else {})}
    power = _only_power(header, used)
    return {choices.site_channel: _source(choices.site_channel, power, choices)} if power else {}


def _only_power(header: Iterable[str], used: set[str]) -> list[str]:
    """Return the column that is named by no more than power and its unit, where there is just one."""
    power = [name for name in _alike(header, _POWER, used) if _power_unit(name)]
    return power if len(power) == 1 else []


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
    foreign = None if channel not in (PRICE, LOAD, SOLAR, WIND) else foreign_unit(column)
    if foreign is not None:
        raise ConfigError(
            f"the column {column} of {channel} has a unit that is not converted: {foreign}",
            hint="convert the column to MW or a price per MWh, and name it so",
        )
    source: dict[str, Any] = {"from": column} if len(columns) == 1 else {"from": columns, "add_up": True}
    if channel == PRICE:
        unit = unit_of_price(column)
    elif channel == "temperature_c":
        words = re.split("[^a-z]+", column.casefold())
        unit = next((TEMPERATURE_UNITS[word] for word in reversed(words) if word in TEMPERATURE_UNITS), None)
    elif channel.endswith("_mw"):
        unit = _power_unit(column) or choices.unit
    else:
        unit = None
    if unit not in (None, "MW", "degC", "per_MWh"):
        source["unit"] = unit
    return source


def _power_unit(column: str) -> str | None:
    words = re.findall(r"[a-z]+", column.casefold())
    return next((POWER_UNITS[word] for word in reversed(words) if word in POWER_UNITS), None)


def _values(cells: pd.DataFrame, channels: dict[str, dict[str, Any]]) -> list[pd.Series[Any]]:
    """Return the columns of text that channels are read from, without units in cells; the channels then state them."""
    text = []
    for channel, source in channels.items():
        for name in columns_of(source):
            if pd.api.types.is_numeric_dtype(cells[name]):
                continue
            column = text_of(cells[name])
            unit = unit_in_cells(column.unique(), channel)
            if unit is not None:
                source["unit"] = unit
                column = column.map(lambda cell, unit=unit: without_unit(cell, unit) or cell)
            text.append(column)
    return text


def _numbers(path: Path, text: list[pd.Series[Any]], choices: Choices) -> dict[str, Any]:
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
