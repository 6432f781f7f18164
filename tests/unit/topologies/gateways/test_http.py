"""The HTTP gateway on loopback: webhook in with token and idempotency key, webhook out with proof."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from agents.devices.inventory import DeviceEntry, Inventory
from agents.devices.simulation import DeviceFault, SimulatedDevice
from tests.worlds.builders import T0
from tests.worlds.devices import Kept, free_port, setpoint, until
from tests.worlds.feeds.dripping_server import DRIPS, dripping
from topologies.gateways.clock import GatewayClock
from topologies.gateways.desk import GatewayDesk
from topologies.gateways.http import HttpLinks
from topologies.gateways.simulation.http import SimulatedHttpDevice
from vpp.errors import ConfigError, UnreachableError
from vpp.messages import CommandCause, CommandOutcome, DeviceCommand, Message, Observation
from vpp.settings import Settings, WebhookSettings
from vpp.store.command_journal import CommandJournal

TOKEN = "test-only-placeholder"


class HttpBattery(SimulatedHttpDevice):
    """A simulated battery that can answer setpoints with an error, and notes the tokens that it was shown."""

    status = 200
    off_s = 0.0

    def __init__(self, entry: DeviceEntry, webhook: WebhookSettings) -> None:
        device = SimulatedDevice("battery", 5.0, energy_mwh=10.0, ramp_s=0.1, heartbeat_s=4.0)
        super().__init__(device, entry, webhook, now_s=lambda: time.time() + self.off_s)
        self.tokens: set[str | None] = set()
        self.beats = 0

    async def take_setpoint(self, request: Request) -> Response:
        self.tokens.add(request.headers.get("authorization"))
        if self.status != 200:
            return Response(status_code=self.status, headers={"Location": "/elsewhere"})
        return await super().take_setpoint(request)

    async def take_heartbeat(self, request: Request) -> Response:
        self.beats += 1
        return await super().take_heartbeat(request)


@asynccontextmanager
async def living(*devices: SimulatedHttpDevice) -> AsyncIterator[None]:
    """Let simulated devices live."""

    async def live() -> None:
        while True:
            for device in devices:
                await device.tick()
            await asyncio.sleep(0.02)

    life = asyncio.create_task(live())
    try:
        yield
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
        for device in devices:
            await device.stop()


@dataclass
class Failing(Kept):
    """An outbox whose broker can be away."""

    is_away: bool = False

    def send(self, message: Message) -> None:
        if self.is_away:
            raise UnreachableError("the broker refused a record")
        super().send(message)


class Site:
    """A gateway with one HTTP battery."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.telemetry, self.ledger = Failing(), Kept()
        self.entry = DeviceEntry(
            name="bat",
            zone="HOME",
            gateway="http",
            asset_id="bat",
            nameplate_mw=5.0,
            address=f"http://127.0.0.1:{free_port()}/setpoint",
            cycle_s=0.1,
            answer_s=1.0,
            settle_s=0.5,
            heartbeat_s=4.0,
        )
        self.meter = DeviceEntry(name="meter", zone="HOME", gateway="http", channel="load_mw", nameplate_mw=5.0)
        webhook = WebhookSettings(port=self.port, token=SecretStr(TOKEN), device_token=SecretStr("for-devices"))
        self.settings = Settings(data_dir=folder, webhook=webhook)
        self.battery = HttpBattery(self.entry, webhook)

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[tuple[GatewayDesk, httpx.AsyncClient]]:
        stop = asyncio.Event()
        with CommandJournal(self.folder / "journal.sqlite") as journal:
            links = HttpLinks(self.settings, (self.entry, self.meter))
            desk = GatewayDesk(
                "http",
                [self.entry, self.meter],
                journal=journal,
                clock=GatewayClock(),
                telemetry=self.telemetry,
                ledger=self.ledger,
                transmit=links.transmit,
            )
            tasks = [asyncio.create_task(links.run(desk, stop)), asyncio.create_task(desk.run(stop))]
            headers = {"Authorization": f"Bearer {TOKEN}"}
            address = f"http://127.0.0.1:{self.port}"
            async with httpx.AsyncClient(base_url=address, headers=headers, timeout=20.0) as client:
                await until(lambda: _listens(self.port))
                try:
                    yield desk, client
                finally:
                    stop.set()
                    results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [one for one in results if one is not None and not isinstance(one, UnreachableError)] == []

    def outcomes(self) -> dict[int, CommandOutcome]:
        return {one.sequence: one.outcome for one in self.ledger.messages if isinstance(one, DeviceCommand)}

    def observations(self) -> list[Observation]:
        return [one for one in self.telemetry.messages if "wind_mw" in one.values]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


