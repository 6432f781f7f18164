"""The mapping file: converts a file of another shape to canonical columns, with units and time zone.

A mapping names only what differs from the canonical shape; docs/guide/data.md explains every key. Units are converted
here, where data enters, and nowhere else.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from vpp.domain import Step
from vpp.errors import ConfigError, did_you_mean
from vpp.files.cells.availability import ZONE_COLUMN, channel_of
from vpp.files.cells.numbers import NumberStyle
from vpp.files.cells.time_text import STYLES
from vpp.files.cells.units import UNITS, unit_of_channel, units_like
from vpp.local_time import check_time_zone
from vpp.validation_text import describe, number_checked
from vpp.yaml_text import read_yaml, text_of

ZONE_PART = "{zone}"
"""Stands for the zone's name in a ``from``: one column per zone and quantity."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    _numbers = field_validator("*", mode="before")(classmethod(number_checked))


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class SourceColumn(_Strict):
    """Where one canonical value comes from: ``scale * unit(from + plus - minus)``.

    ``from`` and ``minus`` may list alternative names; the first that the file has counts. With ``add_up`` all of
    ``from`` that the file has are added, those without any value left out.
    """

    source: Names = Field(alias="from", min_length=1)
    add_up: bool = False
    plus: Names = ()
    minus: Names = ()
    unit: str | None = None
    scale: float = 1.0
    required: bool = False

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, value: str | None) -> str | None:
        if value is not None and value not in UNITS:
            raise ValueError(f"unknown unit {value!r}{did_you_mean(value, UNITS)}; known: {', '.join(UNITS)}")
        return value

    @field_validator("scale")
    @classmethod
    def _scales(cls, value: float) -> float:
        if value == 0.0:
            raise ValueError("scale must not be 0: every value would be 0")
        return value

    @property
    def factor(self) -> float:
        """What a source value is multiplied by."""
        return self.scale * UNITS[self.unit or "MW"][0]

    @property
    def offset(self) -> float:
        """What is added after that; a sum or difference of columns has none."""
        return 0.0 if self.minus or self.plus or self.add_up else self.scale * UNITS[self.unit or "MW"][1]


class TimeColumn(_Strict):
    """The time column or columns.

    ``format`` is ``iso``, ``epoch_s``, ``epoch_ms``, ``epoch_us``, ``epoch_ns``, ``excel``, a strptime pattern (of one
    end of the interval, or of
    both), or a list of these. ``zone`` is the time zone of stamps that carry none; a file with 24 rows on every day of
    the year needs one of fixed offset (``Etc/GMT-1`` is UTC+1). ``stamp`` says which place of the interval they name.
    ``period`` is a column of settlement periods, numbered from 1 in each local day, ``period_min`` long. ``clock`` is a
    column of the time of day, where ``column`` holds the date alone: a clock, or the hour that ends, 1 to 24;
    ``clock_part`` then numbers the parts of the hour, ``period_min`` long, from 1. ``day: file_name``: ``column`` holds
    the time of day alone, and the file's name the date.
    """

    column: Names = ("timestamp",)
    format: Names = ("iso",)
    zone: str = "UTC"
    stamp: Literal["start", "centre", "end"] = Field(default="start", validation_alias=AliasChoices("stamp", "stamps"))
    period: str | None = None
    period_min: float = Field(default=30.0, gt=0)
    clock: str | None = None
    clock_part: str | None = None
    day: Literal["file_name"] | None = None

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_time_zone(value)

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if pattern not in STYLES and "%" not in pattern:
                raise ValueError(
                    f"unknown format {pattern!r}{did_you_mean(pattern, STYLES)}; "
                    f"one of {', '.join(STYLES)}, or a pattern such as %d.%m.%Y %H:%M"
                )
        return value

    @property
    def wall_shift_min(self) -> float:
        """Minutes to go back on the wall clock: hours that end at a stated time of day are named by the wall clock."""
        by_wall = self.clock is not None or "period_min" in self.model_fields_set
        return self.period_min if by_wall and self.stamp == "end" else 0.0

    @property
    def place(self) -> float:
        """Which place of its interval a stamp names: 0 its start, 0.5 its centre, 1 its end."""
        return 0.0 if self.wall_shift_min else {"start": 0.0, "centre": 0.5, "end": 1.0}[self.stamp]


class LongForm(_Strict):
    """A file with one value per row: the column that names the quantity, and the names that its value may have."""

    name: str
    value: Names


class Signs(_Strict):
    """Signs that distinguish a file from others with the same columns: words in its name, or extra columns.

    ``foreign``: words in the names of files with the same columns that hold another quantity, which no mapping reads.
    """

    file_name: Names = ()
    columns: Names = ()
    foreign: Names = ()

    def mark(self, header: tuple[str, ...], file_name: str) -> bool:
        """Return whether a file has one of them; case does not matter."""
        words = (word.casefold() for word in self.file_name)
        return any(word in file_name.casefold() for word in words) or _stands_in(self.columns, set(header))


