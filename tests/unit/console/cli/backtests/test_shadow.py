"""`vpp shadow`: the log put together again, an exact control, and another setting in money."""

from __future__ import annotations

import json
from typing import Any

import pytest

from console.cli.main import main
from tests.worlds.builders import ZONE, order_of, slot_at
from tests.worlds.plant_loop import PLANT, Loop
from topologies.backtests.shadow import stored_log, with_settings
from vpp.messages import ActorBid, Deadline, Order, TraderBid


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """A plant of seven slots with a target that is cancelled, a hold that is released, and a bid that never came."""
    made = Loop(tmp_path_factory.mktemp("plant"))
    target = {"asset_ids": ["bat"], "power_mw": 2.0, "expires_at": slot_at(20)}
    made.post("bids", order_of("target", "t1", verdict="accepted", **target))
    made.close_slot()
    made.post("bids", order_of("cancel", "t2", cancels="t1", verdict="accepted"))
    made.close_slot()
    made.post("bids", order_of("hold", "h1", asset_ids=["bat"], verdict="accepted"))
    made.close_slot()
    made.post("bids", order_of("release", "r1", verdict="accepted"))
    made.close_slot()
    made.post("bids", Deadline(zone=ZONE, slot=slot_at(made.next_slot)))
    made.next_slot += 1
    made.close_slot()
    return made


def asked(capsys: pytest.CaptureFixture[str], loop: Loop, *arguments: str) -> dict[str, Any]:
    code = main(["shadow", *arguments, "--data-dir", str(loop.settings.data_dir), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return dict(json.loads(captured.out))


def test_the_log_comes_back_in_the_order_in_which_it_ruled(loop: Loop) -> None:
    log = [m for m in stored_log(loop.store, PLANT) if isinstance(m, ActorBid | TraderBid | Order | Deadline)]
    message = [m.action if isinstance(m, Order) else type(m).__name__ for m in log if not isinstance(m, TraderBid)]
    one = "ActorBid"
    assert message == [one, one, "target", one, "cancel", one, "hold", one, "cancel", one, "Deadline", one]


def test_the_control_is_the_live_plant(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    answer = asked(capsys, loop, "--set", "service_factor=1")
    assert answer["exact"]
    assert answer["setpoints"] == 3 * 8
    assert answer["changed"] == {"service_factor": 1}
    stored = {row[0]: row[1] for row in loop.store.read("ledger", columns=("asset_id", "pnl"))}
    total = sum(row[0] for row in loop.store.read("ledger", columns=("pnl",)))
    assert set(stored) == {"bat", "gas", "shed", "zone"}
    assert answer["live"]["pnl"] == pytest.approx(total, abs=1e-9)
    assert answer["gain"] == pytest.approx(answer["shadow"]["pnl"] - answer["live"]["pnl"], abs=1e-9)


def test_a_dearer_fuel_and_a_plant_without_a_trader_change_the_money(
    loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    worn = asked(capsys, loop, "--set", "bat.wear_cost_per_mwh=60", "--set", "market.currency=EUR")
    assert worn["by_asset"]["bat"]["shadow"] != worn["by_asset"]["bat"]["live"]
    alone = asked(capsys, loop, "--policy", "actor")
    assert alone["changed"] == {"policies": ["actor"]}
    assert alone["exact"]
    linear = asked(capsys, loop, "--clearing", "linear")
    assert (linear["clearing"], linear["changed"]) == ("linear", {})
    assert linear["shadow"] != linear["live"]


def test_people_see_whether_it_is_exact(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shadow", ZONE, "--set", "hedge=0.1", "--data-dir", str(loop.settings.data_dir)]) == 0
    captured = capsys.readouterr()
    assert "pnl" in captured.out
    assert "the comparison is exact" in captured.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing differs"),
        (["--set", "hedge"], "KEY=VALUE"),
        (["--set", "nope.energy_mwh=3"], "nope"),
        (["--set", "hedge=7"], "hedge"),
        (["--set", "hegde=0.5"], "hegde"),
    ],
)
def test_what_is_no_setting_is_refused(
    arguments: list[str], says: str, loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["shadow", *arguments, "--data-dir", str(loop.settings.data_dir)]) == 2
    assert says in capsys.readouterr().err


def test_settings_are_named_as_in_the_fleet_file() -> None:
    other = with_settings(PLANT, {"limits.ramp_limit_mw": 4.0, "bat.energy_mwh": 20.0, "hedge": 0.3})
    assert (other.limits.ramp_limit_mw, other.batteries[0].energy_mwh, other.hedge) == (4.0, 20.0, 0.3)
    assert with_settings(PLANT, {}) == PLANT
