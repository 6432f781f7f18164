"""Converts OpenADR 3 events of a VTN to orders and prices. Pure.

An event is a list of intervals with payloads. Read are ``SIMPLE`` (a level above 0: no charging),
``DISPATCH_SETPOINT`` (power of the fleet), ``IMPORT_CAPACITY_LIMIT`` and ``EXPORT_CAPACITY_LIMIT`` (a band around it),
``CHARGE_STATE_SETPOINT`` (state of charge by the interval's end) and ``PRICE``. OpenADR counts consumption as positive,
the plant what goes into the grid. All else is passed over and counted. Shapes: OpenADR 3.0.1, definition of ``event``.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from vpp.domain import PRICE
from vpp.errors import DataError
from vpp.messages import Publication

FIRST_YEAR = 2000
"""OpenADR writes the year 1 for "now", which differs from reader to reader."""

LEVELS = 10
"""So many priorities of events are told apart; the numbers after the last of them count as none."""

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)
MINUTE = timedelta(minutes=1)
_POWER = {"W": 1e-6, "KW": 1e-3, "MW": 1.0}
_PER_ENERGY = {"KWH": 1000.0, "MWH": 1.0}
_SHARE = {"PERCENT": 0.01}


class IntervalPeriod(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """When an interval begins, and its length as an ISO 8601 duration; without one it has no end."""

    start: datetime
    duration: str | None = None


class PayloadDescriptor(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """Unit and currency of a payload type."""

    payload_type: str
    units: str | None = None
    currency: str | None = None


class EventPayload(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """Values of one type."""

    type: str
    values: list[float | str | bool | dict[str, float] | None]


class EventInterval(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """A part of an event with its own period, or one after the other in the event's."""

    payloads: list[EventPayload]
    id: int = 0
    interval_period: IntervalPeriod | None = None


