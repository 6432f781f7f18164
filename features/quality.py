"""The value gate: decides which values are plausible for their zone; implausible ones become missing.

Measured and published values pass the same gate. It refuses a value outside the range of its channel (price: floor and
cap of the market; power: ``SCALES`` times the scale of the zone; weather and frequency: physical limits). It also
refuses a number that devices send for "no value" (-9999, 65535, ...), unless it lies in the range of earlier values. A
price is never such a number.
"""

from __future__ import annotations

import msgspec

from vpp.domain import FREQUENCY, LOAD, PRICE, SOLAR, WIND, Quality, Step
from vpp.files.cells.availability import ASSET_MARK
from vpp.fleet.schema import Zone
from vpp.messages import AssetReading, Values

ABSURD = 1e7
"""Bound of the values of a channel without a known unit."""
SCALES = 10.0
"""Power above this many times the zone's scale is implausible."""
GROWTH = 1.05
"""A value above the level of its channel multiplies the level by this; one below divides it by its fifth root."""
FLAT_HOURS = 24
_CAN_STICK = frozenset({LOAD, SOLAR, WIND, PRICE, FREQUENCY})
_ENDS: tuple[tuple[str, float, float], ...] = (
    (FREQUENCY, 40.0, 70.0),
    ("_c", -90.0, 70.0),
    ("_pct", -1.0, 101.0),
    ("_kmh", -1.0, 500.0),
    ("_wm2", -100.0, 2000.0),
    ("_hpa", 500.0, 1100.0),
)
_SOC_SLACK = 0.01
_SEEN_ENOUGH = 24
_STRETCH = 0.1
_WIDE_MW = 1e7


def _marks() -> frozenset[str]:
    codes = (
        9999.0,
        99999.0,
        999999.0,
        9999.9,
        9999.99,
        65535.0,
        65534.0,
        32767.0,
        32768.0,
        6553.5,
        3276.7,
        3276.8,
        2147483647.0,
        2147483648.0,
        4294967295.0,
    )
    plain = [sign * value for value in codes for sign in (1.0, -1.0)] + [-999.0, -999.9, -999.99]
    # Units are converted before the gate: a mark in kW or W arrives a thousand or a million times smaller.
    return frozenset(_text(value * unit) for value in plain for unit in (1.0, 1e-3, 1e-6))


def _text(value: float) -> str:
    return f"{value:.9g}"


_MARKS = _marks()


class Checks(msgspec.Struct, omit_defaults=True):
    """Memory of the checks of a zone.

    ``run``: channel to (last value, number of slots with that value). ``seen``: channel to (lowest, highest,
    number) of its plausible values; a single value widens this range by a tenth at most. ``level``: channel to
    its running magnitude.
    """

    run: dict[str, tuple[float, int]] = {}
    seen: dict[str, tuple[float, float, int]] = {}
    level: dict[str, float] = {}


def limits(channel: str, zone: Zone, checks: Checks) -> tuple[float, float]:
    """Return the plausible range of a channel, in its own unit."""
    if channel.rpartition(":")[2] == PRICE:
        market = zone.market
        return market.price_floor_per_mwh - 1.0, market.price_cap_per_mwh + 1.0
    if channel.endswith("_mw"):
        if ":" in channel:
            return -_WIDE_MW, _WIDE_MW
        high = SCALES * max(zone.share.region_mw, checks.level.get(channel, 0.0))
        return (-0.1 * high if channel in (SOLAR, WIND) else -high), high
    return next(((low, high) for end, low, high in _ENDS if channel.endswith(end)), (-ABSURD, ABSURD))


def gate(channel: str, value: float, zone: Zone, checks: Checks) -> Quality | None:
    """Return why a value counts as missing, None for a plausible one.

    Args:
        channel: Its channel; ``ZONE:channel`` for a neighbour's.
        value: In the channel's unit.
        zone: Gives scale and market.
        checks: Memory of the zone; changed.
    """
    low, high = limits(channel, zone, checks)
    span = checks.seen.get(channel)
    if _is_mark(channel, value, zone, span):
        return Quality.MISSING_MARK
    if channel.endswith("_mw") and value != 0.0 and abs(value) < ABSURD:
        level = checks.level.get(channel, zone.share.region_mw)
        grown = GROWTH if abs(value) > level else GROWTH**-0.2
        checks.level[channel] = max(level * grown, zone.share.region_mw)
    if not low <= value <= high:
        return Quality.OUT_OF_RANGE
    checks.seen[channel] = _stretched(span, value)
    return None