AssetField = Literal["power_mw", "soc"]


class Mapping(_Strict):
    """One mapping file."""

    name: str = "mapping"
    description: str = ""
    time: TimeColumn = TimeColumn()
    zone: str | None = Field(default=None, description="zone name where the file has no zone column")
    zone_column: str | None = None
    zone_header: str | None = Field(default=None, description="name of a column that holds the zone's, as BZN|{zone}")
    step_min: int | None = Field(default=None, description="slot length; rows that come faster are averaged")
    encoding: str | None = Field(default=None, description="None: by the byte order mark, else UTF-8")
    separator: str | None = Field(default=None, min_length=1, max_length=1, description="None: from the header line")
    skip_rows: int = Field(default=0, ge=0, description="lines before the header line")
    decimal: str = Field(default=".", min_length=1, max_length=1)
    thousands: str = Field(default="", max_length=1)
    missing: Names = ()
    ignore: Names = ()
    repeat_min: dict[str, int] = Field(default_factory=dict, description="channel: minutes that one value stands for")
    long: LongForm | None = None
    nested: str | None = Field(default=None, description="column that holds further channels, as a JSON object")
    tables: Names = Field(default=(), description="tables of a file of C, I and D records (NEMWEB), joined by time")
    channels: dict[str, SourceColumn] = Field(default_factory=dict, description="empty: the canonical columns")
    assets: dict[str, dict[AssetField, SourceColumn]] = Field(default_factory=dict)
    signs: Signs | None = Field(default=None, description="of a shipped mapping: what tells its files from others")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                "".encode(value)
            except LookupError as error:
                raise ValueError(f"unknown encoding {value!r}; for example utf-8, utf-16, cp1252") from error
        return value

    @model_validator(mode="after")
    def _complete(self) -> Mapping:
        if sum(map(bool, (self.zone, self.zone_column, self.zone_header))) > 1:
            raise ValueError("give zone, zone_column or zone_header, not several")
        if self.zone_header and self.zone_header.count(ZONE_PART) != 1:
            raise ValueError(f"zone_header: {self.zone_header!r} has no {ZONE_PART} in it")
        if self.channels and not (self.zone or self.zone_column or self.zone_header or self.has_zone_parts):
            raise ValueError("give zone: NAME, or zone_column: COLUMN")
        for channel, source in self.channels.items():
            _one_quantity(f"channels.{channel}", channel_of(channel), source)
        for asset, fields in self.assets.items():
            for name, source in fields.items():
                _one_quantity(f"assets.{asset}.{name}", name, source)
        if self.step_min is not None:
            Step(self.step_min)
        if self.thousands == self.decimal:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        if self.thousands.isdigit() or self.decimal.isdigit():
            raise ValueError("decimal and thousands are marks, no digits")
        for channel, minutes in self.repeat_min.items():
            if minutes <= 0 or 1440 % minutes:
                raise ValueError(f"repeat_min.{channel}: {minutes} min do not divide a day")
        return self

    @property
    def has_zone_parts(self) -> bool:
        """Whether each zone has columns of its own."""
        return any(ZONE_PART in name for column in self.channels.values() for name in column.source)

    @property
    def numbers(self) -> NumberStyle:
        """How the file writes numbers."""
        return NumberStyle(self.decimal, self.thousands, self.missing)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """Key columns of a row besides its time."""
        time = self.time
        return tuple(name for name in (self.zone_column, time.period, time.clock, time.clock_part) if name)

    @property
    def keys(self) -> frozenset[str]:
        """Names of all columns that tell rows apart, in lower case."""
        has_zone = self.zone is not None or self.zone_column is not None
        names = (*self.time.column, *self.key_columns, *(() if has_zone else (ZONE_COLUMN,)))
        return frozenset(name.casefold() for name in names)

    def is_signed(self, header: tuple[str, ...], file_name: str) -> bool:
        """Return whether a file bears a sign of this mapping."""
        return self.signs is not None and self.signs.mark(header, file_name)

    def fits(self, header: tuple[str, ...]) -> bool:
        """Return whether a file with this header has the time column, every required column and one of a channel."""
        columns = set(header)
        keys = [self.time.column]
        keys += [(key,) for key in (self.zone_header, *self.key_columns) if key]
        if self.long is not None:
            keys += [(self.long.name,), self.long.value]
        else:
            sources = self.channels.values()
            keys += [source.source for source in sources if source.required]
            keys.append(tuple(name for source in sources for name in source.source))
        return all(_stands_in(names, columns) for names in keys)


