"""`vpp reload` on a running `vpp up`: a change acts from the next slot on; what is forged or not live is refused."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agents.orders.zone_change import ACCEPTED
from agents.plant.recompute import configured
from tests.plant_fixtures import Place, wait_for_slots
from topologies.control.publisher import Post
from topologies.control.zone_reload import ZoneReload, send_changes
from vpp.errors import RefusedError
from vpp.fleet.assets import Battery
from vpp.fleet.in_force import candidates, fleet_in_force, fleet_path
from vpp.fleet.lookup import write_fleet
from vpp.fleet.schema import Zone, load_fleet
from vpp.messages import Decision, read_decision
from vpp.store import Store, open_store
from vpp.store.tables import AUDIT, DECISIONS, SETPOINTS

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ZONE = "MYTOWN"
BEGIN, HISTORY_DAYS = datetime(2024, 3, 1, tzinfo=UTC), 16
KEY, OTHER_KEY = "k" * 32, "q" * 32
WITHIN_S = 240.0
MOST_SLOTS_BETWEEN = 3
"""Slots that the plant may decide between the answer of admission and its own turn to read the change."""


def decisions_of(store: Store) -> list[Decision]:
    return [read_decision(row["body"]) for row in store.read(DECISIONS, zone=ZONE).dicts()]


def source(folder: Path) -> list[str]:
    """Write a file of a zone with little history, so that its run decides soon; return the options that replay it."""
    path = folder / "own.csv"
    with path.open("w", encoding="utf-8") as out:
        out.write("timestamp,zone,load_mw,wind_mw,price\n")
        for n in range(48 * (HISTORY_DAYS + 10)):
            stamp = (BEGIN + n * timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
            out.write(f"{stamp},{ZONE},{500 + 100 * (n % 48 > 16) + n % 7},{50 + n % 11},{40 + 3 * (n % 48)}\n")
    first = (BEGIN + timedelta(days=HISTORY_DAYS)).strftime("%Y-%m-%d")
    return ["--source", str(path), "--from", first, "--pulse", "0.5"]


def weaker(zone: Zone) -> Zone:
    """Return the zone with a tenth of its batteries' power and another hedge."""
    assets = tuple(
        asset.model_copy(update={"charge_mw": asset.charge_mw / 10.0, "discharge_mw": asset.discharge_mw / 10.0})
        if isinstance(asset, Battery)
        else asset
        for asset in zone.assets
    )
    return zone.model_copy(update={"assets": assets, "hedge": 0.25})


def reload(place: Place, zone: Zone, **environment: str) -> subprocess.CompletedProcess[str]:
    file = place.data_dir / "mine.yaml"
    write_fleet(file, [zone])
    asker = Place(place.data_dir, {**place.environment, **environment})
    return asker.vpp("reload", "--fleet", str(file), "--reason", "works on the feeder", "--json")


def wait_for_decisions(place: Place, process: subprocess.Popen[bytes], store: Store) -> None:
    deadline = time.monotonic() + WITHIN_S
    while store.count(DECISIONS) < 2:
        assert process.poll() is None, place.said()
        assert time.monotonic() < deadline, place.said()
        time.sleep(0.2)


def wait_for_decision_by(store: Store, zone_hash: str, process: subprocess.Popen[bytes], place: Place) -> None:
    deadline = time.monotonic() + WITHIN_S
    while decisions_of(store)[-1].versions["zone"] != zone_hash:
        assert process.poll() is None, place.said()
        assert time.monotonic() < deadline, place.said()
        time.sleep(0.2)


def forge(place: Place, zone: Zone, store: Store, **changes: Any) -> str:
    """Send a change with settings that are not those of the run; return why admission refused it."""
    false_settings = place.settings.model_copy(update=changes)
    with pytest.raises(RefusedError) as caught:
        send_changes(
            [ZoneReload(zone, None)],
            false_settings,
            store,
            Post(place.settings, "cli"),
            principal="local:mallory",
            reason="forged",
            now=datetime.now(UTC),
        )
    return str(caught.value)


@pytest.mark.parametrize("key", [None, KEY])
def test_a_change_acts_from_the_next_slot_on_and_what_does_not_hold_is_refused(place: Place, key: str | None) -> None:
    place.environment.pop("VPP_KAFKA__BOOTSTRAP_SERVERS", None)
    if key is not None:
        place.environment["VPP_APPROVAL_KEY"] = key
    process = place.start("up", "--no-train", "--no-page", *source(place.data_dir))
    try:
        wait_for_slots(place, process, WITHIN_S)
        with open_store(place.settings, read_only=True) as store:
            wait_for_decisions(place, process, store)
            (running,) = load_fleet(fleet_path(place.settings)).zones
            wanted = weaker(running)

            if key is None:
                unlike = reload(place, wanted, VPP_LIVE__PULSE_S="2.5")
                assert unlike.returncode == 4, unlike.stderr
                assert "not live: live.pulse_s: 5.0 -> 2.5" in unlike.stderr
                assert "restart the run" in unlike.stderr
                fewer = reload(place, wanted.model_copy(update={"assets": wanted.assets[:1]}))
                assert fewer.returncode == 4, fewer.stderr
                assert f"{ZONE} assets.{running.assets[1].asset_id}" in fewer.stderr
                assert "another" in forge(place, wanted, store, run="another")
            else:
                refusal = forge(place, wanted, store, approval_key=SecretStr(OTHER_KEY))
                assert "not signed with the approval key" in refusal
            before = decisions_of(store)
            assert {decision.versions["zone"] for decision in before} == {running.config_hash}

            done = reload(place, wanted)
            assert done.returncode == 0, done.stderr
            answered = decisions_of(store)[-1].slot
            (row,) = json.loads(done.stdout)
            assert row["verdict"] == ACCEPTED
            assert "hedge: 0.6 -> 0.25" in row["detail"]
            assert {change["key"] for change in row["changes"]} == {
                "hedge",
                *(
                    f"assets.{battery.asset_id}.{side}_mw"
                    for battery in running.batteries
                    for side in ("charge", "discharge")
                ),
            }
            (in_force,) = fleet_in_force(place.settings).zones
            wait_for_decision_by(store, in_force.config_hash, process, place)

            hashes = [decision.versions["zone"] for decision in decisions_of(store)]
            switch = hashes.index(in_force.config_hash)
            assert set(hashes[:switch]) == {running.config_hash}
            assert set(hashes[switch:]) == {in_force.config_hash}
            first = decisions_of(store)[switch]
            step = timedelta(minutes=running.step_min)
            assert before[-1].slot < first.slot <= answered + MOST_SLOTS_BETWEEN * step
            assert configured(candidates(place.settings, ZONE), first).hedge == 0.25
            assert configured(candidates(place.settings, ZONE), before[-1]).hedge == running.hedge
            most = {battery.asset_id: max(battery.charge_mw, battery.discharge_mw) for battery in wanted.batteries}
            setpoints = [
                row
                for row in store.read(SETPOINTS, zone=ZONE, start=first.slot + step).dicts()
                if row["asset_id"] in most
            ]
            assert setpoints
            assert all(abs(row["power_mw"]) <= most[row["asset_id"]] + 1e-9 for row in setpoints)
            audit = sorted(store.read(AUDIT, zone=ZONE).dicts(), key=lambda row: row["at"])
            verdicts = [(row["verdict"], row["principal"]) for row in audit]
            assert [verdict == ACCEPTED for verdict, _ in verdicts] == [False, True]
            assert verdicts[0][1] == "local:mallory"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0, place.said()
