"""How the columns of one opened file become canonical ones: resolved once from its header, applied chunk by chunk.

A chunk after ``Layout.apply`` is a DataFrame with ``stamp`` (UTC instant as the file names it, datetime64 without
tzinfo), ``zone`` (text) and one float64 column per channel, NaN for missing; readings of assets are columns named
``asset:ID:field``.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from vpp.errors import DataError
from vpp.files.cells.availability import channel_of
from vpp.files.cells.numbers import Numbers, NumberStyle, number_hint, read_numbers
from vpp.files.cells.units import named_unit, unit_of_channel
from vpp.files.grouped_numbers import GroupedNumbers
from vpp.files.table import RawChunk
from vpp.files.times import TimeReader

CANONICAL = frozenset({"load_mw", "solar_mw", "wind_mw", "price_per_mwh", "frequency_hz", "temperature_c"})
_UNIT_ENDS = ("_mw", "_mwh", "_hz", "_c", "_pct", "_wm2", "_kmh", "_hpa")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One canonical column: ``factor * (source + plus... - minus) + offset``.

    Attributes:
        target: Canonical name.
        source: Column of the file.
        plus: Columns that are added.
        adds_up: ``plus`` and source are parts of a total: one that a zone has no value of is left out.
        minus: Column that is subtracted.
        factor: See above.
        offset: See above.
        unit: Unit of the source columns; their cells may carry it.
        is_energy: The value is the energy of its row (MWh after the factor), not a power.
        named: The user or the canonical shape names it: it is never left out.
        zone: The zone that it is of, where each zone has columns of its own.
    """

    target: str
    source: str
    plus: tuple[str, ...] = ()
    adds_up: bool = False
    minus: str | None = None
    factor: float = 1.0
    offset: float = 0.0
    unit: str | None = None
    is_energy: bool = False
    named: bool = True
    zone: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the file that it reads."""
        return (self.source, *self.plus, *((self.minus,) if self.minus else ()))


@dataclass(slots=True)
class FileLayout:
    """The plan for one file.

    Attributes:
        time: Reads the time columns.
        zone: Zone name where the file has no zone column.
        zone_column: The zone column's name.
        recipes: One per canonical column.
        numbers: How numbers are written.
        path: The file, for errors.
        mapping_name: The mapping that the columns are read with; empty for canonical ones.
        warnings: What looks wrong or is missing.
        ignored: Columns of the file that are not read, with the reason.
        grouped: Watches for whole numbers that a decimal point reads as fractions.
    """

    time: TimeReader
    zone: str | None
    zone_column: str | None
    recipes: tuple[Recipe, ...]
    numbers: NumberStyle
    path: str
    mapping_name: str = ""
    warnings: tuple[str, ...] = ()
    ignored: dict[str, str] = field(default_factory=dict)
    grouped: GroupedNumbers = field(default_factory=GroupedNumbers)
    _started: bool = False
    _parts: set[tuple[str, str]] = field(default_factory=set)

    @property
    def text_columns(self) -> list[str]:
        """Columns to read as text."""
        return [*self.time.columns, *([self.zone_column] if self.zone_column else [])]

    @property
    def columns(self) -> list[str]:
        """Columns to read from the file."""
        names = dict.fromkeys(self.text_columns)
        names.update(dict.fromkeys(name for recipe in self.recipes for name in recipe.columns))
        return list(names)

    @property
    def targets(self) -> tuple[str, ...]:
        """Canonical columns, those of text that were met so far left out."""
        targets = (recipe.target for recipe in self.recipes if recipe.source not in self.ignored)
        return tuple(dict.fromkeys(targets))

    @property
    def energies(self) -> frozenset[str]:
        """Canonical columns that hold the energy of a row."""
        return frozenset(recipe.target for recipe in self.recipes if recipe.is_energy)

    def apply(self, chunk: RawChunk) -> pd.DataFrame:
        """Return the chunk in canonical shape.

        Raises:
            DataError: A time or number cannot be read; names row, column and value.
        """
        raw = chunk.cells
        read = {name: self._read(raw[name], chunk.rows) for name in self._number_columns()}
        self._drop_text(read)
        zones = self._zones(raw, chunk.rows)
        recipes = [recipe for recipe in self.recipes if recipe.source not in self.ignored]
        values = [(recipe, self._combined(recipe, read, zones)) for recipe in recipes]
        empty = np.ones(len(raw), dtype=bool)
        for _, column in values:
            empty &= np.isnan(column)
        instants = self.time.read(raw, zones, empty, chunk.rows)
        by_zone: dict[str | None, dict[str, Any]] = {}
        for recipe, column in values:
            by_zone.setdefault(recipe.zone, {})[recipe.target] = column
        frames = [self._frame(zone, columns, zones, instants) for zone, columns in by_zone.items()]
        if not frames:
            frames = [self._frame(None, {}, zones, instants)]
        if len(frames) == 1:
            return frames[0]
        joined = pd.concat(frames, ignore_index=True)
        return joined.sort_values(["stamp", "zone"], kind="stable", ignore_index=True)

    def _frame(self, zone: str | None, columns: dict[str, Any], zones: Any, instants: Any) -> pd.DataFrame:
        zone_column = zones if zone is None else np.full(len(zones), zone, dtype=object)
        frame = pd.DataFrame({"stamp": instants.utc, "zone": zone_column, **columns})
        keep = instants.keep
        if zone is not None:
            keep = keep & frame[list(columns)].notna().any(axis=1).to_numpy()
        return frame if keep.all() else frame[keep].reset_index(drop=True)

    def _combined(self, recipe: Recipe, read: dict[str, Numbers], zones: Any) -> Any:
        if recipe.adds_up:
            values = self._total(recipe, read, zones)
        else:
            values = sum((read[name].values for name in recipe.plus), start=read[recipe.source].values)
        if recipe.minus is not None:
            values = values - read[recipe.minus].values
        if recipe.factor != 1.0 or recipe.offset != 0.0:
            values = values * recipe.factor + recipe.offset
        return values

    def _total(self, recipe: Recipe, read: dict[str, Numbers], zones: Any) -> Any:
        """Return the sum of the parts that a zone has, this chunk and those before it taken together."""
        total = np.full(len(zones), np.nan)
        for zone in pd.unique(zones):
            rows = zones == zone
            for name in (recipe.source, *recipe.plus):
                if not np.isnan(read[name].values[rows]).all():
                    self._parts.add((zone, name))
            parts = [read[name].values[rows] for name in (recipe.source, *recipe.plus) if (zone, name) in self._parts]
            if parts:
                total[rows] = sum(parts[1:], start=parts[0])
        return total

    def _number_columns(self) -> list[str]:
        names = (name for r in self.recipes if r.source not in self.ignored for name in r.columns)
        return list(dict.fromkeys(names))

    def _read(self, column: pd.Series[Any], rows: Any) -> Numbers:
        unit = next((recipe.unit for recipe in self.recipes if column.name in recipe.columns), None)
        numbers = read_numbers(column, self.numbers, unit)
        if not numbers.unreadable.any():
            self.grouped.add(str(column.name), numbers.values)
            return numbers
        has_name = any(recipe.named for recipe in self.recipes if column.name in recipe.columns)
        if has_name or self._started:
            row = int(np.argmax(numbers.unreadable))
            hint = self._hint(column, row, unit)
            if not has_name:
                hint = f"leave the column out with ignore: [{column.name}] in a mapping file"
            cell = column.to_numpy(dtype=object)[row]
            raise DataError(f"{self.path}, row {rows[row]}: {column.name} {cell!r} is not a number", hint=hint)
        return numbers

    def _hint(self, column: pd.Series[Any], row: int, unit: str | None) -> str:
        cell = column.to_numpy(dtype=object)[row]
        if isinstance(cell, str) and cell.strip() == column.name:
            return "remove this row: it repeats the header"
        remaining = read_numbers(column.drop(column.index[row]), self.numbers, unit)
        if (
            row == 0
            and isinstance(cell, str)
            and not remaining.unreadable.any()
            and not remaining.is_text
            and len(column) > 1
        ):
            return "remove this row if it is a second header line, or leave the cell empty"
        return number_hint(column, self.numbers, unit)

    def _drop_text(self, read: dict[str, Numbers]) -> None:
        for name, numbers in read.items():
            if numbers.unreadable.any():
                self.ignored[name] = "text" if numbers.is_text else "it contains text that is not a number"
        self._started = True

    def _zones(self, raw: pd.DataFrame, rows: Any) -> Any:
        if self.zone_column is None:
            return np.full(len(raw), self.zone, dtype=object)
        column = raw[self.zone_column]
        names = {name: zone_name(name) for name in column.unique()}
        odd = next((name for name, zone in names.items() if any(unicodedata.category(c) == "Cc" for c in zone)), None)
        if odd is not None:
            row = rows[int(np.argmax((column == odd).to_numpy()))]
            raise DataError(f"{self.path}, row {row}: the zone {odd!r} holds a control character", hint="remove it")
        zones = column.map(names).to_numpy(dtype=object)
        if "" in names.values():
            row = rows[int(np.argmax(zones == ""))]
            raise DataError(
                f"{self.path}, row {row}: the zone is empty",
                hint="give every row a zone name, and remove lines that are no data (totals, sources)",
            )
        return zones


def zone_name(text: object) -> str:
    """Return a zone's name in one form: no blanks at its ends, composed letters; empty if there is none."""
    if text is None or (isinstance(text, float) and np.isnan(text)):
        return ""
    return unicodedata.normalize("NFC", str(text)).strip()


def is_canonical(channel: str) -> bool:
    """Return whether the canonical shape names such a channel: its column is never taken for text."""
    name = channel.rpartition(":")[2]
    return name in CANONICAL or name == "price" or name.endswith(_UNIT_ENDS)


def canonical_target(column: str) -> tuple[str, str | None]:
    """Return the channel of a canonical column and its unit; case does not matter for the names that the shape knows.

    A name that states another unit, or states it in another way (``Load (kW)``), is read by that unit.
    """
    plain = channel_of(column.casefold())
    unit = named_unit(column)
    if unit is not None and unit[0] != plain:
        return unit
    return (plain, unit_of_channel(plain)) if is_canonical(plain) else (channel_of(column), None)
