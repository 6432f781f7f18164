"""The independent checker: accepted, clamped or refused, with a reason code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.assets.battery import BatteryType
from agents.assets.registry import TYPES, fleet_at_rest
from agents.assets.state import AssetState, Clamp, Interval, Response
from agents.clearing.checker import check
from agents.clearing.solve import solve
from tests.worlds.grid_cases import BATTERY, LOAD, PEAKER, evening_problem, grid_zone
from vpp.fleet.assets import Battery

ZONE = grid_zone(BATTERY, PEAKER, LOAD, export_cap_mw=20.0)
REST = fleet_at_rest(ZONE)


@pytest.mark.parametrize(
    ("setpoints", "net", "outcome", "power", "reason"),
    [
        pytest.param({"b": 4.0}, 50.0, "accepted", 4.0, None, id="fits"),
        pytest.param({"b": 12.0}, 50.0, "clamped", 8.0, Clamp.POWER_LIMIT, id="too-much"),
        pytest.param({"b": float("nan")}, 50.0, "refused", 0.0, Clamp.NOT_FINITE, id="no-number"),
        pytest.param({"p": -1.0}, 50.0, "clamped", 0.0, Clamp.WRONG_SIGN, id="a-peaker-cannot-take"),
        pytest.param({"p": 15.0}, 50.0, "clamped", 8.0, Clamp.RAMP_LIMIT, id="too-fast"),
        pytest.param({"x": 1.0}, 50.0, "refused", 0.0, Clamp.UNKNOWN_ASSET, id="nobody"),
        pytest.param({"b": -8.0}, 83.0, "clamped", -3.0, Clamp.IMPORT_CAP, id="charging-into-the-cap"),
        pytest.param({"b": 8.0}, -15.0, "clamped", 5.0, Clamp.EXPORT_CAP, id="discharging-into-the-export-cap"),
        pytest.param({"b": 8.0}, 95.0, "accepted", 8.0, None, id="helps-above-the-cap"),
    ],
)
def test_verdicts(setpoints: dict[str, float], net: float, outcome: str, power: float, reason: Clamp | None) -> None:
    (verdict,) = check(ZONE, REST, setpoints, 0.5, net_mw=net)
    assert verdict.power_mw == pytest.approx(power)
    assert (str(verdict.outcome), verdict.reason) == (outcome, reason)


def test_an_asset_that_is_not_available_is_refused() -> None:
    state = replace(REST, available=np.array([False, True, True]))
    (verdict,) = check(ZONE, state, {"b": 1.0}, 0.5)
    assert (verdict.outcome, verdict.reason) == ("refused", Clamp.UNAVAILABLE)


class StepsOf2MW(BatteryType):
    """A battery whose converter has steps of 2 MW; the nearest step to a setpoint is delivered."""

    def deliver(self, asset: Battery, state: AssetState, wanted_mw: float, interval: Interval) -> Response:
        """Return the nearest step."""
        return super().deliver(asset, state, 2.0 * round(wanted_mw / 2.0), interval)


@pytest.mark.parametrize(
    ("setpoint", "net", "power", "reason"),
    [
        pytest.param(-8.0, 81.0, -4.0, Clamp.IMPORT_CAP, id="the-nearest-step-to-what-the-cap-leaves"),
        pytest.param(-2.0, 84.5, -2.0, None, id="no-step-is-better"),
        pytest.param(8.0, -14.6, 6.0, Clamp.EXPORT_CAP, id="export"),
    ],
)
def test_a_reduced_setpoint_is_one_that_the_asset_delivers(
    monkeypatch: pytest.MonkeyPatch, setpoint: float, net: float, power: float, reason: Clamp | None
) -> None:
    monkeypatch.setitem(TYPES, BATTERY.kind, StepsOf2MW())
    (verdict,) = check(ZONE, REST, {"b": setpoint}, 0.5, net_mw=net)
    assert verdict.power_mw == pytest.approx(power)
    assert verdict.reason == reason


@given(
    powers=st.dictionaries(st.sampled_from(["b", "p", "l"]), st.floats(-50, 50)),
    net=st.floats(-60, 120),
    soc=st.floats(0, 1),
)
def test_what_goes_out_is_deliverable_and_makes_no_breach_worse(
    powers: dict[str, float], net: float, soc: float
) -> None:
    state = replace(REST, soc=np.array([soc, np.nan, np.nan]))
    verdicts = check(ZONE, state, powers, 0.5, net_mw=net)
    sent = {v.asset_id: v.power_mw for v in verdicts}
    again = check(ZONE, state, sent, 0.5, net_mw=net)
    assert {v.asset_id: v.power_mw for v in again} == pytest.approx(sent, abs=1e-6)
    grid = net - sum(sent.values())
    if grid > 86.0 + 1e-5:
        assert all(power >= 0 for power in sent.values())
    if grid < -20.0 - 1e-5:
        assert all(sent.get(name, 0.0) <= 0 for name in ("b", "l"))


@pytest.mark.parametrize("seed", range(3))
def test_the_solver_s_first_slot_is_accepted(seed: int) -> None:
    problem = evening_problem(ZONE, seed=seed)
    plan = solve(problem)
    sent = {asset.asset_id: float(plan.power_mw[i, 0]) for i, asset in enumerate(ZONE.assets)}
    verdicts = check(ZONE, problem.state, sent, 0.5, net_mw=float(problem.net_mw[0]))
    assert {v.outcome for v in verdicts} == {"accepted"}
