"""Turns a history frame into the telemetry that the forecast step reads, in order of availability."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pandas as pd

from vpp.domain import NET_LOAD, NET_LOAD_CHANNELS
from vpp.files.cells.availability import available_at, is_forecast, is_published
from vpp.fleet.schema import Zone
from vpp.messages import Publication, SlotClosed


def with_net_load(frame: pd.DataFrame, zone: Zone) -> pd.DataFrame:
    """Return ``frame`` with the channel ``net_load_mw``.

    A channel that the zone lacks counts as 0; a missing value makes net load NaN.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel.
        zone: Names the channels that it has where the fleet file does.
    """
    if NET_LOAD in frame:
        return frame
    have = frame.columns if zone.channels is None else zone.channels
    total = pd.Series(0.0, index=frame.index)
    for channel, sign in zip(NET_LOAD_CHANNELS, (1.0, -1.0, -1.0), strict=True):
        if channel in have:
            total = total + sign * frame.get(channel, np.nan)
    return frame.assign(**{NET_LOAD: total})


def known_until(zone: Zone, channel: str, index: pd.DatetimeIndex) -> np.ndarray:
    """Return for each slot the last position of ``index`` whose value of ``channel`` is known when the slot closes.

    Values are published in order of their slots. The result is int64, shape (slots,).
    """
    base = channel.rpartition(":")[2]
    known_at = np.array([available_at(zone, base, slot).timestamp() for slot in index.to_pydatetime()])
    ends = index.asi8 / _per_second(index) + zone.step.seconds
    return np.searchsorted(np.maximum.accumulate(known_at), ends, side="right").astype(np.int64) - 1


def _per_second(index: pd.DatetimeIndex) -> float:
    return float({"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1.0}[index.unit])


def telemetry(
    frame: pd.DataFrame, zone: Zone, live_from: datetime, live_to: datetime | None = None
) -> Iterator[SlotClosed | Publication]:
    """Yield closed slots and publications of ``frame`` in order of availability.

    Slots before ``live_from`` are history; none from ``live_to`` on closes, but what was published of them is sent.

    Args:
        frame: As ``with_net_load`` returns it.
        zone: Gives step, market and time zone.
        live_from: First slot that yields a forecast (aware UTC).
        live_to: End of the slots (exclusive), None: the whole frame.
    """
    published = [c for c in frame.columns if is_published(zone, c.rpartition(":")[2])]
    observed = [c for c in frame.columns if not is_forecast(c) and c != NET_LOAD and ":" not in c]
    index = pd.DatetimeIndex(frame.index)
    until = {channel: known_until(zone, channel, index) for channel in published}
    sent_until = dict.fromkeys(published, 0)
    values = {column: frame[column].to_numpy(dtype=float) for column in frame.columns}
    for n, slot in enumerate(index.to_pydatetime()):
        if live_to is not None and slot >= live_to:
            return
        history = slot < live_from
        for channel in published:
            last = int(until[channel][n]) + 1
            if last > sent_until[channel]:
                first = sent_until[channel]
                yield Publication(
                    zone=zone.zone,
                    available_at=slot + zone.step.delta,
                    first_slot=index[first].to_pydatetime(),
                    step_min=zone.step_min,
                    series={channel: [_or_none(v) for v in values[channel][first:last]]},
                    history=history,
                )
                sent_until[channel] = last
        yield SlotClosed(
            zone=zone.zone,
            slot=slot,
            step_min=zone.step_min,
            values={channel: _or_none(values[channel][n]) for channel in observed},
            net_load_mw=_or_none(values[NET_LOAD][n]),
            history=history,
        )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
