"""The mapping file: how a file of another shape becomes canonical columns, with units and time zone stated.

A mapping names only what differs from the canonical shape; docs/guide/data.md explains every key. Units are converted
here, where data enters, and nowhere else.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from vpp.domain import Step
from vpp.errors import ConfigError

UNITS: dict[str, tuple[float, float]] = {
    "W": (1e-6, 0.0),
    "kW": (1e-3, 0.0),
    "MW": (1.0, 0.0),
    "GW": (1e3, 0.0),
    "per_MWh": (1.0, 0.0),
    "per_kWh": (1e3, 0.0),
    "ct_per_kWh": (10.0, 0.0),
    "percent": (1e-2, 0.0),
    "fraction": (1.0, 0.0),
    "Hz": (1.0, 0.0),
    "mHz": (1e-3, 0.0),
    "degC": (1.0, 0.0),
    "degF": (5.0 / 9.0, -160.0 / 9.0),
    "K": (1.0, -273.15),
    "kmh": (1.0, 0.0),
    "m_per_s": (3.6, 0.0),
    "W_per_m2": (1.0, 0.0),
}
"""Unit of a source column to (factor, offset): canonical value = factor * value + offset."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class SourceColumn(_Strict):
    """Where one canonical value comes from: ``scale * unit(from - minus)``.

    ``from`` and ``minus`` may list alternative names; the first that the file has counts.
    """

    source: Names = Field(alias="from", min_length=1)
    minus: Names = ()
    unit: str | None = None
    scale: float = 1.0
    required: bool = False

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, value: str | None) -> str | None:
        if value is not None and value not in UNITS:
            raise ValueError(f"unknown unit {value!r}; known: {', '.join(UNITS)}")
        return value

    @property
    def factor(self) -> float:
        """What a source value is multiplied by."""
        return self.scale * UNITS[self.unit or "MW"][0]

    @property
    def offset(self) -> float:
        """What is added after that; a difference of two columns has none."""
        return 0.0 if self.minus else self.scale * UNITS[self.unit or "MW"][1]


class TimeColumn(_Strict):
    """Where the time stands.

    ``format`` is ``iso``, ``epoch_s``, ``epoch_ms`` or a strptime pattern. ``zone`` is the time zone of stamps that
    carry none; a file with 24 rows on every day of the year needs one of fixed offset (``Etc/GMT-1`` is UTC+1).
    ``stamps`` says whether they name the start or the end of the interval.
    """

    column: Names = ("timestamp",)
    format: str = "iso"
    zone: str = "UTC"
    stamps: Literal["start", "end"] = "start"

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"unknown time zone {value!r}") from error
        return value


AssetField = Literal["power_mw", "soc"]


class Mapping(_Strict):
    """One mapping file."""

    name: str = "mapping"
    description: str = ""
    time: TimeColumn = TimeColumn()
    zone: str | None = Field(default=None, description="zone name where the file has no zone column")
    zone_column: str | None = None
    step_min: int | None = Field(default=None, description="slot length; rows that come faster are averaged")
    separator: str = ","
    decimal: str = "."
    channels: dict[str, SourceColumn] = Field(default_factory=dict, description="empty: the canonical columns")
    assets: dict[str, dict[AssetField, SourceColumn]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> Mapping:
        if self.zone and self.zone_column:
            raise ValueError("give zone or zone_column, not both")
        if self.channels and not (self.zone or self.zone_column):
            raise ValueError("give zone: NAME, or zone_column: COLUMN")
        if self.step_min is not None:
            Step(self.step_min)
        if self.time.stamps == "end" and self.step_min is None:
            raise ValueError("stamps at the interval's end need step_min")
        return self

    def fits(self, header: tuple[str, ...]) -> bool:
        """Return whether a file with this header has the time column and every required column."""
        there = set(header)
        needed = [source for source in self.channels.values() if source.required]
        if self.zone_column is not None and self.zone_column not in there:
            return False
        return bool(there & set(self.time.column)) and all(there & set(source.source) for source in needed)


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
            f"no mapping named {str(name)!r}", hint=f"give a YAML file, or one of: {', '.join(sorted(shipped))}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint="give an existing mapping file") from error
    return parse_mapping(text, str(path))


def parse_mapping(text: str, name: str) -> Mapping:
    """Validate the text of a mapping file; ``name`` stands in errors.

    Raises:
        ConfigError: As ``load_mapping``.
    """
    try:
        return Mapping.model_validate(yaml.safe_load(text) or {})
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not YAML: {error}") from error
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{name}: {said}", hint="see docs/guide/data.md") from error


def shipped_mappings() -> dict[str, Mapping]:
    """Return the mappings that come with the package, by name."""
    folder = resources.files("vpp").joinpath("_assets", "mappings")
    found = {}
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".yaml"):
            found[entry.name.removesuffix(".yaml")] = parse_mapping(entry.read_text(encoding="utf-8"), entry.name)
    return found
