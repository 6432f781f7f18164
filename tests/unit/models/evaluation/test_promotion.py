import json
from datetime import timedelta

import numpy as np
import pytest

from models.evaluation.promotion import FALLBACK, HOLDOUT_DAYS, PromotionVerdict, compare, judge
from models.registry.artifact import assemble
from models.registry.registry import identified
from models.registry.trainer import Trainer
from models.served import ServedModel
from tests.worlds.synthetic import make_frame, make_zone
from vpp.domain import iso


def test_a_steady_gain_is_better_and_noise_is_neither() -> None:
    chance = np.random.default_rng(1)
    before = 1.0 + chance.normal(0, 0.1, 28)
    assert compare(before - 0.05, before).is_better
    assert compare(before + 0.05, before).is_worse
    result = compare(before + chance.normal(0, 0.05, 28), before)
    assert not result.is_better
    assert not result.is_worse
    assert 0.1 < result.better < 0.9


def test_the_same_losses_are_neither_better_nor_worse() -> None:
    before = 1.0 + np.random.default_rng(1).normal(0, 0.1, 28)
    result = compare(before, before)
    assert result.gain == 0.0
    assert not result.is_better
    assert not result.is_worse


def test_one_good_day_is_not_enough() -> None:
    before = np.ones(28)
    after = np.ones(28) + 0.001
    after[5] = 0.2
    assert compare(after, before).gain > 0
    assert not compare(after, before).is_better


def test_the_same_losses_give_the_same_verdict() -> None:
    chance = np.random.default_rng(2)
    after, before = chance.normal(1, 0.1, 28), chance.normal(1, 0.1, 28)
    assert compare(after, before) == compare(after, before)


@pytest.mark.parametrize("age_days", [0, 13])
def test_a_model_that_has_seen_the_weeks_stays(age_days: int) -> None:
    zone, frame = make_zone(60), make_frame(40, step_min=60)
    until = frame.index[-1].to_pydatetime()
    seen = {"until": iso(until - timedelta(days=age_days))}
    verdict = judge(frame, zone, ServedModel("young", "0", "T", 60, None, None, seen), until)
    assert (verdict.promote, verdict.against) == (False, "young")
    assert "14 days that it has not seen" in verdict.reason


def test_too_short_a_history_gives_no_verdict() -> None:
    zone, frame = make_zone(60), make_frame(20, step_min=60)
    verdict = judge(frame, zone, None, frame.index[-1].to_pydatetime())
    assert (verdict.promote, verdict.against, dict(verdict.by_target)) == (False, FALLBACK, {})


@pytest.mark.slow
def test_a_model_of_a_longer_history_replaces_one_of_a_short_one() -> None:
    zone, frame = make_zone(60), make_frame(130, step_min=60).drop(columns="price_per_mwh")
    until = frame.index[-1].to_pydatetime()
    parts, metadata = Trainer(zone).train(frame, until - timedelta(days=HOLDOUT_DAYS + 62), price=False)
    in_force = assemble(parts, identified(parts, metadata))
    verdict = judge(frame, zone, in_force, until)
    assert (verdict.promote, verdict.against) == (True, in_force.model_id)
    assert set(verdict.by_target) == {"net_load"}
    assert verdict.by_target["net_load"].days == HOLDOUT_DAYS
    assert json.loads(json.dumps(verdict.document()))["targets"]["net_load"]["better"] >= 0.9


def test_a_verdict_without_a_comparison_is_plain_values() -> None:
    assert json.loads(json.dumps(PromotionVerdict(False, "too young", "x").document()))["since"] is None
