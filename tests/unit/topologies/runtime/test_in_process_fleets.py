"""Every fleet file that ships, of the package and of ``examples/``, runs through all steps and is decided in full."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.assets.limits import static_power_mw
from agents.plant.recompute import recompute
from topologies.runtime.in_process import Chain
from vpp.domain import PRICE
from vpp.fleet.schema import Zone, load_fleet
from vpp.messages import AssetStatus, Decision, LedgerEntry, Message, Observation, Setpoint
from vpp.settings import Settings

ROOT = Path(__file__).resolve().parents[4]
FILES = sorted([*(ROOT / "vpp" / "_assets" / "fleets").glob("*.yaml"), *(ROOT / "examples").rglob("fleets/*.yaml")])
ZONES = {f"{path.stem}-{zone.zone}": zone for path in FILES for zone in load_fleet(path).zones}
START = datetime(2024, 3, 4, tzinfo=UTC)
SLOTS = 8


def outputs_of(zone: Zone, data_dir: Path) -> list[Message]:
    """Return all messages of a chain without a model, over slots with a slow wave of load and price."""
    chain = Chain(Settings(data_dir=data_dir), {zone.zone: zone}.get)
    outputs = []
    for index in range(SLOTS):
        wave = math.sin(index / 2.0)
        load_mw = zone.share.region_mw * (0.6 + 0.05 * wave)
        values: dict[str, float | None] = {
            "load_mw": load_mw,
            "solar_mw": 0.05 * load_mw,
            "wind_mw": 0.2 * load_mw,
            PRICE: 60.0 + 40.0 * wave,
        }
        observation = Observation(zone=zone.zone, slot=START + index * zone.step.delta, values=values)
        outputs += [output.message for output in chain.feed(observation)]
    return outputs


@pytest.mark.parametrize("zone", [pytest.param(zone, id=name) for name, zone in ZONES.items()])
def test_a_shipped_zone_is_decided_settled_and_recomputed(zone: Zone, tmp_path: Path) -> None:
    outputs = outputs_of(zone, tmp_path)
    decisions = [message for message in outputs if isinstance(message, Decision)]
    assert len(decisions) >= SLOTS - 1
    last = decisions[-1]
    assert last.plan is not None
    assert not last.is_reflex
    recomputed = recompute(zone, last)
    assert (recomputed.plan, recomputed.duals, recomputed.binding) == (last.plan, last.duals, last.binding)
    asset_ids = {asset.asset_id for asset in zone.assets}
    decided = {m.asset_id: m.power_mw for m in outputs if isinstance(m, Setpoint) and m.decision_id == last.decision_id}
    assert set(decided) == asset_ids
    for asset in zone.assets:
        low_mw, high_mw = static_power_mw(zone, asset)
        assert low_mw - 1e-6 <= decided[asset.asset_id] <= high_mw + 1e-6
    assert {m.asset_id for m in outputs if isinstance(m, AssetStatus)} == asset_ids
    assert {m.asset_id for m in outputs if isinstance(m, LedgerEntry)} == asset_ids | {"zone"}
