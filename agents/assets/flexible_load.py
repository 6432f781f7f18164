"""Flexible load: demand that may be shed for pay, always or only in an emergency at the import cap."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

import numpy as np

from agents.assets.contract import AssetType, PlannedAsset, RunningCost, Shedding, amount, clip_to
from agents.assets.horizon import Horizon
from agents.assets.lp import BlockShape, Coefficients, LimitColumn, Sheet
from agents.assets.state import AssetState, Clamp, Interval, Response
from vpp.fleet.assets import Asset, CurtailableLoad
from vpp.fleet.scale import power_text
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Bools, Floats, Ints


class FlexibleLoadType(AssetType[CurtailableLoad]):
    """Shed power k >= 0 per load, paid ``curtail_cost``, saving energy at the generation price."""

    entry = CurtailableLoad
    label = "shed load"
    published_ahead = False
    keeps_to_plan = False
    yields_to_caps = True
    verbs: ClassVar[dict[str, int]] = {"shed": 1}
    activities: ClassVar[tuple[str, str]] = ("sheds", "sheds")

    def curtail_cost_per_mwh(self, asset: CurtailableLoad) -> float:
        """Return the cost of a MWh that is shed."""
        return asset.curtail_cost_per_mwh

    def nameplate(
        self, asset: CurtailableLoad, currency: str, reference_mw: float | None = None
    ) -> list[tuple[str, str]]:
        """Return capacity, cost and when it may be shed."""
        return [
            ("Capacity", power_text(asset.capacity_mw, reference_mw)),
            ("Cost", f"{asset.curtail_cost_per_mwh:g} {currency} per MWh"),
            ("Used", "only at the import cap" if asset.only_at_cap else "any time"),
        ]

    def shedding(self, asset: CurtailableLoad) -> Shedding:
        """Return its parameters."""
        return Shedding(asset.capacity_mw, asset.curtail_cost_per_mwh, asset.only_at_cap)

    def power_limits_mw(self, zone: Zone, asset: CurtailableLoad) -> tuple[float, float]:
        """Return 0 and its capacity."""
        return 0.0, asset.capacity_mw

    def deliver(self, asset: CurtailableLoad, state: AssetState, wanted_mw: float, interval: Interval) -> Response:
        """Return the power within 0 and its capacity."""
        power = clip_to(wanted_mw, 0.0, asset.capacity_mw)
        reason = None if power == wanted_mw else Clamp.WRONG_SIGN if wanted_mw < 0 else Clamp.POWER_LIMIT
        return Response(power, AssetState(power_mw=power, available=state.available), reason)

    def held_mw(self, horizon: Horizon, row: int, given_mw: Floats) -> Floats:
        """Return the given power within 0 and capacity."""
        return np.clip(given_mw, 0.0, _load(horizon, row).capacity_mw)

    def curtailable_mw(self, horizon: Horizon, row: int, above_cap_mw: Floats) -> Floats:
        """Return its capacity; an emergency load only has the power by which net load may exceed the cap."""
        load = _load(horizon, row)
        if not load.only_at_cap:
            return np.full(horizon.steps, load.capacity_mw)
        return np.minimum(load.capacity_mw, above_cap_mw)

    def plan_costs(self, horizon: Horizon, row: int, power_mw: Floats, running: Bools, soc: Floats) -> dict[str, float]:
        """Return what is paid for shed energy."""
        energy = power_mw * horizon.step_h
        return {"curtail": _load(horizon, row).curtail_cost_per_mwh * float(np.abs(energy).sum())}

    def add_power_columns(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Add ``shed`` (K, N)."""
        sheet.add_columns("shed", len(forms), shape.steps)

    power_terms = (("shed", 1.0),)
    net_load_column = "shed"
    limit_columns = (LimitColumn("shed", "power"),)

    def fill(self, values: Coefficients, horizon: Horizon, rows: Ints) -> None:
        """Write the sheddable power, and its cost minus the saved energy."""
        for k, i in enumerate(rows):
            cost = _load(horizon, int(i)).curtail_cost_per_mwh
            values.cost[values.column["shed"][k]] = horizon.step_h * (cost - horizon.generation_price_per_mwh)

    def running_cost(
        self, asset: CurtailableLoad, energy_mwh: float, *, started: bool, shortfall_mwh: float
    ) -> RunningCost:
        """Return what is paid for shed energy."""
        return RunningCost(running=asset.curtail_cost_per_mwh * abs(energy_mwh))

    def reason(self, horizon: Horizon, row: int, planned: PlannedAsset) -> str:
        """Return the distance of net load from the cap, or the power price against the compensation."""
        load, power = _load(horizon, row), float(planned.power_mw[0])
        does = f"shed {amount(power)}" if power > horizon.least_mw else "rest"
        if load.only_at_cap:
            room = horizon.zone.limits.import_cap_mw - float(horizon.net_mw[0])
            position = f"{power_text(room)} below" if room >= 0 else f"{power_text(-room)} above"
            return f"for emergencies, net load is {position} the import cap: {does}"
        worth = float(planned.power_price_per_mwh[0])
        return f"power worth {worth:.1f}, curtailment {load.curtail_cost_per_mwh:.1f}: {does}"


def _load(horizon: Horizon, row: int) -> CurtailableLoad:
    asset: Asset = horizon.zone.assets[row]
    assert isinstance(asset, CurtailableLoad)
    return asset
