"""Alerts on telemetry: one per episode of a channel in use, and one per publication with faults."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from features.derived_series import depth_days
from vpp.domain import FREQUENCY, NET_LOAD_CHANNELS, PRICE, Quality, Step, iso
from vpp.fleet.schema import Zone
from vpp.messages import Alert, AlertCode, AlertEffect, Publication
from vpp.streams.reducer import Output

QUIET_HOURS = 6
"""An episode ends when its channel has been sound for so long: a fault that comes and goes is one episode."""

TOPIC = "telemetry quality"
_ALARMING = {Quality.MISSING, Quality.MISSING_MARK, Quality.OUT_OF_RANGE, Quality.FLAT}
_WHOLE_RECORD = ""
_FIRST = (*NET_LOAD_CHANNELS, PRICE)
_SAYS = {
    AlertCode.MISSING: "has no value",
    AlertCode.MISSING_MARK: "sends a mark for no value",
    AlertCode.OUT_OF_RANGE: "is implausible for this zone",
    AlertCode.FLAT: "has stood still for 24 h",
}


class FaultEpisode(msgspec.Struct):
    """A fault under way: its alert as it was sent, its channels, and the index of the last slot that had it."""

    alert: Alert
    channels: list[str]
    last: int


def is_used(zone: Zone, channel: str) -> bool:
    """Return whether a forecast, a price or an asset of the zone reads a channel."""
    if channel == FREQUENCY:
        return zone.channels is None or FREQUENCY in zone.channels
    return channel in NET_LOAD_CHANNELS or channel == PRICE or depth_days(channel) > 0


def follow_faults(
    zone: Zone, step: Step, index: int, quality: Mapping[str, str], channels: int, episodes: list[FaultEpisode]
) -> list[Output]:
    """Return the alerts that begin or end with a slot.

    Channels that fail together are one episode; where every channel is missing, it is one of the whole record.

    Args:
        zone: The zone.
        step: Its slots.
        index: The slot.
        quality: Its channels that are not ok, with why.
        channels: How many channels the slot should have.
        episodes: Faults under way; changed.
    """
    kinds = {channel: Quality(verdict) for channel, verdict in quality.items() if verdict in _ALARMING}
    lost = len(kinds) >= channels > 1 and all(kind is Quality.MISSING for kind in kinds.values())
    faults = {_WHOLE_RECORD: AlertCode.RECORD_MISSING} if lost else _codes(zone, kinds)
    outputs = []
    fresh: dict[AlertCode, list[str]] = {}
    for channel, code in faults.items():
        episode = next((other for other in episodes if channel in other.channels), None)
        if episode is None:
            fresh.setdefault(code, []).append(channel)
        else:
            episode.last = index
    for code in sorted(fresh):
        failed = sorted(fresh[code], key=lambda channel: (_weight(channel), channel))
        alert = _alert(zone, step, index, failed, code)
        episodes.append(FaultEpisode(alert, failed, index))
        outputs.append(Output("alerts", alert))
    quiet = QUIET_HOURS * 60 // step.minutes
    for episode in [other for other in episodes if index - other.last >= quiet]:
        episodes.remove(episode)
        outputs.append(Output("alerts", episode.alert.ended(step.start(episode.last + 1))))
    return outputs


def _weight(channel: str) -> int:
    """Return the rank of a channel in an alert: parts of net load first, then the price."""
    return _FIRST.index(channel) if channel in _FIRST else len(_FIRST)


def _codes(zone: Zone, kinds: Mapping[str, Quality]) -> dict[str, AlertCode]:
    return {channel: AlertCode(kind.value) for channel, kind in kinds.items() if is_used(zone, channel)}


def _alert(zone: Zone, step: Step, index: int, channels: list[str], code: AlertCode) -> Alert:
    slot, first = step.start(index), channels[0]
    if not first:
        problem = "no channel has a value"
    elif len(channels) == 1:
        problem = f"{first} {_SAYS[code]}"
    else:
        problem = f"each of {', '.join(channels)} {_SAYS[code]}"
    return Alert(
        zone=zone.zone,
        slot=slot,
        alert_id=f"quality-{code.value}-{first or 'all'}-{iso(slot)}",
        severity="warning",
        topic=TOPIC,
        code=code,
        channel=first or None,
        also=channels[1:],
        effect=AlertEffect.NONE if code is AlertCode.FLAT else AlertEffect.NOT_USED,
        text=f"{problem} since {iso(slot)}",
    )


def published_alerts(zone: Zone, message: Publication, refused: Mapping[str, int]) -> list[Alert]:
    """Return an alert for each used channel of a publication that holds implausible values, with their number."""
    return [
        Alert(
            zone=message.zone,
            slot=message.first_slot,
            alert_id=f"published-{channel}-{iso(message.available_at)}",
            severity="warning",
            topic="published values",
            code=AlertCode.PUBLISHED_IMPLAUSIBLE,
            channel=channel,
            effect=AlertEffect.NOT_USED,
            text=f"{channel}: {n} of the values published for {iso(message.first_slot)} on are implausible for "
            "this zone",
            values={"values": float(n)},
        )
        for channel, n in sorted(refused.items())
        if is_used(zone, channel)
    ]
