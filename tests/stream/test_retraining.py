"""An accelerated simulated run: its load changes for good, the forecasts drift, and the model is retrained for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import pandas as pd
import pytest

from models.registry.registry import Registry
from models.registry.trainer import Trainer
from topologies.runtime.in_process import Chain
from topologies.sources.drift_watch import DRIFTS, DriftWatch
from topologies.sources.feed import SimulatorFeed, open_simulator
from topologies.sources.options import SIMULATION_START, SourceOptions
from topologies.sources.process import SourceRun
from topologies.sources.refit import Retraining
from vpp.domain import LOAD, PRICE
from vpp.messages import Alert, Forecast, Message
from vpp.settings import Settings

pytestmark = pytest.mark.slow

ZONE = "SIM_SOUTH"
HISTORY = timedelta(days=42)
CHANGED = SIMULATION_START + timedelta(days=9)
END = SIMULATION_START + timedelta(days=24)
MORE = 1.5


@dataclass(frozen=True, slots=True)
class ChangedFeed:
    """The simulator without prices; from ``CHANGED`` on every second hour needs half as much load again."""

    feed: SimulatorFeed

    def __getattr__(self, name):
        return getattr(self.feed, name)

    def chunks(self, start, end):
        for rows in self.feed.chunks(start, end):
            yield changed(rows.drop(columns=PRICE), pd.DatetimeIndex(rows["slot"], tz="UTC"))

    def frame(self, zone, end, start=None):
        rows = self.feed.frame(zone, end, start).drop(columns=PRICE)
        return changed(rows, pd.DatetimeIndex(rows.index))


def changed(rows: pd.DataFrame, slots: pd.DatetimeIndex) -> pd.DataFrame:
    every_second = (slots >= pd.Timestamp(CHANGED)) & (slots.hour % 2 == 0)
    return rows.assign(**{LOAD: rows[LOAD].where(~every_second, rows[LOAD] * MORE)})


class Outbox:
    """Feeds the chain; keeps alerts and which model forecast each slot."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.alerts: list[Alert] = []
        self.models: dict[datetime, str] = {}

    def send(self, message: Message) -> None:
        for output in self._chain.feed(message):
            if isinstance(output.message, Alert):
                self.alerts.append(output.message)
            if isinstance(output.message, Forecast) and output.message.net_load is not None:
                self.models[output.message.slot] = output.message.net_load.model_id

    def flush(self) -> None:
        """Do nothing: every record has been processed."""

    def drifts(self, since: datetime) -> list[tuple[str, datetime]]:
        return [(alert.zone, alert.slot) for alert in self.alerts if alert.code in DRIFTS and alert.slot >= since]


def test_drift_leads_to_a_retraining_that_says_so_and_weekly_versions_pass_the_gate(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    simulated = open_simulator((ZONE,), start=SIMULATION_START, history=HISTORY, step_min=60)
    channels = tuple(channel for channel in simulated.zones[ZONE].channels or () if channel != PRICE)
    zone = simulated.zones[ZONE].model_copy(update={"channels": channels, "energy_price_flat_per_mwh": 50.0})
    feed = ChangedFeed(replace(simulated, zones={ZONE: zone}))
    registry = Registry(settings.models_dir)
    first = registry.save(*Trainer(zone).train(feed.frame(ZONE, SIMULATION_START), SIMULATION_START, guard=False))
    registry.promote(first.model_id)
    outbox = Outbox(Chain(settings, {ZONE: zone}.get, ("telemetry", "forecast")))
    week = timedelta(weeks=1)
    retraining = Retraining(
        feed, settings, SIMULATION_START, week, drifted=DriftWatch(outbox.drifts, SIMULATION_START, wait_s=0.0)
    )
    run = SourceRun(
        options=SourceOptions(kind="simulate", zones=(ZONE,), step_min=60, end=END, speed=math.inf, refit_days=7.0),
        feed=feed,
        outbox=outbox,
        checkpoint_path=tmp_path / "checkpoint.json",
        stop=Event(),
        refit=retraining,
        drift=retraining,
    )
    run.run(SIMULATION_START)

    warned = [slot for _, slot in outbox.drifts(SIMULATION_START)]
    message = [alert for alert in outbox.alerts if alert.topic == "model"]
    assert warned
    assert CHANGED <= warned[0] <= CHANGED + timedelta(days=2)
    assert message
    assert warned[0] <= message[0].slot <= warned[0] + timedelta(days=1)
    assert all(alert.severity == "info" and alert.text.startswith("drift: retrained as ") for alert in message)
    versions = {row["model_id"]: row for row in registry.versions(ZONE)}
    assert {row["cause"] for row in versions.values() if "cause" in row} == {"drift", "schedule"}
    used = list(dict.fromkeys(outbox.models.values()))
    assert used[0] == first.model_id
    assert len(used) > 1
    assert all(versions[model_id]["verdict"]["promote"] for model_id in used[1:])
    in_force = registry.in_force(ZONE)
    assert in_force is not None
    assert in_force["model_id"] == used[-1]
