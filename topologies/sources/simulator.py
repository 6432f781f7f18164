"""A seeded generator of plausible multi-zone telemetry, for demonstrations and load tests. All of it is synthetic.

Sun and wind follow the weather, load follows calendar and temperature, the price follows net load along a merit order
with scarcity and negative prices, the frequency wobbles with the ramps. Any span can be asked for: the same seed gives
the same rows whatever was generated before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from topologies.sources import weather as w
from topologies.sources.noise import EVERYWHERE, place_code, slow, white, white_span
from vpp.domain import FREQUENCY, LOAD, PRICE, SOLAR, WIND
from vpp.files.cells.availability import ASSET_MARK
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats

CHANNELS = (
    LOAD,
    SOLAR,
    WIND,
    PRICE,
    FREQUENCY,
    "temperature_c",
    "load_forecast_da_mw",
    "solar_forecast_da_mw",
    "wind_forecast_da_mw",
)
BLOCK_DAYS = 4
DISPATCHABLE_MW = 10_400.0
PLACES = {
    "SIM_NORTH": w.Climate("SIM_NORTH", 54.0, 3000.0, 7000.0, 9900.0),
    "SIM_SOUTH": w.Climate("SIM_SOUTH", 48.0, 8000.0, 2500.0, 9700.0),
    "SIM_EAST": w.Climate("SIM_EAST", 51.5, 5200.0, 5000.0, 9800.0),
    "SIM_WEST": w.Climate("SIM_WEST", 50.5, 4200.0, 4200.0, 9700.0),
}
WORKDAY = np.array(
    [
        0.67,
        0.64,
        0.62,
        0.61,
        0.62,
        0.66,
        0.75,
        0.87,
        0.94,
        0.96,
        0.97,
        0.98,
        0.98,
        0.96,
        0.95,
        0.94,
        0.96,
        1.0,
        1.0,
        0.97,
        0.92,
        0.86,
        0.79,
        0.72,
    ]
)
FREE_DAY = np.array(
    [
        0.65,
        0.61,
        0.58,
        0.57,
        0.56,
        0.57,
        0.60,
        0.65,
        0.72,
        0.79,
        0.83,
        0.86,
        0.86,
        0.83,
        0.80,
        0.79,
        0.81,
        0.87,
        0.90,
        0.88,
        0.84,
        0.79,
        0.73,
        0.67,
    ]
)
HOLIDAYS = frozenset({(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)})


@dataclass(frozen=True, slots=True)
class _Span:
    """Consecutive slots: index of the first, how many, slots per day, middles in hours since 1970, local starts."""

    first: int
    count: int
    per_day: int
    hours: Floats
    local: pd.DatetimeIndex

    @classmethod
    def of(cls, zone: Zone, start: datetime, end: datetime) -> _Span:
        step = zone.step
        first = step.index(start)
        count = step.index(end) - first
        hours = np.asarray((np.arange(first, first + count) + 0.5) * step.hours, dtype=np.float64)
        utc = pd.date_range(step.start(first), periods=count, freq=f"{step.minutes}min")
        return cls(first, count, step.per_day, hours, utc.tz_convert(zone.time_zone))


@dataclass(frozen=True, slots=True)
class Simulator:
    """Generates rows of zones.

    Attributes:
        zones: The zones; a name outside ``PLACES`` gets a place of its own from its name.
        seed: Same seed, same rows.
        measured_assets: Also report power and SoC of each zone's first battery, which then follows a fixed day plan.
    """

    zones: tuple[Zone, ...]
    seed: int = 0
    measured_assets: bool = False

    def chunks(self, start: datetime, end: datetime | None) -> Iterator[pd.DataFrame]:
        """Yield the rows of all zones in order of time, some days at a time; without ``end`` it never stops."""
        at = start
        while end is None or at < end:
            until = at + timedelta(days=BLOCK_DAYS)
            if end is not None:
                until = min(until, end)
            frames = [self.rows(zone, at, until) for zone in self.zones]
            yield pd.concat(frames).sort_values(["slot", "zone"], kind="stable", ignore_index=True)
            at = until

    def frame(self, zone: Zone, start: datetime, end: datetime) -> pd.DataFrame:
        """Return one zone's channels on a regular index of UTC slot starts, as ``vpp.files.reader.read_frame`` does."""
        rows = self.rows(zone, start, end)
        index = pd.DatetimeIndex(rows["slot"], tz="UTC", name="slot", freq=f"{zone.step_min}min")
        return rows[list(CHANNELS)].set_axis(index)

    def rows(self, zone: Zone, start: datetime, end: datetime) -> pd.DataFrame:
        """Return the rows of one zone over ``[start, end)``."""
        span = _Span.of(zone, start, end)
        climate = place_of(zone.zone)
        sky = w.weather(climate, self.seed, span.hours)
        values = self._energy(climate, sky, span)
        net = values[LOAD] - values[SOLAR] - values[WIND]
        ahead = values["load_forecast_da_mw"] - values["solar_forecast_da_mw"] - values["wind_forecast_da_mw"]
        basis = ahead if zone.market.rule.by_auction else net
        values[PRICE] = self._price(zone, basis, span.hours)
        values[FREQUENCY] = self._frequency(span)
        values["temperature_c"] = np.round(sky.temperature_c, 1)
        rows = {"slot": span.local.tz_convert(UTC).tz_localize(None).as_unit("ns"), "zone": zone.zone}
        rows |= {name: values[name] for name in CHANNELS}
        if self.measured_assets and zone.batteries:
            rows |= _day_plan(zone, span.local)
        return pd.DataFrame(rows)

    def _energy(self, climate: w.Climate, sky: w.Weather, span: _Span) -> dict[str, Floats]:
        place = place_code(climate.name)
        sway = self._slots(place, w.TURBULENCE, span)
        wobble = slow(self.seed, place, w.LOAD_NOISE, span.hours, 0.95)
        shape = _calendar(span.local)
        warm = np.maximum(15.0 - sky.temperature_c, 0.0) * 0.007 + np.maximum(sky.temperature_c - 22.0, 0.0) * 0.010
        load = climate.base_load_mw * (shape * (0.93 + warm) + 0.010 * wobble + 0.0015 * sway)
        error = slow(self.seed, place, w.LOAD_ERROR, span.hours, 0.9)
        solar = w.solar_mw(climate, sky.clear_wm2, sky.cloud, sky.temperature_c)
        wind = w.wind_mw(climate, sky.wind_ms * np.exp(0.008 * sway))
        return {
            LOAD: np.round(load, 1),
            SOLAR: np.round(solar, 1),
            WIND: np.round(wind, 1),
            "load_forecast_da_mw": np.round(load * (1.0 + 0.013 * error), 1),
            "solar_forecast_da_mw": np.round(w.solar_mw(climate, sky.clear_wm2, sky.cloud_ahead, sky.temperature_c), 1),
            "wind_forecast_da_mw": np.round(w.wind_mw(climate, sky.wind_ahead_ms), 1),
        }

    def _price(self, zone: Zone, net_mw: Floats, hours: Floats) -> Floats:
        fuel = np.exp(0.12 * slow(self.seed, EVERYWHERE, w.FUEL, hours, 0.995))
        noise = slow(self.seed, place_code(zone.zone), w.PRICE_NOISE, hours, 0.6)
        used = net_mw / DISPATCHABLE_MW
        running = 22.0 + 118.0 * np.clip(used, 0.0, None) ** 1.7
        surplus = -170.0 * np.maximum(0.22 - used, 0.0)
        scarce = 2400.0 * np.maximum(used - 0.86, 0.0) ** 1.5 * 10.0
        floor, cap = zone.market.price_floor_per_mwh, zone.market.price_cap_per_mwh
        low = -25.0 * (used < 0.15)
        price = np.clip(fuel * running + surplus + low + scarce + 5.0 * noise, floor, cap)
        return np.asarray(np.round(price, 2), dtype=np.float64)

    def _frequency(self, span: _Span) -> Floats:
        wobble = self._slots(EVERYWHERE, w.GRID, span)
        hour_edge = 0.012 * np.cos(np.pi * (span.hours % 1.0))
        return np.asarray(np.round(50.0 + 0.008 * wobble + hour_edge, 4), dtype=np.float64)

    def frequency_swing_hz(self, at_s: float, every_s: float) -> float:
        """Return how far the frequency of a tick lies from its slot's mean: noise, and now and then a lost unit.

        In half of all hours a unit trips, or in one of five cases a large load: a step of 0.12 Hz on average, at most
        0.8 Hz, which the grid makes good with a time constant of a minute.

        Args:
            at_s: End of the tick in seconds since 1970.
            every_s: Length of a tick.
        """
        per_day = round(86_400.0 / every_s)
        day, in_day_s = divmod(at_s, 86_400.0)
        noise = white(self.seed, EVERYWHERE, w.GRID_TICKS, int(day), per_day)[int(in_day_s // every_s) % per_day]
        swing = 0.01 * float(noise)
        for hour in (int(at_s // 3600.0) - 1, int(at_s // 3600.0)):
            chance = np.random.default_rng([self.seed, EVERYWHERE, w.GRID_EVENTS, hour])
            trips, second, depth, is_load = chance.uniform(size=4)
            since_s = at_s - hour * 3600.0 - 3600.0 * second
            if trips < 0.5 and since_s >= 0.0:
                step_hz = min(-0.12 * math.log(1.0 - depth), 0.8)
                swing += (1.0 if is_load < 0.2 else -1.0) * step_hz * math.exp(-since_s / 60.0)
        return round(swing, 4)

    def _slots(self, place: int, stream: int, span: _Span) -> Floats:
        day, offset = divmod(span.first, span.per_day)
        days = (offset + span.count - 1) // span.per_day + 1
        return white_span(self.seed, place, stream, day, days, span.per_day)[offset : offset + span.count]


def place_of(name: str) -> w.Climate:
    """Return the synthetic place of a zone; an unlisted name gives a place of its own, always the same."""
    place = PLACES.get(name)
    if place is not None:
        return place
    drawn = np.random.default_rng([place_code(name), 7]).uniform(size=3)
    return w.Climate(name, 46.0 + 9.0 * drawn[0], 2500.0 + 5500.0 * drawn[1], 2500.0 + 4500.0 * drawn[2], 9800.0)


def simulated_names(count: int) -> Sequence[str]:
    """Return the names of ``count`` simulated zones: the four described ones, or SIM_001 and so on for more."""
    if count <= len(PLACES):
        return tuple(PLACES)[:count]
    return tuple(f"SIM_{i:03d}" for i in range(1, count + 1))


def _calendar(local: pd.DatetimeIndex) -> Floats:
    hour = local.hour.to_numpy() + (local.minute.to_numpy() + 0.0) / 60.0
    hours = np.arange(25.0)
    work = np.interp(hour, hours, np.append(WORKDAY, WORKDAY[0]))
    free = np.interp(hour, hours, np.append(FREE_DAY, FREE_DAY[0]))
    weekday = local.day_of_week.to_numpy()
    holiday = np.array([(m, d) in HOLIDAYS for m, d in zip(local.month, local.day, strict=True)])
    day = np.where((weekday == 6) | holiday, free, np.where(weekday == 5, 0.45 * work + 0.55 * free, work))
    return np.asarray(day)


def _day_plan(zone: Zone, local: pd.DatetimeIndex) -> dict[str, Floats]:
    battery = zone.batteries[0]
    hour = local.hour.to_numpy() + local.minute.to_numpy() / 60.0
    usable = (battery.soc_max - battery.soc_min) * 0.9
    # Two hours of charging from 11:00 and two of discharging from 18:00 local time; SoC stands at the slot's end.
    end = hour + zone.step.hours
    filled = np.clip((end - 11.0) / 2.0, 0.0, 1.0) - np.clip((end - 18.0) / 2.0, 0.0, 1.0)
    before = np.clip((hour - 11.0) / 2.0, 0.0, 1.0) - np.clip((hour - 18.0) / 2.0, 0.0, 1.0)
    energy_mwh = (filled - before) * usable * battery.energy_mwh
    power = np.where(energy_mwh > 0, energy_mwh / battery.charge_efficiency, energy_mwh * battery.discharge_efficiency)
    mark = f"{ASSET_MARK}{battery.asset_id}:"
    return {
        mark + "power_mw": np.round(-power / zone.step.hours, 3) + 0.0,
        mark + "soc": np.round(battery.soc_min + filled * usable, 4),
    }