BODY = json.dumps({"zone": "HOME", "values": {"wind_mw": 1.5}})
JSON = {"Content-Type": "application/json"}


async def test_a_record_is_taken_once_under_its_key_also_after_a_restart(site: Site) -> None:
    headers = {**JSON, "Idempotency-Key": "reading-1"}
    for _ in range(2):
        async with site.gateway() as (_, client):
            answers = [await client.post("/v1/telemetry", content=BODY, headers=headers) for _ in range(2)]
            assert [(one.status_code, one.json()) for one in answers] == [(202, {"records": 1})] * 2
            for path, body in (("/v1/telemetry", BODY.replace("1.5", "1.6")), ("/v1/telemetry?zone=HOME", BODY)):
                other = await client.post(path, content=body, headers=headers)
                assert (other.status_code, other.headers["content-type"]) == (422, "application/problem+json")
                assert "Idempotency-Key reading-1 was used" in other.json()["detail"]
                assert "use a new key" in other.json()["hint"]
    assert len(site.observations()) == 1


async def test_two_requests_of_one_key_at_once_are_one(site: Site) -> None:
    async with site.gateway() as (_, client):
        headers = {**JSON, "Idempotency-Key": "k"}
        posts = [client.post("/v1/telemetry", content=BODY, headers=headers) for _ in range(8)]
        assert {one.status_code for one in await asyncio.gather(*posts)} == {202}
    assert len(site.observations()) == 1


async def test_while_the_log_is_away_a_request_is_refused_and_its_key_stays_free(site: Site) -> None:
    headers = {**JSON, "Idempotency-Key": "k"}
    async with site.gateway() as (_, client):
        site.telemetry.is_away = True
        answer = await client.post("/v1/telemetry", content=BODY, headers=headers)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    site.telemetry.is_away = False
    async with site.gateway() as (_, client):
        assert (await client.post("/v1/telemetry", content=BODY, headers=headers)).status_code == 202
    assert len(site.observations()) == 1


WRONG: list[tuple[str, str, dict[str, str], int]] = [
    ("/v1/telemetry", BODY, {"Authorization": ""}, 401),
    ("/v1/telemetry", BODY, {"Authorization": "Bearer wrong"}, 401),
    ("/v1/telemetry", BODY, {"Authorization": f"Basic {TOKEN}"}, 401),
    ("/v1/devices/bat", "{}", {"Authorization": "Bearer wrong"}, 401),
    ("/v1/telemetry", "{", JSON, 400),
    ("/v1/telemetry", BODY, {"Content-Type": "application/xml"}, 400),
    ("/v1/telemetry", BODY, {**JSON, "Idempotency-Key": "x" * 201}, 400),
    ("/v1/telemetry", "[" + "1," * 600_000 + "1]", JSON, 413),
    ("/v1/devices/nobody", "{}", JSON, 404),
    ("/v1/devices/bat", '{"power_mw": "1"}', JSON, 400),
    ("/v1/nothing", "{}", JSON, 404),
]


async def test_a_wrong_request_changes_nothing(site: Site) -> None:
    async with site.gateway() as (desk, client):
        for path, body, headers, status in WRONG:
            answer = await client.post(path, content=body, headers=headers)
            assert answer.status_code == status, (path, body[:50], answer.text)
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert desk.desks["bat"].state.reading is None
    assert site.observations() == []


async def test_a_setpoint_is_posted_proven_and_kept_alive(site: Site) -> None:
    meter = SimulatedHttpDevice(SimulatedDevice("meter", 5.0), site.meter, site.settings.webhook)
    async with site.gateway() as (desk, _), living(site.battery, meter):
        desk.setpoints([setpoint(2.0, zone="HOME")])
        await until(lambda: site.outcomes().get(1) is CommandOutcome.FOLLOWED)
        await until(lambda: any(one.values.get("load_mw") for one in site.telemetry.messages))
        await until(lambda: site.battery.beats > 1)
    assert [taken.sequence for taken in site.battery.device.taken] == [1]
    assert site.battery.tokens == {"Bearer for-devices"}


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        pytest.param(DeviceFault.REFUSING, CommandOutcome.REFUSED, id="refusing"),
        pytest.param(DeviceFault.CLIPPED, CommandOutcome.CLIPPED, id="clipped"),
        pytest.param(DeviceFault.OFFLINE, CommandOutcome.NOT_REACHED, id="offline"),
        pytest.param(DeviceFault.LOCAL_MODE, CommandOutcome.LOCAL_MODE, id="local mode"),
    ],
)
async def test_a_fault_of_a_simulated_device_gets_its_name(
    site: Site, fault: DeviceFault, outcome: CommandOutcome
) -> None:
    site.battery.device.faults.add(fault)
    async with site.gateway() as (desk, _), living(site.battery):
        desk.setpoints([setpoint(2.0, zone="HOME")])
        await until(lambda: site.outcomes().get(1) is outcome)


