"""Joint value of service and trading: earnings and savings of the plant at market prices.

Four policies on the same forecasts and bids: service only (energy at one flat price), trading alone (no grid limits),
grid first (the service plan, then trading that raises no penalty), joint (one clearing of both bids). Batteries are
settled at actual prices; peakers and loads at their net cost, for their fuel follows the market.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.evaluation.grid_first import solve_grid_first_with_curve
from agents.evaluation.grid_score import Actuals
from agents.evaluation.joint_value import gain_pct, policy_figures, usual_stored_value
from topologies.backtests.grid_policies import Lane, PlantLane
from topologies.backtests.grid_weeks import NO_ACTION, History, Trial, bridged
from vpp.domain import PRICE
from vpp.errors import DataError
from vpp.files.zone_fitting import FLAT_PRICE_PER_MWH, NO_LIMIT_MW
from vpp.fleet.schema import Limits, Zone

STORED_SHARE = 0.95
STORED_DAYS = 14
SERVICE_ONLY, TRADING_ALONE, GRID_FIRST, JOINT = "service_only", "trading_alone", "grid_first", "joint"


def joint_trial(history: History) -> Trial:
    """Return the trial of the four policies.

    Raises:
        DataError: The data hold no price.
    """
    zone, frame = history.zone, history.frame
    if PRICE not in frame or frame[PRICE].notna().sum() == 0:
        raise DataError(f"the data of {zone.zone} hold no price", hint="leave out --joint")
    flat = FLAT_PRICE_PER_MWH
    market = zone.model_copy(update={"generation_price_flat_per_mwh": flat})
    service = zone.model_copy(update={"energy_price_flat_per_mwh": flat})
    free = market.model_copy(update={"limits": Limits(ramp_limit_mw=NO_LIMIT_MW, import_cap_mw=NO_LIMIT_MW)})
    lanes: dict[str, Lane] = {
        SERVICE_ONLY: PlantLane(service),
        TRADING_ALONE: PlantLane(free, trades=True),
        GRID_FIRST: PlantLane(_without_price_curves(market), trades=True, clear=solve_grid_first_with_curve),
        JOINT: PlantLane(market, trades=True),
    }
    price = bridged(frame[PRICE].to_numpy(dtype=np.float64))

    def actuals(start: int, length: int) -> Actuals:
        past = price[max(start - STORED_DAYS * zone.step.per_day, 0) : start]
        return Actuals(
            actual_mw=history.filled[start : start + length],
            before_mw=float(history.filled[start - 1]),
            price_per_mwh=price[start : start + length],
            stored_value_per_mwh=usual_stored_value(past, STORED_SHARE),
            generation_price_per_mwh=flat,
            potential_mw=history.potential(start, length),
        )

    return Trial(market, lanes, actuals)


def _without_price_curves(zone: Zone) -> Zone:
    """Return the zone without price curves in its setpoints, which would let trading raise penalties after all."""
    return zone.model_copy(update={"market": zone.market.model_copy(update={"contingent_bids": False})})


def joint_figures(trial: Trial) -> dict[str, Any]:
    """Return money by policy, and by how much joint clearing is worth more than the grid first, in per cent.

    See ``agents.evaluation.joint_value.policy_figures``.
    """
    idle = trial.runs[NO_ACTION]
    policies = {name: policy_figures(trial.zone, run, idle) for name, run in trial.runs.items()}
    first, joint = (policies[name]["value"] for name in (GRID_FIRST, JOINT))
    return {
        "policies": policies,
        "joint_over_grid_first_pct": gain_pct(joint, first),
    }
