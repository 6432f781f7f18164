"""The kernel against exact arithmetic, and the parity of training and serving bit for bit."""

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from math import isnan, nan, sqrt

import numpy as np
import pandas as pd
import pytest

from features.calendar import Calendar
from features.compute import FeatureHistory, RingFeatures, make_history
from features.derived_series import MAX_DEPTH_DAYS, depth_days, is_published
from features.feature_list import build_spec
from features.feature_spec import FeatureSpec
from features.kernel_reads import clear_sky, night_level, rolling, slot_mean, window_mean
from features.ring import SlotRing
from models.history import known_until, with_net_load
from tests.worlds.synthetic import make_frame, make_zone
from vpp.fleet.schema import Zone

NONE = np.array([10**12])


def stats(values: list[float]) -> tuple[float, float, float, float, float]:
    data = np.array([values])
    t, width = len(values) - 1, len(values)
    lowest, highest, spread, slope = rolling(data, 0, 0, NONE, 0, t, width)
    return window_mean(data, 0, 0, NONE, 0, t, width), lowest, highest, spread, slope


def exact(values: list[float]) -> tuple[float, float]:
    """Mean and population deviation by rational arithmetic."""
    reference = [Fraction(v) for v in values if not isnan(v)]
    mean = sum(reference) / len(reference)
    return float(mean), sqrt(float(sum((v - mean) ** 2 for v in reference) / len(reference)))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([100.25, 99.5, 101.75, 98.0] * 12, id="plain"),
        pytest.param([1e12] + [100.0 + i % 7 for i in range(47)], id="a 1e12 spike"),
        pytest.param([100.0, nan, 102.0, 99.0, nan, 101.0] * 8, id="missing values"),
        pytest.param([1e9 + 0.001 * (i % 5) for i in range(48)], id="level 1e9"),
        pytest.param([0.0] * 20 + [3.5, 800.0, 1200.25] * 9, id="solar with night zeros"),
    ],
)
def test_rolling_statistics_agree_with_exact_fractions(values: list[float]) -> None:
    mean, lowest, highest, spread, _ = stats(values)
    true_mean, true_spread = exact(values)
    reference = [v for v in values if not isnan(v)]
    assert mean == pytest.approx(true_mean, rel=1e-14)
    assert spread == pytest.approx(true_spread, rel=1e-7)
    assert (lowest, highest) == (min(reference), max(reference))


def test_after_a_spike_has_left_the_window_nothing_of_it_remains() -> None:
    after = [100.0 + i % 7 for i in range(48)]
    data = np.array([[1e12, *after]])
    assert rolling(data, 0, 0, NONE, 0, 48, 48)[2] == pytest.approx(exact(after)[1], rel=1e-15)


@pytest.mark.parametrize("level", [0.1, 1e9 + 0.1, -3.3e11])
def test_a_constant_window_has_no_spread_at_all(level: float) -> None:
    mean, lowest, highest, spread, slope = stats([level] * 48)
    assert (lowest, highest, spread, slope) == (level, level, 0.0, 0.0)
    assert mean == pytest.approx(level, rel=1e-15)


def test_a_straight_line_has_its_slope() -> None:
    assert stats([5.0 + 2.5 * i for i in range(12)])[4] == pytest.approx(2.5)


def test_more_than_half_missing_is_missing() -> None:
    assert isnan(stats([nan, nan, nan, 1.0])[0])
    assert isnan(stats([nan, nan, nan, 1.0])[3])
    assert stats([nan, nan, 3.0, 1.0])[0] == 2.0


def test_what_was_not_known_at_the_origin_is_missing() -> None:
    data = np.array([[1.0, 2.0, 3.0, 4.0]])
    assert window_mean(data, 0, 0, np.array([2]), 0, 3, 4) == 2.0
    assert isnan(slot_mean(data, 0, 0, np.array([-1]), 0, 3, 3, 2, 1))


class World:
    """A made-up zone, its history for training, and a ring that is fed as the stream feeds it."""

    def __init__(self, zone: Zone, frame: pd.DataFrame) -> None:
        self.zone = zone
        self.frame = with_net_load(frame, zone)
        self.spec: FeatureSpec = build_spec(self.frame.columns, zone.step)
        self.first = zone.step.index(self.frame.index[0].to_pydatetime())
        self.calendar = Calendar(zone)
        self.leak = False
        index = pd.DatetimeIndex(self.frame.index)
        self.until = {c: known_until(zone, c, index) for c in self.spec.channels if is_published(c)}

    def morning(self) -> int:
        """An origin at four in the morning, when nothing of the next day is published yet."""
        return 48 * self.zone.step.per_day + self.zone.step.per_day // 6

    def history(self, frame: pd.DataFrame | None = None) -> FeatureHistory:
        values = self.frame if frame is None else frame
        arrays = {c: values[c].to_numpy() for c in self.spec.channels}
        return make_history(self.spec, arrays, self.first, self.until, self.calendar)

    def trained(self, origin: int, frame: pd.DataFrame | None = None) -> np.ndarray:
        history = self.history(frame)
        if self.leak:
            history.limits[:] += 2 * self.zone.step.per_day
        steps = self.spec.horizon_steps
        origins = np.full(len(steps), origin)
        rows = history.origin_rows(origins)
        history.fill_targets(rows, origins, steps)
        return rows

    def serve(self, last: int, write: Callable[[SlotRing, str, int, float], object]) -> np.ndarray:
        ring = SlotRing(self.zone.step, depth_days, max_days=MAX_DEPTH_DAYS)
        served = RingFeatures(self.spec, self.calendar)
        sent = dict.fromkeys(self.until, 0)
        rows = np.empty(0)
        for t in range(last + 1):
            ring.advance(self.first + t)
            for channel in self.spec.channels:
                values = self.frame[channel].to_numpy()
                if channel in self.until:
                    end = int(self.until[channel][t]) + 1
                    for i in range(sent[channel], end):
                        ring.put(channel, self.first + i, values[i])
                    sent[channel] = max(end, sent[channel])
                else:
                    write(ring, channel, self.first + t, values[t])
            if t % 500 == 0 or t == last:
                rows = served.rows(ring, self.first + t)
        return rows.copy()


