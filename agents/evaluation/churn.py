"""Churn: difference between decided setpoints and the plan of the slot before."""

from __future__ import annotations

from collections.abc import Mapping

from agents.assets.registry import type_of
from vpp.fleet.schema import Zone
from vpp.messages import Decision


class ChurnMeter:
    """Compares each decision with the one before, for the assets that keep to their plan.

    Attributes:
        churn_mwh: Energy by which setpoints differ from the plan before, by slot index.

    Args:
        zone: Fleet and step.
    """

    def __init__(self, zone: Zone) -> None:
        self.churn_mwh: dict[int, float] = {}
        self._zone = zone
        self._moving = [asset.asset_id for asset in zone.assets if type_of(asset).keeps_to_plan]
        self.restart()

    def restart(self) -> None:
        """Compare the next decision with none."""
        self._planned: tuple[int, Mapping[str, float]] = (-1, {})

    def enter(self, decision: Decision, index: int) -> None:
        """Enter the decision of slot ``index``."""
        rows = {} if decision.plan is None else {name: decision.plan.assets[name].power_mw for name in self._moving}
        planned_index, planned = self._planned
        if planned_index == index:
            apart = sum(abs(rows[name][0] - planned[name]) for name in planned if name in rows)
            self.churn_mwh[index] = apart * self._zone.step.hours
        self._planned = (index + 1, {name: row[1] for name, row in rows.items() if len(row) > 1})
