"""Alerts on the quality of telemetry: one where a fault of a channel begins, one per publication with faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from vpp.domain import iso
from vpp.messages import Alert, Publication
from vpp.streams.reducer import Output


def quality_alerts(zone: str, begun: Iterable[tuple[str, str]], slot: datetime) -> list[Output]:
    """Return an alert for each (channel, fault) that began with a slot."""
    return [
        Output(
            "alerts",
            Alert(
                zone=zone,
                slot=slot,
                alert_id=f"quality-{what}-{channel}-{iso(slot)}",
                severity="warning",
                topic="telemetry quality",
                text=f"{channel} is {what.replace('_', ' ')} from {iso(slot)} on",
            ),
        )
        for channel, what in sorted(begun)
    ]


def published_alerts(message: Publication, refused: Mapping[str, int]) -> list[Output]:
    """Return an alert for each channel of a publication that holds implausible values, with their number."""
    return [
        Output(
            "alerts",
            Alert(
                zone=message.zone,
                slot=message.first_slot,
                alert_id=f"published-{channel}-{iso(message.available_at)}",
                severity="warning",
                topic="published values",
                text=f"{channel}: {n} of the values published for {iso(message.first_slot)} on are implausible for "
                "this zone and count as missing",
            ),
        )
        for channel, n in sorted(refused.items())
    ]
