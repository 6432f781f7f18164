"""A small grid zone and clearing problems on it, with round figures."""

from typing import Any

import numpy as np

from agents.assets.registry import fleet_at_rest
from agents.clearing.problem import ClearingInputs, ClearingProblem, clearing_problem
from vpp.fleet.assets import Asset, Battery, CurtailableLoad, Peaker
from vpp.fleet.schema import Limits, Share, Zone

BATTERY = Battery(
    asset_id="b", energy_mwh=16.0, charge_mw=8.0, discharge_mw=8.0, charge_efficiency=0.9, discharge_efficiency=0.9
)
PEAKER = Peaker(asset_id="p", capacity_mw=15.0, ramp_mw_per_h=16.0, fuel_cost_per_mwh=160.0)
COMMITTED = Peaker(
    asset_id="u",
    capacity_mw=15.0,
    min_load_mw=5.0,
    ramp_mw_per_h=16.0,
    fuel_cost_per_mwh=160.0,
    start_cost=100.0,
    min_run_min=90.0,
    start_time_min=30.0,
)
LOAD = CurtailableLoad(asset_id="l", capacity_mw=6.0, curtail_cost_per_mwh=300.0)


def grid_zone(*assets: Asset, step_min: int = 30, **limits: Any) -> Zone:
    """Return a zone with a ramp limit of 3 MW and a cap of 86 MW, and energy at 100 flat."""
    return Zone(
        zone="Z",
        step_min=step_min,
        share=Share(region_mw=100.0, served_mw=100.0),
        limits=Limits(**{"ramp_limit_mw": 3.0, "import_cap_mw": 86.0, **limits}),
        energy_price_flat_per_mwh=100.0,
        assets=assets,
    )


def loose_zone(*assets: Asset, **limits: Any) -> Zone:
    """Return a zone whose ramp limit and cap never bind: prices alone rule."""
    return grid_zone(*assets, **{"ramp_limit_mw": 1000.0, "import_cap_mw": 1000.0, **limits})


def evening(steps: int = 32, seed: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a net load that rises above the cap and falls again, with noise."""
    noise = np.random.default_rng(seed).normal(0.0, 1.5, steps)
    return 75.0 + 18.0 * np.sin(np.arange(steps) / 6.0) + noise


def evening_problem(zone: Zone, *, seed: int = 1, grid_mw: float = 75.0, **given: Any) -> ClearingProblem:
    """Return an evening's problem with spreads, at rest before."""
    net = evening(32, seed)
    given = {"ramp_sd_mw": 0.6, "level_sd_mw": np.linspace(0.6, 3.0, 32), **given}
    given.setdefault("state", fleet_at_rest(zone, grid_mw))
    return clearing_problem(zone, ClearingInputs(net, **given))
