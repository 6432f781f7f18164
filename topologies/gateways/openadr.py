"""The OpenADR 3 gateway, a VEN: polls the events of a VTN and converts them to orders and prices of one zone.

What it acted on is on disk, and the id of an order follows from its event: after a kill nothing is ordered twice. A
poll that fails, or whose answer is cut off, changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from agents.orders.openadr_book import BookState, follow
from agents.orders.openadr_events import AskedOrder, DemandEvent, price_publications, read_events
from topologies.control.operator_orders import OPERATOR_PRIORITY, gateway_order
from topologies.control.publisher import Post
from topologies.runtime.process import stop_on_signals
from topologies.sources.bounded_http import BoundedClient, WholeAnswer
from topologies.sources.outbox import KafkaOutbox, Outbox
from vpp.atomic_file import write_atomic
from vpp.errors import ConfigError, DataError, UnreachableError, VppError
from vpp.masking import masked
from vpp.messages import Message
from vpp.settings import OpenAdrSettings, Settings
from vpp.streams.broker_rights import open_topics
from vpp.streams.topics import RAW

log = logging.getLogger(__name__)

NAME = "openadr"
PAGE = 50
MAX_PAUSE_S = 900.0
TIMEOUT_S = 30.0


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = 3600.0


class VtnClient:
    """Asks a VTN for events.

    Args:
        settings: Address, program and credentials.
        answer_s: Limit of a whole answer (s); None: as ``BoundedClient``.

    Raises:
        ConfigError: There is no address.
    """

    def __init__(self, settings: OpenAdrSettings, *, answer_s: float | None = None) -> None:
        if settings.url is None:
            raise ConfigError("there is no VTN", hint="set VPP_OPENADR__URL, VPP_OPENADR__ZONE and the credentials")
        self._settings = settings
        self._base = settings.url.rstrip("/") + "/"
        self._http = BoundedClient(TIMEOUT_S, answer_s=answer_s)
        self._token: tuple[str, float] | None = None

    def events(self) -> list[DemandEvent]:
        """Return all events of the program, page by page.

        Raises:
            UnreachableError: The VTN does not answer, or asks to come again.
            ConfigError: It refuses the credentials or the request.
            DataError: It answers in another shape.
        """
        settings, events = self._settings, list[DemandEvent]()
        while True:
            params: dict[str, str | int] = {"skip": len(events), "limit": PAGE}
            if settings.program is not None:
                params["programID"] = settings.program
            if settings.ven_name is not None:
                params |= {"targetType": "VEN_NAME", "targetValues": settings.ven_name}
            page = read_events(self._get("events", params))
            events += page
            if len(page) < PAGE:
                return events

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _get(self, path: str, params: dict[str, str | int]) -> bytes:
        answer = self._request("GET", path, params=params, headers=self._authorization())
        if answer.status == httpx.codes.UNAUTHORIZED and self._token is not None:
            self._token = None  # it ended before its time
            answer = self._request("GET", path, params=params, headers=self._authorization())
        return _body(answer, path)

    def _authorization(self) -> dict[str, str]:
        settings = self._settings
        secret = settings.client_secret
        if secret is None:
            return {}
        if self._token is None or time.monotonic() >= self._token[1]:
            form = {
                "grant_type": "client_credentials",
                "client_id": settings.client_id,
                "client_secret": secret.get_secret_value(),
            }
            body = _body(self._request("POST", "auth/token", data=form), "auth/token")
            try:
                token = msgspec.json.decode(body, type=_Token)
            except msgspec.MsgspecError as error:
                raise DataError(f"the VTN's token has another shape than documented: {error}") from error
            self._token = (token.access_token, time.monotonic() + 0.9 * token.expires_in)
        return {"Authorization": f"Bearer {self._token[0]}"}

    def _request(self, method: str, path: str, **more: Any) -> WholeAnswer:
        try:
            return self._http.request(method, self._base + path, **more)
        except httpx.InvalidURL as error:
            address = masked(str(self._settings.url))
            raise ConfigError(f"{address} is not an address: {error}", hint="correct VPP_OPENADR__URL") from error
        except httpx.HTTPError as error:
            address = masked(str(self._settings.url))
            raise UnreachableError(f"the VTN {address} does not answer: {masked(str(error))}") from error


def _body(answer: WholeAnswer, path: str) -> bytes:
    if answer.is_success:
        return answer.body
    text = f"the VTN answered {answer.status} to {path}"
    if answer.status in (408, 425, 429) or answer.status >= 500:
        raise UnreachableError(text)
    raise ConfigError(text, hint="check VPP_OPENADR__URL, the credentials and the program")


class Ven:
    """Makes events orders and prices.

    Args:
        client: Asks the VTN.
        settings: The settings.
        post: Writes a message to a topic and waits for the receipt.
        telemetry: Takes prices.
        now: Wall time.
    """

    def __init__(
        self,
        client: VtnClient,
        settings: Settings,
        post: Callable[[str, Message], None],
        telemetry: Outbox,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._settings = settings
        self._post = post
        self._telemetry = telemetry
        self._now = now
        self._longest = timedelta(hours=settings.longest_order_h)
        self._path = state_path(settings)
        self._state = _read(self._path)

    def poll(self) -> None:
        """Query the VTN once and act on changes.

        Raises:
            VppError: The VTN, the store or the broker does not do what is asked: nothing that was not sent is noted.
        """
        events, now = self._client.events(), self._now()
        state, changes = follow(self._state, events, now, self._longest)
        for name, reason in changes.refused:
            log.warning("OpenADR event %s is refused: %s", name, reason)
        for order_id in changes.cancelled:
            self._order("cancel", "the event changed or is over", cancels=order_id)
        for event, order in changes.given:
            self._give(event, order)
        for event, asks in changes.asks:
            if asks.passed_over:
                log.warning("OpenADR event %s: not read: %s", event.id, ", ".join(sorted(asks.passed_over)))
            for publication in price_publications(self._settings.openadr.zone, asks.prices, now):
                self._telemetry.send(publication)
        self._telemetry.flush()
        if state != self._state:
            write_atomic(self._path, msgspec.json.encode(state))
            self._state = state

    def _give(self, event: DemandEvent, order: AskedOrder) -> None:
        reason = f"OpenADR event {event.event_name or event.id}"
        times = {"starts_at": order.starts_at, "expires_at": order.expires_at}
        priority = OPERATOR_PRIORITY - event.level
        self._order(order.action, reason, order_id=order.order_id, priority=priority, **times, **order.fields)

    def _order(self, action: str, reason: str, **fields: Any) -> None:
        zone = self._settings.openadr.zone
        order = gateway_order(self._settings, self._post, NAME, zone, action, reason, now=self._now(), **fields)
        log.info("ordered %s as %s: %s", action, order.order_id, reason)


def state_path(settings: Settings) -> Path:
    """Return where the gateway keeps which events it acted on."""
    return settings.data_dir / f"openadr-{settings.run or 'default'}.json"


def _read(path: Path) -> BookState:
    if not path.exists():
        return BookState()
    try:
        return msgspec.json.decode(path.read_bytes(), type=BookState)
    except msgspec.MsgspecError as error:
        raise DataError(f"{path} is broken: {error}", hint="remove it: standing events are ordered again") from error


def run_openadr(settings: Settings) -> None:
    """Poll until SIGTERM or SIGINT; a poll that fails is tried again, less and less often.

    Raises:
        ConfigError: There is no VTN or no zone, or the VTN refuses the credentials at the start.
    """
    if not settings.openadr.zone:
        raise ConfigError("no zone takes the events", hint="set VPP_OPENADR__ZONE")
    stop = stop_on_signals()
    open_topics(settings, "gateway")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    client = VtnClient(settings.openadr)
    ven = Ven(client, settings, Post(settings, "gateway"), KafkaOutbox(settings, RAW, "gateway"))
    failures, is_first = 0, True
    while not stop.is_set():
        try:
            ven.poll()
            failures = 0
        except ConfigError:
            if is_first:
                raise
            failures += 1
            log.exception("the VTN refuses what it took before")
        except VppError as error:
            failures += 1
            log.warning("OpenADR poll failed=%s: %s", failures, error)
        is_first = False
        stop.wait(min(settings.openadr.poll_s * 2 ** min(failures, 8), max(MAX_PAUSE_S, settings.openadr.poll_s)))
    client.close()
