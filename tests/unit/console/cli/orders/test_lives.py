"""`vpp orders` on a small plant: every order with its whole life."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.cli.main import main
from tests.worlds.builders import BATTERY, ZONE
from tests.worlds.plant_loop import PLANT, Loop, acts_of


@pytest.fixture
def order_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the id of an order that acted to its end."""
    loop = Loop(tmp_path / ".vpp")
    loop.settings = loop.settings.model_copy(update={"one_person": True})
    acts = acts_of(loop)
    times = acts.times(PLANT, None, 30.0).fields()
    order = acts.new_order(PLANT, "target", "me", "a test", asset_ids=[BATTERY.asset_id], power_mw=1.0, **times)
    plan_id = acts.propose(order, "me").plan_id
    assert plan_id is not None
    acts.book.approve(plan_id, "me")
    acts.execute(plan_id, "me")
    for _ in range(3):
        loop.close_slot()
    monkeypatch.chdir(tmp_path)
    return plan_id


def test_an_order_is_shown_with_its_life(order_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["orders", "list", "--json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["order_id"], line["zone"], line["stage"]) == (order_id, ZONE, "done")
    assert main(["orders", "list", "--open-only"]) == 0
    assert "no orders" in capsys.readouterr().out
    assert main(["orders", "show", order_id]) == 0
    shown = capsys.readouterr().out
    assert all(stage in shown for stage in ("accepted", "waiting", "acting", "done"))
    assert main(["orders", "show", "nothing"]) != 0
