"""What XGBoost saves of Great Britain's net-load error in 2022: one model with its trees and without, never refitted.

Both walk through the reducer that serves. Run with ``pytest -m bench -s``.
"""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.backtest import BacktestOptions, replay_model
from models.net_load.model import ServedNetLoad
from models.net_load.residual_trees import ResidualTrees, TreesVerdict
from models.registry.artifact import assemble
from models.registry.registry import identified
from models.registry.trainer import Trainer
from models.registry.tree_card import say_trees
from vpp.domain import Target
from vpp.files.reader import read_frame
from vpp.fleet.lookup import shipped_fleet

pytestmark = [pytest.mark.bench, pytest.mark.timeout(7200)]

TRAIN_TO, TEST_TO = datetime(2022, 1, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)
SAVED = {30: 0.001, 60: 0.003, 120: 0.004, 240: 0.004}
"""Horizon in minutes and the share of the error that the trees must save."""


def test_trees_save_error_from_half_an_hour_to_four_hours(data_dir: Path) -> None:
    zone = shipped_fleet().get("GB")
    assert zone is not None
    frame = read_frame(data_dir / "gb_30min_2019_2023.csv.gz", "GB", end=TEST_TO + timedelta(days=3))
    parts, metadata = Trainer(zone).train(frame, TRAIN_TO, price=False, guard=False)
    model = assemble(parts, identified(parts, metadata))
    print(say_trees(metadata["xgboost"]))
    part = model.net_load
    assert isinstance(part, ServedNetLoad)
    linear = dataclasses.replace(part, trees=ResidualTrees.none(part.spec, 0, TreesVerdict.NO_GAIN))
    options = BacktestOptions(Target.NET_LOAD, TRAIN_TO, TRAIN_TO, TEST_TO, None)
    errors = []
    for served in (model, dataclasses.replace(model, net_load=linear)):
        run = replay_model(frame, zone, options, served)
        errors.append(np.abs(run.mean.astype(float) - run.actual))
    for h in range(12):
        minutes = part.spec.horizons_min[h]
        known = np.isfinite(errors[0][:, h]) & np.isfinite(errors[1][:, h])
        mine, other = errors[0][known, h].mean(), errors[1][known, h].mean()
        saved = 1.0 - mine / other
        print(f"{minutes} min, {known.sum()} origins: {mine:.1f} MW, linear {other:.1f} MW, {saved:.2%} saved")
        assert saved >= SAVED.get(minutes, -0.002)
