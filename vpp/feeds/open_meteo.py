"""Open-Meteo: weather forecasts made at least a day before each hour: temperature, irradiance, wind at 100 m.

Values are those of earlier model runs (``X_previous_day1`` of https://open-meteo.com/en/docs/previous-runs-api), in the
history and live alike. The stitched archive of "historical forecasts" is never asked for: it holds the first hours of
each run, which nobody knew a day ahead. A run is published up to six hours after its start, so a forecast of a day
before counts as known ``WEATHER_LEAD`` before its hour; live ones not before they came in.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

import msgspec

from vpp.errors import ConfigError
from vpp.feeds.contract import (
    AnswerError,
    Ask,
    Dataset,
    Issue,
    Published,
    Service,
    converted,
    issues_of,
    read_json,
    spans,
    utc,
)
from vpp.files.cells.availability import WEATHER_LEAD
from vpp.settings import FeedSettings

HOST = "open_meteo"
HOUR = timedelta(hours=1)
LATE = timedelta(hours=3)

_UNITS = {"temperature_2m": "°C", "shortwave_radiation": "W/m²", "wind_speed_100m": "m/s"}
CHANNEL_OF = {
    "temperature_2m": "temperature_forecast_d1_c",
    "shortwave_radiation": "ghi_forecast_d1_wm2",
    "wind_speed_100m": "wind_speed_100m_forecast_d1_ms",
}
"""Variable of the service to channel."""

Points = tuple[tuple[float, float], ...]
POINTS: dict[str, Points] = {
    "GB": ((51.5, -0.1), (53.5, -2.2), (52.5, 1.5), (55.9, -3.2)),
    "DE_LU": ((53.6, 10.0), (52.5, 13.4), (50.9, 7.0), (48.1, 11.6)),
    "FR": ((48.9, 2.4), (45.8, 4.8), (43.6, 1.4), (47.2, -1.6)),
    "ES": ((40.4, -3.7), (41.4, 2.2), (37.4, -6.0), (42.3, -3.7)),
    "NL": ((52.1, 5.1),),
    "BE": ((50.8, 4.4),),
    "AT": ((48.2, 16.4), (47.1, 15.4)),
    "CH": ((47.4, 8.5),),
    "PL": ((52.2, 21.0), (50.3, 19.0)),
    "CZ": ((50.1, 14.4),),
    "PT": ((38.7, -9.1), (41.2, -8.6)),
    "NSW1": ((-33.9, 151.2), (-32.9, 151.8)),
    "QLD1": ((-27.5, 153.0), (-19.3, 146.8)),
    "SA1": ((-34.9, 138.6),),
    "TAS1": ((-42.9, 147.3),),
    "VIC1": ((-37.8, 145.0), (-38.1, 144.4)),
}
"""Places (latitude, longitude) whose mean stands for a zone: large cities and wind regions."""


class _Answer(msgspec.Struct):
    utc_offset_seconds: int
    hourly_units: dict[str, str]
    hourly: dict[str, list[str | float | None]]


def read_previous_runs(body: bytes, *, ask: Ask, received: datetime) -> list[Issue]:
    """Return the forecasts of the day before as hourly means over all places.

    Irradiance is stamped with the end of its hour; temperature and wind are instants, whose mean over the hour is taken
    from both ends. An hour that a place lacks is missing.

    Raises:
        AnswerError: The answer is broken, has another variable than requested (``shape``), or another unit (``unit``).
    """
    answer = read_json(body)
    places: list[_Answer] = converted(answer if isinstance(answer, list) else [answer], list[_Answer])
    if not places:
        raise AnswerError("the answer has no place", fault="shape")
    published: Published = {}
    for name, channel in CHANNEL_OF.items():
        series = [_series(place, name) for place in places]
        for slot in series[0]:
            values = [_hour(cell, slot, is_mean=name == "shortwave_radiation") for cell in series]
            present = [value for value in values if value is not None]
            if len(present) == len(values):
                usual = slot - WEATHER_LEAD
                # Up to a poll after the usual time it came in live; later it comes from a back-fill.
                available_at = received if received < usual + LATE else usual
                published.setdefault((channel, available_at), {})[slot] = round(sum(present) / len(present), 3)
    return issues_of(published, 60, first_sight=True)


def _series(place: _Answer, name: str) -> dict[datetime, float | None]:
    column = f"{name}_previous_day1"
    if column not in place.hourly or "time" not in place.hourly:
        raise AnswerError(f"the answer has no {column}, only {', '.join(sorted(place.hourly))}", fault="shape")
    if place.utc_offset_seconds:
        raise AnswerError(f"times are {place.utc_offset_seconds} s off UTC", fault="unit")
    unit = place.hourly_units.get(column, "")
    if unit != _UNITS[name]:
        raise AnswerError(f"{column} is in {unit!r} and not in {_UNITS[name]!r}", fault="unit")
    times, values = place.hourly["time"], place.hourly[column]
    if len(times) != len(values):
        raise AnswerError(f"{len(times)} times, but {len(values)} values of {column}", fault="shape")
    return {
        utc(datetime.fromisoformat(str(time))): None if value is None else float(value)
        for time, value in zip(times, values, strict=True)
    }


def _hour(series: dict[datetime, float | None], slot: datetime, *, is_mean: bool) -> float | None:
    after = series.get(slot + HOUR)
    if is_mean:
        return after
    now = series.get(slot)
    return None if now is None or after is None else (now + after) / 2.0


def _asks(start: datetime, end: datetime, points: Points) -> Iterator[Ask]:
    for first, until in spans(start, end, timedelta(days=60)):
        last = until + timedelta(days=2) if until == end else until
        params = {
            "latitude": ",".join(f"{latitude:g}" for latitude, _ in points),
            "longitude": ",".join(f"{longitude:g}" for _, longitude in points),
            "hourly": ",".join(f"{name}_previous_day1" for name in CHANNEL_OF),
            "start_date": f"{first:%Y-%m-%d}",
            "end_date": f"{last:%Y-%m-%d}",
            "timezone": "GMT",
            "wind_speed_unit": "ms",
        }
        yield Ask(host=HOST, path="/forecast", params=params, until=until)


def _points(zone: str, settings: FeedSettings) -> Points:
    pairs = tuple(part.split(":") for part in settings.open_meteo_points.split(",") if part)
    points = tuple((float(latitude), float(longitude)) for latitude, longitude in pairs) or POINTS.get(zone)
    if not points:
        raise ConfigError(
            f"open-meteo knows no place of zone {zone}", hint="set VPP_FEEDS__OPEN_METEO_POINTS=LATITUDE:LONGITUDE"
        )
    return points


def _datasets(zone: str, settings: FeedSettings) -> tuple[Dataset, ...]:
    return (
        Dataset(
            name="previous-runs",
            channels=tuple(CHANNEL_OF.values()),
            asks=partial(_asks, points=_points(zone, settings)),
            read=read_previous_runs,
            every=timedelta(hours=1),
            look_back=timedelta(days=1),
            page="https://open-meteo.com/en/docs/previous-runs-api",
        ),
    )


SERVICE = Service(
    name="open-meteo",
    title="Open-Meteo, weather forecasts",
    zones=(),
    datasets=_datasets,
    step_min=60,
    closing=(),
    delay=timedelta(minutes=5),
    terms="CC BY 4.0: weather data by Open-Meteo.com; without a key for non-commercial use only",
    key_param="apikey",
    requests_per_s=1.0,
)
