"""Finds the zone of a name, and fits it to its source: a file or a generator.

A zone of the user's fleet file wins, then a shipped one; any other name gets a default fleet scaled to its history.
A shipped table knows time zone, country and market by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vpp.domain import NET_LOAD_CHANNELS, PRICE
from vpp.errors import ConfigError, did_you_mean
from vpp.files.mapping import Mapping as ColumnMapping
from vpp.fleet.lookup import find_zone, known_facts, market_named, zone_entry, zone_table
from vpp.fleet.market import PriceKnown
from vpp.fleet.scale import power_text
from vpp.fleet.schema import Fleet, Limits, Market, Share, Zone, default_zone
from vpp.local_time import check_time_zone

if TYPE_CHECKING:  # workers look zones up, and pandas would double their start
    import pandas as pd

    from vpp.files.file_info import FileInfo

FLAT_PRICE_PER_MWH = 100.0
NO_LIMIT_MW = 1e6
SCALE_DAYS = 365
FIRST_ROWS_DAYS = 28

History = Callable[[], "pd.DataFrame"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """Options of the command line for all zones: a time zone, and a market by name or by when its price is known."""

    time_zone: str | None = None
    market: str | None = None


def zone_for(
    name: str,
    *,
    step_min: int,
    channels: Collection[str],
    history: History | None = None,
    own_fleet: Fleet | None = None,
    overrides: Overrides | None = None,
) -> tuple[Zone, list[str]]:
    """Return the zone fitted to its source, and a line for each assumption.

    Args:
        name: Zone name.
        step_min: Slot length of the source.
        channels: Channels that the source has for this zone.
        history: Gives the frame (columns as ``read_frame``) that an unknown zone is scaled to; called only for one.
        own_fleet: The user's fleet file.
        overrides: Time zone and market from the command line.

    Returns:
        The zone, with step, channels and market as the source has them, and notes (empty where all was known).

    Raises:
        ConfigError: An override is wrong.
    """
    notes: list[str] = []
    zone = find_zone(name, own_fleet)
    if zone is None:
        zone = _scaled(name, step_min, history, notes)
    zone = _override(zone, overrides or Overrides())
    zone = _at_step(zone, step_min, own_fleet is not None and own_fleet.get(name) is not None, notes)
    if zone.channels is None:
        zone = zone.model_copy(update={"channels": tuple(channels)})
    return _for_channels(zone, notes), notes


def zones_for_file(
    path: Path | str,
    info: FileInfo,
    names: Iterable[str],
    *,
    run_start: datetime | None = None,
    mapping: ColumnMapping | str | None = None,
    own_fleet: Fleet | None = None,
    overrides: Overrides | None = None,
) -> tuple[dict[str, Zone], list[str]]:
    """Return the zones of a file by name, and all notes.

    Args:
        path: The file; read again only for zones that nothing describes.
        info: What ``inspect_file`` found.
        names: The zones wanted.
        run_start: First slot of the run; an unknown zone is scaled to at most a year of rows before it.
        mapping: As ``inspect_file``.
        own_fleet: The user's fleet file.
        overrides: Time zone and market from the command line.

    Raises:
        ConfigError: The file has no such zone, or an override is wrong.
    """
    from vpp.files.reader import read_frame

    zones: dict[str, Zone] = {}
    notes: list[str] = []
    for name in names:
        span = info.span(name)
        until = min(span.first + timedelta(days=SCALE_DAYS), run_start or span.last)
        if until - span.first < timedelta(days=FIRST_ROWS_DAYS):
            until = span.first + timedelta(days=FIRST_ROWS_DAYS)

        def history(name: str = name, until: datetime = until) -> pd.DataFrame:
            return read_frame(path, name, mapping=mapping, end=until, info=info)

        zones[name], zone_notes = zone_for(
            name,
            step_min=span.step_min,
            channels=span.channels,
            history=history,
            own_fleet=own_fleet,
            overrides=overrides,
        )
        notes += zone_notes
    _known_assets(info, zones)
    return zones, notes


def _known_assets(info: FileInfo, zones: Mapping[str, Zone]) -> None:
    """Refuse readings of assets that no zone has.

    Raises:
        ConfigError: There are some; names the nearest asset.
    """
    ids = [asset.asset_id for zone in zones.values() for asset in zone.assets]
    for asset_id in info.assets:
        if asset_id not in ids and not set(info.zones) - set(zones):
            raise ConfigError(
                f"the mapping names the asset {asset_id!r}, which the fleet does not have{did_you_mean(asset_id, ids)}",
                hint=f"its assets are {', '.join(ids)}",
            )


def _scaled(name: str, step_min: int, history: History | None, notes: list[str]) -> Zone:
    facts = known_facts(name)
    if facts is None:
        facts = {"time_zone": "UTC"}
        notes.append(f"{name}: unknown zone, runs as UTC; set --time-zone and --market, or add it to fleet.yaml")
    peak_mw, ramp_mw, days = power_scale(history() if history is not None else None)
    served_mw = min(100.0, peak_mw)
    notes.append(
        f"{name}: no fleet file has it; the default fleet serves {power_text(served_mw)}, "
        f"scaled to a highest |net load| of {power_text(peak_mw)}"
        + (f" in the first {days} days of the file" if days else " (no net load to scale to)")
    )
    return default_zone(name, step_min=step_min, region_mw=peak_mw, ramp_mw=ramp_mw, served_mw=served_mw, **facts)


def power_scale(frame: pd.DataFrame | None) -> tuple[float, float, int]:
    """Return the peak of |net load| (MW), the 85 % quantile of its change per step (MW) and the days that show it.

    Outliers do not count. Without any net load the scale is that of 100 MW, and the days are 0.
    """
    nothing = (100.0, 4.0, 0)
    if frame is None or not any(channel in frame and frame[channel].notna().any() for channel in NET_LOAD_CHANNELS):
        return nothing
    import pandas as pd

    net = pd.Series(0.0, index=frame.index)
    for channel, sign in zip(NET_LOAD_CHANNELS, (1.0, -1.0, -1.0), strict=True):
        if channel in frame and frame[channel].notna().any():
            net = net + sign * frame[channel]
    peak_mw = robust_peak(net.to_numpy())
    ramps = net.diff().abs()
    ramp_mw = float(ramps[ramps <= 2.0 * peak_mw].quantile(0.85))
    if not peak_mw > 0.0 or math.isnan(ramp_mw):
        return nothing
    days = math.ceil((frame.index[-1] - frame.index[0]) / pd.Timedelta(days=1))
    return peak_mw, ramp_mw, max(days, 1)


def robust_peak(values: Any) -> float:
    """Return the largest magnitude of a series without outliers; 0 for an empty series.

    Magnitudes above twice the k-th largest are left out, with k = 1 % of them and at least 3: a bad reading, or a few,
    do not scale a fleet, and the peak of a clean series is its own.

    Args:
        values: A series, NaN for missing.
    """
    import numpy as np

    sizes = np.abs(np.asarray(values, dtype=float))
    sizes = np.sort(sizes[np.isfinite(sizes) & (sizes > 0.0)])[::-1]
    if not len(sizes):
        return 0.0
    k = min(max(3, len(sizes) // 100), len(sizes) // 4)
    return float(sizes[sizes <= 2.0 * sizes[k]][0])


def _override(zone: Zone, overrides: Overrides) -> Zone:
    update: dict[str, Any] = {}
    if overrides.time_zone is not None:
        try:
            update["time_zone"] = check_time_zone(overrides.time_zone)
        except ValueError as error:
            raise ConfigError(str(error), hint="use a name such as Europe/Berlin or UTC") from error
    if overrides.market is not None:
        update["market"] = _chosen_market(zone.market, overrides.market)
    return zone.model_copy(update=update)


def _chosen_market(now: Market, name: str) -> Market:
    if name in zone_table()["markets"]:
        return market_named(name)
    if name in tuple(PriceKnown):
        return now.model_copy(update={"price_known": PriceKnown(name)})
    names = [*zone_table()["markets"], *PriceKnown]
    raise ConfigError(f"unknown market {name!r}{did_you_mean(name, names)}", hint=f"one of {', '.join(names)}")


def _at_step(zone: Zone, step_min: int, is_own: bool, notes: list[str]) -> Zone:
    update: dict[str, Any] = {}
    if zone.step_min != step_min:
        limit_mw = zone.limits.ramp_limit_mw * step_min / zone.step_min
        update["step_min"] = step_min
        update["limits"] = zone.limits.model_copy(update={"ramp_limit_mw": limit_mw})
        notes.append(
            f"{zone.zone}: the data has steps of {step_min} min, the fleet {zone.step_min} min; "
            f"ramp limit scaled to {power_text(limit_mw)} per step"
        )
    entry = zone_entry(zone.zone) or {}
    only_at = zone_table()["markets"].get(entry.get("market"), {}).get("price_known_step_min")
    of_means = zone.market.rule.of_means
    if not is_own and only_at not in (None, step_min) and of_means is not None:
        update["market"] = zone.market.model_copy(update={"price_known": of_means})
        notes.append(f"{zone.zone}: a price over {step_min} min is a mean and known only afterwards")
    return zone.model_copy(update=update)


def _for_channels(zone: Zone, notes: list[str]) -> Zone:
    channels = set(zone.channels or ())
    without = [asset for asset in zone.assets if asset.needed_channel not in {None, *channels}]
    update: dict[str, Any] = {"assets": tuple(asset for asset in zone.assets if asset not in without)}
    notes += [f"{zone.zone}: {asset.asset_id} is left out, the data has no {asset.needed_channel}" for asset in without]
    if not channels & set(NET_LOAD_CHANNELS):
        notes.append(f"{zone.zone}: no load, solar or wind in the data: trading only, without grid limits")
        update["limits"] = Limits(ramp_limit_mw=NO_LIMIT_MW, import_cap_mw=NO_LIMIT_MW)
        update["share"] = Share(region_mw=zone.share.served_mw, served_mw=zone.share.served_mw)
    if PRICE not in channels and zone.energy_price_flat_per_mwh is None:
        update["energy_price_flat_per_mwh"] = FLAT_PRICE_PER_MWH
        notes.append(
            f"{zone.zone}: no price in the data: energy counts at {FLAT_PRICE_PER_MWH:g} {zone.market.currency}/MWh"
        )
    return zone.model_copy(update=update)
