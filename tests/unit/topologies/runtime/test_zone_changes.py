"""A change of a zone is a record: steps apply it at its place, keep it over a restart, and a replay repeats it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.orders.zone_change import ACCEPTED, FORGED, OPEN_AUTHORITY, REFUSED, ChangeAuthority, sealed
from tests.worlds.builders import T0, ZONE, actor_bid_at, closed_slot, make_zone, trader_bid_at
from topologies.runtime.in_process import Chain, MemoryState
from topologies.runtime.reducers import STEPS, make_reducer
from topologies.runtime.runner import Runner
from topologies.runtime.zone_changes import FORWARDED, AppliedChange, apply_change, zone_applied
from vpp import messages as m
from vpp.domain import iso
from vpp.errors import ConfigError
from vpp.fleet.schema import Limits, Zone
from vpp.settings import Settings, load_settings
from vpp.streams.reducer import Origin, Output
from vpp.streams.state_codec import pack
from vpp.streams.topics import INPUT_OF

PLANT = make_zone(limits=Limits(ramp_limit_mw=50.0, import_cap_mw=86.0))
TIGHTER = PLANT.model_copy(update={"limits": Limits(ramp_limit_mw=50.0, import_cap_mw=46.0)})
SECOND = timedelta(seconds=1)


def change_to(zone: Zone, after: timedelta = SECOND) -> m.ZoneChange:
    return m.ZoneChange(zone=ZONE, at=T0 + after, config=zone.model_dump(mode="json"), principal="ops", reason="storm")


def settings_of(folder: Path, **given: Any) -> Settings:
    return load_settings({"data_dir": folder, **given})


class TestChain:
    def test_a_change_reaches_every_step_and_the_audit(self, tmp_path: Path) -> None:
        chain = Chain(settings_of(tmp_path), {ZONE: PLANT}.get)
        outputs = chain.feed(change_to(TIGHTER), "orders")
        assert sorted(o.topic for o in outputs if isinstance(o.message, m.ZoneChange)) == sorted(
            ["orders", *(topic for topics in FORWARDED.values() for topic in topics)]
        )
        (audit,) = (o.message for o in outputs if isinstance(o.message, m.Audit))
        assert (audit.verdict, audit.detail) == (ACCEPTED, "storm: limits.import_cap_mw: 86 -> 46")
        again = chain.feed(change_to(TIGHTER, 2 * SECOND), "orders")
        assert [o.message.detail for o in again if isinstance(o.message, m.Audit)] == ["storm: no difference"]

    def test_a_refused_change_is_in_the_audit_and_nowhere_else(self, tmp_path: Path) -> None:
        chain = Chain(settings_of(tmp_path), {ZONE: PLANT}.get)
        outputs = chain.feed(change_to(PLANT.model_copy(update={"assets": PLANT.assets[:1]})), "orders")
        (audit,) = (o.message for o in outputs[1:])
        assert isinstance(audit, m.Audit)
        assert audit.verdict == REFUSED
        assert "restart is needed to change assets.gas, assets.shed" in audit.detail

    def test_unsigned_changes_are_refused_where_approvals_are_signed(self, tmp_path: Path) -> None:
        key = "s" * 32
        chain = Chain(settings_of(tmp_path, approval_key=key), {ZONE: PLANT}.get)
        asked = sealed(change_to(TIGHTER), key.encode())
        assert FORGED not in reasons(chain.feed(asked, "orders"))
        for topic in ("telemetry.raw", "telemetry", "forecasts", "bids"):
            for change in (change_to(TIGHTER, 2 * SECOND), asked):
                assert reasons(chain.feed(change, topic)) == [FORGED] * len(steps_of(topic))

    def test_a_recorded_change_that_is_sent_again_is_refused_in_the_audit_and_everywhere(self, tmp_path: Path) -> None:
        key = "s" * 32
        chain = Chain(settings_of(tmp_path, approval_key=key), {ZONE: PLANT}.get)
        first, second = (sealed(change_to(zone, n * SECOND), key.encode()) for n, zone in ((1, TIGHTER), (2, PLANT)))
        (recorded,) = (o.message for o in chain.feed(first, "orders")[1:] if o.topic == "bids")
        chain.feed(second, "orders")
        (audit,) = (o.message for o in chain.feed(first, "orders")[1:])
        assert isinstance(audit, m.Audit)
        assert (audit.verdict, audit.detail.split(" was ")[0]) == (REFUSED, f"the change of {iso(second.at)}")
        (letter,) = (o.message for o in chain.feed(recorded, "bids")[1:] if isinstance(o.message, m.DeadLetter))
        assert letter.reason == "older"


@pytest.mark.parametrize("topology", STEPS)
def test_a_forged_change_is_an_alert_of_every_step(topology: str, tmp_path: Path) -> None:
    key = "s" * 32
    make = partial(make_reducer, topology, settings=settings_of(tmp_path, approval_key=key))
    runner = Runner(topology, {ZONE: PLANT}.get, make, authority=ChangeAuthority(key=key.encode()))
    origin = Origin(INPUT_OF[topology].name, 0, 1, T0)
    outputs = list(runner.process(m.encode(change_to(TIGHTER)), ZONE.encode(), origin, MemoryState()))
    (alert,) = (output.message for output in outputs if isinstance(output.message, m.Alert))
    assert (alert.code, alert.severity, alert.slot) == (m.AlertCode.CHANGE_FORGED, "critical", T0)
    assert reasons(outputs) == ([] if topology == "orders" else [FORGED])
    audits = [output.message.verdict for output in outputs if isinstance(output.message, m.Audit)]
    assert audits == ([REFUSED] if topology == "orders" else [])


KEY = b"s" * 32
SIGNED = ChangeAuthority(key=KEY)


def seen_by(topology: str, folder: Path, first_at: int, *changes: tuple[m.ZoneChange, int]) -> list[Output]:
    """Return what a step gives for changes at offsets, after it applied one of ``T0`` + 1 h at ``first_at``."""
    settings = settings_of(folder, approval_key=KEY.decode())
    runner = Runner(topology, {ZONE: PLANT}.get, lambda zone: make_reducer(topology, zone, settings), authority=SIGNED)
    state, outputs = MemoryState(), []
    for change, offset in ((genuine(TIGHTER, timedelta(hours=1)), first_at), *changes):
        origin = Origin(INPUT_OF[topology].name, 0, offset, change.at)
        outputs = list(runner.process(m.encode(change), ZONE.encode(), origin, state))
    return outputs


def genuine(zone: Zone, after: timedelta) -> m.ZoneChange:
    return SIGNED.admit(sealed(change_to(zone, after), KEY))


@pytest.mark.parametrize("topology", STEPS)
@pytest.mark.parametrize("after", [timedelta(minutes=59), timedelta(hours=1), timedelta(hours=2)], ids=str)
@pytest.mark.parametrize("offset", [0, 10, 20])
@pytest.mark.parametrize("seal", ["", "0" * 64, "ü"])
def test_a_forged_change_of_any_time_and_place_is_an_alert(
    topology: str, after: timedelta, offset: int, seal: str, tmp_path: Path
) -> None:
    for zone in (PLANT, TIGHTER):
        forged = msgspec.structs.replace(change_to(zone, after), seal=seal, admission=seal)
        outputs = seen_by(topology, tmp_path, 10, (forged, offset))
        (alert,) = (output.message for output in outputs if isinstance(output.message, m.Alert))
        assert alert.code == m.AlertCode.CHANGE_FORGED
        assert not [output for output in outputs if isinstance(output.message, m.ZoneChange)]
        refusals = [one for one in outputs if isinstance(one.message, m.Audit) and one.message.verdict == REFUSED]
        assert (reasons(outputs), len(refusals)) == (([], 1) if topology == "orders" else ([FORGED], 0))


@pytest.mark.parametrize("topology", STEPS)
@pytest.mark.parametrize(
    ("zone", "minutes", "offset"),
    [
        pytest.param(PLANT, 59, 20, id="older"),
        pytest.param(PLANT, 60, 20, id="same time"),
        pytest.param(TIGHTER, 60, 20, id="again"),
        pytest.param(PLANT, 59, 0, id="older, in a topic that was made anew"),
        pytest.param(PLANT, 59, 10, id="older, at the place of the last one"),
        pytest.param(TIGHTER, 60, 9, id="again, before its place"),
    ],
)
def test_a_genuine_change_that_is_no_newer_is_refused_without_an_alert(
    topology: str, zone: Zone, minutes: int, offset: int, tmp_path: Path
) -> None:
    late = genuine(zone, timedelta(minutes=minutes))
    outputs = seen_by(topology, tmp_path, 10, (late, offset))
    assert not [output for output in outputs if isinstance(output.message, m.Alert | m.ZoneChange)]
    if topology == "orders":
        (audit,) = (output.message for output in outputs if isinstance(output.message, m.Audit))
        assert audit.verdict == REFUSED
    else:
        assert reasons(outputs) == ["older"]


@pytest.mark.parametrize("topology", STEPS)
def test_a_genuine_change_that_is_read_again_gives_nothing(topology: str, tmp_path: Path) -> None:
    again = genuine(TIGHTER, timedelta(hours=1))
    assert seen_by(topology, tmp_path, 10, (again, 10)) == []
    newer = genuine(PLANT, timedelta(hours=2))
    assert seen_by(topology, tmp_path, 10, (newer, 20), (again, 10)) == []


def reasons(outputs: list[Output]) -> list[str]:
    return [output.message.reason for output in outputs if isinstance(output.message, m.DeadLetter)]


def steps_of(topic: str) -> list[str]:
    return [step for step in STEPS if INPUT_OF[step].name == topic]


class Plant:
    """The plant alone, whose decisions show the cap that it goes by; ``restart`` forgets all but the kept state."""

    def __init__(self, folder: Path, configured: Zone = PLANT) -> None:
        self.settings, self.state, self.offset = settings_of(folder), MemoryState(), 0
        self.restart(configured)

    def restart(self, configured: Zone) -> None:
        self.runner = Runner("plant", {ZONE: configured}.get, lambda zone: make_reducer("plant", zone, self.settings))

    def send(self, *messages: m.Message) -> list[Output]:
        outputs: list[Output] = []
        for message in messages:
            self.offset += 1
            origin = Origin("bids", 0, self.offset)
            outputs += self.runner.process(m.encode(message), ZONE.encode(), origin, self.state)
        assert not [o for o in outputs if isinstance(o.message, m.DeadLetter)]
        return outputs

    def decide(self, index: int) -> tuple[str, float]:
        """Return the hash of the configuration that a decision was made by, and what its fleet does (MW)."""
        seen = closed_slot(index)
        outputs = self.send(actor_bid_at(index, observation=seen), trader_bid_at(index, observation=seen))
        (decision,) = (o.message for o in outputs if isinstance(o.message, m.Decision))
        planned = sum(o.message.power_mw for o in outputs if isinstance(o.message, m.Setpoint))
        return decision.versions["zone"], planned


class TestPlant:
    def test_decisions_go_by_the_change_from_its_place_on(self, tmp_path: Path) -> None:
        plant = Plant(tmp_path)
        before = plant.decide(0)
        assert plant.send(change_to(TIGHTER)) == []
        after = plant.decide(1)
        assert before[0] == PLANT.config_hash
        assert after[0] == TIGHTER.config_hash
        assert before[1] <= 0.0 < after[1], "50 MW are served: a cap of 46 calls for discharge"

    def test_a_restart_keeps_the_change_until_the_file_changes(self, tmp_path: Path) -> None:
        plant = Plant(tmp_path)
        plant.decide(0)
        plant.send(change_to(TIGHTER))
        plant.restart(PLANT)
        assert plant.decide(1)[0] == TIGHTER.config_hash
        other = PLANT.model_copy(update={"hedge": 0.2})
        plant.restart(other)
        assert plant.decide(2)[0] == other.config_hash

    def test_a_change_that_is_read_again_does_nothing(self, tmp_path: Path) -> None:
        plant = Plant(tmp_path)
        plant.send(change_to(PLANT, SECOND), change_to(TIGHTER, 2 * SECOND))
        plant.offset = 0
        assert plant.send(change_to(PLANT, SECOND), change_to(TIGHTER, 2 * SECOND)) == []
        assert plant.decide(0)[0] == TIGHTER.config_hash
        plant.send(change_to(PLANT, 3 * SECOND))
        assert plant.decide(1)[0] == PLANT.config_hash

    def test_a_worker_that_gets_the_partition_back_sees_a_change_that_another_took(self, tmp_path: Path) -> None:
        plant = Plant(tmp_path)
        plant.decide(0)
        mine = plant.runner
        plant.restart(PLANT)
        plant.send(change_to(TIGHTER))
        plant.runner = mine
        assert plant.decide(1)[0] == TIGHTER.config_hash

    def test_the_same_log_gives_the_same_outputs(self, tmp_path: Path) -> None:
        log = [
            *(bid(0) for bid in (actor_bid_at, trader_bid_at)),
            change_to(TIGHTER),
            *(bid(1) for bid in (trader_bid_at, actor_bid_at)),
        ]
        first, second = Plant(tmp_path), Plant(tmp_path)
        whole = [m.encode(o.message) for o in first.send(*log)]
        parts = [m.encode(o.message) for message in log for o in second.send(message)]
        assert whole == parts


@pytest.mark.parametrize("topology", STEPS)
def test_a_change_is_kept_in_the_state_of_every_step(topology: str) -> None:
    state = MemoryState()
    assert zone_applied(PLANT, state) == PLANT
    apply_change(topology, PLANT, change_to(TIGHTER), state, OPEN_AUTHORITY, Origin("orders", 0, 0))
    assert zone_applied(PLANT, state) == TIGHTER


def test_a_change_that_an_upgrade_cannot_read_stops_the_worker_until_the_file_has_it(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.send(change_to(TIGHTER))
    older = AppliedChange(T0, PLANT.config_hash, {**TIGHTER.model_dump(mode="json"), "gone": 1})
    plant.state.set_bytes("zone", pack(older, "zone-1", as_text=True))
    plant.restart(PLANT)
    with pytest.raises(ConfigError, match=f"(?s)change of zone {ZONE} of .*gone") as refusal:
        plant.decide(0)
    assert "fleet file" in str(refusal.value.hint)
    plant.restart(TIGHTER)
    assert plant.decide(0)[0] == TIGHTER.config_hash
