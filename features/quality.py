"""Plausibility of channel values: range, missing, flat line. A bad value becomes null and says why."""

from __future__ import annotations

import msgspec

from vpp.domain import FREQUENCY, LOAD, PRICE, SOLAR, WIND, Quality, Step
from vpp.fleet.schema import Zone
from vpp.messages import Values

ABSURD = 1e7
"""No power in MW, price per MWh or other channel reaches this; a record that does is broken as a whole."""

FLAT_HOURS = 24
_CAN_STICK = frozenset({LOAD, SOLAR, WIND, PRICE, FREQUENCY})
_MAX_POWER_MW = 2e6
_RANGES: dict[str, tuple[float, float]] = {
    FREQUENCY: (40.0, 70.0),
    "temperature_c": (-90.0, 70.0),
    "solar_mw": (-1_000.0, _MAX_POWER_MW),
    "wind_mw": (-1_000.0, _MAX_POWER_MW),
}


class Checks(msgspec.Struct):
    """What the checks remember of a zone.

    ``run``: channel to (last value, how many slots it has stood still). ``bad``: channel to its standing fault.
    ``begun``: faults that began with the slot just closed.
    """

    run: dict[str, tuple[float, int]] = {}
    bad: dict[str, str] = {}
    begun: list[tuple[str, str]] = []


def limits(channel: str, zone: Zone) -> tuple[float, float]:
    """Return the plausible range of a channel, in its own unit."""
    if channel == PRICE:
        market = zone.market
        return market.price_floor_per_mwh - 1.0, market.price_cap_per_mwh + 1.0
    if channel in _RANGES:
        return _RANGES[channel]
    if channel.endswith("_mw"):
        return -_MAX_POWER_MW, _MAX_POWER_MW
    return -ABSURD, ABSURD


def check_values(values: Values, zone: Zone, checks: Checks, step: Step) -> tuple[Values, dict[str, str]]:
    """Return the usable values and the quality of each channel that is not ok.

    Args:
        values: Channel to value; None is missing.
        zone: Gives price limits.
        checks: Memory of the zone; changed.
        step: The zone's slot length.

    A value outside its range becomes None (``out_of_range``). A measured one (load, solar, wind, price, frequency) that
    stands still for 24 h is kept and marked ``flat``; a standing zero is no fault (solar at night, no wind).
    """
    usable: Values = {}
    quality: dict[str, str] = {}
    flat_slots = FLAT_HOURS * 60 // step.minutes
    for channel, value in values.items():
        kept: float | None = value
        what: Quality | None = None
        if value is None:
            what = Quality.MISSING
        else:
            low, high = limits(channel, zone)
            if not low <= value <= high:
                kept, what = None, Quality.OUT_OF_RANGE
        if kept is not None and channel in _CAN_STICK:
            before, n = checks.run.get(channel, (kept, 0))
            n = n + 1 if before == kept else 1
            checks.run[channel] = (kept, n)
            if n > flat_slots and kept != 0.0:
                what = Quality.FLAT
        usable[channel] = kept
        if what is not None:
            quality[channel] = what.value
        if what is None:
            checks.bad.pop(channel, None)
        elif checks.bad.get(channel) != what.value:
            checks.bad[channel] = what.value
            checks.begun.append((channel, what.value))
    return usable, quality
