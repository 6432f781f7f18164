"""A fleet file with a vehicle depot runs through every step: setpoints, delivery, money and words."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from agents.plant.narrative import story
from agents.plant.recompute import recompute
from tests.worlds.source_run import run_through
from topologies.sources.options import SourceOptions
from vpp.fleet.schema import Zone
from vpp.messages import AssetStatus, Decision, LedgerEntry, Message, Setpoint
from vpp.settings import Settings

FLEET = Path(__file__).resolve().parents[2] / "examples" / "fleets" / "ev_depot.yaml"
M = TypeVar("M", bound=Message)
START = datetime(2025, 6, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Run:
    """What a run put out, and the zone as it was fitted."""

    zone: Zone
    messages: list[Message]

    def of(self, kind: type[M], asset_id: str = "depot-1") -> list[M]:
        """Return the messages of one kind about an asset."""
        return [m for m in self.messages if isinstance(m, kind) and getattr(m, "asset_id", asset_id) == asset_id]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A simulated day and a half of the example fleet, without a trained model."""
    data_dir = tmp_path_factory.mktemp("depot")
    options = SourceOptions(
        kind="simulate", zones=("SIM_NORTH",), start=START, end=START + timedelta(hours=36), speed=math.inf
    )
    settings = Settings(data_dir=data_dir, fleet=FLEET)
    feed, messages = run_through(options, settings, START)
    return Run(dict(feed.zones)["SIM_NORTH"], messages)


def test_the_depot_is_charged_for_every_departure_and_rests_while_it_is_away(run: Run) -> None:
    rows = run.of(AssetStatus)
    assert len(rows) >= 70
    for row in rows:
        begins = run.zone.local(row.slot)
        if 5 <= begins.hour + begins.minute / 60 < 18.5:
            assert row.power_mw == 0.0
    assert min(row.power_mw for row in rows) < -0.5
    money = run.of(LedgerEntry)
    # The run begins at 02:00 with what came back the evening before: three hours cannot meet that first departure.
    (unmet,) = [(run.zone.local(m.slot), m.fuel_cost) for m in money if m.fuel_cost]
    assert unmet[0].strftime("%d %H:%M") == "02 04:30"
    assert 0 < unmet[1] <= 600 * 9.0
    assert sum(m.revenue or 0.0 for m in money) < 0.0


def test_setpoints_say_why_and_the_narrative_tells_it(run: Run) -> None:
    setpoints = run.of(Setpoint)
    assert any("12 MWh needed at 05:00" in m.reason for m in setpoints)
    assert any("away until 18:30" in m.reason for m in setpoints)
    decision = [m for m in run.of(Decision) if m.plan][-1]
    rows = [{"asset_id": m.asset_id, "power_mw": m.power_mw, "reason": m.reason, "curve": m.curve} for m in setpoints]
    assert any(line.startswith("depot-1") for line in story(decision, rows[-1:], run.zone))


def test_a_decision_with_a_depot_recomputes_to_the_bit(run: Run) -> None:
    decision = [m for m in run.of(Decision) if m.plan][-1]
    assert recompute(run.zone, decision).decision_id == decision.decision_id