def check_values(values: Values, zone: Zone, checks: Checks, step: Step) -> tuple[Values, dict[str, str]]:
    """Return the usable values and the quality of each channel that is not ok.

    Args:
        values: Channel to value; None is missing.
        zone: Gives scale and price limits.
        checks: Memory of the zone; changed.
        step: The zone's slot length.

    A value that the gate refuses becomes None (``out_of_range``, ``missing_mark``). A measured one (load, solar, wind,
    price, frequency) that stands still for 24 h is kept and marked ``flat``; a standing zero is no fault (solar at
    night, no wind).
    """
    usable: Values = {}
    quality: dict[str, str] = {}
    flat_slots = FLAT_HOURS * 60 // step.minutes
    for channel, value in values.items():
        verdict = Quality.MISSING if value is None else gate(channel, value, zone, checks)
        accepted = value if verdict is None else None
        if accepted is not None and channel in _CAN_STICK:
            before, n = checks.run.get(channel, (accepted, 0))
            n = n + 1 if before == accepted else 1
            checks.run[channel] = (accepted, n)
            if n > flat_slots and accepted != 0.0:
                verdict = Quality.FLAT
        usable[channel] = accepted
        if verdict is not None:
            quality[channel] = verdict.value
    return usable, quality


def check_series(
    series: dict[str, list[float | None]], zone: Zone, checks: Checks
) -> tuple[dict[str, list[float | None]], dict[str, int]]:
    """Return published series without implausible values, and the number of those by channel."""
    usable: dict[str, list[float | None]] = {}
    refused: dict[str, int] = {}
    for channel, values in series.items():
        accepted = [v if v is None or gate(channel, v, zone, checks) is None else None for v in values]
        usable[channel] = accepted
        count = sum(v is not None for v in values) - sum(v is not None for v in accepted)
        if count:
            refused[channel] = count
    return usable, refused


def check_readings(assets: dict[str, AssetReading], zone: Zone) -> tuple[dict[str, AssetReading], dict[str, str]]:
    """Return readings without implausible fields, and the quality of each such field (``asset:ID:field``)."""
    ratings = {asset.asset_id: _rating_mw(asset) for asset in zone.assets}
    usable: dict[str, AssetReading] = {}
    quality: dict[str, str] = {}
    for asset_id, reading in assets.items():
        high = SCALES * ratings.get(asset_id, zone.share.region_mw)
        fine = {
            "soc": reading.soc is None or -_SOC_SLACK <= reading.soc <= 1.0 + _SOC_SLACK,
            "power_mw": reading.power_mw is None or abs(reading.power_mw) <= high,
        }
        bad = [name for name, is_fine in fine.items() if not is_fine]
        usable[asset_id] = msgspec.structs.replace(reading, **dict.fromkeys(bad)) if bad else reading
        quality |= {f"{ASSET_MARK}{asset_id}:{name}": Quality.OUT_OF_RANGE.value for name in bad}
    return usable, quality


def _rating_mw(asset: object) -> float:
    """Return the largest power in an asset's entry, by the names below; ``ABSURD`` if it has none of them."""
    names = ("charge_mw", "discharge_mw", "capacity_mw")
    return max((float(getattr(asset, name, None) or 0.0) for name in names), default=0.0) or ABSURD


def _is_mark(channel: str, value: float, zone: Zone, span: tuple[float, float, int] | None) -> bool:
    if channel.rpartition(":")[2] == PRICE or (span is not None and span[0] <= value <= span[1]):
        return False  # a market clears at any price between its floor and cap, also at -999.99
    if _text(value) not in _MARKS:
        return False
    if span is None or span[2] < _SEEN_ENOUGH:
        return not (channel.endswith("_mw") and 0.0 < value <= zone.share.region_mw)
    return True


def _stretched(span: tuple[float, float, int] | None, value: float) -> tuple[float, float, int]:
    if span is None:
        return value, value, 1
    low, high, n = span
    room = max(_STRETCH * (high - low), _STRETCH * abs(high), 1e-9)
    if n < _SEEN_ENOUGH:
        room = float("inf")
    return max(min(low, value), low - room), min(max(high, value), high + room), n + 1
