"""Refuses a run on a persistent broker that would decide slots again."""

from __future__ import annotations

from datetime import datetime

from topologies.control.topic_tail import tail
from topologies.sources.checkpoint import checkpoint_path, read_checkpoint
from topologies.sources.options import SIMULATION_START, SourceOptions
from vpp.domain import iso
from vpp.errors import RefusedError, TopicMissingError
from vpp.settings import Settings
from vpp.streams.topics import DECISIONS

LOOK_BACK = 500


def refuse_decided_slots(settings: Settings, zones: tuple[str, ...], options: SourceOptions) -> None:
    """Refuse a run on a lasting broker that would decide slots which are decided already.

    A source that continues from its own checkpoint is let through: it sends only what follows, or nothing.

    Raises:
        RefusedError: A zone's slots from the run's start on are decided; names the way out.
        UnreachableError: The broker does not answer.
    """
    if not settings.kafka.bootstrap_servers or settings.kafka.embedded:
        return
    checkpoint = read_checkpoint(checkpoint_path(settings))
    if checkpoint is not None and checkpoint.identity == options.identity:
        return
    start = options.start or (SIMULATION_START if options.kind == "simulate" else None)
    for zone, last in _last_decided(settings).items():
        if zone in zones and not options.live and (start is None or last >= start):
            raise RefusedError(
                f"zone {zone} is decided up to {iso(last)} on this broker",
                hint="give this run its own topics, groups and rows: --run NAME",
            )


def _last_decided(settings: Settings) -> dict[str, datetime]:
    newest: dict[str, datetime] = {}
    try:
        for record in tail(settings, DECISIONS, last=LOOK_BACK, timeout_s=2.0):
            value = record["value"]
            if isinstance(value, dict) and value.get("kind") == "decision":
                slot = datetime.fromisoformat(value["for_slot"].replace("Z", "+00:00"))
                newest[value["zone"]] = max(slot, newest.get(value["zone"], slot))
    except TopicMissingError:
        return {}  # Nothing was decided on a broker without the topic.
    return newest
