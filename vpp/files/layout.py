"""Resolves the columns of a mapping, or of the canonical shape, in a file's header; suggests similar names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vpp.domain import LOAD, PRICE, SOLAR, WIND
from vpp.errors import ConfigError, DataError, did_you_mean
from vpp.files.cells.availability import ASSET_MARK, NOT_CHANNELS, READ_AHEAD, ZONE_COLUMN, channel_of, is_forecast
from vpp.files.cells.units import ENERGY_UNITS, UNITS, unit_of_channel
from vpp.files.columns import CANONICAL, FileLayout, Recipe, canonical_target, is_canonical
from vpp.files.guessing import NAMES
from vpp.files.mapping import ZONE_PART, Mapping, SourceColumn, TimeColumn, zone_in
from vpp.files.times import TimeReader, zone_of_name

CET_COLUMN = "local_time_cet"
CET_FIXED = "Etc/GMT-1"
"""Local German time with 24 rows on every day counts as UTC+1 all year: no hour is lost or doubled. In summer the UTC
stamps are one hour late; the zone that reads them keeps its calendar in the same fixed offset."""

_STRAY = re.compile(r"|index|Unnamed: \d+(\.\d+)?(_level_\d+)?|__index_level_\d+__|level_\d+")
_ISO = TimeColumn()
_LISTED = 12
_WORDS = {LOAD: "load", SOLAR: "solar power", WIND: "wind power", PRICE: "price"}
_USED = frozenset(_WORDS)
_MISSPELT = 0.8
"""A channel of a mapping that is this much like a known one, and as long, is taken for a misspelt one."""
_INIT = "or let `vpp init FILE` write a mapping file"


class Header:
    """The column names of a file, found by their exact name, else by the only one that differs in case alone."""

    def __init__(self, names: tuple[str, ...], path: str) -> None:
        self.names = names
        self.path = path
        self.used: set[str] = set()
        self._plain: dict[str, list[str]] = {}
        for name in names:
            self._plain.setdefault(name.casefold(), []).append(name)

    def get(self, name: str) -> str | None:
        """Return the column of this name, or None.

        Raises:
            DataError: The file has it twice.
        """
        name = name.strip()
        alike = self._plain.get(name.casefold(), [])
        exact = [same_case for same_case in alike if same_case == name]
        matches = exact or alike
        if len(matches) > 1:
            places = [str(place) for place, name in enumerate(self.names, start=1) if name in matches]
            raise DataError(
                f"{self.path}: column {name!r} comes twice (columns {', '.join(places)})", hint="give each its own name"
            )
        return matches[0] if matches else None

    def first(self, names: Iterable[str]) -> str | None:
        """Return the first of these columns that is there; it counts as used."""
        present = next((column for name in names if (column := self.get(name)) is not None), None)
        if present is not None:
            self.used.add(present)
        return present

    def others(self, names: Iterable[str], first: str) -> list[str]:
        """Return the other ones of these columns that are there; they count as used."""
        present = {column for name in names if (column := self.get(name)) is not None and column != first}
        self.used |= present
        return sorted(present, key=self.names.index)

    def listed(self) -> str:
        """Return the names for people."""
        names = ", ".join(self.names[:_LISTED])
        return names + (f" and {len(self.names) - _LISTED} more" if len(self.names) > _LISTED else "")

    def missing(self, subject: str, names: Iterable[str], hint: str) -> DataError:
        """Return the error for columns that are not there."""
        names = tuple(names)
        near = next((text for name in names if (text := did_you_mean(name, self.names))), "")
        return DataError(
            f"{self.path}: {subject} {' or '.join(names)}{near}; the columns are {self.listed()}", hint=hint
        )


def resolve(names: tuple[str, ...], path: str, mapping: Mapping | None, nested: tuple[str, ...] = ()) -> FileLayout:
    """Return the layout of a file with this header.

    Args:
        names: The header.
        path: The file, for messages.
        mapping: How it is written; None: in canonical shape.
        nested: Channels that came out of the mapping's column of JSON objects.

    Raises:
        DataError: Time column, zone or all channels are missing, or a column comes twice; names what is there, the
            nearest name and the next step.
        ConfigError: The mapping names a channel that is almost a known one.
    """
    mapping = mapping or Mapping()
    header = Header(names, path)
    time = _time(header, mapping)
    zone_column = _zone_column(header, mapping)
    warnings: list[str] = []
    ignored = _left_out(header, mapping)
    recipes = list(_mapped(header, mapping, warnings)) if mapping.channels else list(_canonical(header, ignored))
    recipes += _assets(header, mapping, warnings)
    nested_columns = {f"{mapping.nested}:{name}": name for name in nested}
    recipes += [Recipe(name, column) for column, name in nested_columns.items()]
    header.used |= {*nested_columns}
    if not recipes:
        raise DataError(
            f"{path}: no column holds a channel; the columns are {header.listed()}",
            hint=f"canonical columns are load_mw, solar_mw, wind_mw, price, ...; {_INIT}",
        )
    if not mapping.channels and not any(recipe.target.rpartition(":")[2] in _USED for recipe in recipes):
        raise DataError(
            f"{path}: no column is a load, solar, wind or price; the columns are {header.listed()}",
            hint=f"name them load_mw (load_kw, ...), solar_mw, wind_mw, price; {_INIT}",
        )
    _one_source(recipes, path)
    for name in names:
        if name not in header.used and name not in ignored:
            ignored[name] = "not in the mapping" if mapping.channels else "no channel"
    return FileLayout(
        time=time,
        zone=mapping.zone or _zone_of_header(header, mapping),
        zone_column=zone_column,
        recipes=tuple(recipes),
        numbers=mapping.numbers,
        path=path,
        mapping_name=mapping.name if mapping.channels else "",
        warnings=tuple(warnings),
        ignored=ignored,
    )


def _time(header: Header, mapping: Mapping) -> TimeReader:
    time = mapping.time
    column = header.first(time.column)
    if column is None and time == _ISO:
        column = header.first([CET_COLUMN])
        if column is not None:
            time = TimeColumn(column=(CET_COLUMN,), zone=CET_FIXED)
            return TimeReader(time, header.path, column, numbers=mapping.numbers)
    if column is None and time.column == _ISO.column:
        # A frame whose index had no name: pandas writes it as the first column of a CSV, the last one of a Parquet.
        column = header.first([name for name in header.names if name and _STRAY.fullmatch(name)][-1:])
        if column is None and header.names and header.names[0] == "":
            column = header.first([""])
    if column is None:
        raise header.missing(
            "no column",
            time.column,
            f"rename the time column to 'timestamp' (UTC, interval start), {_INIT}",
        )
    columns = {}
    for key, name in (("period", time.period), ("clock", time.clock), ("clock_part", time.clock_part)):
        columns[key] = None if name is None else header.first([name])
        if name is not None and columns[key] is None:
            raise header.missing("no column", [name], f"correct time.{key} in the mapping {mapping.name}")
    stated = zone_of_name(column)
    if stated is not None and "zone" not in time.model_fields_set:
        time = time.model_copy(update={"zone": stated})
    return TimeReader(
        time, header.path, column, columns["period"], columns["clock"], columns["clock_part"], mapping.numbers
    )


def _zone_of_header(header: Header, mapping: Mapping) -> str | None:
    if mapping.zone_header is None:
        return None
    for name in header.names:
        zone = zone_in(mapping.zone_header, name)
        if zone is not None:
            header.used.add(name)
            return zone
    raise header.missing("no column is like", [mapping.zone_header], "correct zone_header in the mapping")


def _zone_column(header: Header, mapping: Mapping) -> str | None:
    if mapping.has_zone_parts:
        return None
    if mapping.zone is not None or mapping.zone_header is not None:
        header.used.add(header.get(ZONE_COLUMN) or ZONE_COLUMN)
        return None
    name = mapping.zone_column or ZONE_COLUMN
    zone_column = header.first([name])
    if zone_column is None:
        raise DataError(
            f"{header.path}: no column {name!r}{did_you_mean(name, header.names)}; the columns are {header.listed()}",
            hint=f"add a zone column, name the zone in a mapping file (zone: NAME), {_INIT}",
        )
    return zone_column


def _left_out(header: Header, mapping: Mapping) -> dict[str, str]:
    ignored: dict[str, str] = {}
    for name in mapping.ignore:
        column = header.first([name])
        if column is None:
            raise header.missing("ignore names no column", [name], "correct ignore: in the mapping")
        ignored[column] = "as the mapping says"
    return ignored


def _canonical(header: Header, ignored: dict[str, str]) -> Iterator[Recipe]:
    for name in header.names:
        if name in header.used:
            continue
        if _STRAY.fullmatch(name):
            ignored[name] = "an index"
        elif name.casefold() in NOT_CHANNELS or name == CET_COLUMN:
            ignored[name] = "no channel"
        elif header.names.count(name) > 1 and not is_canonical(canonical_target(name)[0]):
            ignored[name] = "comes twice"
        else:
            column = header.first([name])
            assert column is not None
            target, unit = canonical_target(column)
            factor, offset = UNITS[unit or "MW"]
            yield Recipe(
                target,
                column,
                factor=factor,
                offset=offset,
                unit=unit,
                is_energy=unit in ENERGY_UNITS,
                named=is_canonical(target),
            )


def _mapped(header: Header, mapping: Mapping, warnings: list[str]) -> Iterator[Recipe]:
    _refuse_misspelt(mapping)
    if mapping.has_zone_parts:
        yield from _by_zone(header, mapping)
        return
    for target, source in mapping.channels.items():
        yield from _one(header, mapping, channel_of(target), source, f"channels.{target}", warnings)


def _refuse_misspelt(mapping: Mapping) -> None:
    """Refuse a channel whose name is almost that of one which the plant reads and the mapping does not have.

    Raises:
        ConfigError: There is one; names the nearest.
    """
    targets = [channel_of(target) for target in mapping.channels]
    known_names = [name for name in ("price", *sorted(CANONICAL), *READ_AHEAD) if channel_of(name) not in targets]
    for target in targets:
        if target in CANONICAL or is_forecast(target):
            continue
        alike = [name for name in known_names if abs(len(name) - len(target)) <= 1]
        near = did_you_mean(target, alike, _MISSPELT)
        if near:
            raise ConfigError(
                f"channels.{target} in the mapping {mapping.name} is no channel that the plant reads{near}",
                hint="correct the name; a channel of another quantity needs a name that is less like it",
            )


def _assets(header: Header, mapping: Mapping, warnings: list[str]) -> Iterator[Recipe]:
    for asset, fields in mapping.assets.items():
        for name, source in fields.items():
            yield from _one(header, mapping, f"{ASSET_MARK}{asset}:{name}", source, f"assets.{asset}.{name}", warnings)


def _one(
    header: Header, mapping: Mapping, target: str, source: SourceColumn, place: str, warnings: list[str]
) -> Iterator[Recipe]:
    column = header.first(source.source)
    missing = [] if column is not None else list(source.source)
    plus = [] if not source.add_up or column is None else header.others(source.source, column)
    for name in source.plus:
        other = header.first([name])
        if other is None:
            missing.append(name)
        else:
            plus.append(other)
    minus = header.first(source.minus)
    if source.minus and minus is None:
        missing += source.minus
    if not missing and column is not None:
        yield _recipe(target, column, tuple(plus), minus, source)
    elif source.required:
        subject = target if place.startswith("channels.") else place
        raise header.missing(
            f"{subject} needs a column", missing, f"correct {place}.from in the mapping {mapping.name}"
        )
    else:
        near = next((text for name in missing if (text := did_you_mean(name, header.names))), "")
        warnings.append(f"{place}: the file has no column {' or '.join(missing)}{near}")


def _by_zone(header: Header, mapping: Mapping) -> Iterator[Recipe]:
    """Yield a recipe per zone and channel: ``{zone}`` is resolved by the columns of required channels."""
    zones: dict[str, None] = {}
    required = {name: source for name, source in mapping.channels.items() if source.required} or mapping.channels
    for source in required.values():
        for pattern in source.source:
            zones.update(dict.fromkeys(zone for name in header.names if (zone := zone_in(pattern, name))))
    if not zones:
        patterns = [pattern for source in required.values() for pattern in source.source]
        raise header.missing("no column is like", patterns, "correct channels in the mapping")
    for zone in zones:
        for target, source in mapping.channels.items():
            column = header.first(pattern.replace(ZONE_PART, zone) for pattern in source.source)
            if column is not None:
                yield _recipe(channel_of(target), column, (), None, source, zone)


def _recipe(
    target: str, column: str, plus: tuple[str, ...], minus: str | None, source: SourceColumn, zone: str | None = None
) -> Recipe:
    return Recipe(
        target=target,
        source=column,
        plus=plus,
        adds_up=source.add_up,
        minus=minus,
        factor=source.factor,
        offset=source.offset,
        unit=source.unit or unit_of_channel(target),
        is_energy=source.unit in ENERGY_UNITS,
        zone=zone,
    )


def _one_source(recipes: Iterable[Recipe], path: str) -> None:
    targets: dict[tuple[str | None, str], str] = {}
    for recipe in recipes:
        key = (recipe.zone, recipe.target)
        if key in targets:
            raise DataError(
                f"{path}: the columns {targets[key]!r} and {recipe.source!r} are both {recipe.target}",
                hint="rename one of them, or leave it out with ignore: in a mapping file",
            )
        targets[key] = recipe.source


def near_misses(layout: FileLayout) -> list[str]:
    """Return warnings on channels that the plant does not know: by their name, each is almost one or looks like one."""
    targets = set(layout.targets)
    warnings = []
    for recipe in layout.recipes:
        name = recipe.target
        if name in CANONICAL or name.startswith(ASSET_MARK) or recipe.zone is not None or name not in targets:
            continue
        like = next((channel for channel, pattern in NAMES if re.search(pattern, name, re.IGNORECASE)), None)
        if "_forecast_" not in name and (near := did_you_mean(name, CANONICAL, 0.85)):
            warnings.append(f"{name} is not a known channel{near}")
        elif like in _USED and like not in targets and ":" not in name and "forecast" not in name:
            warnings.append(f"{name} is no known channel; if it is the {_WORDS[like]}, name it {like}, {_INIT}")
    return warnings
