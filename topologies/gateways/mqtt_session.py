"""A session with an MQTT 5 broker that reconnects by itself; unsent messages are dropped, never sent later."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from vpp.errors import ConfigError
from vpp.settings import MqttSettings

log = logging.getLogger(__name__)

RETRY_S = 1.0
OFFERED_S = 10
_SEND_AT_ONCE = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
"""Without it a packet waits until the broker has confirmed the one before, which takes it up to 40 ms."""

_CONFIRM_AT_ONCE: int | None = getattr(socket, "TCP_QUICKACK", None)
"""Linux only. Brokers send without TCP_NODELAY, so theirs wait for our confirmation; each read may unset the option."""

Take = Callable[[str, bytes, bool], None]
"""Gets topic, payload, and whether the broker had kept the message for later subscribers."""


class MqttSession:
    """One client. ``publish`` returns False while the broker is away.

    Args:
        settings: Address, user and password.
        identifier: Client id; the broker ends an older session of the same id.
        will: (topic, payload) that the broker publishes, retained, when the client is lost.
    """

    def __init__(self, settings: MqttSettings, identifier: str, will: tuple[str, bytes] | None = None) -> None:
        host, _, port = settings.address.rpartition(":")
        if not host or not port.isdigit():
            raise ConfigError(f"mqtt.address {settings.address!r} is not host:port")
        self._settings = settings
        self._place = (host, int(port))
        self._identifier = identifier
        self._will = None if will is None else aiomqtt.Will(will[0], will[1], qos=1, retain=True)
        self._client: aiomqtt.Client | None = None

    @property
    def is_up(self) -> bool:
        """Whether the broker is reached."""
        return self._client is not None

    async def run(
        self, topics: list[str], take: Take, stop: asyncio.Event, *, opened: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Stay connected until stopped; each message of the topics is passed to ``take``.

        Args:
            topics: Subscriptions.
            take: Gets each message.
            stop: Ends it.
            opened: Called after each connection.
        """
        while not stop.is_set():
            try:
                async with self._connect() as client:
                    for topic in topics:
                        options = SubscribeOptions(qos=1, noLocal=True, retainAsPublished=True)
                        await client.subscribe(topic, options=options)
                    self._client = client
                    if opened is not None:
                        await opened()
                    await self._listen(client, take, stop)
            except aiomqtt.MqttError as error:
                log.warning("MQTT broker %s: %s", self._settings.address, error)
            finally:
                self._client = None
            if not stop.is_set():
                await asyncio.sleep(RETRY_S)

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expiry_s: float | None = None
    ) -> bool:
        """Publish now or not at all; return whether the broker has it.

        Args:
            topic: The topic.
            payload: Its content.
            qos: 1: the broker confirms.
            retain: The broker keeps it for later subscribers.
            expiry_s: Time after which the broker drops the message.
        """
        client = self._client
        if client is None:
            return False
        properties = None
        if expiry_s is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = max(int(expiry_s), 1)
        try:
            await client.publish(topic, payload, qos=qos, retain=retain, properties=properties, timeout=OFFERED_S)
        except aiomqtt.MqttError as error:
            log.warning("MQTT %s was not taken: %s", topic, error)
            return False
        return True

    def _connect(self) -> aiomqtt.Client:
        settings = self._settings
        host, port = self._place
        tls = None if settings.ca is None else ssl.create_default_context(cafile=str(settings.ca))
        return aiomqtt.Client(
            host,
            port,
            username=settings.username or None,
            password=None if settings.password is None else settings.password.get_secret_value(),
            identifier=self._identifier,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=self._will,
            tls_context=tls,
            keepalive=10,
            timeout=OFFERED_S,
            socket_options=[_SEND_AT_ONCE],
        )

    async def _listen(self, client: aiomqtt.Client, take: Take, stop: asyncio.Event) -> None:
        async def listen() -> None:
            async for message in client.messages:
                _confirm_at_once(client)
                if isinstance(message.payload, bytes | bytearray):
                    take(str(message.topic), bytes(message.payload), message.retain)

        listening = asyncio.create_task(listen())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({listening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (listening, stopping):
            task.cancel()
        results = await asyncio.gather(listening, stopping, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


def _confirm_at_once(client: aiomqtt.Client) -> None:
    """Have TCP confirm what was read, so the broker sends the next packet."""
    connection = client._client.socket()  # aiomqtt has no public way to its socket
    if _CONFIRM_AT_ONCE is not None and isinstance(connection, socket.socket):
        with suppress(OSError):  # closed meanwhile: the session reconnects
            connection.setsockopt(socket.IPPROTO_TCP, _CONFIRM_AT_ONCE, 1)
