from datetime import timedelta

import numpy as np
import pytest

from models.bundle import assemble
from models.promotion import HOLDOUT_DAYS, compare, judge
from models.registry import identified
from models.training import Trainer
from tests.unit.models.synthetic import make_frame, make_zone


def test_a_steady_gain_promotes_and_noise_does_not() -> None:
    chance = np.random.default_rng(1)
    before = 1.0 + chance.normal(0, 0.1, 28)
    assert compare(before - 0.05, before).promote
    verdict = compare(before + chance.normal(0, 0.05, 28), before)
    assert not verdict.promote
    assert 0.0 < verdict.better < 0.9


def test_one_good_day_is_not_enough() -> None:
    before = np.ones(28)
    after = np.ones(28) + 0.001
    after[5] = 0.2
    assert compare(after, before).gain > 0
    assert not compare(after, before).promote


def test_the_same_losses_give_the_same_verdict() -> None:
    chance = np.random.default_rng(2)
    after, before = chance.normal(1, 0.1, 28), chance.normal(1, 0.1, 28)
    assert compare(after, before) == compare(after, before)


def test_a_model_that_has_seen_the_weeks_is_not_compared() -> None:
    zone, frame = make_zone(60), make_frame(40, step_min=60)
    until = frame.index[-1].to_pydatetime()
    parts, metadata = Trainer(zone).train(frame, until, price=False)
    assert judge(frame, zone, assemble(parts, identified(parts, metadata)), until) is None


@pytest.mark.slow
def test_a_model_of_a_longer_history_replaces_one_of_a_short_one() -> None:
    zone, frame = make_zone(60), make_frame(150, step_min=60)
    until = frame.index[-1].to_pydatetime()
    parts, metadata = Trainer(zone).train(frame, until - timedelta(days=HOLDOUT_DAYS + 80), price=False)
    verdict = judge(frame, zone, assemble(parts, identified(parts, metadata)), until)
    assert verdict is not None
    assert verdict.days == HOLDOUT_DAYS
    assert verdict.promote
