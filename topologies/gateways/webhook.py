"""The webhook: telemetry of senders with the token, and readings of the device list's HTTP devices."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agents.devices.events import DeviceRead
from agents.devices.mqtt_payloads import reading_of
from topologies.gateways.desk import GatewayDesk
from topologies.gateways.webhook_body import observations_of
from vpp.errors import DataError, UnreachableError
from vpp.store.request_journal import RequestJournal, TakenRequest

log = logging.getLogger(__name__)

MAX_BYTES = 1_000_000
MAX_KEY = 200

Endpoint = Callable[[Request], Awaitable[Response]]


class Webhook:
    """What comes in over HTTP.

    Args:
        desk: Takes readings of devices and sends observations.
        token: What a sender must show.
        journal: Requests that were taken.
        fail: Called when the log does not accept records: the gateway ends and is started again.
    """

    def __init__(
        self, desk: GatewayDesk, token: str, journal: RequestJournal, fail: Callable[[UnreachableError], None]
    ) -> None:
        self._desk = desk
        self._token = token.encode()
        self._journal = journal
        self._fail = fail
        self._one_at_a_time = asyncio.Lock()

    def app(self) -> Starlette:
        """Return the application."""
        return Starlette(
            routes=[
                Route("/healthz", self._health, methods=["GET"]),
                Route("/v1/telemetry", self._guarded(self._telemetry), methods=["POST"]),
                Route("/v1/devices/{name}", self._guarded(self._device), methods=["POST"]),
            ]
        )

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token):
                headers = {"WWW-Authenticate": "Bearer"}
                return problem(401, "the token is missing or wrong", "send it as Authorization: Bearer TOKEN", headers)
            try:
                return await endpoint(request)
            except DataError as error:
                return problem(400, str(error), error.hint)
            except UnreachableError as error:
                log.warning("webhook: %s", error)
                self._fail(error)
                return problem(503, str(error), "send it again", {"Retry-After": "5"})

        return guarded

    async def _telemetry(self, request: Request) -> Response:
        key = request.headers.get("idempotency-key")
        if key is not None and not 0 < len(key) <= MAX_KEY:
            raise DataError(f"Idempotency-Key has {len(key)} characters", hint=f"use 1 to {MAX_KEY} characters")
        body = await _body(request)
        if body is None:
            return problem(413, f"the body is longer than {MAX_BYTES} bytes", "send it in parts")
        query = request.query_params
        observations = observations_of(
            body,
            request.headers.get("content-type", ""),
            zone=query.get("zone"),
            arrived_at=self._desk.clock.run_now(),
            precision=query.get("precision", "ns"),
        )
        digest = hashlib.sha256(b"\0".join((body, str(query).encode()))).hexdigest()
        answer = msgspec.json.encode({"records": len(observations)})
        async with self._one_at_a_time:  # two requests of one key at once: the second waits for the first's answer
            before = None if key is None else self._journal.read(key)
            if before is not None and before.digest != digest:
                detail = f"Idempotency-Key {key} was used for a request with another body or address"
                return problem(422, detail, "use a new key for each request; repeat a key only with the same body")
            if before is not None:
                headers = {"Idempotency-Replayed": "true"}
                return Response(before.answer, 202, headers, media_type="application/json")
            await asyncio.to_thread(self._desk.forward, observations)
            if key is not None:
                self._journal.save(key, TakenRequest(digest, answer))
        return Response(answer, 202, media_type="application/json")

    async def _device(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._desk.desks:
            return problem(404, f"the device list has no HTTP device {name!r}", "see vpp devices list")
        body = await _body(request)
        if body is None:
            return problem(413, f"the body is longer than {MAX_BYTES} bytes", "send one reading")
        try:
            reading = reading_of(body, self._desk.desks[name].entry.channel)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DataError(f"the body is no reading: {error}", hint="see docs/guide/devices.md") from error
        self._desk.handle([(name, DeviceRead(self._desk.clock.now(), reading))])
        return Response(status_code=204)


def problem(status: int, detail: str, hint: str | None = None, headers: dict[str, str] | None = None) -> Response:
    """Return an error as ``application/problem+json``.

    Args:
        status: HTTP status.
        detail: What is wrong.
        hint: The next step.
        headers: Further headers.
    """
    body = {"status": status, "detail": detail, **({} if hint is None else {"hint": hint})}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


async def _body(request: Request) -> bytes | None:
    """Return the body; None if it is too long, which is not read to its end."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > MAX_BYTES:
            return None
    return bytes(parts)
