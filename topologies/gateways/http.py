"""The HTTP gateway: telemetry by webhook in, setpoints and heartbeats of HTTP devices by webhook out."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import httpx
import msgspec
import uvicorn

from agents.devices.events import DeviceAnswered, HeartbeatSent
from agents.devices.inventory import DeviceEntry, load_inventory
from agents.devices.mqtt_payloads import AckPayload, setpoint_payload
from topologies.gateways.desk import GatewayDesk
from topologies.gateways.process import run_gateway
from topologies.gateways.webhook import Webhook
from vpp.errors import ConfigError, DataError, UnreachableError
from vpp.http_guard import bounds
from vpp.messages import DeviceCommand
from vpp.settings import Settings
from vpp.store.request_journal import RequestJournal

log = logging.getLogger(__name__)

NAME = "http"
MAX_ANSWER_BYTES = 64_000
_PORT_HINT = "set VPP_WEBHOOK__HOST and VPP_WEBHOOK__PORT"


class QuietServer(uvicorn.Server):
    """A server without signal handlers of its own: the gateway has them."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals alone."""
        yield


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: bytes


class HttpLinks:
    """The webhook in, and the requests to HTTP devices.

    Args:
        settings: Address and token of the webhook, token for devices.
        entries: The HTTP devices.
    """

    def __init__(self, settings: Settings, entries: tuple[DeviceEntry, ...]) -> None:
        if settings.webhook.token is None:
            raise ConfigError("the webhook has no token", hint="set VPP_WEBHOOK__TOKEN; senders show it as Bearer")
        self._settings = settings
        self._token = settings.webhook.token.get_secret_value()
        self._entries = entries
        token = settings.webhook.device_token
        headers = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
        self._http = httpx.AsyncClient(headers={"User-Agent": "smartgrid-ai", **headers}, follow_redirects=False)
        self._desk: GatewayDesk | None = None
        self._failure: UnreachableError | None = None

    async def transmit(self, entry: DeviceEntry, command: DeviceCommand, valid_for_s: float) -> bool | None:
        """Post a setpoint; return False where the device refuses it, None if it does not answer or asks to wait."""
        answer = await self._post(entry, entry.address, setpoint_payload(command, entry, valid_for_s))
        if answer is None:
            return None
        if 400 <= answer.status < 500:
            return False
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            ack = msgspec.json.decode(answer.body, type=AckPayload)
            if self._desk is not None:
                now = self._desk.clock.now()
                answered = DeviceAnswered(now, ack.sequence, accepted=ack.accepted, last=ack.last)
                self._desk.handle([(entry.name, answered)])
        return None

    async def _post(self, entry: DeviceEntry, address: str, body: bytes) -> _Reply | None:
        """Return the answer of a device; None for none, a redirect, or one that says to come again."""
        headers = {"Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(entry.answer_s),  # of the whole answer: the limit of httpx holds for one wait
                self._http.stream("POST", address, content=body, headers=headers, timeout=entry.answer_s) as answer,
            ):
                reply = _Reply(answer.status_code, await _bounded(answer))
        except (httpx.HTTPError, TimeoutError, DataError) as error:
            log.debug("device %s: %s", entry.name, error)
            return None
        passing = reply.status in (408, 425, 429) or reply.status >= 500 or answer.is_redirect
        return None if passing else reply

    async def run(self, desk: GatewayDesk, stop: asyncio.Event) -> None:
        """Listen, and send heartbeats, until stopped.

        Raises:
            UnreachableError: The port is taken, or the log does not take records.
        """
        self._desk = desk
        webhook = self._settings.webhook
        path = self._settings.data_dir / f"requests-{self._settings.run or 'default'}.sqlite"
        with RequestJournal(path) as journal:
            app = Webhook(desk, self._token, journal, self._fail).app()
            config = uvicorn.Config(
                app,
                host=webhook.host,
                port=webhook.port,
                lifespan="off",
                **bounds(),
            )
            server = QuietServer(config)
            serving = asyncio.create_task(
                server.serve(sockets=[bound_socket(webhook.host, webhook.port, hint=_PORT_HINT)])
            )
            beating = [asyncio.create_task(self._beat(entry, stop)) for entry in self._entries]
            log.info("webhook http://%s:%s", webhook.host, webhook.port)
            try:
                while not stop.is_set() and self._failure is None and not serving.done():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), 0.2)
            finally:
                server.should_exit = True
                for task in beating:
                    task.cancel()
                await asyncio.gather(*beating, return_exceptions=True)
                await asyncio.gather(serving, return_exceptions=True)
                await self._http.aclose()
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: UnreachableError) -> None:
        self._failure = error

    async def _beat(self, entry: DeviceEntry, stop: asyncio.Event) -> None:
        """Post to ``ADDRESS/heartbeat`` three times per watchdog; a device that answers has taken it."""
        assert self._desk is not None
        while entry.asset_id is not None and entry.address and not stop.is_set():
            answer = await self._post(entry, f"{entry.address.rstrip('/')}/heartbeat", b"{}")
            if answer is not None and 200 <= answer.status < 300:
                self._desk.handle([(entry.name, HeartbeatSent(self._desk.clock.now()))])
            await asyncio.sleep(entry.beat_s)


async def _bounded(answer: httpx.Response) -> bytes:
    """Return the body of a device's answer.

    Raises:
        DataError: It is larger than the limit.
    """
    body = bytearray()
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise DataError(f"the answer has more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def bound_socket(host: str, port: int, *, hint: str) -> socket.socket:
    """Return a socket that is bound to an address.

    Args:
        host: The address.
        port: The port.
        hint: What to do where it is taken.

    Raises:
        UnreachableError: The address is in use, or does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UnreachableError(f"cannot listen on {host}:{port}: {error.strerror}", hint=hint) from error
    return listener


async def run_http(settings: Settings, *, waits: bool = False) -> None:
    """Run the gateway until stopped; ``waits``: a source beside it has yet to start the run clock.

    Raises:
        VppError: The device list is wrong, there is no token, another process runs it, or the broker does not answer.
    """
    entries = () if settings.devices is None else load_inventory(settings.devices).of("http")
    links = HttpLinks(settings, entries)
    limits = frozenset(entry.name for entry in entries if entry.control == "limit")
    await run_gateway(settings, NAME, entries, limits=limits, transmit=links.transmit, links=links.run, waits=waits)
