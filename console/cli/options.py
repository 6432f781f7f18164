"""Options that every command shares, and output: data on standard output, messages on standard error."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vpp.domain import iso
from vpp.errors import ConfigError
from vpp.logs import set_up_logging
from vpp.messages.times import EARLIEST, LATEST
from vpp.plain_text import plain_line, plain_lines, seen_json
from vpp.private_files import keep_private
from vpp.run_in_use import DEFAULT_RUN, read_run_in_use
from vpp.settings import Settings, load_settings


class PlainConsole(Console):
    """Prints texts as they are: no markup in them counts, and nothing in them reaches the terminal as a command."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts and tables; options as Rich has them."""
        super().print(*(plain_lines(text) if isinstance(text, str) else text for text in objects), **options)


err = PlainConsole(stderr=True, highlight=False, markup=False, emoji=False)
out = PlainConsole(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200)

Json = Annotated[bool, Parameter(name="--json", negative="", help="one JSON object (or JSON lines) on standard output")]


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command; each also is a setting (see `vpp config show`)."""

    data_dir: Annotated[Path | None, Parameter(help="folder for all data of a run [.vpp]")] = None
    fleet: Annotated[Path | None, Parameter(help="fleet.yaml; its zones override the shipped ones")] = None
    run: Annotated[str | None, Parameter(help="name of the run: own topics, groups and rows")] = None
    broker: Annotated[str | None, Parameter(help="host:port of a Kafka or Redpanda")] = None
    store: Annotated[Literal["sqlite", "influx"] | None, Parameter(help="store of the tables")] = None
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None, Parameter(help="least severe log level")
    ] = None

    def overrides(self) -> dict[str, Any]:
        """Return the given options, nested like the settings."""
        run = "" if self.run == DEFAULT_RUN else self.run
        flat = {"data_dir": self.data_dir, "fleet": self.fleet, "run": run, "log_level": self.log_level}
        overrides: dict[str, Any] = {name: value for name, value in flat.items() if value is not None}
        if self.broker is not None:
            overrides["kafka"] = {"bootstrap_servers": self.broker}
        if self.store is not None:
            overrides["store"] = {"kind": self.store}
        return overrides

    def settings(self) -> Settings:
        """Load the settings and set up logging.

        Raises:
            ConfigError: A setting is wrong.
        """
        settings = load_settings(self.overrides())
        if self.run is None and not settings.run:
            settings = load_settings({**self.overrides(), "run": read_run_in_use(settings.data_dir)})
        set_up_logging(settings)
        keep_private(settings.data_dir)
        return settings


NO_OPTIONS = Common()


def parse_time(text: str) -> datetime:
    """Return an ISO date or time as UTC; without an offset it is taken as UTC.

    Raises:
        ConfigError: It is not an ISO date or time of the years 1900 to 2199.
    """
    try:
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is not a date or time", hint="write 2022-01-31 or 2022-01-31T18:30Z (UTC)"
        ) from error
    instant = instant.replace(tzinfo=instant.tzinfo or UTC)
    if not EARLIEST <= instant < LATEST:
        raise ConfigError(f"{text!r} is not between {EARLIEST.year} and {LATEST.year}", hint="check the year")
    return instant.astimezone(UTC)


def parse_speed(text: str | None) -> float | None:
    """Return a speed as a multiple of real time, infinite for ``max``, None where nothing was given.

    Raises:
        ConfigError: It is not a number above 0.
    """
    if text is None or text == "max":
        return None if text is None else math.inf
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise ConfigError(f"--speed {text!r} is not a speed", hint="a number above 0 (1 is real time), or max")
    return value


def parse_days(text: str | None, option: str = "--refit") -> float | None:
    """Return a number of days written as ``7`` or ``7d``; None for ``none`` and where nothing was given.

    Raises:
        ConfigError: It is not a number above 0.
    """
    if text is None or text == "none":
        return None
    try:
        days = float(text.removesuffix("d"))
    except ValueError:
        days = 0.0
    if not days > 0:
        raise ConfigError(f"{option} {text!r} is not a number of days", hint="write 7d, or none")
    return days


def to_json(value: Any) -> str:
    """Return a value as JSON; times as ISO 8601 UTC, NaN as null, invisible characters as escapes."""
    return seen_json(msgspec.json.encode(value, enc_hook=_encode).decode())


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Path):
        return str(value)
    return str(value)


def answer(value: Any, *, as_json: bool, render: Callable[[Any], None]) -> None:
    """Print a command's answer: JSON where asked, else for people."""
    if as_json:
        sys.stdout.write(to_json(value) + "\n")
        sys.stdout.flush()
    else:
        render(value)


def table(title: str | None, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print rows for people; numbers to the right."""
    title = None if title is None else plain_line(title)
    grid = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    values = [list(row) for row in rows]
    for at, name in enumerate(columns):
        numeric = bool(values) and all(isinstance(row[at], int | float | None) for row in values)
        grid.add_column(plain_line(str(name)), justify="right" if numeric else "left", no_wrap=not numeric and at == 0)
    for row in values:
        grid.add_row(*(Text(show(value)) for value in row))
    out.print(grid)


def show(value: Any) -> str:
    """Return one value for people."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10 else f"{value:,.1f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return iso(value)
    return plain_line(str(value))


def pairs(values: Mapping[str, Any]) -> None:
    """Print name and value, one a line."""
    width = max(map(len, values), default=0)
    for name, value in values.items():
        out.print(f"{name:<{width}}  {show(value)}")


def say(text: str) -> None:
    """Print a line for people on standard error."""
    err.print("\n".join(map(plain_line, text.splitlines())), soft_wrap=True)
