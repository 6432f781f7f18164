"""A site times ten thousandth to times a thousand, its fleet with it: the same decisions and errors, relatively.

The fleet is solved by one method without ties. Of equally good plans of a linear programme a change of the load by a
ten-millionth chooses another at any size; ``tests/unit/agents/clearing/test_highs_any_size.py`` compares their worth.
"""

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.worlds.source_run import run_through
from topologies.sources.options import SourceOptions
from vpp.fleet.lookup import write_fleet
from vpp.fleet.schema import parse_fleet
from vpp.messages import Alert, AssetStatus, Forecast, LedgerEntry, Message, Setpoint
from vpp.settings import Settings

Seen = dict[str, dict[tuple[datetime, str], float]]
ALLOWED = {"forecast": 1e-3, "setpoint": 1e-3, "delivered": 1e-3, "money": 0.05, "alert": 0.0}
"""Differences allowed at 100 MW: MW (a hundred thousandth of the site), and EUR per slot (money is kept in cents)."""

START = datetime(2024, 5, 1, tzinfo=UTC)
SLOTS = 72
FLEET = """
zones:
  SITE:
    step_min: 30
    market: {{price_known: day_ahead, currency: EUR}}
    share: {{region_mw: {r}, served_mw: {s}}}
    limits: {{ramp_limit_mw: {ramp}, import_cap_mw: {cap}}}
    assets:
      - {{kind: battery, asset_id: B, energy_mwh: {energy}, charge_mw: {power}, discharge_mw: {power}}}
      - {{kind: load, asset_id: L, capacity_mw: {shed}, curtail_cost_per_mwh: 300}}
"""


def net_load(rng: np.random.Generator) -> Any:
    """Return a net load of up to 1 with two peaks a day, noise and steep ramps."""
    hours = np.arange(SLOTS) / 2.0
    shape = 0.62 + 0.2 * np.sin((hours - 8.0) / 24.0 * 2.0 * np.pi) + 0.12 * np.sin(hours / 12.0 * 2.0 * np.pi)
    return shape + rng.normal(0.0, 0.03, SLOTS)


def run(folder: Path, factor: float) -> Seen:
    """Run a site of 100 MW times the factor; return power, money and forecasts divided by the factor."""
    size = 100.0 * factor
    shares = {"r": 1, "s": 1, "ramp": 0.03, "cap": 0.82, "energy": 0.16, "power": 0.08, "shed": 0.06}
    text = FLEET.format(**{name: repr(share * size) for name, share in shares.items()})
    load = net_load(np.random.default_rng(7)) * size
    price = 80.0 + 60.0 * np.sin(np.arange(SLOTS) / 5.0)
    path = folder / "site.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("timestamp,zone,load_mw,price\n")
        for i in range(SLOTS):
            file.write(f"{START + timedelta(minutes=30 * i):%Y-%m-%dT%H:%MZ},SITE,{float(load[i])!r},{price[i]:.2f}\n")
    write_fleet(folder / "fleet.yaml", parse_fleet(text, "fleet.yaml").zones)
    options = SourceOptions(kind="replay", path=path, zones=("SITE",), speed=math.inf)
    _, messages = run_through(options, Settings(data_dir=folder, fleet=folder / "fleet.yaml"), START)
    return _relative(messages, factor)


def _relative(messages: list[Message], factor: float) -> Seen:
    seen: Seen = defaultdict(dict)
    for message in messages:
        if isinstance(message, Setpoint):
            seen["setpoint"][(message.slot, message.asset_id)] = message.power_mw / factor
        elif isinstance(message, AssetStatus):
            seen["delivered"][(message.slot, message.asset_id)] = message.power_mw / factor
        elif isinstance(message, LedgerEntry):
            seen["money"][(message.slot, message.asset_id)] = message.pnl / factor
        elif isinstance(message, Alert):
            seen["alert"][(message.slot, message.code)] = 1.0
        elif isinstance(message, Forecast) and message.net_load is not None:
            for name in ("q05", "q50", "q95"):
                for minutes, value in zip(message.horizon_min, getattr(message.net_load, name), strict=True):
                    seen["forecast"][(message.slot, f"{name} {minutes}")] = value / factor
    return seen


@pytest.fixture(scope="module")
def hundred_mw(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The site of 100 MW, which acts: otherwise the comparison would say nothing."""
    seen = run(tmp_path_factory.mktemp("site"), 1.0)
    assert sum(abs(power) > 1.0 for power in seen["delivered"].values()) > SLOTS / 4
    assert len(seen["forecast"]) > SLOTS
    return seen


@pytest.mark.parametrize("factor", [1e-4, 1e3])
def test_a_site_of_any_size_forecasts_decides_and_earns_the_same(
    hundred_mw: Seen, tmp_path: Path, factor: float
) -> None:
    scaled = run(tmp_path, factor)
    for what, expected in hundred_mw.items():
        assert scaled[what].keys() == expected.keys(), what
        worst = max(expected, key=lambda key: abs(scaled[what][key] - expected[key]))
        assert scaled[what][worst] == pytest.approx(expected[worst], rel=1e-3, abs=ALLOWED[what]), (what, worst)
