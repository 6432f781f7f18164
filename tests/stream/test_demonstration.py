"""The default simulated run over 48 hours, in one process: every alarm comes true."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import pandas as pd
import pytest

from console.local.prepare import prepare
from tests.plant_fixtures import keep_models, make_place, recall_models
from topologies.runtime.in_process import Chain
from topologies.sources.feed import Feed
from topologies.sources.options import SIMULATION_START, SourceOptions, open_feed
from topologies.sources.process import SourceRun
from topologies.sources.refit import Retraining
from vpp.messages import Alert, Forecast, Message
from vpp.settings import Settings

pytestmark = pytest.mark.slow

END = SIMULATION_START + timedelta(hours=48)
TRUE_SHARE = 0.5
"""An announced ramp is true where net load moves by at least this share of it, in its direction, in its hours."""


class Outbox:
    """Feeds the chain; keeps alerts, and what prices are forecast by."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.alerts: list[Alert] = []
        self.price_sources: dict[str, set[str]] = {}

    def send(self, message: Message) -> None:
        for output in self._chain.feed(message):
            if isinstance(output.message, Alert):
                self.alerts.append(output.message)
            if isinstance(output.message, Forecast) and output.message.price is not None:
                self.price_sources.setdefault(output.message.zone, set()).add(output.message.price.source)

    def flush(self) -> None:
        """Do nothing: every record has been processed."""


def net_load(feed: Feed, zone: str) -> pd.Series[float]:
    frame = feed.frame(zone, END + timedelta(days=1))
    return frame["load_mw"] - frame["solar_mw"] - frame["wind_mw"]


def is_true(alert: Alert, actual: pd.Series[float]) -> bool:
    change, hours = alert.values["change_mw"], alert.values["hours"]
    assert change is not None
    assert hours is not None
    until: datetime = alert.slot + timedelta(hours=hours)
    moved = actual.loc[alert.slot : until] - actual.loc[alert.slot]
    return bool((moved / change).max() >= TRUE_SHARE)


def test_the_default_run_raises_no_false_alarm_in_48_hours(tmp_path: Path) -> None:
    options = SourceOptions(kind="simulate", end=END, speed=math.inf)
    place = make_place(tmp_path)
    recall_models(place)
    prepared = prepare(options, Settings(data_dir=place.settings.data_dir), train=True, say=lambda _: None)
    keep_models(place)
    feed = open_feed(options, prepared.settings)
    outbox = Outbox(Chain(prepared.settings, dict(feed.zones).get))
    run = SourceRun(
        options=options,
        feed=feed,
        outbox=outbox,
        checkpoint_path=tmp_path / "checkpoint.json",
        stop=Event(),
        refit=Retraining(feed, prepared.settings, SIMULATION_START),
    )
    run.run(SIMULATION_START)
    actual = {zone: net_load(feed, zone) for zone in prepared.zones}
    false = [alert.text for alert in outbox.alerts if alert.topic != "ramp" or not is_true(alert, actual[alert.zone])]
    assert false == []
    assert {alert.zone for alert in outbox.alerts} == set(prepared.zones)
    assert set(outbox.price_sources) == set(prepared.zones)
    assert all("model" in sources <= {"model", "published"} for sources in outbox.price_sources.values())
