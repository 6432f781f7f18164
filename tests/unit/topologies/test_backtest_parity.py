"""The stream and the backtest give the same forecasts: same reducer, same order of what was known."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.backtest import BacktestOptions, run_backtest
from models.registry import Registry
from models.training import Trainer
from tests.unit.models.synthetic import make_frame, make_zone
from topologies.chain import Chain, outputs_of
from topologies.sources.replay_rows import Refits, Window, replay_messages
from vpp.domain import QUANTILE_NAMES, Target
from vpp.fleet import Zone
from vpp.messages import Forecast, Promotion
from vpp.settings import Settings

ZONE = make_zone(60)
LIVE, END = datetime(2021, 3, 8, tzinfo=UTC), datetime(2021, 3, 11, tzinfo=UTC)


@pytest.mark.slow
@pytest.mark.parametrize("target", list(Target))
def test_the_stream_gives_the_forecasts_of_the_backtest(target: Target, tmp_path: Path) -> None:
    frame = make_frame(72, step_min=60)
    settings = Settings(data_dir=tmp_path)
    wanted = {"net_load": target is Target.NET_LOAD, "price": target is Target.PRICE}
    model = Registry(settings.models_dir).save(*Trainer(ZONE).train(frame, LIVE, **wanted))

    def promote(zone: Zone, now: datetime) -> Promotion | None:
        return Promotion(zone=zone.zone, available_at=now, model_id=model.model_id, sha256=model.sha256)

    rows = frame.tz_localize(None).reset_index(names="slot").assign(zone=ZONE.zone)
    window = Window(start=LIVE, end=END, warm_up=timedelta(days=60))
    messages = replay_messages([rows], {ZONE.zone: ZONE}, window=window, refits=Refits(promote))
    chain = Chain(settings, {ZONE.zone: ZONE}.get, steps=("telemetry", "forecast"))
    streamed = [m for m in outputs_of(chain, messages)["forecasts"] if isinstance(m, Forecast)]
    run = run_backtest(frame, ZONE, BacktestOptions(target, LIVE, LIVE, END, None))
    assert [f.slot for f in streamed] == list(run.origins.to_pydatetime())
    for n, forecast in enumerate(streamed):
        made = forecast.net_load if target is Target.NET_LOAD else forecast.price
        assert made is not None
        assert made.source == run.source[n]
        levels = np.array([getattr(made, name) for name in QUANTILE_NAMES], dtype=np.float32).T
        np.testing.assert_array_equal(levels, run.quantiles[n])
