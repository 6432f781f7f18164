"""A plan is worth the same share of the site at any size: tolerances of the solver grow with the site."""

from __future__ import annotations

import numpy as np
import pytest

from agents.assets.registry import fleet_at_rest
from agents.clearing.problem import ClearingInputs, ClearingProblem, clearing_problem
from agents.clearing.solve import solve
from tests.worlds.grid_cases import BATTERY, COMMITTED, LOAD, PEAKER, evening, grid_zone
from vpp.fleet.assets import Asset
from vpp.fleet.schema import Share

SIZES = [1e-5, 1e-4, 1e-2, 0.37, 1e3]
FLEETS = {"linear": (BATTERY, PEAKER, LOAD), "committed": (BATTERY, COMMITTED, LOAD)}
_GROWING = ("energy_mwh", "charge_mw", "discharge_mw", "capacity_mw", "min_load_mw", "ramp_mw_per_h", "start_cost")


def sized(assets: tuple[Asset, ...], factor: float, seed: int) -> ClearingProblem:
    """Return an evening of a site of 100 MW times the factor."""
    grown = [
        asset.model_copy(update={name: factor * getattr(asset, name) for name in _GROWING if hasattr(asset, name)})
        for asset in assets
    ]
    zone = grid_zone(*grown, ramp_limit_mw=3.0 * factor, import_cap_mw=86.0 * factor)
    zone = zone.model_copy(update={"share": Share(region_mw=100.0 * factor, served_mw=100.0 * factor)})
    inputs = ClearingInputs(
        evening(32, seed) * factor,
        state=fleet_at_rest(zone, 75.0 * factor),
        ramp_sd_mw=0.6 * factor,
        level_sd_mw=np.linspace(0.6, 3.0, 32) * factor,
    )
    return clearing_problem(zone, inputs)


@pytest.mark.parametrize("fleet", sorted(FLEETS))
@pytest.mark.parametrize("seed", [1, 2])
def test_a_plan_is_worth_the_same_share_at_any_size(fleet: str, seed: int) -> None:
    expected = solve(sized(FLEETS[fleet], 1.0, seed))
    for factor in SIZES:
        plan = solve(sized(FLEETS[fleet], factor, seed))
        assert (plan.engine, plan.status) == (expected.engine, expected.status)
        assert plan.objective / factor == pytest.approx(expected.objective, rel=1e-6), factor
        assert plan.power_price_per_mwh == pytest.approx(expected.power_price_per_mwh, rel=1e-3, abs=1e-3), factor
        assert [note.code for note in plan.notes] == [note.code for note in expected.notes]