@pytest.fixture(scope="module", params=[60, 30])
def world(request: pytest.FixtureRequest) -> World:
    frame = make_frame(50, step_min=request.param)
    chance = np.random.default_rng(3)
    for column in ("load_mw", "solar_mw", "wind_mw"):
        frame.loc[frame.index[chance.random(len(frame)) < 0.02], column] = np.nan
    for column, mean in (("temperature", 12.0), ("ghi", 200.0), ("wind_speed_100m", 8.0)):
        unit = {"temperature": "c", "ghi": "wm2"}.get(column, "ms")
        frame[f"{column}_forecast_d1_{unit}"] = mean + chance.normal(0.0, mean / 4, len(frame))
    return World(make_zone(request.param), frame)


def test_serving_gives_the_bits_of_training(world: World) -> None:
    last = len(world.frame) - 40
    served = world.serve(last, lambda ring, channel, index, value: ring.put(channel, index, value))
    np.testing.assert_array_equal(served, world.trained(last))
    assert np.isnan(served).mean() < 0.1


@pytest.mark.drill("disordered_input")
def test_gaps_duplicates_and_late_values_give_the_bits_of_the_same_history(world: World) -> None:
    last = len(world.frame) - 40
    late: dict[int, list[tuple[str, int, float]]] = {}

    def write(ring: SlotRing, channel: str, index: int, value: float) -> None:
        position = index - world.first
        for name, slot, held in late.pop(position, []):
            ring.put(name, slot, held)
        if position % 11 == 5 and position < last - 20:
            late.setdefault(position + 7, []).append((channel, index, value))
            return
        for _ in range(1 + position % 3):
            ring.put(channel, index, value)

    np.testing.assert_array_equal(world.serve(last, write), world.trained(last))


@pytest.mark.parametrize("hour", [1, 8, 13])
def test_a_table_knows_no_absolute_power(world: World, hour: int) -> None:
    """A roof and a region of the same shape have the same features, each in its own MW; powers of two are exact."""
    origin = 48 * world.zone.step.per_day + hour * world.zone.step.per_day // 24
    factor = 2.0**-22
    small = world.frame.copy()
    columns = [name for name in small.columns if name.endswith("_mw")]
    small[columns] *= factor
    region, roof = world.trained(origin), world.trained(origin, small)
    absolute = [
        feature.name
        for feature, of_region, of_roof in zip(world.spec.features, region, roof, strict=True)
        if not any(
            np.allclose(of_roof, of_region * factor**power, rtol=1e-12, atol=0.0, equal_nan=True) for power in (0, 1, 2)
        )
    ]
    assert absolute == []


def test_what_a_meter_shows_at_night_is_no_sun() -> None:
    day = np.maximum(0.0, np.sin((np.arange(48) - 12) / 24 * np.pi)) * 0.005  # a roof of 5 kW
    noise = np.full(48, 1e-8)
    data = np.tile(day + noise, 15)[None, :]
    t = data.shape[1] - 1
    night = night_level(data, 0, 0, NONE, 0, t, 14, 48)
    assert night == pytest.approx(5e-7, rel=1e-3)
    assert clear_sky(data, 0, 0, NONE, 0, t, t, 14, 48, night) == 0.0
    assert clear_sky(data, 0, 0, NONE, 0, t - 23, t, 14, 48, night) == pytest.approx(0.005, rel=1e-4)


def with_noise_for_the_unknown(world: World, origin: int) -> pd.DataFrame:
    noise = np.random.default_rng(9).normal(0, 1e5, len(world.frame))
    later = world.frame.copy()
    for channel in world.spec.channels:
        reference = world.until[channel][origin] if channel in world.until else origin
        values = later[channel].to_numpy().copy()
        values[reference + 1 :] = noise[reference + 1 :]
        later[channel] = values
    return later


def test_no_feature_sees_what_was_not_yet_known(world: World) -> None:
    origin = world.morning()
    later = with_noise_for_the_unknown(world, origin)
    np.testing.assert_array_equal(world.trained(origin, later), world.trained(origin))


def test_a_planted_leak_is_seen(world: World) -> None:
    origin = world.morning()
    later = with_noise_for_the_unknown(world, origin)
    world.leak = True
    try:
        assert not np.array_equal(world.trained(origin, later), world.trained(origin), equal_nan=True)
    finally:
        world.leak = False


def test_each_series_matters(world: World) -> None:
    origin = len(world.frame) - 60
    before = world.trained(origin)
    for channel in world.spec.channels:
        shifted = world.frame.copy()
        shifted[channel] = shifted[channel].shift(1)
        assert not np.array_equal(world.trained(origin, shifted), before, equal_nan=True), channel


def test_clock_changes_keep_the_columns_finite() -> None:
    zone = make_zone(60)
    frame = make_frame(95, step_min=60)
    world = World(zone, frame)
    spring = int((datetime(2021, 3, 28, 0, tzinfo=UTC) - frame.index[0].to_pydatetime()).total_seconds() // 3600)
    rows = world.trained(spring)
    assert np.isfinite(rows[world.spec.columns("A")]).all()
