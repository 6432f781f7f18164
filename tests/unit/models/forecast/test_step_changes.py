"""Steps ahead: shrunk to what is usual where the difference of levels misleads, with quantiles of their own errors."""

import numpy as np
import pytest

from features.ring import SlotRing
from models.forecast.step_changes import StepChanges
from models.forecast.waiting_forecasts import WaitingForecasts
from tests.worlds.synthetic import make_zone
from vpp.domain import NET_LOAD, horizons_min

ZONE = make_zone()
HORIZONS = horizons_min(ZONE.step_min)
STEPS = np.array(HORIZONS) // ZONE.step_min
DAY = ZONE.step.per_day
FIRST = 700 * DAY
SPREAD = np.full(len(STEPS), 10.0)


class Walk:
    """Net load with a daily shape and noise, and forecasts whose levels are right but for errors of their own."""

    def __init__(self, level_error_mw: float, noise_mw: float = 5.0) -> None:
        self.rng = np.random.default_rng(7)
        slots = FIRST + np.arange(60 * DAY)
        shape = 1000.0 + 100.0 * np.sin(2 * np.pi * (slots % DAY) / DAY)
        self.shape, self.net = shape, shape + self.rng.normal(0.0, noise_mw, slots.size)
        self.error = level_error_mw
        self.ring = SlotRing(ZONE.step, lambda channel: 43, max_days=43)
        self.waiting, self.changes = WaitingForecasts(STEPS), StepChanges(HORIZONS, ZONE.step)
        self.at = 0

    def advance(self, slots: int) -> None:
        """Close slots; from the third week on each one is forecast."""
        for _ in range(slots):
            index = FIRST + self.at
            self.ring.advance(index)
            self.ring.put(NET_LOAD, index, float(self.net[self.at]))
            self.changes.enter(self.ring, index, self.waiting, SPREAD)
            quantiles, mean = self.forecast()
            if self.at > 15 * DAY:
                self.waiting.put(index, float(self.net[self.at]), quantiles, mean, by_model=True)
            self.at += 1

    def forecast(self) -> tuple[np.ndarray, np.ndarray]:
        """Return quantiles and mean of the levels ahead of the newest slot."""
        mean = self.shape[self.at + STEPS] + self.rng.normal(0.0, self.error, STEPS.size)
        return mean[:, None] + np.linspace(-10.0, 10.0, 7), mean


@pytest.mark.parametrize(("error_mw", "gain"), [(40.0, 0.4), (0.0, 1.02)])
def test_a_step_is_better_than_the_difference_of_levels_with_errors_of_their_own(error_mw: float, gain: float) -> None:
    walk = Walk(error_mw)
    walk.advance(30 * DAY)
    own, plain = [], []
    for _ in range(3 * DAY):
        walk.advance(1)
        index, now = FIRST + walk.at - 1, float(walk.net[walk.at - 1])
        quantiles, mean = walk.forecast()
        made = walk.changes.forecast(walk.ring, index, quantiles, mean, SPREAD, 50.0)
        came = np.diff(walk.net[walk.at - 1 + STEPS])
        own.append(np.abs(made.quantiles[1:, 3] - came).mean())
        plain.append(np.abs(np.diff(mean) - came).mean())
        assert made.quantiles[0] == pytest.approx(quantiles[0] - now)
    assert np.mean(own) <= gain * np.mean(plain)


def test_quantiles_cover_what_comes_and_the_limit_counts_per_slot() -> None:
    walk = Walk(20.0)
    walk.advance(35 * DAY)
    inside, beyond, passed = [], [], []
    for _ in range(5 * DAY):
        walk.advance(1)
        quantiles, mean = walk.forecast()
        made = walk.changes.forecast(walk.ring, FIRST + walk.at - 1, quantiles, mean, SPREAD, 20.0)
        came = np.diff(walk.net[walk.at - 1 + STEPS])
        gaps = np.diff(STEPS)
        inside.append((came >= made.quantiles[1:, 0]) & (came <= made.quantiles[1:, -1]))
        beyond.append(made.beyond[1:])
        passed.append(np.abs(came) > 20.0 * gaps)
    assert 0.85 <= np.mean(inside) <= 0.95
    assert np.mean(beyond) == pytest.approx(np.mean(passed), abs=0.05)


def test_without_a_past_a_step_is_the_difference_of_levels() -> None:
    walk = Walk(20.0)
    walk.ring.advance(FIRST)
    walk.ring.put(NET_LOAD, FIRST, 1000.0)
    quantiles, mean = walk.forecast()
    made = walk.changes.forecast(walk.ring, FIRST, quantiles, mean, SPREAD, 50.0)
    assert made.quantiles[1:, 3] == pytest.approx(np.diff(mean))
    assert (np.diff(made.quantiles, axis=1) >= 0.0).all()


def test_a_faulty_reading_does_not_set_the_share() -> None:
    walk = Walk(0.0)
    walk.net[30 * DAY] = 1e6
    walk.advance(33 * DAY)
    quantiles, mean = walk.forecast()
    made = walk.changes.forecast(walk.ring, FIRST + walk.at - 1, quantiles, mean, SPREAD, 50.0)
    far = slice(2, 6)
    assert np.abs(made.quantiles[far, 3] - np.diff(mean, prepend=0.0)[far]).max() < 1e5


def test_what_was_learned_survives_being_kept() -> None:
    walk = Walk(20.0)
    walk.advance(20 * DAY)
    other = StepChanges(HORIZONS, ZONE.step)
    assert other.record() == b""
    other.load(walk.changes.record())
    quantiles, mean = walk.forecast()
    index = FIRST + walk.at - 1
    one, two = (each.forecast(walk.ring, index, quantiles, mean, SPREAD, 50.0) for each in (walk.changes, other))
    assert np.array_equal(one.quantiles, two.quantiles)
    assert other.record() == walk.changes.record()
