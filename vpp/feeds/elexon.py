"""Elexon Insights (Great Britain): generation by fuel, system price, day-ahead forecasts of demand and wind.

Shapes after the service's OpenAPI description, https://bmrs.elexon.co.uk/api-documentation. Times are UTC; days of 46
or 50 settlement periods are counted by ``startTime``, never by the period's number. ``publishTime`` is when a row was
known.

Load is the sum of all metered generation and of the interconnectors (transmission level: embedded solar and wind lower
it), so net load is that sum minus transmission wind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import msgspec

from vpp.domain import LOAD, PRICE, WIND
from vpp.feeds.contract import (
    FRESH,
    AnswerError,
    Ask,
    Dataset,
    Issue,
    Published,
    Service,
    issues_of,
    read_rows,
    spans,
    stamp,
    utc,
)
from vpp.local_time import local_date, utc_of

HOST = "elexon"
TIME_ZONE = "Europe/London"
STEP_MIN = 30
FORECAST_HOUR = 12
"""Forecasts are asked for as they were known at this local hour, from which on the catalogue takes them as known."""
PRICE_LAG = timedelta(minutes=30)
"""A system price is first published about so long after its half hour; the service dates the latest run only."""

FIRST_RUN = timedelta(hours=2)
"""A run dated later than this after its half hour is not the first."""

LOAD_DA = "load_forecast_da_mw"
WIND_DA = "wind_forecast_da_mw"

_CHANNEL_OF_FUEL = {
    "WIND": WIND,
    "CCGT": "gas_mw",
    "OCGT": "gas_mw",
    "NUCLEAR": "nuclear_mw",
    "COAL": "coal_mw",
    "PS": "pumped_storage_mw",
    "NPSHYD": "hydro_mw",
    "BIOMASS": "biomass_mw",
}
_INTERCONNECTOR = "INT"
FUEL_CHANNELS = (LOAD, *dict.fromkeys(_CHANNEL_OF_FUEL.values()), "interconnector_mw")


class _Fuel(msgspec.Struct, rename="camel"):
    publish_time: datetime
    start_time: datetime
    fuel_type: str
    generation: float | None


class _Price(msgspec.Struct, rename="camel"):
    start_time: datetime
    created_date_time: datetime
    system_sell_price: float | None


class _Demand(msgspec.Struct, rename="camel"):
    publish_time: datetime
    start_time: datetime
    transmission_system_demand: float | None
    boundary: str = "N"


class _Wind(msgspec.Struct, rename="camel"):
    publish_time: datetime
    start_time: datetime
    generation: float | None


def read_fuel(body: bytes, *, ask: Ask, received: datetime) -> list[Issue]:
    """Return generation by type and load (their sum) from an answer of ``/datasets/FUELHH``.

    A half hour of which a fuel has no value has no load; so has one that lacks the row of a fuel which at least half of
    the answer's half hours have. Fuels without a channel of their own count in the load alone.

    Raises:
        AnswerError: The answer is broken or has another shape.
    """
    rows: dict[datetime, dict[str, _Fuel]] = {}
    for row in read_rows(body, _Fuel):
        by_fuel = rows.setdefault(utc(row.start_time), {})
        before = by_fuel.get(row.fuel_type)
        if before is None or row.publish_time >= before.publish_time:
            by_fuel[row.fuel_type] = row
    counts = Counter(fuel for by_fuel in rows.values() for fuel in by_fuel)
    usual = {fuel for fuel, count in counts.items() if 2 * count >= len(rows)}
    published: Published = {}
    for slot, by_fuel in rows.items():
        available_at = max(utc(row.publish_time) for row in by_fuel.values())
        totals: dict[str, float | None] = {}
        for fuel in sorted(usual | by_fuel.keys()):
            generation = by_fuel[fuel].generation if fuel in by_fuel else None
            fuel_channel = _CHANNEL_OF_FUEL.get(fuel, "interconnector_mw" if fuel.startswith(_INTERCONNECTOR) else None)
            for channel in (LOAD, fuel_channel):
                if channel is not None:
                    total = totals.get(channel, 0.0)
                    totals[channel] = None if total is None or generation is None else total + generation
        for channel, value in totals.items():
            published.setdefault((channel, available_at), {})[slot] = value
    return issues_of(published, STEP_MIN)


def read_price(body: bytes, *, ask: Ask, received: datetime) -> list[Issue]:
    """Return the system price (GBP per MWh, buy = sell) from an answer of ``/balancing/settlement/system-prices/DATE``.

    The service gives the latest settlement run and its ``createdDateTime``, from which the price is known where that is
    the first run, or one of the last hours: a revision. The price of another run in a back-fill was first published by
    an earlier one: it counts as known ``PRICE_LAG`` after the half hour.

    Raises:
        AnswerError: The answer is broken or has another shape.
    """
    published: Published = {}
    for row in read_rows(body, _Price):
        slot, created = utc(row.start_time), utc(row.created_date_time)
        end = slot + timedelta(minutes=STEP_MIN)
        is_dated = end <= created <= end + FIRST_RUN or created > max(received - FRESH, end)
        available_at = created if is_dated else end + PRICE_LAG
        published.setdefault((PRICE, available_at), {})[slot] = row.system_sell_price
    return issues_of(published, STEP_MIN)


def read_demand_forecast(body: bytes, *, ask: Ask, received: datetime) -> list[Issue]:
    """Return the forecast of transmission system demand from ``/forecast/demand/day-ahead/history``, whole GB only.

    Raises:
        AnswerError: The answer is broken or has another shape.
    """
    published: Published = {}
    for row in read_rows(body, _Demand):
        if row.boundary == "N":
            published.setdefault((LOAD_DA, utc(row.publish_time)), {})[utc(row.start_time)] = (
                row.transmission_system_demand
            )
    return issues_of(published, STEP_MIN)


def read_wind_forecast(body: bytes, *, ask: Ask, received: datetime) -> list[Issue]:
    """Return the forecast of transmission wind from ``/forecast/generation/wind/history``: hourly means.

    Raises:
        AnswerError: The answer is broken or has another shape.
    """
    published: Published = {}
    for row in read_rows(body, _Wind):
        start = utc(row.start_time)
        if start.minute:
            raise AnswerError(f"the wind forecast is no longer hourly: a row starts at {start}", fault="shape")
        published.setdefault((WIND_DA, utc(row.publish_time)), {})[start] = row.generation
    return issues_of(published, 60)


def _days(start: datetime, end: datetime) -> Iterator[date]:
    day = local_date(start, TIME_ZONE)
    while utc_of(day, 0, TIME_ZONE) < end:
        yield day
        day += timedelta(days=1)


def _fuel_asks(start: datetime, end: datetime) -> Iterator[Ask]:
    for first, until in spans(start, end, timedelta(days=7)):
        params = {"publishDateTimeFrom": stamp(first), "publishDateTimeTo": stamp(until), "format": "json"}
        yield Ask(host=HOST, path="/datasets/FUELHH", params=params, until=until)


def _price_asks(start: datetime, end: datetime) -> Iterator[Ask]:
    for day in _days(start, end):
        until = min(utc_of(day + timedelta(days=1), 0, TIME_ZONE), end)
        yield Ask(
            host=HOST,
            path=f"/balancing/settlement/system-prices/{day.isoformat()}",
            params={"format": "json"},
            until=until,
        )


def _forecast_asks(path: str, start: datetime, end: datetime) -> Iterator[Ask]:
    for day in _days(start, end):
        noon = utc_of(day, FORECAST_HOUR, TIME_ZONE)
        if start <= noon < end:
            yield Ask(host=HOST, path=path, params={"publishTime": stamp(noon), "format": "json"}, until=noon)


def _demand_asks(start: datetime, end: datetime) -> Iterator[Ask]:
    return _forecast_asks("/forecast/demand/day-ahead/history", start, end)


def _wind_asks(start: datetime, end: datetime) -> Iterator[Ask]:
    return _forecast_asks("/forecast/generation/wind/history", start, end)


_DATASETS = (
    Dataset(
        name="generation",
        channels=FUEL_CHANNELS,
        asks=_fuel_asks,
        read=read_fuel,
        every=timedelta(minutes=1),
        look_back=timedelta(hours=3),
        page="https://bmrs.elexon.co.uk/api-documentation/endpoint/datasets/FUELHH",
    ),
    Dataset(
        name="system-price",
        channels=(PRICE,),
        asks=_price_asks,
        read=read_price,
        every=timedelta(minutes=5),
        look_back=timedelta(days=1),
        page="https://bmrs.elexon.co.uk/api-documentation/endpoint/balancing/settlement/system-prices/%7BsettlementDate%7D",
    ),
    Dataset(
        name="demand-forecast",
        channels=(LOAD_DA,),
        asks=_demand_asks,
        read=read_demand_forecast,
        every=timedelta(minutes=15),
        look_back=timedelta(hours=3),
        page="https://bmrs.elexon.co.uk/api-documentation/endpoint/forecast/demand/day-ahead/history",
    ),
    Dataset(
        name="wind-forecast",
        channels=(WIND_DA,),
        asks=_wind_asks,
        read=read_wind_forecast,
        every=timedelta(minutes=15),
        look_back=timedelta(hours=3),
        page="https://bmrs.elexon.co.uk/api-documentation/endpoint/forecast/generation/wind/history",
    ),
)

SERVICE = Service(
    name="elexon",
    title="Elexon Insights, Great Britain",
    zones=("GB",),
    datasets=lambda _zone, _settings: _DATASETS,
    step_min=STEP_MIN,
    closing=(LOAD, WIND),
    delay=timedelta(minutes=5),
    terms="BMRS data licence: Contains BMRS data © Elexon Limited copyright and database right",
)