class DemandEvent(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """An event of a VTN. A smaller number is a higher priority; None is the lowest."""

    id: str
    intervals: list[EventInterval]
    program_id: str = msgspec.field(name="programID", default="")
    modification_date_time: str = ""
    event_name: str | None = None
    priority: int | None = None
    payload_descriptors: list[PayloadDescriptor] | None = None
    interval_period: IntervalPeriod | None = None

    @property
    def level(self) -> int:
        """Priority from 0, the highest, to ``LEVELS``, none."""
        return LEVELS if self.priority is None else min(max(self.priority, 0), LEVELS)


@dataclass(frozen=True, slots=True)
class AskedOrder:
    """An order that an interval asks for: its id, action and fields (see ``Order``), from when to when."""

    order_id: str
    action: str
    starts_at: datetime
    expires_at: datetime
    fields: dict[str, float]


@dataclass(slots=True)
class EventAsks:
    """What an event asks for.

    Attributes:
        orders: In order of time.
        prices: Price (currency per MWh) by start of its interval, with the interval's length.
        passed_over: Types of payloads that are not read.
    """

    orders: list[AskedOrder] = field(default_factory=list)
    prices: list[tuple[datetime, timedelta, float]] = field(default_factory=list)
    passed_over: set[str] = field(default_factory=set)


def read_events(body: bytes) -> list[DemandEvent]:
    """Return the events of an answer.

    Raises:
        DataError: It is no list of events as documented; names the place.
    """
    try:
        return msgspec.json.decode(body, type=list[DemandEvent])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(
            f"the VTN's events have another shape than documented: {error}", hint="OpenADR 3.0.1, GET /events"
        ) from error


def asks_of(event: DemandEvent, comings: int = 0) -> EventAsks:
    """Return the requests of an event.

    Args:
        event: The event.
        comings: How often the event was listed again after it was removed; its orders then have new ids.

    Raises:
        DataError: A period, a unit or a value is not valid; the message names the event.
    """
    units = {
        descriptor.payload_type: (descriptor.units or "").upper() for descriptor in event.payload_descriptors or ()
    }
    asks = EventAsks()
    for number, (start, end, interval) in enumerate(_periods(event)):
        for payload in interval.payloads:
            place = f"event {event.id} interval {number} {payload.type}"
            if payload.type == "PRICE":
                per_mwh = _scale(place, units.get(payload.type, "KWH") or "KWH", _PER_ENERGY)
                if (end - start) % MINUTE:
                    raise DataError(f"{place}: {end - start} is no whole number of minutes")
                asks.prices.append((start, end - start, _number(place, payload, per_mwh)))
                continue
            order = _order(place, payload, units.get(payload.type, ""))
            if order is None:
                asks.passed_over.add(payload.type)
            elif order[1]:
                version = f"{event.id} {event.modification_date_time} {comings} {event.level}"
                content = f"{number} {payload.type} {start.isoformat()} {end.isoformat()} {order[1]}"
                digest = hashlib.sha256(f"{version} {content}".encode()).hexdigest()
                asks.orders.append(AskedOrder("o" + digest[:12], order[0], start, end, order[1]))
    return asks


def _order(place: str, payload: EventPayload, unit: str) -> tuple[str, dict[str, float]] | None:
    """Return action and fields of a payload; None: it is of another type. Empty fields ask for nothing."""
    match payload.type:
        case "SIMPLE":
            return "band", {"min_mw": 0.0} if _number(place, payload) > 0 else {}
        case "DISPATCH_SETPOINT":
            return "target", {"power_mw": -_number(place, payload, _scale(place, unit or "KW", _POWER))}
        case "IMPORT_CAPACITY_LIMIT":
            return "band", {"min_mw": -abs(_number(place, payload, _scale(place, unit or "KW", _POWER)))}
        case "EXPORT_CAPACITY_LIMIT":
            return "band", {"max_mw": abs(_number(place, payload, _scale(place, unit or "KW", _POWER)))}
        case "CHARGE_STATE_SETPOINT":
            return "soc_target", {"soc": _number(place, payload, _scale(place, unit or "PERCENT", _SHARE))}
        case _:
            return None


def _periods(event: DemandEvent) -> Iterator[tuple[datetime, datetime, EventInterval]]:
    """Yield begin, end and interval; those without a period follow each other in the event's.

    Raises:
        DataError: An interval has neither a period of its own nor one of the event, or one without an end.
    """
    event_period = event.interval_period
    at = None if event_period is None else _utc(event_period.start)
    for interval in event.intervals:
        own_period = interval.interval_period
        start = at if own_period is None else _utc(own_period.start)
        duration = next((period.duration for period in (own_period, event_period) if period and period.duration), None)
        if start is None or duration is None or start.year < FIRST_YEAR:
            raise DataError(f"event {event.id} has an interval without a begin or a length of its own")
        try:
            end = start + duration_of(duration)
        except OverflowError as error:
            raise DataError(f"event {event.id} has an interval that ends after the year 9999") from error
        yield start, end, interval
        at = end


def duration_of(text: str) -> timedelta:
    """Return an ISO 8601 duration of weeks, days, hours, minutes and seconds.

    Raises:
        DataError: It is another one, or none at all.
    """
    match = _DURATION.fullmatch(text)
    parts = {} if match is None else {name: float(value) for name, value in match.groupdict().items() if value}
    try:
        length = timedelta(**parts)
    except OverflowError as error:
        raise DataError(f"{text!r} is too long") from error
    if not length:
        raise DataError(f"{text!r} is no duration in weeks, days, hours, minutes and seconds")
    return length


def _utc(instant: datetime) -> datetime:
    try:
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except OverflowError as error:
        raise DataError(f"{instant.isoformat()} is no time in UTC") from error


def _number(place: str, payload: EventPayload, scale: float = 1.0) -> float:
    value = payload.values[0] if payload.values else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{place}: {value!r} is no number")
    number = value * scale
    if not math.isfinite(number):
        raise DataError(f"{place}: {value:g} is too large")
    return number


def _scale(place: str, unit: str, factors: dict[str, float]) -> float:
    if unit not in factors:
        raise DataError(f"{place}: unit {unit!r} is not one of {', '.join(factors)}")
    return factors[unit]


def price_publications(
    zone: str, prices: Iterable[tuple[datetime, timedelta, float]], known_at: datetime
) -> list[Publication]:
    """Return prices as publications of a zone, one per run of intervals of one length without a gap.

    Args:
        zone: The zone.
        prices: Begin, length and price of each interval.
        known_at: Time of their arrival.
    """
    runs: list[tuple[datetime, timedelta, list[float | None]]] = []
    for start, length, price in sorted(prices):
        if runs and runs[-1][1] == length and start == runs[-1][0] + length * len(runs[-1][2]):
            runs[-1][2].append(price)
        else:
            runs.append((start, length, [price]))
    return [
        Publication(
            zone=zone,
            available_at=known_at,
            first_slot=first,
            step_min=int(length / timedelta(minutes=1)),
            series={PRICE: values},
            sent_at=known_at,
        )
        for first, length, values in runs
    ]
