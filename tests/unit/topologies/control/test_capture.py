"""Captures from the tables: local days, corrections, holds and old bids."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.assets.battery import soc_after
from tests.worlds.builders import BATTERY, make_zone, order_of
from topologies.control.capture import captures
from vpp.messages import DECISION_VERSION, Decision, Engine, MissingBid, OrderVerdict, PlanTable
from vpp.settings import load_settings
from vpp.store import Store, open_store
from vpp.store.message_rows import rows_of
from vpp.store.table import Row
from vpp.store.tables import ASSETS, DECISIONS, LEDGER

ZONE = make_zone(BATTERY, time_zone="Europe/London")
HALF_HOUR = timedelta(minutes=30)
CLOCKS_GO_BACK = datetime(2022, 10, 29, 23, tzinfo=UTC)
DAY_SLOTS = 50
PRICES = [50.0] * 20 + [150.0] * 30


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(load_settings({"data_dir": tmp_path})) as opened:
        yield opened


def rows(powers: list[float]) -> dict[Any, list[Row]]:
    """Return a day's rows of a battery that was told ``powers``; prices are ``PRICES``."""
    soc, assets, ledger = 0.5, [], []
    for index, power in enumerate(powers):
        slot = CLOCKS_GO_BACK + index * HALF_HOUR
        soc = soc_after(BATTERY, soc, power, 0.5)
        energy = power * 0.5
        wear = 5.0 * max(energy, 0.0)
        revenue = energy * PRICES[index]
        assets.append(("Z", slot, "bat", "battery", power, energy, soc, power, "twin", True, None))
        money = (energy, PRICES[index], revenue, wear, 0.0, 0.0, 0.0, 0.0, revenue - wear, "GBP", 0.0, False)
        ledger.append(("Z", slot, "bat", 0, *money))
    return {ASSETS: assets, LEDGER: ledger}


def decision(index: int, revision: int = 0, **given: Any) -> Row:
    slot = CLOCKS_GO_BACK + index * HALF_HOUR
    ahead = PRICES[index + 1 : index + 9] or [100.0]
    level = [50.0] * len(ahead)
    plan = PlanTable(
        horizon_min=[30 * (h + 1) for h in range(len(ahead))], net_mw=level, price_per_mwh=ahead, grid_mw=level
    )
    record = Decision(
        version=DECISION_VERSION,
        zone="Z",
        slot=slot,
        for_slot=slot + HALF_HOUR,
        decision_id=f"d{index}-{revision}",
        revision=revision,
        engine=Engine.HOLD if revision else Engine.LP,
        objective=0.0,
        binding="",
        plan=None if revision else plan,
        **given,
    )
    ((_, row),) = rows_of(record, "decisions", slot)
    return row


def test_the_day_on_which_clocks_go_back_has_fifty_half_hours(store: Store) -> None:
    store.write_all(rows([0.0] * DAY_SLOTS))
    (day,) = captures(store, ZONE)
    assert (day.day.isoformat(), day.slots) == ("2022-10-30", DAY_SLOTS)
    assert day.capture.value == 0.0
    assert day.capture.bound > 0.0


def test_corrections_are_added_and_move_the_bound(store: Store) -> None:
    store.write_all(rows([0.0] * 20 + [1.0] * 2 + [0.0] * 28))
    (before,) = captures(store, ZONE)
    slot = CLOCKS_GO_BACK + 20 * HALF_HOUR
    store.write(LEDGER, [("Z", slot, "bat", 1, 0.0, 250.0, 50.0, 0.0, 0.0, 0.0, 0.0, 0.0, 50.0, "GBP", 0.0, False)])
    (after,) = captures(store, ZONE)
    assert after.capture.value == pytest.approx(before.capture.value + 50.0)
    assert after.capture.bound > before.capture.bound + 50.0


def test_what_ruled_the_slot_bears_its_loss(store: Store) -> None:
    store.write_all(rows([0.0] * DAY_SLOTS))
    (bare,) = captures(store, ZONE)
    assert bare.capture.losses["constraint"] == pytest.approx(bare.capture.bound)
    order = order_of("hold", "o", asset_ids=["bat"])
    verdict = OrderVerdict(order_id="o", action="hold", outcome="accepted")
    store.write(DECISIONS, [decision(i) for i in range(DAY_SLOTS - 1)])
    (knew,) = captures(store, ZONE)
    store.write(DECISIONS, [decision(i, 1, orders=[order], verdicts=[verdict]) for i in range(DAY_SLOTS - 1)])
    (held,) = captures(store, ZONE)
    assert held.capture.losses["hold"] == pytest.approx(knew.capture.losses["constraint"], abs=1e-6)
    assert held.capture.bound == pytest.approx(bare.capture.bound)
    late = [decision(i, missing=[MissingBid(policy="trader", cause="no_bid")]) for i in range(DAY_SLOTS - 1)]
    store.write(DECISIONS, late)
    (old,) = captures(store, ZONE)
    assert old.capture.losses["latency"] == pytest.approx(held.capture.losses["forecast"], abs=1e-6)
    assert old.capture.losses["forecast"] == 0.0


def test_a_window_ends_where_it_says(store: Store) -> None:
    store.write_all(rows([0.0] * DAY_SLOTS))
    (part,) = captures(store, ZONE, start=CLOCKS_GO_BACK + 10 * HALF_HOUR, end=CLOCKS_GO_BACK + 30 * HALF_HOUR)
    assert part.slots == 20
