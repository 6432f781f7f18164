"""How the columns of one opened file become canonical ones: resolved once from its header, applied chunk by chunk.

A chunk after ``Layout.apply`` is a DataFrame with ``slot`` (UTC start, datetime64 without tzinfo), ``zone`` (text) and
one float64 column per channel, NaN for missing; readings of assets are columns named ``asset:ID:field``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from vpp.errors import DataError
from vpp.files.availability import NOT_CHANNELS, TIME_COLUMN, ZONE_COLUMN, channel_of
from vpp.files.mapping import Mapping, SourceColumn, TimeColumn

ASSET_MARK = "asset:"
CET_COLUMN = "local_time_cet"
CET_FIXED = "Etc/GMT-1"
"""Local German time with 24 rows on every day counts as UTC+1 all year: no hour is lost or doubled. In summer the UTC
stamps are one hour late; the zone that reads them keeps its calendar in the same fixed offset."""

ISO = TimeColumn()


@dataclass(frozen=True, slots=True)
class Recipe:
    """One canonical column: ``factor * (plus - minus) + offset``."""

    target: str
    plus: str
    minus: str | None = None
    factor: float = 1.0
    offset: float = 0.0


@dataclass(slots=True)
class Layout:
    """The plan for one file.

    Attributes:
        time: How to read the time column.
        time_column: Its name in the file.
        zone: Zone name where the file has no zone column.
        zone_column: The zone column's name.
        recipes: One per canonical column.
        step_min: Slot length where the mapping states it.
        notes: What a reader should know.
    """

    time: TimeColumn
    time_column: str
    zone: str | None
    zone_column: str | None
    recipes: tuple[Recipe, ...]
    step_min: int | None
    path: str
    notes: tuple[str, ...] = ()
    _text: set[str] | None = None
    _last_utc: dict[str, pd.Timestamp] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Columns to read from the file."""
        wanted = {self.time_column, *(r.plus for r in self.recipes), *(r.minus for r in self.recipes if r.minus)}
        return sorted(wanted | ({self.zone_column} if self.zone_column else set()))

    @property
    def targets(self) -> tuple[str, ...]:
        """Canonical columns, those of text known so far left out."""
        text = self._text or set()
        return tuple(recipe.target for recipe in self.recipes if recipe.plus not in text)

    def apply(self, raw: pd.DataFrame, first_row: int) -> pd.DataFrame:
        """Return the chunk in canonical shape.

        Args:
            raw: The chunk as read.
            first_row: Number of its first row in the file, the header being row 1.

        Raises:
            DataError: A time or number cannot be read; names row, column and value.
        """
        zones = self._zones(raw, first_row)
        out: dict[str, Any] = {"slot": self._times(raw[self.time_column], zones, first_row), "zone": zones}
        if self._text is None:
            self._text = {r.plus for r in self.recipes if _is_text(raw[r.plus])}
        for recipe in self.recipes:
            if recipe.plus in self._text:
                continue
            values = _numbers(raw[recipe.plus], first_row, self.path)
            if recipe.minus is not None:
                values = values - _numbers(raw[recipe.minus], first_row, self.path)
            if recipe.factor != 1.0 or recipe.offset != 0.0:
                values = values * recipe.factor + recipe.offset
            out[recipe.target] = values
        return pd.DataFrame(out)

    def _zones(self, raw: pd.DataFrame, first_row: int) -> Any:
        if self.zone_column is None:
            return np.full(len(raw), self.zone, dtype=object)
        zones = raw[self.zone_column]
        if zones.isna().any():
            row = first_row + int(np.argmax(zones.isna().to_numpy()))
            raise DataError(f"{self.path}, row {row}: the zone is empty", hint="give every row a zone name")
        return zones.astype(str).to_numpy(dtype=object)

    def _times(self, stamps: pd.Series[Any], zones: Any, first_row: int) -> Any:
        parsed = _parse(stamps, self.time.format)
        bad = parsed.isna().to_numpy()
        if bad.any():
            where = int(np.argmax(bad))
            raise DataError(
                f"{self.path}, row {first_row + where}: {self.time_column} {stamps.iloc[where]!r} is not a time",
                hint="write times as 2024-05-31T22:00:00Z, or give time.format in a mapping file (docs/guide/data.md)",
            )
        if parsed.dt.tz is None:
            parsed = self._localize(parsed, zones, first_row)
        utc = parsed.dt.tz_convert("UTC").dt.as_unit("ns")
        if self.time.stamps == "end":
            utc = utc - pd.Timedelta(minutes=self.step_min or 0)
        return utc.to_numpy(dtype="datetime64[ns]")

    def _localize(self, naive: pd.Series[Any], zones: Any, first_row: int) -> pd.Series[Any]:
        zone = ZoneInfo(self.time.zone)
        summer = naive.dt.tz_localize(zone, ambiguous=np.ones(len(naive), dtype=bool), nonexistent="NaT")
        lost = summer.isna().to_numpy()
        if lost.any():
            where = int(np.argmax(lost))
            raise DataError(
                f"{self.path}, row {first_row + where}: {naive.iloc[where]} does not exist in {self.time.zone}",
                hint="if every day of the file has 24 hours, give time.zone a fixed offset such as Etc/GMT-1 (UTC+1)",
            )
        twice = naive.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").isna().to_numpy()
        utc = summer.dt.tz_convert("UTC")
        return self._second_hour(utc, twice, zones)

    def _second_hour(self, utc: pd.Series[Any], twice: Any, zones: Any) -> pd.Series[Any]:
        # When the clock goes back, an hour's stamps come twice; the second time is known by the order of the rows.
        values = utc.to_list()
        last = self._last_utc
        if not twice.any():
            last.update(dict(zip(zones, values, strict=True)))
            return utc
        for i, zone in enumerate(zones):
            if twice[i] and zone in last and values[i] <= last[zone]:
                values[i] += pd.Timedelta(hours=1)
            last[zone] = values[i]
        return pd.Series(values, index=utc.index)


