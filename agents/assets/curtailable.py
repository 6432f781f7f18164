"""Curtailable renewable: output that may be reduced below the weather-dependent potential, for compensation."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import ClassVar

import numpy as np

from agents.assets.contract import AssetType, PlannedAsset, RunningCost, amount, clip_to
from agents.assets.horizon import Horizon
from agents.assets.lp import BlockShape, Coefficients, LimitColumn, Sheet
from agents.assets.state import AssetState, Clamp, Interval, Response
from vpp.fleet.assets import Asset, CurtailableRenewable
from vpp.fleet.schema import Zone
from vpp.messages import SlotClosed
from vpp.numerics.arrays import Bools, Floats, Ints


class CurtailableType(AssetType[CurtailableRenewable]):
    """Cut power k >= 0 per renewable (its power is -k), paid ``curtail_cost``; its energy is lost."""

    entry = CurtailableRenewable
    label = "curtailed renewable"
    published_ahead = False
    keeps_to_plan = False
    verbs: ClassVar[dict[str, int]] = {"cut": -1}
    activities: ClassVar[tuple[str, str]] = ("is curtailed", "is curtailed")

    def curtail_cost_per_mwh(self, asset: CurtailableRenewable) -> float:
        """Return the compensation of a curtailed MWh."""
        return asset.curtail_cost_per_mwh

    def nameplate(
        self, asset: CurtailableRenewable, currency: str, reference_mw: float | None = None
    ) -> list[tuple[str, str]]:
        """Return channel, share and pay."""
        return [
            ("Channel", asset.channel),
            ("Share", f"{100 * asset.share:g} %"),
            ("Cost", f"{asset.curtail_cost_per_mwh:g} {currency} per MWh"),
        ]

    def power_limits_mw(self, zone: Zone, asset: CurtailableRenewable) -> tuple[float, float]:
        """Return minus its share of the served power, and 0."""
        return -zone.share.served_mw * asset.share, 0.0

    def shown_limits_mw(self, zone: Zone, asset: CurtailableRenewable) -> tuple[None, float]:
        """Return no lower limit: it is the output that the weather gives."""
        return None, 0.0

    def deliver(self, asset: CurtailableRenewable, state: AssetState, wanted_mw: float, interval: Interval) -> Response:
        """Return the cut within its output; an unknown output lets nothing be cut."""
        potential = interval.potential_mw
        most = max(potential, 0.0) if math.isfinite(potential) else 0.0
        power = clip_to(wanted_mw, -most, 0.0)
        wrong = wanted_mw > 0 and most > 0
        reason = None if power == wanted_mw else Clamp.WRONG_SIGN if wrong else Clamp.POTENTIAL
        return Response(power, AssetState(power_mw=power, available=state.available), reason)

    def potential_mw(self, zone: Zone, asset: CurtailableRenewable, observation: SlotClosed | None) -> float:
        """Return its share of the measured channel, at least 0."""
        output = None if observation is None else observation.values.get(asset.channel)
        return math.nan if output is None else max(output * zone.share.factor * asset.share, 0.0)

    def held_mw(self, horizon: Horizon, row: int, given_mw: Floats) -> Floats:
        """Return the given cut within its output."""
        output = np.fmax(horizon.potential_mw[row, : len(given_mw)], 0.0)
        return np.clip(given_mw, -output, 0.0)

    def curtailable_mw(self, horizon: Horizon, row: int, above_cap_mw: Floats) -> Floats:
        """Return its output; where it is unknown, nothing can be planned to be cut."""
        return np.asarray(np.fmax(horizon.potential_mw[row], 0.0))

    def rests(self, horizon: Horizon, row: int) -> bool:
        """Return whether it has no output that could be cut."""
        return not (np.abs(horizon.potential_mw[row]) > 0.0).any()

    def plan_costs(self, horizon: Horizon, row: int, power_mw: Floats, running: Bools, soc: Floats) -> dict[str, float]:
        """Return what is paid for cut energy."""
        energy = power_mw * horizon.step_h
        return {"curtail": _renewable(horizon, row).curtail_cost_per_mwh * float(np.abs(energy).sum())}

    def add_power_columns(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Add ``cut`` (K, N)."""
        sheet.add_columns("cut", len(forms), shape.steps)

    power_terms = (("cut", -1.0),)
    net_load_column = "cut"
    limit_columns = (LimitColumn("cut", "power"),)

    def fill(self, values: Coefficients, horizon: Horizon, rows: Ints) -> None:
        """Write the cost of cut energy, with the energy lost."""
        for k, i in enumerate(rows):
            cost = _renewable(horizon, int(i)).curtail_cost_per_mwh
            earned = -1.0 * horizon.generation_price_per_mwh
            values.cost[values.column["cut"][k]] = horizon.step_h * (cost - earned)

    def running_cost(
        self, asset: CurtailableRenewable, energy_mwh: float, *, started: bool, shortfall_mwh: float
    ) -> RunningCost:
        """Return what is paid for cut energy."""
        return RunningCost(running=asset.curtail_cost_per_mwh * abs(energy_mwh))

    def reason(self, horizon: Horizon, row: int, planned: PlannedAsset) -> str:
        """Return what power is worth against the pay."""
        power, cost = float(planned.power_mw[0]), _renewable(horizon, row).curtail_cost_per_mwh
        does = f"cut {amount(power)}" if power < -horizon.least_mw else "rest"
        return f"power worth {float(planned.power_price_per_mwh[0]):.1f}, curtailment {cost:.1f}: {does}"

    def full_mw(self, zone: Zone, asset: CurtailableRenewable, verb: str) -> None:
        """Return None: its output is not known beforehand."""
        return


def _renewable(horizon: Horizon, row: int) -> CurtailableRenewable:
    asset: Asset = horizon.zone.assets[row]
    assert isinstance(asset, CurtailableRenewable)
    return asset
