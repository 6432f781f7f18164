"""Sparkplug B meters of the MQTT gateway: from messages of their nodes to readings."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.devices.events import DeviceEvent, DeviceRead, DeviceReading, DeviceSilent
from agents.devices.inventory import DeviceEntry, SparkplugMetric
from agents.devices.sparkplug import (
    NAMESPACE,
    MetricValue,
    SparkplugNews,
    SparkplugNode,
    parsed_topic,
    rebirth_request,
    topics_of,
)

log = logging.getLogger(__name__)

ASK_AGAIN = timedelta(seconds=5)
"""A node is asked for a rebirth at most so often: all that is on its way asks for the same."""

Node = tuple[str, str]


@dataclass(frozen=True, slots=True)
class SparkplugHeard:
    """What a message means: devices that went silent, and a request to the node as (topic, payload)."""

    events: tuple[tuple[str, DeviceEvent], ...] = ()
    request: tuple[str, bytes] | None = None


class SparkplugMeters:
    """All Sparkplug meters of a device list.

    Args:
        entries: The devices; those without ``sparkplug`` are passed over.
    """

    def __init__(self, entries: Iterable[DeviceEntry]) -> None:
        self._meters: dict[Node, list[tuple[DeviceEntry, SparkplugMetric]]] = {}
        for entry in entries:
            if entry.sparkplug is not None:
                node = (entry.sparkplug.group, entry.sparkplug.node)
                self._meters.setdefault(node, []).append((entry, entry.sparkplug))
        self._nodes = {node: SparkplugNode() for node in self._meters}
        self._asked_at: dict[Node, datetime] = {}
        self._power_mw: dict[str, float | None] = {}

    @property
    def topics(self) -> list[str]:
        """Return the subscriptions."""
        return [topic for group, node in sorted(self._meters) for topic in topics_of(group, node)]

    @staticmethod
    def takes(topic: str) -> bool:
        """Return whether a topic is one of Sparkplug's."""
        return topic.startswith(f"{NAMESPACE}/")

    def heard(self, topic: str, payload: bytes, now: datetime) -> SparkplugHeard:
        """Process a message of a node.

        Args:
            topic: Its topic.
            payload: As it came.
            now: When it came.

        Raises:
            DataError: It is no Sparkplug B payload.
        """
        place = parsed_topic(topic)
        node = None if place is None else (place.group, place.node)
        if place is None or node is None or node not in self._nodes:
            return SparkplugHeard()
        news = self._nodes[node].take(place.kind, place.device, payload)
        return SparkplugHeard(tuple(self._lost(node, news, now)), self._request(node, news, now))

    def _lost(self, node: Node, news: SparkplugNews, now: datetime) -> Iterator[tuple[str, DeviceEvent]]:
        """Apply the news of a node's meters; yield the silence of meters that disappeared."""
        for entry, source in self._meters[node]:
            if source.device in news.lost:
                self._power_mw.pop(entry.name, None)
                yield entry.name, DeviceSilent(now)
            if source.device == news.device and source.metric in news.values:
                self._power_mw[entry.name] = _power_mw(news.values[source.metric], source)

    def readings(self, now: datetime) -> list[tuple[str, DeviceEvent]]:
        """Return what every living meter shows: a node reports changes alone, and its last report holds until then."""
        events: list[tuple[str, DeviceEvent]] = []
        for entry, _ in (meter for meters in self._meters.values() for meter in meters):
            if entry.name in self._power_mw:
                power = self._power_mw[entry.name]
                assert entry.channel is not None
                events.append(
                    (entry.name, DeviceRead(now, DeviceReading(power_mw=power, values={entry.channel: power})))
                )
        return events

    @property
    def cycle_s(self) -> float | None:
        """Time between two readings of the quickest meter (s); None: there is none."""
        return min((entry.cycle_s for meters in self._meters.values() for entry, _ in meters), default=None)

    def _request(self, node: Node, news: SparkplugNews, now: datetime) -> tuple[str, bytes] | None:
        asked_at = self._asked_at.get(node)
        if not news.asks_rebirth or (asked_at is not None and abs(now - asked_at) < ASK_AGAIN):
            return None
        self._asked_at[node] = now
        log.warning("Sparkplug node %s/%s lost messages or was not heard from its birth on: asking for it", *node)
        return rebirth_request(*node)


def _power_mw(value: MetricValue, source: SparkplugMetric) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value * source.scale