def resolve(header: tuple[str, ...], path: str, mapping: Mapping | None) -> Layout:
    """Return the layout of a file with this header.

    Raises:
        DataError: Time column, zone or all channels are missing; names what is there and the next step.
    """
    mapping = mapping or Mapping()
    time, time_column = _time_of(header, path, mapping)
    zone_column = mapping.zone_column or (ZONE_COLUMN if ZONE_COLUMN in header and mapping.zone is None else None)
    if (zone_column is None and mapping.zone is None) or (zone_column and zone_column not in header):
        raise DataError(
            f"{path}: no column {zone_column or ZONE_COLUMN!r}; the columns are {_listed(header)}",
            hint="add a zone column, or name the zone in a mapping file (zone: NAME)",
        )
    used = {time_column, zone_column}
    recipes = _mapped(header, path, mapping) if mapping.channels else _canonical(header, used)
    if not recipes:
        raise DataError(
            f"{path}: no column holds a channel; the columns are {_listed(header)}",
            hint="canonical columns are load_mw, solar_mw, wind_mw, price, ... (docs/guide/data.md)",
        )
    return Layout(
        time=time,
        time_column=time_column,
        zone=mapping.zone,
        zone_column=zone_column,
        recipes=recipes,
        step_min=mapping.step_min,
        path=path,
        notes=(f"read with the mapping {mapping.name}",) if mapping.channels else (),
    )


def _time_of(header: tuple[str, ...], path: str, mapping: Mapping) -> tuple[TimeColumn, str]:
    found = next((name for name in mapping.time.column if name in header), None)
    if found is not None:
        return mapping.time, found
    if mapping.time == ISO and CET_COLUMN in header:
        return TimeColumn(column=(CET_COLUMN,), zone=CET_FIXED), CET_COLUMN
    raise DataError(
        f"{path}: no column {' or '.join(mapping.time.column)}; the columns are {_listed(header)}",
        hint="rename the time column to 'timestamp' (UTC, interval start), or give a mapping file (docs/guide/data.md)",
    )


def _canonical(header: tuple[str, ...], used: set[str | None]) -> tuple[Recipe, ...]:
    skip = used | NOT_CHANNELS | {TIME_COLUMN, ZONE_COLUMN, CET_COLUMN}
    return tuple(Recipe(channel_of(name), name) for name in header if name not in skip)


def _mapped(header: tuple[str, ...], path: str, mapping: Mapping) -> tuple[Recipe, ...]:
    wanted = dict(mapping.channels)
    for asset, fields in mapping.assets.items():
        wanted.update({f"{ASSET_MARK}{asset}:{name}": source for name, source in fields.items()})
    recipes = []
    for target, source in wanted.items():
        recipe = _recipe(channel_of(target), source, header)
        if recipe is not None:
            recipes.append(recipe)
        elif source.required:
            raise DataError(
                f"{path}: {target} needs a column {' or '.join(source.source)}; the columns are {_listed(header)}",
                hint=f"correct channels.{target}.from in the mapping {mapping.name}",
            )
    return tuple(recipes)


def _recipe(target: str, source: SourceColumn, header: tuple[str, ...]) -> Recipe | None:
    plus = next((name for name in source.source if name in header), None)
    minus = next((name for name in source.minus if name in header), None)
    if plus is None or (source.minus and minus is None):
        return None
    return Recipe(target, plus, minus, source.factor, source.offset)


def _parse(stamps: pd.Series[Any], style: str) -> pd.Series[Any]:
    if pd.api.types.is_datetime64_any_dtype(stamps):
        return stamps
    if style in ("epoch_s", "epoch_ms"):
        numbers = pd.to_numeric(stamps, errors="coerce")
        milliseconds = numbers * 1000 if style == "epoch_s" else numbers
        return pd.to_datetime(milliseconds, unit="ms", utc=True, errors="coerce")
    text = stamps.astype(str)
    if style != "iso":
        return pd.to_datetime(text, format=style, errors="coerce")
    aware = text.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True).any()
    return pd.to_datetime(text, format="ISO8601", utc=bool(aware), errors="coerce")


def _is_text(column: pd.Series[Any]) -> bool:
    if pd.api.types.is_numeric_dtype(column) or column.isna().all():
        return False
    return bool(pd.to_numeric(column, errors="coerce").isna().all())


def _numbers(column: pd.Series[Any], first_row: int, path: str) -> Any:
    if not pd.api.types.is_numeric_dtype(column):
        numbers = pd.to_numeric(column, errors="coerce")
        bad = (numbers.isna() & column.notna()).to_numpy()
        if bad.any():
            where = int(np.argmax(bad))
            raise DataError(
                f"{path}, row {first_row + where}: {column.name} {column.iloc[where]!r} is not a number",
                hint="leave missing values empty, use a decimal point, or name the separator in a mapping file",
            )
        column = numbers
    values = column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    values[~np.isfinite(values)] = np.nan
    return values


def _listed(header: tuple[str, ...]) -> str:
    shown = ", ".join(header[:12])
    return shown + (f" and {len(header) - 12} more" if len(header) > 12 else "")
