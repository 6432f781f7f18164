"""Writes a table of known values in a random format: numbers, encodings, times, shapes, file types; seeded."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import yaml

ZONES = ("DE_LU", "Süd-Ost", "서울", "NO", "site 7", "a/b")
CHANNELS = ("load_mw", "solar_mw", "price_per_mwh")
TIME_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata")
PATTERNS = (
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%d-%b-%Y %H:%M",
    "%d.%m.%Y %H:%M - %d.%m.%Y %H:%M",
)
MISSING = ("", "-", "n/e", "NA", "NaN", "k.A.", "fehlt")


@dataclass(frozen=True, slots=True)
class Written:
    """A file and what must be read from it: one frame per zone, indexed by UTC slot starts."""

    path: Path
    mapping: str
    truth: dict[str, pd.DataFrame]
    step_min: int


def write_file(folder: Path, seed: int) -> Written:
    """Write the table of a seed in its format and return both."""
    rng = np.random.default_rng(seed)
    step_min = int(rng.choice([5, 15, 30, 60]))
    time_zone = str(rng.choice(TIME_ZONES))
    zones = [str(zone) for zone in rng.permutation(ZONES)[: int(rng.integers(1, 4))]]
    slots = _slots(rng, time_zone, step_min)
    truth = {zone: _values(rng, slots) for zone in zones}
    numbers, stated = _numbers(rng)
    times, timed = _times(rng, time_zone, step_min, stated.get("decimal", "."))
    shape = str(rng.choice(["rows", "rows", "long", "wide", "one zone"]))
    if shape == "one zone":
        zones = zones[:1]
        truth = {zones[0]: truth[zones[0]]}
    cells = {zone: _cells(rng, truth[zone], numbers) for zone in zones}
    stamps = [times(slot) for slot in slots]
    table, shaped = _shaped(shape, zones, stamps, cells)
    table = _decorated(rng, table, shape)
    path, filed = _file(rng, folder, table, seed)
    mapping = {"name": f"written_{seed}", **shaped, **stated, **filed}
    mapping["time"] = {"column": "Zeit", **timed}
    if timed.get("stamp") or rng.random() < 0.3:
        mapping["step_min"] = step_min
    return Written(path, yaml.safe_dump(mapping, allow_unicode=True), truth, step_min)


def _slots(rng: np.random.Generator, time_zone: str, step_min: int) -> pd.DatetimeIndex:
    days = {"Europe/Berlin": ("2024-10-26", "2024-03-30"), "America/New_York": ("2024-11-02", "2024-03-09")}
    day = str(rng.choice([*days.get(time_zone, ()), "2024-04-06", "2024-07-01"]))
    count = int(rng.integers(20, 120))
    start = pd.Timestamp(day, tz=time_zone).tz_convert("UTC").floor(f"{step_min}min")
    return pd.date_range(start, periods=count, freq=f"{step_min}min")


def _values(rng: np.random.Generator, slots: pd.DatetimeIndex) -> pd.DataFrame:
    scale = 10.0 ** int(rng.integers(-2, 5))
    load = np.round(scale * rng.uniform(0.5, 1.5, len(slots)), 4)
    solar = np.round(scale * rng.uniform(0.0, 0.5, len(slots)), 4)
    price = np.round(rng.uniform(-50.0, 300.0, len(slots)), 2)
    frame = pd.DataFrame(dict(zip(CHANNELS, (load, solar, price), strict=True)), index=slots)
    return frame.mask(rng.random(frame.shape) < 0.05)


def _numbers(rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    decimal = str(rng.choice([".", ","]))
    thousands = str(rng.choice(["", "", *({".", ",", " ", "'"} - {decimal})]))
    missing = str(rng.choice(MISSING))

    def write(value: float) -> str:
        if np.isnan(value):
            return missing
        whole, _, fraction = f"{value:,.4f}".partition(".")
        whole = whole.replace(",", thousands)
        fraction = fraction.rstrip("0")
        return whole + (decimal + fraction if fraction else "")

    stated: dict[str, Any] = {}
    if decimal != ".":
        stated["decimal"] = decimal
    if thousands:
        stated["thousands"] = thousands
    if missing == "fehlt":
        stated["missing"] = [missing]
    return write, stated


def _times(rng: np.random.Generator, time_zone: str, step_min: int, decimal: str) -> tuple[Any, dict[str, Any]]:
    kind = str(rng.choice(["iso", "offset", "hours", "named", "pattern", "epoch_s", "epoch_ms", "excel", "interval"]))
    zone = ZoneInfo(time_zone)
    # Excel's days and half-hour centres cannot tell the two autumn hours apart at any precision: those stay in UTC.
    place = (
        str(rng.choice(["start", "start", "start", "end", "centre"]))
        if kind in ("iso", "offset", "epoch_s")
        else "start"
    )
    shift = timedelta(minutes={"start": 0.0, "end": 1.0, "centre": 0.5}[place] * step_min)
    timed: dict[str, Any] = {} if place == "start" else {"stamp": place}

    def local(slot: datetime) -> datetime:
        return (slot + shift).astimezone(zone)

    if kind == "iso":
        timed["zone"] = time_zone
        return lambda slot: local(slot).strftime("%Y-%m-%d %H:%M:%S"), timed
    if kind == "offset":
        return lambda slot: local(slot).isoformat(), timed
    if kind == "named":
        timed["zone"] = time_zone
        return lambda slot: local(slot).strftime("%Y-%m-%d %H:%M %Z"), timed
    if kind == "hours":
        whole = ZoneInfo("Europe/Berlin")
        return lambda slot: slot.astimezone(whole).strftime("%Y-%m-%d %H:%M:%S%z")[:-2], timed
    if kind == "pattern":
        pattern = str(rng.choice(PATTERNS))
        timed |= {"zone": time_zone, "format": pattern}
        head, mark, tail = pattern.partition(" - ")
        end = timedelta(minutes=step_min)
        return lambda slot: local(slot).strftime(head) + mark + local(slot + end).strftime(tail), timed
    if kind == "interval":
        end = timedelta(minutes=step_min)
        return lambda slot: f"{slot:%Y-%m-%dT%H:%MZ}/{slot + end:%Y-%m-%dT%H:%MZ}", timed
    if kind == "excel":
        timed["format"] = "excel"
        origin = datetime(1899, 12, 30, tzinfo=UTC)
        return lambda slot: f"{(slot - origin) / timedelta(days=1):.9f}".replace(".", decimal), timed
    timed["format"] = kind
    factor = 1 if kind == "epoch_s" else 1000
    return lambda slot: str(round((slot + shift).timestamp() * factor)), timed


def _cells(rng: np.random.Generator, values: pd.DataFrame, numbers: Any) -> pd.DataFrame:
    return pd.DataFrame({name: [numbers(value) for value in values[name]] for name in values.columns})


def _shaped(
    shape: str, zones: list[str], stamps: list[str], cells: dict[str, pd.DataFrame]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    channels: dict[str, Any] = {name: {"from": f"Spalte {name}", "required": True} for name in CHANNELS}
    if shape == "wide":
        table = pd.DataFrame({"Zeit": stamps})
        for zone in zones:
            for name in CHANNELS:
                table[f"{zone} | {name}"] = cells[zone][name]
        patterns = {name: {"from": f"{{zone}} | {name}", "required": True} for name in CHANNELS}
        return table, {"channels": patterns}
    rows = []
    for at, stamp in enumerate(stamps):
        for zone in zones:
            rows.append({"Zeit": stamp, "Gebiet": zone, **cells[zone].iloc[at].to_dict()})
    table = pd.DataFrame(rows)
    if shape == "long":
        long = table.melt(["Zeit", "Gebiet"], var_name="Größe", value_name="Wert")
        named = {name: {"from": name, "required": True} for name in CHANNELS}
        return long, {"zone_column": "Gebiet", "long": {"name": "Größe", "value": "Wert"}, "channels": named}
    table = table.rename(columns={name: f"Spalte {name}" for name in CHANNELS})
    if shape == "one zone":
        return table.drop(columns="Gebiet"), {"zone": zones[0], "channels": channels}
    return table, {"zone_column": "Gebiet", "channels": channels}


def _decorated(rng: np.random.Generator, table: pd.DataFrame, shape: str) -> pd.DataFrame:
    if rng.random() < 0.2 and "Gebiet" in table:
        table = table.sort_values("Gebiet", kind="stable", ignore_index=True)  # one zone after the other
    if rng.random() < 0.3:
        table = table.assign(Bemerkung="gut; siehe Anlage")
    if rng.random() < 0.3 and shape != "long":
        table = table.rename(columns={name: f" {name} " for name in table.columns if name == "Zeit"})
    return table


def _file(rng: np.random.Generator, folder: Path, table: pd.DataFrame, seed: int) -> tuple[Path, dict[str, Any]]:
    kind = str(rng.choice(["csv", "csv", "csv.gz", "parquet"]))
    path = folder / f"file{seed}.{kind}"
    if kind == "parquet":
        if rng.random() < 0.5:
            table = table.set_index(table.columns[0])
        table.to_parquet(path)
        return path, {}
    separator = str(rng.choice([",", ";", "\t", "|"]))
    text = table.to_csv(index=rng.random() < 0.3, sep=separator)
    encodings = ["utf-8", "utf-8-sig", "utf-16"] + (["cp1252"] if _is_western(text) else [])
    encoding = str(rng.choice(encodings))
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if kind == "csv.gz" else content)
    stated: dict[str, Any] = {"encoding": encoding} if encoding == "cp1252" else {}
    if rng.random() < 0.5:
        stated["separator"] = separator
    return path, stated


def _is_western(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True
