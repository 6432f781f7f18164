"""On/off decisions of an asset type that is no generator: a smelter that draws its capacity or nothing."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import ClassVar, Literal

import numpy as np
import pytest

from agents.assets.battery import BatteryType
from agents.assets.contract import AssetType, PlannedAsset
from agents.assets.horizon import Horizon
from agents.assets.lp import BlockShape, Coefficients, Sheet
from agents.assets.registry import TYPES, register
from agents.assets.state import AssetState, Interval, Response
from agents.clearing.matrix import layout_of
from agents.clearing.problem import ClearingInputs, ClearingProblem, clearing_problem
from agents.clearing.solve import committed_powers, solve
from agents.clearing.stochastic_programme import applies
from tests.worlds.builders import BATTERY, make_zone
from vpp.fleet.assets import ENTRIES, Asset
from vpp.fleet.schema import Fleet, Zone, add_asset_kind
from vpp.numerics.arrays import Floats, Ints


class Smelter(Asset):
    """Draws ``capacity_mw`` or nothing; a MWh is worth ``value_per_mwh``."""

    kind: Literal["smelter"] = "smelter"
    capacity_mw: float
    value_per_mwh: float


class SmelterType(AssetType[Smelter]):
    """``q[h] = capacity on[h]`` with ``on`` whole."""

    entry = Smelter
    verbs: ClassVar[dict[str, int]] = {"smelt": -1}
    power_terms = (("smelter_draw", -1.0),)
    running_column = "smelter_on"

    def commits(self, asset: Smelter) -> bool:
        """Return True."""
        return True

    def power_limits_mw(self, zone: Zone, asset: Smelter) -> tuple[float, float]:
        """Return minus its capacity and 0."""
        return -asset.capacity_mw, 0.0

    def deliver(self, asset: Smelter, state: AssetState, wanted_mw: float, interval: Interval) -> Response:
        """Return the capacity or 0, whichever is nearer."""
        power = -asset.capacity_mw if wanted_mw < -asset.capacity_mw / 2 else 0.0
        return Response(power, AssetState(power_mw=power, available=state.available))

    def held_mw(self, horizon: Horizon, row: int, given_mw: Floats) -> Floats:
        """Return the given power."""
        return given_mw

    def form(self, asset: Smelter) -> float:
        """Return its capacity."""
        return asset.capacity_mw

    def add_power_columns(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Add draw and on/off."""
        sheet.add_columns("smelter_draw", len(forms), shape.steps)
        sheet.add_columns("smelter_on", len(forms), shape.steps, pure_number=True)

    def add_operating_rows(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Tie the draw to the decision."""
        rows = sheet.add_rows("smelter_load", len(forms), shape.steps)
        sheet.put(rows, sheet.column["smelter_draw"], 1.0)
        sheet.put(rows, sheet.column["smelter_on"], -np.array(forms, dtype=float).reshape(-1, 1))

    def fill(self, values: Coefficients, horizon: Horizon, rows: Ints) -> None:
        """Write the cost, and the decision where it is made already."""
        values.equal("smelter_load", 0.0)
        for k, i in enumerate(rows):
            smelter, on = horizon.zone.assets[i], values.column["smelter_on"][k]
            assert isinstance(smelter, Smelter)
            price = horizon.generation_price_per_mwh - smelter.value_per_mwh
            values.cost[values.column["smelter_draw"][k]] = horizon.step_h * price
            values.high[on] = 1.0
            values.integer[on] = 1
            if values.running is not None:
                values.low[on] = values.high[on] = values.running[i].astype(float)
                values.integer[on] = 0

    def reason(self, horizon: Horizon, row: int, planned: PlannedAsset) -> str:
        """Return its power."""
        return f"{planned.power_mw[0]:g} MW"


SMALL = {"asset_id": "small", "capacity_mw": 4.0, "value_per_mwh": 60.0}
LARGE = {"asset_id": "large", "capacity_mw": 9.0, "value_per_mwh": 30.0}


@pytest.fixture
def problem() -> Iterator[ClearingProblem]:
    """A cheap and a dear half hour for two smelters, with room for one and a half of them below the import cap."""
    add_asset_kind(Smelter)
    register(SmelterType())
    try:
        zone = make_zone(Smelter.model_validate(SMALL), Smelter.model_validate(LARGE))
        net = np.full(2, zone.limits.import_cap_mw - 10.0)
        limits = zone.limits.model_copy(update={"ramp_limit_mw": 100.0})
        zone = zone.model_copy(update={"limits": limits})
        yield clearing_problem(zone, ClearingInputs(net, price_per_mwh=np.array([20.0, 50.0])))
    finally:
        TYPES.pop("smelter", None)
        ENTRIES.pop("smelter", None)
        Zone.model_rebuild(force=True)
        Fleet.model_rebuild(force=True)
        layout_of.cache_clear()


def test_a_plan_has_the_decisions_of_a_type_that_is_no_generator(problem: ClearingProblem) -> None:
    plan = solve(problem)
    assert plan.power_mw.tolist() == pytest.approx(np.array([[-4.0, -4.0], [0.0, 0.0]]))
    assert plan.running.tolist() == [[True, True], [False, False]]


def test_a_second_pass_takes_the_decisions_over(problem: ClearingProblem) -> None:
    powers = committed_powers(problem, solve(problem))
    assert powers is not None
    assert powers.tolist() == pytest.approx([-4.0, 0.0])


def test_a_store_with_an_on_off_decision_is_left_to_the_linear_programme(monkeypatch: pytest.MonkeyPatch) -> None:
    one_battery = clearing_problem(make_zone(BATTERY), ClearingInputs(np.full(4, 20.0)))
    assert applies(one_battery)
    monkeypatch.setattr(BatteryType, "commits", lambda self, asset: True)
    assert not applies(one_battery)
