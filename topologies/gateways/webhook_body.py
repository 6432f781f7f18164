"""Bodies of webhooks: JSON, CSV and line protocol to observations and readings of devices. No connection."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec

from vpp.errors import DataError
from vpp.json_keys import check_keys
from vpp.messages import AssetReading, Observation
from vpp.messages.times import EARLIEST, LATEST

MAX_RECORDS = 10_000
MAX_VALUES = 1_000
"""Channels of one record: a record of the log has at most 1 MB."""

_ASSET_FIELDS = {"power_mw", "soc", "available"}
_NAME = re.compile(r"[\w.-]{1,60}")
_PARTS_OF_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class WebhookRecord(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One record of a JSON body.

    Attributes:
        zone: The zone; None if the address names it.
        time: When it was measured; None: at its arrival.
        values: Channels of the zone, such as ``load_mw``.
        asset: The asset that ``power_mw``, ``soc`` and ``available`` are of.
        power_mw: Power of the asset, positive into the grid.
        soc: Its charge, 0 to 1.
        available: Whether it can be used.
        duration_s: Interval of the mean values in seconds; None: a tick.
    """

    zone: str | None = None
    time: datetime | None = None
    values: dict[str, float | None] = {}
    asset: str | None = None
    power_mw: float | None = None
    soc: float | None = None
    available: bool | None = None
    duration_s: float | None = None


def observations_of(
    body: bytes, content_type: str, *, zone: str | None, arrived_at: datetime, precision: str = "ns"
) -> list[Observation]:
    """Return the observations of a body, in its order.

    Args:
        body: The body.
        content_type: ``application/json``, ``text/csv`` or ``text/plain``, which is line protocol.
        zone: The zone of records that name none.
        arrived_at: Time of records that have none, by the run clock.
        precision: Unit of the times of line protocol: s, ms, us, ns.

    Raises:
        DataError: The type is another one, or a record is wrong; the message names its number.
    """
    parsers: dict[str, Callable[[], Iterator[WebhookRecord]]] = {
        "application/json": lambda: _of_json(body),
        "text/csv": lambda: _of_csv(_text(body)),
        "text/plain": lambda: _of_lines(_text(body), precision),
    }
    parse = parsers.get(content_type.partition(";")[0].strip().lower())
    if parse is None:
        raise DataError(f"content type {content_type!r} is not taken", hint=f"one of {', '.join(parsers)}")
    observations: list[Observation] = []
    for number, record in enumerate(parse(), start=1):
        if number > MAX_RECORDS:
            raise DataError(f"more than {MAX_RECORDS} records", hint="send them in parts")
        observations.append(_observation(record, number, zone, arrived_at))
    if not observations:
        raise DataError("the body holds no record", hint="see the three forms in docs/guide/devices.md")
    return observations


def _observation(record: WebhookRecord, number: int, zone: str | None, arrived_at: datetime) -> Observation:
    place = record.zone or zone
    if place is None or not _NAME.fullmatch(place):
        raise DataError(f"record {number} names no zone", hint="give it in the record, or as ?zone= in the address")
    at = record.time or arrived_at
    if at.tzinfo is None:
        raise DataError(f"record {number}: time {at.isoformat()} has no offset", hint="end it with Z for UTC")
    if not EARLIEST <= at < LATEST:
        raise DataError(
            f"record {number}: time {at.isoformat()} is not between {EARLIEST.year} and {LATEST.year}",
            hint="check its year, and ?precision= for line protocol",
        )
    if len(record.values) > MAX_VALUES:
        raise DataError(f"record {number} has more than {MAX_VALUES} channels", hint="send them in parts")
    numbers = {**record.values, "power_mw": record.power_mw, "soc": record.soc, "duration_s": record.duration_s}
    for name, value in numbers.items():
        if not _NAME.fullmatch(name):
            raise DataError(f"record {number}: {name!r} is no name of a channel")
        if value is not None and not math.isfinite(value):
            raise DataError(f"record {number}: {name} is {value}", hint="leave a missing value out")
    if record.duration_s is not None and not record.duration_s > 0.0:
        raise DataError(f"record {number}: duration_s is {record.duration_s:g}, not above 0")
    is_of_asset = any(getattr(record, name) is not None for name in _ASSET_FIELDS)
    if is_of_asset != (record.asset is not None):
        raise DataError(f"record {number}: asset and its power_mw, soc or available go together")
    if not (record.values or is_of_asset):
        raise DataError(f"record {number} holds no value", hint="give values of the zone, or of an asset")
    assets = {}
    if record.asset is not None:
        assets[record.asset] = AssetReading(power_mw=record.power_mw, soc=record.soc, available=record.available)
    return Observation(
        zone=place, slot=at.astimezone(UTC), values=record.values, assets=assets, duration_s=record.duration_s or 1.0
    )


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"the body is not UTF-8: {error.reason} at byte {error.start}") from error


