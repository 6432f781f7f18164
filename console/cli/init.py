"""`vpp init`: writes mapping and fleet for a file, from guesses tested on the file and a few answers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from cyclopts import Parameter

from console.cli.options import Json, answer, out, say
from vpp.atomic_file import write_atomic
from vpp.domain import LOAD, NET_LOAD_CHANNELS, PRICE, SOLAR, WIND
from vpp.errors import ConfigError, DataError, RefusedError
from vpp.files.cells.availability import channel_of
from vpp.files.channel_check import METER_STEP
from vpp.files.file_info import FileInfo
from vpp.files.guessing import Choices, columns_of, guess_mapping, left_alike, needs_time_zone
from vpp.files.mapping import parse_mapping
from vpp.files.reader import inspect_file, read_frame
from vpp.files.zone_fitting import power_scale
from vpp.fleet.lookup import known_facts, market_named, write_fleet, zone_table
from vpp.fleet.schema import Zone, load_fleet
from vpp.fleet.site_fleet import SiteKind, site_zone

Kind = Literal["home", "commercial", "solar", "wind", "battery", "region"]
SITE_UNITS = {"home": "kW", "commercial": "kW", "battery": "kW"}
SITE_CHANNELS = {"solar": SOLAR, "wind": WIND}


@Parameter(name="*")
@dataclass(frozen=True)
class Answers:
    """What init would ask for."""

    kind: Annotated[Kind | None, Parameter(help="kind of site in the file [home]")] = None
    zone: Annotated[str | None, Parameter(help="zone name, if the file has no zone column")] = None
    time_zone: Annotated[str | None, Parameter(help="time zone of stamps without an offset, e.g. Europe/Berlin")] = None
    time_format: Annotated[str | None, Parameter(help="time format, if several formats fit")] = None
    market: Annotated[str | None, Parameter(help="market, by name (GB, NEM, EU, US, NZ)")] = None
    unit: Annotated[str | None, Parameter(help="unit of power columns whose name has none (W, kW, MW)")] = None
    decimal: Annotated[str | None, Parameter(help="decimal mark, if several fit")] = None
    thousands: Annotated[str | None, Parameter(help="thousands separator, if several fit")] = None
    column: Annotated[
        list[str] | None, Parameter(help="CHANNEL=COLUMN, e.g. load_mw=Use; several columns of a channel are added")
    ] = None
    battery_kwh: Annotated[float | None, Parameter(help="energy of the battery [two hours at full power]")] = None
    battery_kw: Annotated[float | None, Parameter(help="power of the battery [half the peak]")] = None


ANSWERS = Answers()


def init(
    file: Path,
    *,
    yes: Annotated[bool, Parameter(negative="", help="accept every guess without asking")] = False,
    force: Annotated[bool, Parameter(negative="", help="overwrite existing files")] = False,
    to: Annotated[Path, Parameter(help="folder for mapping and fleet")] = Path(),
    answers: Answers = ANSWERS,
    json: Json = False,
) -> None:
    """Write mapping and fleet for a file, so `vpp up` runs it: columns, units, time zone and assets are guessed.

    Args:
        file: A CSV, CSV.gz or Parquet file (docs/guide/data.md).
        yes: Accept every guess without a question.
        force: Overwrite files that are there.
        to: Folder for mapping and fleet.
        answers: Answers given as options; what is missing is asked or guessed.
        json: Print the result as JSON.
    """
    asks = not yes and sys.stdin.isatty()
    kind = SiteKind(answers.kind or _ask("home, commercial, solar, wind, battery or region", "home", asks=asks))
    zone = answers.zone or ("HOME" if kind is SiteKind.HOME else "SITE")
    choices = _choices(file, answers, kind, zone, asks=asks)
    content = guess_mapping(file, choices)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    mapping = parse_mapping(text, "the guessed mapping")
    info = inspect_file(file, mapping)
    _refuse_meters(file, info, content, choices)
    zones = []
    for name in info.zones:
        frame = read_frame(file, name, mapping=mapping, info=info)
        zones.append(_fitted(kind, name, info.spans[name].step_min, frame, answers, choices))
    stem = file.name.partition(".")[0]
    paths = {"mapping": to / f"{stem}.mapping.yaml", "fleet": to / f"{stem}.fleet.yaml"}
    for path in paths.values():
        if path.exists() and not force:
            raise RefusedError(f"{path} is there already", hint="remove it, or give --force or another folder (--to)")
    write_atomic(paths["mapping"], text)
    write_fleet(paths["fleet"], zones)
    load_fleet(paths["fleet"])
    command = f"vpp up --source {file} --mapping {paths['mapping']} --fleet {paths['fleet']}"
    document: dict[str, Any] = {
        "mapping": str(paths["mapping"]),
        "fleet": str(paths["fleet"]),
        "channels": {channel: _named(source) for channel, source in content["channels"].items()},
        "zones": {zone.zone: [asset.asset_id for asset in zone.assets] for zone in zones},
        "notes": [*info.notes, *left_alike(content, info.ignored)],
        "next": command,
    }
    answer(document, as_json=json, render=_render)


def _choices(file: Path, answers: Answers, kind: SiteKind, zone: str, *, asks: bool) -> Choices:
    columns: dict[str, list[str]] = {}
    for pair in answers.column or ():
        channel, mark, column = pair.partition("=")
        if not mark or not column:
            raise ConfigError(f"--column {pair!r} names no column", hint="write --column load_mw=COLUMN")
        columns.setdefault(channel, []).append(column)
    time_zone = answers.time_zone
    if time_zone is None and needs_time_zone(file):
        facts = known_facts(zone)
        guess = facts["time_zone"] if facts else "UTC"
        time_zone = _ask("the time zone of its stamps", guess, asks=asks)
        if not asks:
            say(f"the stamps carry no offset: taken as {time_zone}; state another with --time-zone")
    unit = answers.unit or SITE_UNITS.get(kind.value, "MW")
    return Choices(
        zone=answers.zone,
        time_zone=time_zone,
        time_format=answers.time_format,
        decimal=answers.decimal,
        thousands=answers.thousands,
        unit=unit,
        columns=columns,
        default_zone=zone,
        site_channel=SITE_CHANNELS.get(kind.value, LOAD),
    )


def _refuse_meters(file: Path, info: FileInfo, content: dict[str, Any], choices: Choices) -> None:
    """Refuse a guess that takes the readings of a cumulative meter for power; a column that the user names is taken.

    Raises:
        DataError: It does.
    """
    stated = {channel_of(channel) for channel in choices.columns}
    channel = next((name for name in info.cumulative if name not in stated), None)
    if channel is not None:
        columns = ", ".join(columns_of(content["channels"][channel]))
        raise DataError(
            f"{file}: {columns} only rises, as the readings of a cumulative meter do; it is no {channel}",
            hint=f'{METER_STEP}; or name a column of power: --column "{channel}=COLUMN"',
        )


def _fitted(kind: SiteKind, name: str, step_min: int, frame: Any, answers: Answers, choices: Choices) -> Zone:
    facts: dict[str, Any] = known_facts(name) or {"time_zone": choices.time_zone or "UTC"}
    if answers.market is not None:
        if answers.market not in zone_table()["markets"]:
            raise ConfigError(f"unknown market {answers.market!r}", hint=f"one of {', '.join(zone_table()['markets'])}")
        facts["market"] = market_named(answers.market)
    peak_mw, ramp_mw, days = power_scale(frame)
    if not days and kind is not SiteKind.REGION:
        peak_mw = (answers.battery_kw or 0.0) / 1e3 or (answers.battery_kwh or 0.0) / 2e3
        ramp_mw = 0.1 * peak_mw
        if not peak_mw:
            raise DataError(
                f"{name}: the file has no net load to size the battery by", hint="state --battery-kwh or --battery-kw"
            )
    return site_zone(
        kind,
        name,
        step_min=step_min,
        peak_mw=peak_mw,
        ramp_mw=ramp_mw,
        battery_mwh=None if answers.battery_kwh is None else answers.battery_kwh / 1e3,
        battery_mw=None if answers.battery_kw is None else answers.battery_kw / 1e3,
        channels=tuple(c for c in frame.columns if c in (*NET_LOAD_CHANNELS, PRICE) or frame[c].notna().any()),
        **facts,
    )


def _named(source: dict[str, Any]) -> str | list[str]:
    """Return the columns of a channel for people and agents."""
    return f"{source['from']} minus {source['minus']}" if isinstance(source.get("minus"), str) else source["from"]


def _ask(question: str, default: str, *, asks: bool) -> str:
    if not asks:
        return default
    out.print(f"{question} [{default}]: ", end="")
    return input().strip() or default


def _render(document: dict[str, Any]) -> None:
    for channel, column in document["channels"].items():
        out.print(f"{channel} from {column}")
    for zone, assets in document["zones"].items():
        out.print(f"{zone}: {', '.join(assets)}")
    for note in document["notes"]:
        out.print(note)
    out.print(f"wrote {document['mapping']} and {document['fleet']}\nnext: {document['next']}")
