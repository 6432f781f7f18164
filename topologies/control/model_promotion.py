"""Activates a model: in the registry, and as a record in the log, so all workers switch at one slot."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from topologies.control.running_broker import with_broker
from topologies.sources.outbox import KafkaOutbox
from vpp.errors import UnreachableError
from vpp.messages import Promotion
from vpp.settings import Settings
from vpp.streams.topics import RAW


def tell_workers(settings: Settings, metadata: Mapping[str, Any]) -> bool:
    """Write the promotion of a version into ``vpp.telemetry.raw`` and return whether there was a broker to take it.

    The broker is that of the settings, else that of a running ``vpp up`` in the data directory; without one the
    registry alone says what the next run begins with.

    Args:
        settings: Broker and prefix of the run.
        metadata: What the registry holds of the version.

    Raises:
        UnreachableError: The broker that the settings name does not take the record.
    """
    try:
        connected = with_broker(settings)
    except UnreachableError:
        return False
    outbox = KafkaOutbox(connected, RAW, "train")
    until = datetime.fromisoformat(str(metadata["until"]))
    outbox.send(
        Promotion(
            zone=str(metadata["zone"]),
            available_at=until,
            model_id=str(metadata["model_id"]),
            sha256=str(metadata["sha256"]),
        )
    )
    try:
        outbox.flush()
    except UnreachableError:
        if settings.kafka.bootstrap_servers:
            raise
        return False
    return True
