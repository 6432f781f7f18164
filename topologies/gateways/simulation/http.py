"""A simulated HTTP device: receives setpoints and heartbeats, and posts its readings to the webhook."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.devices.inventory import DeviceEntry
from agents.devices.simulated_payloads import answer_payload, reading_payload
from agents.devices.simulation import SimulatedDevice
from topologies.gateways.http import QuietServer, bound_socket
from topologies.gateways.simulation.device import ServedDevice, not_here
from vpp.http_guard import bounds
from vpp.settings import WebhookSettings

log = logging.getLogger(__name__)


class SimulatedHttpDevice(ServedDevice):
    """One simulated device behind a web server of its own; one without an address (a meter) only posts readings.

    Args:
        device: The device.
        entry: Its entry in the list.
        webhook: Where readings go, and the token that the device shows there.
        now_s: The time that the device lives by.

    Raises:
        ConfigError: Its address is not on this machine.
    """

    def __init__(
        self,
        device: SimulatedDevice,
        entry: DeviceEntry,
        webhook: WebhookSettings,
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(device, now_s)
        self._entry = entry
        self._place = _place_of(entry)
        self._webhook = f"http://{webhook.host}:{webhook.port}/v1/devices/{entry.name}"
        token = "" if webhook.token is None else webhook.token.get_secret_value()
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._client: httpx.AsyncClient | None = None
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._posting: asyncio.Task[None] | None = None
        self._sent_at_s = 0.0

    @property
    def is_plugged(self) -> bool:
        """Whether it is connected: started, and not stopped since."""
        return self._client is not None

    async def start(self) -> None:
        """Listen, where it has an address.

        Raises:
            UnreachableError: The port is taken.
        """
        self._client = httpx.AsyncClient(headers=self._headers, timeout=self._entry.answer_s)
        if self._place is None:
            return
        port, path = self._place
        routes = [
            Route(path, self.take_setpoint, methods=["POST"]),
            Route(f"{path.rstrip('/')}/heartbeat", self.take_heartbeat, methods=["POST"]),
        ]
        listener = bound_socket("127.0.0.1", port, hint="take another port")
        self._server = QuietServer(uvicorn.Config(Starlette(routes=routes), lifespan="off", **bounds()))
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def stop(self) -> None:
        """Pull the cable."""
        client, self._client = self._client, None
        server, self._server = self._server, None
        if self._posting is not None:
            await asyncio.gather(self._posting, return_exceptions=True)
        if client is not None:
            await client.aclose()
        if server is not None and self._serving is not None:
            server.should_exit = True
            await asyncio.gather(self._serving, return_exceptions=True)

    async def report(self, now_s: float) -> None:
        """Post a reading each cycle, where the one before is through."""
        is_free = self._posting is None or self._posting.done()
        if self._client is not None and is_free and now_s - self._sent_at_s >= self._entry.cycle_s:
            self._sent_at_s = now_s
            self._posting = asyncio.create_task(self._post(self._client, reading_payload(self.device)))

    async def take_setpoint(self, request: Request) -> Response:
        """Answer a setpoint."""
        answer = answer_payload(self.device, await request.body(), self._now_s())
        return Response(status_code=400) if answer is None else Response(answer, media_type="application/json")

    async def take_heartbeat(self, _request: Request) -> Response:
        """Answer a heartbeat."""
        self.device.beat(self._now_s())
        return Response(status_code=204)

    async def _post(self, client: httpx.AsyncClient, reading: bytes) -> None:
        try:
            answer = await client.post(self._webhook, content=reading)
        except httpx.HTTPError as error:
            log.debug("device %s: the webhook is away: %s", self._entry.name, error)
            return
        if answer.is_error:
            log.warning("device %s: the webhook answers %s: %s", self._entry.name, answer.status_code, answer.text)


def _place_of(entry: DeviceEntry) -> tuple[int, str] | None:
    """Return port and path of a device's address on this machine; None: it has no address."""
    if not entry.address:
        return None
    parts = urlsplit(entry.address)
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost") or parts.port is None:
        raise not_here(entry, "http://127.0.0.1:PORT/PATH")
    return parts.port, parts.path or "/"
