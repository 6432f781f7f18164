"""Net load of Great Britain against mlforecast on the same origins.

Needs the extra ``compare`` (``pip install -e '.[compare]'``); run with ``pytest -m bench -s``.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.evaluation.backtest import BacktestOptions, run_backtest
from models.history import with_net_load
from vpp.domain import Target
from vpp.files.reader import read_frame
from vpp.fleet.lookup import shipped_fleet

pytest.importorskip("mlforecast", reason="needs the extra: pip install -e '.[compare]'")

pytestmark = [pytest.mark.bench, pytest.mark.timeout(7200)]

TRAIN_TO, TEST_TO = datetime(2022, 1, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)
EVERY = 51
"""Origins compared: every 51st half hour, which visits all times of day."""

HORIZONS = {30: 0.05, 360: 0.40}
"""Horizon in minutes and the share by which our error must be lower."""


def their_errors(net: pd.Series, origins: pd.DatetimeIndex) -> dict[int, np.ndarray]:
    """Absolute errors of a recursive LightGBM on first differences, fitted before 2022."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.target_transforms import Differences

    table = pd.DataFrame(
        {"unique_id": "GB", "ds": pd.DatetimeIndex(net.index).tz_localize(None), "y": net.interpolate().to_numpy()}
    )
    past = table[table.ds < pd.Timestamp(TRAIN_TO.replace(tzinfo=None))]
    model = MLForecast(
        models=LGBMRegressor(n_estimators=400, learning_rate=0.05, num_leaves=63, n_jobs=1, verbosity=-1),
        freq="30min",
        lags=[*range(1, 49), 96, 144, 192, 240, 288, 335, 336, 337, 672],
        date_features=["hour", "minute", "dayofweek", "month"],
        target_transforms=[Differences([1])],
    )
    model.fit(past, static_features=[])
    errors: dict[int, list[float]] = {minutes: [] for minutes in HORIZONS}
    for origin in origins:
        seen = table[
            (table.ds <= origin.tz_localize(None)) & (table.ds > origin.tz_localize(None) - timedelta(days=30))
        ]
        made = model.predict(h=max(HORIZONS) // 30, new_df=seen)["LGBMRegressor"].to_numpy()
        for minutes, result in errors.items():
            actual = net.get(origin + timedelta(minutes=minutes), np.nan)
            result.append(abs(made[minutes // 30 - 1] - actual))
    return {minutes: np.array(result) for minutes, result in errors.items()}


def test_net_load_beats_mlforecast_on_the_same_origins(data_dir: Path) -> None:
    zone = shipped_fleet().get("GB")
    assert zone is not None
    frame = read_frame(data_dir / "gb_30min_2019_2023.csv.gz", "GB", end=TEST_TO + timedelta(days=3))
    run = run_backtest(frame, zone, BacktestOptions(Target.NET_LOAD, TRAIN_TO, TRAIN_TO, TEST_TO))
    net = with_net_load(frame, zone)["net_load_mw"]
    chosen = run.origins[::EVERY]
    theirs = their_errors(net, chosen)
    for minutes, wanted in HORIZONS.items():
        h = run.horizons_min.index(minutes)
        ours = np.abs(run.quantiles[::EVERY, h, 3] - run.actual[::EVERY, h]).astype(float)
        both = ~np.isnan(ours) & ~np.isnan(theirs[minutes])
        mine, other = ours[both].mean(), theirs[minutes][both].mean()
        lower = 1.0 - mine / other
        print(f"{minutes} min, {both.sum()} origins: {mine:.1f} MW, mlforecast {other:.1f} MW, {lower:.1%} lower")
        assert lower >= wanted
