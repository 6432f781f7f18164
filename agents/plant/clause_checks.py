"""Checks plans and decisions against the numeric limits of the user's documents. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from agents.clearing.problem import ClearingProblem, Plan
from vpp.fleet.scale import power_text
from vpp.fleet.schema import Zone
from vpp.local_time import local_time
from vpp.messages import Decision
from vpp.numerics.arrays import Bools, Floats
from vpp.rules.checks import SAME_SOC, PlannedSteps, Quantity, excess
from vpp.rules.library import CitedCheck

_SAME_SHARE = 1e-5
"""Of the served power: less is the same power."""


@dataclass(frozen=True, slots=True)
class ClauseBreach:
    """A step that exceeds the limit of a clause by ``excess`` (MW, or SoC)."""

    cited: CitedCheck
    start: datetime
    excess: float

    def __str__(self) -> str:
        """Return the breach as a part of a sentence."""
        is_soc = self.cited.check.quantity is Quantity.SOC
        size = f"{100 * self.excess:.1f} points" if is_soc else power_text(self.excess)
        return f"{self.cited.check.demand}: {size} beyond it at {self.start:%Y-%m-%dT%H:%MZ}"


def worsened(
    cited: CitedCheck, problem: ClearingProblem, plans: tuple[Plan, Plan], starts: Sequence[datetime], stands: Bools
) -> ClauseBreach | None:
    """Return the worst step in which a plan with an order breaks a check by more than the plan without it.

    Args:
        cited: The check.
        problem: The problem of both plans.
        plans: Without and with the order.
        starts: Of the steps, UTC.
        stands: Steps in which the order is in force, shape (N,).
    """
    zone = problem.zone
    before, after = (excess(cited.check, _planned(problem, plan, starts)) for plan in plans)
    tolerance = _same(zone, cited)
    worse = np.where((after > tolerance) & (after > before + tolerance) & stands, after, 0.0)
    step = int(worse.argmax())
    return ClauseBreach(cited, starts[step], float(worse[step])) if worse[step] > 0 else None


def breaches(zone: Zone, decision: Decision, checks: Sequence[CitedCheck]) -> list[ClauseBreach] | None:
    """Return the checks that a decision breaks in its slot; None if it has no plan.

    Args:
        zone: Its zone.
        decision: As it was made; setpoints that the checker changed count as it left them.
        checks: The checks.
    """
    table = decision.plan
    if table is None:
        return None
    power = {name: asset.power_mw[0] for name, asset in table.assets.items()}
    power |= {check.asset_id: check.power_mw for check in decision.checks}
    grid_mw = table.net_mw[0] - sum(power.values())
    before_mw = decision.state.grid_mw
    steps = PlannedSteps(
        zone=decision.zone,
        starts=[local_time(decision.for_slot, zone.time_zone)],
        grid_mw=np.array([grid_mw]),
        ramp_mw=np.array([np.nan if before_mw is None else grid_mw - before_mw]),
        power_mw={name: np.array([value]) for name, value in power.items()},
        soc={name: np.array(asset.soc[:1]) for name, asset in table.assets.items() if asset.soc},
    )
    beyond = [(cited, float(excess(cited.check, steps)[0])) for cited in checks]
    return [ClauseBreach(cited, decision.for_slot, over) for cited, over in beyond if over > _same(zone, cited)]


def _planned(problem: ClearingProblem, plan: Plan, starts: Sequence[datetime]) -> PlannedSteps:
    zone, names = problem.zone, [asset.asset_id for asset in problem.assets]
    return PlannedSteps(
        zone=zone.zone,
        starts=[local_time(start, zone.time_zone) for start in starts],
        grid_mw=plan.grid_mw,
        ramp_mw=ramps(problem, plan),
        power_mw=dict(zip(names, plan.power_mw, strict=True)),
        soc=dict(zip(names, plan.soc, strict=True)),
    )


def ramps(problem: ClearingProblem, plan: Plan) -> Floats:
    """Return the change of grid power (MW) per slot of the zone at each step, shape (N,); longer steps by the slot."""
    before = np.concatenate([[problem.state.grid_mw], plan.grid_mw[:-1]])
    slots = np.maximum(problem.step_h / problem.zone.step.hours, 1.0)
    return np.asarray(np.nan_to_num((plan.grid_mw - before) / slots))


def _same(zone: Zone, cited: CitedCheck) -> float:
    return SAME_SOC if cited.check.quantity is Quantity.SOC else zone.served_scale.share(_SAME_SHARE)