def _one_quantity(place: str, channel: str, source: SourceColumn) -> None:
    if source.unit is None:
        return
    if channel.endswith("_pct"):
        raise ValueError(f"{place} is in percent: state no unit, and scale: 100 where the file has shares of 1")
    own_unit = "fraction" if channel == "soc" else unit_of_channel(channel)
    if own_unit is not None and source.unit not in units_like(own_unit):
        raise ValueError(f"{place}.unit: {source.unit} is no unit of it; one of {', '.join(units_like(own_unit))}")


def _stands_in(names: tuple[str, ...], columns: set[str]) -> bool:
    return any(zone_in(name, column) is not None for name in names for column in columns)


def zone_in(pattern: str, name: str) -> str | None:
    """Return the part of a column's name for ``{zone}``, "" for a pattern without it; None if the name does not fit.

    Case does not matter.

    >>> zone_in("BZN|{zone}", "BZN|DE-LU"), zone_in("load", "load"), zone_in("load", "demand")
    ('DE-LU', '', None)
    """
    head, part, tail = pattern.partition(ZONE_PART)
    zone = name[len(head) : len(name) - len(tail)] if part else ""
    fits = name.casefold() == (head + zone + tail).casefold()
    return zone if fits and bool(zone) == bool(part) else None


def load_mapping(name: str | Path) -> Mapping:
    """Read a mapping file, or a shipped mapping by its name.

    Raises:
        ConfigError: There is none, it is not YAML, or it breaks the schema.
    """
    path = Path(name)
    if not path.suffix and not path.exists():
        shipped = shipped_mappings()
        if str(name) in shipped:
            return shipped[str(name)]
        raise ConfigError(
            f"no mapping named {str(name)!r}{did_you_mean(str(name), shipped)}",
            hint=f"give a YAML file, or one of: {', '.join(sorted(shipped))}",
        )
    try:
        text = text_of(path)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint="give an existing mapping file") from error
    return parse_mapping(text, str(path))


def parse_mapping(text: str, name: str) -> Mapping:
    """Validate the text of a mapping file; ``name`` appears in errors.

    Raises:
        ConfigError: As ``load_mapping``.
    """
    data = read_yaml(text, name)
    try:
        return Mapping.model_validate({} if data is None else data)
    except ValidationError as error:
        keys = {
            key
            for model in (Mapping, SourceColumn, TimeColumn, LongForm, Signs)
            for key, field in model.model_fields.items()
            for key in (field.alias or key,)
        }
        raise ConfigError(f"{name}: {describe(error, keys)}", hint="see docs/guide/data.md") from error


def fitting_mapping(header: tuple[str, ...], file_name: str = "") -> Mapping | None:
    """Return the shipped mapping of a file that is not of canonical shape: one that it bears a sign of goes first.

    Args:
        header: The file's column names.
        file_name: Its name, without folders.

    Raises:
        ConfigError: Its name says that it holds another quantity in the same columns.
    """
    if "timestamp" in header:
        return None
    if header[:1] == ("C",):
        return next(mapping for mapping in shipped_mappings().values() if mapping.tables)
    fits = _fitting(header)
    best = min(fits, key=lambda fit: (not fit.is_signed(header, file_name), fit.zone_column is None), default=None)
    if best is not None and best.signs is not None:
        _refuse_foreign(best, best.signs.foreign, file_name)
    return best


def _refuse_foreign(mapping: Mapping, words: tuple[str, ...], file_name: str) -> None:
    word = next((word for word in words if word.casefold() in file_name.casefold()), None)
    if word is not None:
        raise ConfigError(
            f"{file_name} has the columns of {mapping.description}, but its name holds {word!r}",
            hint=f"map its columns to channels of your own; if the name is wrong, --mapping {mapping.name}",
        )


def doubts(mapping: Mapping, header: tuple[str, ...], file_name: str) -> tuple[str, ...]:
    """Return warnings if the file could also belong to another shipped mapping."""
    if mapping.signs is None or mapping.is_signed(header, file_name):
        return ()
    others = [other for other in _fitting(header) if other.signs is not None and other is not mapping]
    name = mapping.description
    return tuple(
        f"read as {name}; {other.description} has the same columns: if it is that, --mapping {other.name}"
        for other in others
    )


def _fitting(header: tuple[str, ...]) -> list[Mapping]:
    return [mapping for mapping in shipped_mappings().values() if mapping.channels and mapping.fits(header)]


@lru_cache(maxsize=1)
def shipped_mappings() -> dict[str, Mapping]:
    """Return the mappings that come with the package, by name."""
    folder = resources.files("vpp").joinpath("_assets", "mappings")
    mappings = {}
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".yaml"):
            mappings[entry.name.removesuffix(".yaml")] = parse_mapping(entry.read_text(encoding="utf-8"), entry.name)
    return mappings