@pytest.mark.parametrize("off_s", [-420.0, 420.0])
async def test_the_clock_of_a_device_does_not_matter(site: Site, off_s: float) -> None:
    site.battery.off_s = off_s
    async with site.gateway() as (desk, _), living(site.battery):
        desk.setpoints([setpoint(2.0, zone="HOME")])
        await until(lambda: site.outcomes().get(1) is CommandOutcome.FOLLOWED)
        assert site.battery.device.power_mw == pytest.approx(2.0, abs=0.15)
    assert [taken.sequence for taken in site.battery.device.taken] == [1]


async def test_a_restarted_device_is_commanded_anew(site: Site) -> None:
    async with site.gateway() as (desk, _), living(site.battery):
        desk.setpoints([setpoint(2.0, zone="HOME")])
        await until(lambda: site.outcomes().get(1) is CommandOutcome.FOLLOWED)
        site.battery.device.faults.add(DeviceFault.RESTART)
        await until(lambda: site.outcomes().get(2) is CommandOutcome.FOLLOWED)


def test_the_simulator_serves_this_machine_alone(site: Site) -> None:
    elsewhere = site.entry.model_copy(update={"address": "https://battery.example/setpoint"})
    with pytest.raises(ConfigError, match="this machine alone"):
        SimulatedHttpDevice(site.battery.device, elsewhere, site.settings.webhook)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (500, CommandOutcome.NOT_REACHED),
        (429, CommandOutcome.NOT_REACHED),
        (302, CommandOutcome.NOT_REACHED),
        (403, CommandOutcome.REFUSED),
        (422, CommandOutcome.REFUSED),
    ],
)
async def test_a_device_that_answers_with_an_error_is_named_and_takes_the_same_number_when_it_is_well(
    site: Site, status: int, outcome: CommandOutcome
) -> None:
    site.battery.status = status
    async with site.gateway() as (desk, _), living(site.battery):
        desk.setpoints([setpoint(2.0, zone="HOME")])
        await until(lambda: site.outcomes().get(1) is outcome)
        site.battery.status = 200
        if outcome is CommandOutcome.NOT_REACHED:
            await until(lambda: [taken.sequence for taken in site.battery.device.taken] == [1])


ANSWERS = {**DRIPS, "large": b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + b" " * 99999}


@pytest.mark.parametrize("beginning", [pytest.param(value, id=name) for name, value in ANSWERS.items()])
async def test_a_device_whose_answer_never_ends_or_is_too_large_has_not_answered(site: Site, beginning: bytes) -> None:
    links = HttpLinks(site.settings, (site.entry,))
    command = DeviceCommand(
        zone="HOME",
        slot=T0,
        asset_id="bat",
        sequence=1,
        revision=0,
        decision_id="d",
        power_mw=2.0,
        fallback_mw=0.0,
        cause=CommandCause.SETPOINT,
        outcome=CommandOutcome.PENDING,
        gateway="http",
        device="bat",
        made_at=T0,
    )
    with dripping(beginning) as (address, _):
        entry = site.entry.model_copy(update={"address": address, "answer_s": 0.4})
        async with asyncio.timeout(5.0):
            assert await links.transmit(entry, command, 60.0) is None


def test_without_a_token_nothing_listens(site: Site) -> None:
    bare = site.settings.model_copy(update={"webhook": WebhookSettings()})
    with pytest.raises(ConfigError, match="no token"):
        HttpLinks(bare, ())


def test_an_http_device_needs_an_address() -> None:
    device = {"name": "bat", "zone": "Z", "gateway": "http", "asset_id": "bat", "nameplate_mw": 1.0}
    with pytest.raises(ValueError, match="http://"):
        Inventory.model_validate({"devices": [device]})
