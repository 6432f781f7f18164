"""A plant that is started again without its log continues as if it had never stopped: decisions, ledger and orders."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from agents.orders.approval import PLAN_LIFE, Approval, approve, order_digest
from agents.plant.recompute import Resumption
from agents.plant.reducer import PlantReducer
from console.local.device_processes import simulated_list
from console.local.resumption import stored_resumptions
from tests.worlds.builders import ZONE, order_of, slot_at
from tests.worlds.plant_loop import PLANT, Loop
from topologies.runtime.resumption import read_resumptions, write_resumptions
from vpp.fleet.in_force import resumption_path, start_fleet_path
from vpp.fleet.lookup import write_fleet
from vpp.messages import Order
from vpp.settings import Settings
from vpp.store.tables import ASSETS, DECISIONS, LEDGER, ORDER_STATES, SETPOINTS, TRADES

KEY = b"k" * 32
STOPS = (6, 9)
END = 14
TABLES = (ASSETS, LEDGER, TRADES, SETPOINTS, DECISIONS, ORDER_STATES)


class Stopping(Loop):
    """A plant that is stopped at some slots and started again from what is stored; its rows are the same."""

    def __init__(self, folder: Path, key: bytes | None = None) -> None:
        self._key = key
        super().__init__(folder, key=key, swings=True)

    def run(self, *stops: int) -> None:
        """Close all slots; an order is asked for before the first stop, another one stands from before it."""
        while self.next_slot < END:
            if self.next_slot == STOPS[0] - 2:
                self.post("orders", self._approved("target", "early", power_mw=2.0, expires_at=slot_at(STOPS[1] + 2)))
            if self.next_slot == STOPS[0] - 1:
                self.post("orders", self._approved("hold", "stop", asset_ids=("gas",)))
                self.post(
                    "orders", self._approved("band", "later", max_mw=1.0, starts_at=slot_at(11), expires_at=slot_at(13))
                )
            self.close_slot()
            if self.next_slot in stops:
                self.start_again()

    def start_again(self) -> None:
        """Lose all state of the plant and continue from the store."""
        plants = stored_resumptions(self.store, [ZONE], slot_at(self.next_slot - 1), self._key)
        plants = msgspec.json.decode(msgspec.json.encode(plants), type=dict[str, Resumption])
        self._plant = PlantReducer(PLANT, approval_key=self._key, resumption=plants[ZONE])
        self._states["bids"] = self._plant.load(ZONE, lambda _: None)

    def _approved(self, action: str, order_id: str, **fields: object) -> Order:
        order = order_of(action, order_id, **{"asset_ids": ("bat",), "issued_at": slot_at(self.next_slot), **fields})
        given_at = order.issued_at
        mode = "hold" if action == "hold" else "operator"
        approval = Approval(order_digest(order), "ops", mode, given_at, given_at + PLAN_LIFE)
        return approve(order, approval, self._key)


@pytest.mark.parametrize("key", [None, KEY])
def test_a_plant_stopped_twice_leaves_the_same_rows_as_one_that_ran_through(tmp_path: Path, key: bytes | None) -> None:
    through, stopped = Stopping(tmp_path / "through", key), Stopping(tmp_path / "stopped", key)
    through.run()
    stopped.run(*STOPS)
    stages = {(row["order_id"], row["stage"]) for row in through.store.read(ORDER_STATES).dicts()}
    assert stages >= {("early", "done"), ("stop", "acting"), ("later", "waiting"), ("later", "done")}
    for table in TABLES:
        assert stopped.store.read(table).dicts() == through.store.read(table).dicts(), table.name
    powers = {row["power_mw"] for row in through.store.read(ASSETS, filters={"asset_id": "bat"}).dicts()}
    assert len(powers) > 3


def test_an_order_that_somebody_wrote_into_the_store_does_not_act(tmp_path: Path) -> None:
    plant = Stopping(tmp_path, KEY)
    plant.run()
    plants = stored_resumptions(plant.store, [ZONE], slot_at(END - 1), KEY)
    assert set(plants[ZONE].lives.open) == {"stop"}
    life = plants[ZONE].lives.open["stop"]
    life.order = msgspec.structs.replace(life.order, asset_ids=("bat",))
    state = PlantReducer(PLANT, approval_key=KEY, resumption=plants[ZONE]).load(ZONE, lambda _: None)
    assert state.standing.orders == []


def test_a_fleet_that_changed_meanwhile_continues_with_its_charge_and_without_setpoints(tmp_path: Path) -> None:
    plant = Stopping(tmp_path)
    plant.run()
    (resumption,) = stored_resumptions(plant.store, [ZONE], slot_at(END - 1), None).values()
    fewer = PLANT.model_copy(update={"assets": PLANT.assets[:1]})
    state = PlantReducer(fewer, resumption=resumption).load(ZONE, lambda _: None)
    assert state.plan is None
    (row,) = plant.store.latest(ASSETS, ZONE, filters={"asset_id": "bat"}).dicts()
    assert state.head.assets["bat"].soc == row["soc"]


def test_only_the_workers_of_vpp_up_read_what_it_wrote(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    plant = Stopping(tmp_path / "plant")
    resumptions = stored_resumptions(plant.store, [ZONE], slot_at(1), None)
    start_fleet_path(settings).parent.mkdir(parents=True)
    write_resumptions(settings, resumptions)
    worker = settings.model_copy(update={"fleet": start_fleet_path(settings)})
    assert read_resumptions(worker) == resumptions
    assert read_resumptions(settings) == {}
    write_resumptions(settings, {})
    assert not resumption_path(settings).exists()
    assert read_resumptions(worker) == {}


@pytest.mark.parametrize("continues", [True, False])
def test_simulated_devices_start_with_the_charge_that_the_plant_continues_with(tmp_path: Path, continues: bool) -> None:
    plant = Stopping(tmp_path / "plant")
    plant.run()
    settings = Settings(data_dir=tmp_path)
    settings = settings.model_copy(update={"fleet": start_fleet_path(settings)})
    start_fleet_path(settings).parent.mkdir(parents=True)
    write_fleet(start_fleet_path(settings), [PLANT])
    write_resumptions(settings, stored_resumptions(plant.store, [ZONE], slot_at(END - 1), None) if continues else {})
    listed = simulated_list(settings).devices
    assert listed is not None
    started = yaml.safe_load(listed.read_text(encoding="utf-8"))["devices"]["bat"]["soc_start"]
    (row,) = plant.store.latest(ASSETS, ZONE, filters={"asset_id": "bat"}).dicts()
    assert row["soc"] != PLANT.batteries[0].soc_start
    assert started == (row["soc"] if continues else PLANT.batteries[0].soc_start)