def _of_json(body: bytes) -> Iterator[WebhookRecord]:
    try:
        records = msgspec.json.decode(body, type=WebhookRecord | list[WebhookRecord])
        check_keys(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DataError(f"the body is not a record or a list of records: {error}") from error
    yield from records if isinstance(records, list) else [records]


def _of_csv(text: str) -> Iterator[WebhookRecord]:
    rows = csv.DictReader(io.StringIO(text), strict=True, restkey="", restval=None)
    try:
        columns = [name.strip() for name in rows.fieldnames or ()]
        if len(set(columns)) < len(columns):
            raise DataError("a column comes twice in the header", hint="keep one of them")
        for number, row in enumerate(rows, start=1):
            if "" in row or None in row.values():
                raise DataError(f"record {number} has not as many fields as the header")
            yield _of_fields({name.strip(): cell.strip() for name, cell in row.items()}, number)
    except csv.Error as error:
        raise DataError(f"the body is not CSV: {error}") from error


def _of_fields(row: dict[str, str], number: int) -> WebhookRecord:
    cells = {name: cell for name, cell in row.items() if cell != ""}
    at = cells.pop("time", None)
    zone, asset = cells.pop("zone", None), cells.pop("asset", None)
    available = cells.pop("available", None)
    numbers: dict[str, float | None] = {name: _number(cell, name, number) for name, cell in cells.items()}
    asset_numbers = {name: numbers.pop(name, None) for name in ("power_mw", "soc", "duration_s")} if asset else {}
    duration_s = asset_numbers.pop("duration_s", None) if asset else numbers.pop("duration_s", None)
    return WebhookRecord(
        zone=zone,
        asset=asset,
        time=None if at is None else _time(at, number),
        values=numbers,
        available=None if available is None else _truth(available, number),
        duration_s=duration_s,
        **asset_numbers,
    )


def _number(cell: str, name: str, number: int) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise DataError(f"record {number}: {name} {cell!r} is no number") from error


def _truth(cell: str, number: int) -> bool:
    truths = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
    if cell.lower() not in truths:
        raise DataError(f"record {number}: available {cell!r} is neither true nor false")
    return truths[cell.lower()]


def _time(cell: str, number: int) -> datetime:
    try:
        return datetime.fromisoformat(cell)
    except ValueError as error:
        raise DataError(
            f"record {number}: time {cell!r} is no ISO time", hint="such as 2026-01-01T00:30:00Z"
        ) from error


def _of_lines(text: str, precision: str) -> Iterator[WebhookRecord]:
    """Yield the records of InfluxDB line protocol: ``name,zone=GB,asset=bat power_mw=1.5,soc=0.4 1700000000``."""
    if precision not in _PARTS_OF_SECOND:
        raise DataError(f"precision {precision!r} is not one of {', '.join(_PARTS_OF_SECOND)}")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for number, line in enumerate(lines, start=1):
        parts = _split(line, " ")
        if len(parts) not in (2, 3):
            raise DataError(f"record {number} is not of the form name,tag=value field=value time")
        tags = dict(_pair(part, number) for part in _split(parts[0], ",")[1:])
        tags = {name: tag for name, tag in tags.items() if name in ("zone", "asset")}
        fields = {name: _field(cell) for name, cell in (_pair(part, number) for part in _split(parts[1], ","))}
        row = {**tags, **fields}
        if len(parts) == 3:
            row["time"] = _epoch(parts[2], precision, number)
        yield _of_fields(row, number)


def _split(text: str, at: str) -> list[str]:
    """Return the parts of a text between characters that no backslash stands before."""
    return re.split(rf"(?<!\\){re.escape(at)}", text.strip())


def _pair(part: str, number: int) -> tuple[str, str]:
    pair = [re.sub(r"\\([,= ])", r"\1", part_text) for part_text in _split(part, "=")]
    if len(pair) != 2 or not all(pair):
        raise DataError(f"record {number}: {part!r} is not of the form name=value")
    return pair[0], pair[1]


def _field(cell: str) -> str:
    """Return a field's value as plain text: integers end with i or u."""
    return cell[:-1] if re.fullmatch(r"-?\d+[iu]", cell) else cell


def _epoch(cell: str, precision: str, number: int) -> str:
    try:
        return datetime.fromtimestamp(int(cell) / _PARTS_OF_SECOND[precision], UTC).isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise DataError(f"record {number}: time {cell!r} is no time in {precision}") from error
