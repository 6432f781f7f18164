"""Day-ahead prices: the chain, refitted every midnight, forecasts before each auction what the backtest does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.dayahead_backtest import run_day_ahead
from models.registry.registry import Registry
from models.registry.trainer import Trainer
from tests.worlds.dayahead_prices import SERVED, market
from tests.worlds.synthetic import write_history
from topologies.runtime.in_process import Chain, outputs_of
from topologies.sources.availability_order import Refits, Window, replay_messages
from topologies.sources.feed import open_file
from topologies.sources.refit import Retraining
from vpp.domain import QUANTILE_NAMES
from vpp.files.cells.availability import MAX_LEAD
from vpp.files.zone_fitting import Overrides
from vpp.messages import Forecast
from vpp.settings import Settings

LIVE = datetime(2023, 6, 29, 22, tzinfo=UTC)
DAYS = 2
EVERY = timedelta(days=1)
HALF_CENT = 0.5001e-2
"""Expert prices are published to a cent."""


@pytest.mark.slow
def test_the_stream_forecasts_before_each_auction_what_the_backtest_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.price.dayahead.training.WalkSettings", lambda: SERVED)
    write_history(tmp_path / "z.csv", "Z", market())
    feed = open_file(
        tmp_path / "z.csv", names=("Z",), start=LIVE, overrides=Overrides(time_zone="Europe/Berlin", market="day_ahead")
    )
    zone, settings, end = feed.zones["Z"], Settings(data_dir=tmp_path), LIVE + DAYS * EVERY
    registry = Registry(settings.models_dir)
    registry.promote(registry.save(*Trainer(zone).train(feed.frame("Z", LIVE + MAX_LEAD), LIVE)).model_id)
    window = Window(start=LIVE, end=end, warm_up=timedelta(days=60))
    refits = Refits(Retraining(feed, settings, LIVE, EVERY, compare=False), EVERY)
    messages = replay_messages(
        feed.chunks(window.first_row, window.read_until), feed.zones, window=window, refits=refits
    )
    chain = Chain(settings, feed.zones.get, steps=("telemetry", "forecast"))
    streamed = [m for m in outputs_of(chain, messages)["forecasts"] if isinstance(m, Forecast)]

    first = LIVE + EVERY
    backtest = run_day_ahead(
        feed.frame("Z", first + (DAYS + 3) * EVERY),
        zone,
        train_to=first,
        test_from=first,
        test_to=first + DAYS * EVERY,
        convention="load_only",
        settings=SERVED,
    )
    before_auction = [f for f in streamed if f.slot.hour == 8]
    assert len(before_auction) == DAYS
    for day, forecast in enumerate(before_auction):
        assert forecast.outlook is not None
        assert forecast.price is not None
        assert forecast.price.source == "model"
        ahead = forecast.outlook.whole(forecast.step_min, forecast.price.q50).experts["next_day"]
        np.testing.assert_allclose(np.array(ahead[13:37]), backtest.price[day], rtol=0, atol=HALF_CENT)
        np.testing.assert_allclose(np.array(ahead[37:61]), backtest.tail[day], rtol=0, atol=HALF_CENT)
        levels = np.array([forecast.price.level(name) for name in QUANTILE_NAMES]).T
        np.testing.assert_allclose(levels[13:], backtest.quantiles[day, :11], rtol=0, atol=6e-3)
