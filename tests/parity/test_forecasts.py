"""The stream and the backtest give the same forecasts: same reducer, same refits, same order of what was known."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.backtest import BacktestOptions, run_backtest
from models.registry.registry import Registry
from models.registry.trainer import Trainer
from tests.worlds.synthetic import make_frame, write_history
from topologies.runtime.in_process import Chain, outputs_of
from topologies.sources.availability_order import Refits, Window, replay_messages
from topologies.sources.feed import open_file
from topologies.sources.refit import Retraining
from vpp.domain import QUANTILE_NAMES, Target
from vpp.files.cells.availability import MAX_LEAD
from vpp.messages import Forecast
from vpp.settings import Settings

LIVE, END = datetime(2021, 2, 18, tzinfo=UTC), datetime(2021, 2, 20, 6, tzinfo=UTC)
EVERY = timedelta(days=2)


@pytest.mark.slow
def test_the_stream_gives_the_forecasts_of_the_backtest(tmp_path: Path) -> None:
    write_history(tmp_path / "t.csv", "T", make_frame(53, step_min=60))
    feed = open_file(tmp_path / "t.csv", names=("T",), start=LIVE)
    zone, settings = feed.zones["T"], Settings(data_dir=tmp_path)
    registry = Registry(settings.models_dir)
    registry.promote(registry.save(*Trainer(zone).train(feed.frame("T", LIVE + MAX_LEAD), LIVE)).model_id)

    window = Window(start=LIVE, end=END, warm_up=timedelta(days=60))
    refits = Refits(Retraining(feed, settings, LIVE, EVERY, compare=False), EVERY)
    messages = replay_messages(
        feed.chunks(window.first_row, window.read_until), feed.zones, window=window, refits=refits
    )
    chain = Chain(settings, feed.zones.get, steps=("telemetry", "forecast"))
    streamed = [m for m in outputs_of(chain, messages)["forecasts"] if isinstance(m, Forecast)]
    for target in Target:
        run = run_backtest(feed.frame("T", END + MAX_LEAD), zone, BacktestOptions(target, LIVE, LIVE, END, EVERY))
        assert [f.slot for f in streamed] == list(run.origins.to_pydatetime())
        assert len(run.models) == 2
        for n, forecast in enumerate(streamed):
            made = forecast.net_load if target is Target.NET_LOAD else forecast.price
            assert made is not None
            assert made.source == run.source[n] == "model"
            levels = np.array([made.level(name) for name in QUANTILE_NAMES], dtype=np.float32).T
            np.testing.assert_array_equal(levels, run.quantiles[n])
