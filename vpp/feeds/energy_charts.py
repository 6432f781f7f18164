"""Energy-Charts (Fraunhofer ISE): load, solar, wind, day-ahead forecasts and auction prices of European zones.

Shapes after https://api.energy-charts.info (OpenAPI description of the service). Times are seconds since 1970, series
are aligned with them and may hold null. The service does not say when it published a value: live values count from
their receipt, a back-fill from the usual time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec

from vpp.domain import LOAD, PRICE, SOLAR, WIND
from vpp.feeds.contract import (
    AnswerError,
    Ask,
    Dataset,
    Issue,
    Published,
    Service,
    converted,
    issues_of,
    known_from,
    read_json,
    spans,
)
from vpp.fleet.market import day_before
from vpp.settings import FeedSettings

HOST = "energy_charts"
USUAL_DELAY = timedelta(hours=1)
PRICE_HOUR = 13
LOAD_FORECAST_HOUR, RENEWABLE_FORECAST_HOUR = 10, 18

_COUNTRY_OF = {
    "DE_LU": ("de", "DE-LU", "Europe/Berlin"),
    "AT": ("at", "AT", "Europe/Vienna"),
    "FR": ("fr", "FR", "Europe/Paris"),
    "NL": ("nl", "NL", "Europe/Amsterdam"),
    "BE": ("be", "BE", "Europe/Brussels"),
    "CH": ("ch", "CH", "Europe/Zurich"),
    "PL": ("pl", "PL", "Europe/Warsaw"),
    "CZ": ("cz", "CZ", "Europe/Prague"),
    "ES": ("es", "ES", "Europe/Madrid"),
    "PT": ("pt", "PT", "Europe/Lisbon"),
}
"""Zone to country, bidding zone and time zone."""
_PARTS = {"Load": LOAD, "Solar": SOLAR, "Wind onshore": WIND, "Wind offshore": WIND}
_ONSHORE, _OFFSHORE = "wind_onshore_forecast_da_mw", "wind_offshore_forecast_da_mw"
_AT_SEA = ("DE_LU", "FR", "NL", "BE")
_FORECASTS = {
    "load": ("load_forecast_da_mw", LOAD_FORECAST_HOUR),
    "solar": ("solar_forecast_da_mw", RENEWABLE_FORECAST_HOUR),
    "wind_onshore": (_ONSHORE, RENEWABLE_FORECAST_HOUR),
    "wind_offshore": (_OFFSHORE, RENEWABLE_FORECAST_HOUR),
}


class _Series(msgspec.Struct):
    name: str
    data: list[float | None]


class _Power(msgspec.Struct):
    unix_seconds: list[int]
    production_types: list[_Series]


class _Prices(msgspec.Struct):
    unix_seconds: list[int]
    price: list[float | None]
    unit: str


class _Forecast(msgspec.Struct):
    unix_seconds: list[int]
    forecast_values: list[float | None]


def read_power(body: bytes, *, ask: Ask, received: datetime) -> list[Issue]:
    """Return load, solar and wind (MW; on- and offshore together) from an answer of ``/public_power``; may be empty.

    Raises:
        AnswerError: The answer is broken, or has no load.
    """
    answer: _Power = converted(read_json(body), _Power)
    if not answer.unix_seconds:
        return []
    sums: dict[str, list[float | None]] = {}
    for series in answer.production_types:
        channel = _PARTS.get(series.name)
        if channel is not None:
            before = sums.get(channel, [0.0] * len(series.data))
            sums[channel] = [
                None if a is None or b is None else a + b for a, b in zip(before, series.data, strict=False)
            ]
    if LOAD not in sums:
        names = ", ".join(series.name for series in answer.production_types)
        raise AnswerError(f"the answer has no load, only {names or 'nothing'}", fault="shape")
    issues = []
    for channel, values in sums.items():
        issues += _issues(channel, answer.unix_seconds, values, received, lambda slot: slot + USUAL_DELAY)
    return issues


def read_price(body: bytes, *, ask: Ask, received: datetime, time_zone: str) -> list[Issue]:
    """Return the auction's prices from an answer of ``/price``, known at 13:00 local on the day before as a rule.

    Args:
        body: The body of the answer.
        ask: The request.
        received: Time of the receipt.
        time_zone: Time zone of the zone.

    Raises:
        AnswerError: The answer is broken (``shape``), or its prices are not in EUR per MWh (``unit``).
    """
    answer: _Prices = converted(read_json(body), _Prices)
    if "".join(answer.unit.split()).casefold() != "eur/mwh":
        raise AnswerError(f"prices are in {answer.unit!r} and no longer in EUR/MWh", fault="unit")
    usual = partial(day_before, hour=PRICE_HOUR, time_zone=time_zone)
    return _issues(PRICE, answer.unix_seconds, answer.price, received, usual)


def read_forecast(body: bytes, *, ask: Ask, received: datetime, channel: str, hour: int, time_zone: str) -> list[Issue]:
    """Return a day-ahead forecast (MW) from an answer of ``/public_power_forecast``.

    Args:
        body: The body of the answer.
        ask: The request.
        received: Time of the receipt.
        channel: The channel that the values are of.
        hour: Local hour of publication on the day before.
        time_zone: Time zone of the zone.

    Raises:
        AnswerError: The answer is broken or has another shape.
    """
    answer: _Forecast = converted(read_json(body), _Forecast)
    usual = partial(day_before, hour=hour, time_zone=time_zone)
    return _issues(channel, answer.unix_seconds, answer.forecast_values, received, usual)


def _issues(
    channel: str,
    seconds: list[int],
    values: list[float | None],
    received: datetime,
    usual: Callable[[datetime], datetime],
) -> list[Issue]:
    if len(seconds) != len(values):
        raise AnswerError(f"{len(seconds)} times, but {len(values)} values", fault="shape")
    if not seconds:
        return []
    step_min = _step_min(seconds)
    published: Published = {}
    for stamp, value in zip(seconds, values, strict=True):
        slot = datetime.fromtimestamp(stamp, UTC)
        if value is None and slot > received - timedelta(days=1):
            continue  # not published yet
        available_at = known_from(slot, step_min=step_min, received=received, usual=usual(slot))
        published.setdefault((channel, available_at), {})[slot] = value
    return issues_of(published, step_min, first_sight=True)


def _step_min(seconds: list[int]) -> int:
    """Return the spacing of times in minutes: the shortest one, an hour for a single time."""
    gaps = [(b - a) // 60 for a, b in pairwise(seconds)]
    step = min(gaps, default=60)
    if step <= 0 or 60 % step or any(gap % step for gap in gaps):
        raise AnswerError(f"times are not in order, or {step} min apart", fault="shape")
    return step


def _asks(start: datetime, end: datetime, *, path: str, params: dict[str, str], ahead: timedelta) -> Iterator[Ask]:
    for first, until in spans(start, end, timedelta(days=28)):
        last = until + ahead if until == end else until
        days = {"start": f"{first:%Y-%m-%dT%H:%MZ}", "end": f"{last:%Y-%m-%dT%H:%MZ}"}
        yield Ask(host=HOST, path=path, params={**params, **days}, until=until)


def _dataset(
    name: str, channels: tuple[str, ...], read: Any, path: str, params: dict[str, str], every_min: int
) -> Dataset:
    ahead = timedelta(0) if name == "power" else timedelta(days=2)
    return Dataset(
        name=name,
        channels=channels,
        asks=partial(_asks, path=path, params=params, ahead=ahead),
        read=read,
        every=timedelta(minutes=every_min),
        look_back=timedelta(hours=12),
        page=f"https://api.energy-charts.info/#/default{path}",
    )


def _datasets(zone: str, _settings: FeedSettings) -> tuple[Dataset, ...]:
    country, bidding_zone, time_zone = _COUNTRY_OF[zone]
    power = _dataset("power", (LOAD, SOLAR, WIND), read_power, "/public_power", {"country": country}, 5)
    read = partial(read_price, time_zone=time_zone)
    price = _dataset("price", (PRICE,), read, "/price", {"bzn": bidding_zone}, 15)
    forecasts = [
        _dataset(
            f"{kind.replace('_', '-')}-forecast",
            (channel,),
            partial(read_forecast, channel=channel, hour=hour, time_zone=time_zone),
            "/public_power_forecast",
            {"country": country, "production_type": kind, "forecast_type": "day-ahead"},
            60,
        )
        for kind, (channel, hour) in _FORECASTS.items()
        if channel != _OFFSHORE or zone in _AT_SEA
    ]
    return (power, price, *forecasts)


SERVICE = Service(
    name="energy-charts",
    title="Energy-Charts, Fraunhofer ISE",
    zones=tuple(_COUNTRY_OF),
    datasets=_datasets,
    step_min=60,
    closing=(LOAD, SOLAR, WIND),
    sums=lambda zone: {"wind_forecast_da_mw": (_ONSHORE, _OFFSHORE) if zone in _AT_SEA else (_ONSHORE,)},
    delay=timedelta(minutes=45),
    terms="CC BY 4.0: Energy-Charts (energy-charts.info), Fraunhofer ISE; prices may carry terms of the exchange",
    requests_per_s=0.5,
)
