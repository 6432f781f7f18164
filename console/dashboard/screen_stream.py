"""Streams the screens to browsers as server-sent events: a snapshot, then changes; one computation for all clients."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread
import msgspec

from vpp.errors import VppError

log = logging.getLogger(__name__)

LEAST_S = 0.2
DUTY = 0.1
HEARTBEAT_S = 5.0
MAX_CLIENTS = 200

Key = tuple[str, str | None]
Parts = dict[str, bytes]


class TooManyClientsError(VppError):
    """As many pages are open as one server serves."""


@dataclass(eq=False)
class OpenPage:
    """One open page: parts that it has not received yet; a slow page gets the newest state, never a growing queue."""

    waiting: Parts = field(default_factory=dict)
    fresh: bool = True
    bell: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class ScreenChannel:
    """One screen of one zone and its viewers."""

    parts: Parts = field(default_factory=dict)
    clients: set[OpenPage] = field(default_factory=set)
    soon: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Events:
    """Streams of screens.

    A screen is computed again as often as it is cheap: at most ten per cent of the time goes into one, and never more
    than five times a second. What is sent is split by key, so a number that moves does not send the charts again.

    Args:
        compute: Returns a screen by name and zone, as plain values by part.
        every_s: Least time between two looks at the store.
    """

    def __init__(self, compute: Callable[[str, str | None], dict[str, Any]], every_s: float = 1.0) -> None:
        self._compute = compute
        self._every_s = max(every_s, LEAST_S)
        self._channels: dict[Key, ScreenChannel] = {}

    @property
    def clients(self) -> int:
        """How many pages are open."""
        return sum(len(channel.clients) for channel in self._channels.values())

    def wake(self) -> None:
        """Look at the store at once: somebody has just acted."""
        for channel in self._channels.values():
            channel.soon.set()

    async def stream(self, name: str, zone: str | None) -> AsyncIterator[bytes]:
        """Yield the events of one page until it disconnects.

        Raises:
            TooManyClientsError: The server is full.
        """
        if self.clients >= MAX_CLIENTS:
            raise TooManyClientsError(f"{MAX_CLIENTS} pages are open already")
        key = (name, zone)
        channel = self._channels.setdefault(key, ScreenChannel())
        client = OpenPage(waiting=dict(channel.parts))
        channel.clients.add(client)
        self._ensure(channel, key)
        if client.waiting:
            client.bell.set()
        try:
            yield b"retry: 1000\n\n"
            while True:
                try:
                    await asyncio.wait_for(client.bell.wait(), HEARTBEAT_S)
                except TimeoutError:
                    yield b"event: heartbeat\ndata: {}\n\n"
                    continue
                client.bell.clear()
                parts, client.waiting = client.waiting, {}
                if not parts:
                    continue
                kind = b"snapshot" if client.fresh else b"delta"
                client.fresh = False
                yield b"event: " + kind + b"\ndata: " + _joined(parts) + b"\n\n"
        finally:
            channel.clients.discard(client)
            if not channel.clients:
                self._channels.pop(key, None)
                if channel.task is not None:
                    channel.task.cancel()

    def _ensure(self, channel: ScreenChannel, key: Key) -> None:
        if channel.task is None or channel.task.done():
            channel.task = asyncio.get_running_loop().create_task(self._watch(channel, key))

    async def _watch(self, channel: ScreenChannel, key: Key) -> None:
        while channel.clients:
            began = time.perf_counter()
            try:
                view = await anyio.to_thread.run_sync(self._compute, *key)
                publish(channel, parts_of(view))
            except VppError as error:
                publish(channel, parts_of({"error": {"text": str(error), "hint": error.hint}}))
            except Exception:  # a bug in one screen must not end the stream of the others; it is logged with its trace
                log.exception("screen %s of %s failed", *key)
                publish(
                    channel, parts_of({"error": {"text": "this screen failed; see the log of the page", "hint": None}})
                )
            took_s = time.perf_counter() - began
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(channel.soon.wait(), max(self._every_s, took_s / DUTY))
            channel.soon.clear()


def parts_of(view: dict[str, Any]) -> Parts:
    """Return a screen as encoded parts: ``frame.*`` and ``body.*`` by their keys, others whole."""
    parts: Parts = {}
    for name, value in view.items():
        if name in ("frame", "body") and isinstance(value, dict):
            parts |= {f"{name}.{key}": msgspec.json.encode(part) for key, part in value.items()}
        else:
            parts[name] = msgspec.json.encode(value)
    parts.setdefault("error", b"null")
    return parts


def publish(channel: ScreenChannel, parts: Parts) -> None:
    """Give every page the parts that changed; removed parts are sent as null."""
    changed = {name: part for name, part in parts.items() if channel.parts.get(name) != part}
    changed |= {name: b"null" for name in channel.parts.keys() - parts.keys() if channel.parts[name] != b"null"}
    channel.parts = {**channel.parts, **changed}
    for client in channel.clients:
        update = channel.parts if client.fresh and not client.waiting else changed
        if update:
            client.waiting.update(update)
            client.bell.set()


def _joined(parts: Parts) -> bytes:
    body = b",".join(msgspec.json.encode(name) + b":" + part for name, part in sorted(parts.items()))
    return b"{" + body + b"}"
