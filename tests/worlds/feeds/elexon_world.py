"""Great Britain as Elexon's service shows it: made-up half hours in the documented shapes, the same at every call."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from tests.worlds.feeds.feed_server import Query
from vpp.local_time import local_date, utc_of

HALF_HOUR = timedelta(minutes=30)
ZONE = "Europe/London"
FUELS = ("CCGT", "NUCLEAR", "WIND", "BIOMASS", "NPSHYD", "PS", "COAL", "OIL", "INTFR", "INTNED")


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class ElexonWorld:
    """Answers requests below ``/bmrs/api/v1`` or any other base.

    Attributes:
        now: The service's clock: nothing later is published.
        revised: Half hour to the price of its later run, with that run's time.
    """

    now: Callable[[], datetime] = utc_now
    revised: dict[datetime, tuple[float, datetime]] = field(default_factory=dict)

    def __call__(self, path: str, query: Query) -> Any:
        if path.endswith("/datasets/FUELHH"):
            if "publishDateTimeFrom" not in query or "settlementDateFrom" in query:
                return None
            return {"data": list(self.fuel(_time(query["publishDateTimeFrom"]), _time(query["publishDateTimeTo"])))}
        if "/balancing/settlement/system-prices/" in path:
            return {"metadata": {"datasets": ["DISEBSP"]}, "data": list(self.prices(date.fromisoformat(path[-10:])))}
        if path.endswith("/forecast/demand/day-ahead/history"):
            return {"data": list(self.demand_forecast(_time(query["publishTime"])))}
        if path.endswith("/forecast/generation/wind/history"):
            return {"data": list(self.wind_forecast(_time(query["publishTime"])))}
        return None

    def generation_mw(self, slot: datetime) -> dict[str, int]:
        """Return the generation of a half hour by fuel (MW); storage that pumps and exports are negative."""
        chance = random.Random(f"fuel {slot.isoformat()}")
        wind = self.wind_mw(slot)
        mix = {
            "NUCLEAR": 4500,
            "WIND": wind,
            "BIOMASS": 2000 + chance.randint(-50, 50),
            "NPSHYD": 300,
            "COAL": 0,
            "OIL": 0,
            "PS": chance.randint(-400, 400),
            "INTFR": 1500 + chance.randint(-300, 300),
            "INTNED": -200,
        }
        return {**mix, "CCGT": self.demand_mw(slot) - sum(mix.values())}

    def demand_mw(self, slot: datetime) -> int:
        """Return the transmission demand of a half hour (MW): day, week and season, with a slow noise."""
        hour = slot.hour + slot.minute / 60
        week = 0.9 if slot.weekday() >= 5 else 1.0
        season = 3500 * math.cos(2 * math.pi * (slot.timetuple().tm_yday - 15) / 365)
        day = 5500 * math.sin(math.pi * (hour - 7) / 12) if 6 < hour < 21 else -4500
        return round(week * (29000 + season + day) + 600 * _slow("load", slot))

    def wind_mw(self, slot: datetime) -> int:
        """Return metered wind (MW)."""
        return round(8000 * (1 + 0.8 * _slow("wind", slot)))

    def price(self, slot: datetime) -> float:
        """Return the first published system price (GBP per MWh)."""
        net = self.demand_mw(slot) - self.wind_mw(slot)
        return round(20 + 0.004 * net + 12 * random.Random(f"price {slot.isoformat()}").gauss(0, 1), 2)

    def fuel(self, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        """Yield rows published in ``[start, end]``: a half hour is published when it ends."""
        slot = _ceil(start) - HALF_HOUR
        while (published := slot + HALF_HOUR) <= min(end, self.now()):
            if published >= start:
                for fuel, generation in self.generation_mw(slot).items():
                    yield {
                        "dataset": "FUELHH",
                        "publishTime": _text(published),
                        "startTime": _text(slot),
                        **_settlement(slot),
                        "fuelType": fuel,
                        "generation": generation,
                    }
            slot += HALF_HOUR

    def prices(self, day: date) -> Iterator[dict[str, Any]]:
        """Yield the latest run of every half hour of a local day that has one: 46, 48 or 50 rows."""
        slot, end = utc_of(day, 0, ZONE), utc_of(day + timedelta(days=1), 0, ZONE)
        while slot < end:
            created = slot + HALF_HOUR + timedelta(minutes=20)
            price = self.price(slot)
            if slot in self.revised and self.revised[slot][1] <= self.now():
                price, created = self.revised[slot]
            if created <= self.now():
                yield {
                    **_settlement(slot),
                    "startTime": _text(slot),
                    "createdDateTime": _text(created),
                    "systemSellPrice": price,
                    "systemBuyPrice": price,
                    "bsadDefaulted": False,
                    "priceDerivationCode": "P",
                    "reserveScarcityPrice": 0.0,
                    "netImbalanceVolume": 100.0,
                }
            slot += HALF_HOUR

    def demand_forecast(self, asked: datetime) -> Iterator[dict[str, Any]]:
        """Yield the forecast as known at a time: published each half hour, to the end of the next local day."""
        published = _ceil(min(asked, self.now())) - HALF_HOUR
        end = utc_of(local_date(published, ZONE) + timedelta(days=2), 0, ZONE)
        slot = published + HALF_HOUR
        while slot < end:
            demand = round(self.demand_mw(slot) + 300 * _slow(f"load error {published.date()}", slot))
            for boundary, share in (("N", 1.0), ("B1", 0.1)):
                yield {
                    "publishTime": _text(published),
                    "startTime": _text(slot),
                    **_settlement(slot),
                    "boundary": boundary,
                    "nationalDemand": round((demand - 600) * share),
                    "transmissionSystemDemand": round(demand * share),
                }
            slot += HALF_HOUR

    def wind_forecast(self, asked: datetime) -> Iterator[dict[str, Any]]:
        """Yield the hourly forecast as known at a time: published at 08:30 of the day, for three days."""
        reference = min(asked, self.now())
        published = reference.replace(hour=8, minute=30, second=0, microsecond=0)
        if published > reference:
            published -= timedelta(days=1)
        first = published.replace(hour=20, minute=0) - timedelta(days=1)
        for hour in range(72):
            start = first + timedelta(hours=hour)
            mean = (self.wind_mw(start) + self.wind_mw(start + HALF_HOUR)) / 2
            yield {
                "publishTime": _text(published),
                "startTime": _text(start),
                **_settlement(start),
                "generation": round(mean + 500 * _slow(f"wind error {published.date()}", start)),
            }


def _slow(name: str, slot: datetime) -> float:
    """Return a smooth seeded noise of about -1 to 1."""
    at = slot.timestamp() / (6 * 3600)
    low, share = math.floor(at), at - math.floor(at)
    ends = [_end(name, n) for n in (low, low + 1)]
    return ends[0] + (ends[1] - ends[0]) * (3 - 2 * share) * share * share


@lru_cache(maxsize=10_000)
def _end(name: str, n: int) -> float:
    return random.Random(f"{name} {n}").uniform(-1, 1)


def _settlement(slot: datetime) -> dict[str, Any]:
    day = local_date(slot, ZONE)
    return {
        "settlementDate": day.isoformat(),
        "settlementPeriod": int((slot - utc_of(day, 0, ZONE)) / HALF_HOUR) + 1,
    }


def _ceil(when: datetime) -> datetime:
    half_hours = math.ceil(when.timestamp() / 1800)
    return datetime.fromtimestamp(1800 * half_hours, UTC)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _text(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
