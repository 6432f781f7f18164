"""The features of a forecast: as the model was trained on them, and as the plant served them.

Trained: the kernel over the source's rows. Served: the same kernel on a ring that holds what the plant closed (the
telemetry in the store, after the value gate and corrections), with the source's rows where the store has none. The two
agree unless the plant saw other values than its source holds now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from features.calendar import Calendar
from features.compute import RingFeatures, make_history
from features.derived_series import MAX_DEPTH_DAYS, depth_days, is_published
from features.feature_list import build_spec
from features.feature_spec import Feature, FeatureSpec, Op
from features.ring import SlotRing
from models.history import known_until, with_net_load
from models.net_load.model import ServedNetLoad
from models.registry.registry import Registry
from topologies.sources.feed import Feed
from topologies.sources.options import noted_source, open_feed, window_of
from vpp.domain import NET_LOAD, PRICE, Target, iso
from vpp.errors import DataError, ModelError, did_you_mean
from vpp.fleet.in_force import fleet_path
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats
from vpp.settings import Settings
from vpp.store import Store
from vpp.store.tables import FORECASTS, TELEMETRY

LOOK_BACK = timedelta(days=MAX_DEPTH_DAYS + 3)
LOOK_AHEAD = timedelta(days=3)

_NO_UNIT = frozenset(
    {
        Op.RATIO,
        Op.CLEARNESS,
        Op.POSITION,
        Op.AHEAD_RATIO,
        Op.KNOWN,
        Op.WEEKDAY_IS,
        Op.NON_WORKDAY,
        Op.CALENDAR,
        Op.SUN_CHANGE,
        Op.ANNUAL_SIN,
        Op.ANNUAL_COS,
        Op.DAY_SIN,
        Op.DAY_COS,
        Op.WEEK_SIN,
        Op.WEEK_COS,
    }
)


@dataclass(frozen=True, slots=True)
class FeatureInput:
    """What a feature reads: a series of signed channels, or another feature.

    Attributes:
        name: Name of the series or feature.
        channels: Channels with their signs, as ``+load_mw``; empty for a feature.
        value: Value at the slot, None if missing.
    """

    name: str
    channels: tuple[str, ...]
    value: float | None


@dataclass(frozen=True, slots=True)
class FeatureValue:
    """One feature of one slot.

    Attributes:
        name: As in the spec.
        unit: ``MW``, ``MW/step``, ``MW2``, a price, a unit of the weather, or ``1``.
        rule: What it computes, with lag, window or days.
        inputs: What it reads.
        trained: Value as in training, None if missing.
        served: Value as served, None if missing.
        stages: Model stages that read it.
    """

    name: str
    unit: str
    rule: str
    inputs: tuple[FeatureInput, ...]
    trained: float | None
    served: float | None
    stages: str


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """All features of a zone at a slot and horizon.

    Attributes:
        zone: The zone.
        slot: The closed slot that a forecast was issued after.
        horizon_min: Horizon of the features that look at a target.
        model_id: The model whose spec it is; None if no model serves.
        spec_hash: Hash of the spec.
        features: The features, in the order of the spec.
        history: By feature, (slot, trained, served) of the last slots; empty unless requested.
    """

    zone: str
    slot: datetime
    horizon_min: int
    model_id: str | None
    spec_hash: str
    features: tuple[FeatureValue, ...]
    history: Mapping[str, tuple[tuple[datetime, float | None, float | None], ...]]


def feature_table(
    settings: Settings,
    store: Store,
    zone: Zone,
    slot: datetime | None = None,
    *,
    horizon_min: int | None = None,
    names: Sequence[str] = (),
    history_slots: int = 0,
    feed: Feed | None = None,
) -> FeatureTable:
    """Compute the features of a slot.

    Args:
        settings: Give the model registry, and the source that the run noted.
        store: The run's tables.
        zone: As it is configured in the run.
        slot: A time in the slot; None: the newest that closed.
        horizon_min: For features of a target; None: one step.
        names: Features to return; none: all.
        history_slots: How many slots up to this one to return values of.
        feed: Rows, instead of those of the run's source.

    Raises:
        DataError: There is no such slot, horizon or feature, or no rows to compute from.
    """
    at = closed_slot(store, zone, slot)
    rows = source_rows(settings, zone, at, feed)
    model_id, spec = _spec(settings, store, zone, at, rows)
    horizon_min = zone.step_min if horizon_min is None else horizon_min
    if horizon_min not in spec.horizons_min:
        near = ", ".join(map(str, spec.horizons_min[:12]))
        raise DataError(f"there is no horizon of {horizon_min} min", hint=f"one of {near}, ...")
    for name in names:
        if name not in spec.names:
            raise DataError(
                f"the spec has no feature {name!r}{did_you_mean(name, spec.names)}", hint="see vpp features ZONE"
            )
    origins = zone.step.index(at) - np.arange(max(history_slots, 1))[::-1]
    h = spec.horizons_min.index(horizon_min)
    trained = _trained(spec, rows, zone, origins, h)
    served = _served(spec, overlaid(rows, store, zone), zone, origins, h)
    columns = [i for i, name in enumerate(spec.names) if not names or name in names]
    series = _series_now(spec, rows, at)
    trained_values = dict(zip(spec.names, trained[:, -1].tolist(), strict=True))
    features = tuple(
        FeatureValue(
            name=spec.names[i],
            unit=unit_of(spec.features[i], spec),
            rule=rule_of(spec.features[i], spec.step_min),
            inputs=_inputs(spec.features[i], spec, series, trained_values),
            trained=_or_none(trained[i, -1]),
            served=_or_none(served[i, -1]),
            stages=spec.features[i].stages,
        )
        for i in columns
    )
    slots = [zone.step.start(int(origin)) for origin in origins] if history_slots else []
    past = {
        spec.names[i]: tuple(
            (slot_start, _or_none(trained[i, n]), _or_none(served[i, n])) for n, slot_start in enumerate(slots)
        )
        for i in columns
        if history_slots
    }
    return FeatureTable(zone.zone, at, horizon_min, model_id, spec.hash, features, past)


_UNIT_OF_SERIES = {
    "price": "per MWh",
    "temperature_ahead": "degC",
    "irradiance_ahead": "W/m2",
    "wind_speed_ahead": "m/s",
}


def unit_of(feature: Feature, spec: FeatureSpec) -> str:
    """Return the unit of a feature's values; ``1`` for numbers without one."""
    if feature.op in (Op.PRODUCT, Op.TARGET_PRODUCT):
        units = [unit_of(spec.features[spec.column(name)], spec) for name in feature.of]
        remaining = [unit for unit in units if unit != "1"]
        if len(remaining) < 2:
            return remaining[0] if remaining else "1"
        return "".join(map(_squared, dict.fromkeys(remaining)))
    if feature.op is Op.HORIZON:
        return "step"
    if feature.op in _NO_UNIT:
        return "1"
    if feature.op is Op.SUM:
        return unit_of(spec.features[spec.column(feature.of[0])], spec)
    base = _UNIT_OF_SERIES.get(feature.x, "MW")
    terms = [term for series in spec.series if series.name == feature.x for term in series.terms]
    if base == "m/s" and any(channel.endswith("_kmh") for channel, _ in terms):
        base = "km/h"
    return {Op.GRADIENT: f"{base}/step", Op.AHEAD_SQUARE: _squared(base)}.get(feature.op, base)


def _squared(unit: str) -> str:
    return f"({unit})2" if "/" in unit else f"{unit}2"


def rule_of(feature: Feature, step_min: int) -> str:
    """Return the rule of a feature: the op of the spec and its parameters."""
    text = feature.op.name.lower().replace("_", " ")
    numbers = [f"{name}={value}" for name, value in (("a", feature.a), ("b", feature.b)) if value]
    return f"{text}({', '.join(numbers)}; step {step_min} min)" if numbers else text


def closed_slot(store: Store, zone: Zone, instant: datetime | None) -> datetime:
    """Return the slot that a time lies in; None: the newest that closed.

    Raises:
        DataError: It has not closed.
    """
    newest = next((slot for (slot,) in store.latest(TELEMETRY, zone.zone, columns=("slot",)).values), None)
    if newest is None:
        raise DataError(f"no slot of {zone.zone} has closed yet", hint="start a plant first: vpp up")
    at = newest if instant is None else zone.step.floor(instant)
    if at > newest:
        raise DataError(f"{zone.zone} has closed no slot after {iso(newest)}", hint="choose an earlier time")
    return at


def source_rows(settings: Settings, zone: Zone, at: datetime, feed: Feed | None) -> pd.DataFrame:
    """Return the source's rows around a slot, in the run's times.

    Args:
        settings: Give the source that the run noted.
        zone: The zone.
        at: The slot.
        feed: Rows, instead of those of the noted source.

    Raises:
        DataError: The run has noted no source, or it has no such zone.
    """
    shift = timedelta(0)
    if feed is None:
        options = noted_source(settings)
        if options is None:
            raise DataError(
                "the run has noted no source that rows could be read from", hint="give the history with --data FILE"
            )
        source_settings = (
            settings.model_copy(update={"fleet": fleet_path(settings)}) if fleet_path(settings).exists() else settings
        )
        feed = open_feed(options, source_settings)
        shift = window_of(options, feed, at).shift
    if zone.zone not in feed.zones:
        raise DataError(f"the source has no zone {zone.zone!r}", hint=f"it has {', '.join(sorted(feed.zones))}")
    frame = feed.frame(zone.zone, at - shift + LOOK_AHEAD, at - shift - LOOK_BACK)
    frame = frame.set_axis(pd.DatetimeIndex(frame.index) + shift)
    return with_net_load(frame, zone)


def _spec(
    settings: Settings, store: Store, zone: Zone, at: datetime, rows: pd.DataFrame
) -> tuple[str | None, FeatureSpec]:
    """Return the model that forecast at a slot and its spec; without one, the spec that a training would use."""
    served_by = store.read(
        FORECASTS,
        zone=zone.zone,
        start=at,
        end=at + timedelta(seconds=1),
        filters={"target": Target.NET_LOAD.value, "source": "model"},
        columns=("model_id",),
        limit=1,
    ).values
    if served_by:
        try:
            part = Registry(settings.models_dir).load(str(served_by[0][0])).net_load
        except ModelError:
            part = None
        if isinstance(part, ServedNetLoad):
            return str(served_by[0][0]), part.spec
    return None, build_spec([*map(str, rows.columns)], zone.step)


def _trained(spec: FeatureSpec, rows: pd.DataFrame, zone: Zone, origins: Any, h: int) -> Floats:
    """Return the features (features, origins) as training computes them."""
    index = pd.DatetimeIndex(rows.index)
    values = {c: _column(rows, c) for c in spec.channels}
    limits = {c: known_until(zone, c, index) for c in spec.channels if is_published(c)}
    first = zone.step.index(index[0].to_pydatetime())
    history = make_history(spec, values, first, limits, Calendar(zone))
    matrix = history.origin_rows(origins - first)
    history.fill_targets(matrix, origins - first, np.full(len(origins), spec.horizon_steps[h]))
    return matrix


def _served(spec: FeatureSpec, rows: pd.DataFrame, zone: Zone, origins: Any, h: int) -> Floats:
    """Return the features (features, origins) as serving computes them, from a ring that is filled slot by slot."""
    index = pd.DatetimeIndex(rows.index)
    first, ring = zone.step.index(index[0].to_pydatetime()), SlotRing(zone.step, depth_days, max_days=MAX_DEPTH_DAYS)
    channels = {c: _column(rows, c) for c in spec.channels}
    until = {c: known_until(zone, c, index) for c in channels if is_published(c)}
    sent_until = dict.fromkeys(until, 0)
    features, row_of_origin = RingFeatures(spec, Calendar(zone)), {int(origin): n for n, origin in enumerate(origins)}
    out = np.full((len(spec.features), len(origins)), np.nan)
    for channel in channels:
        ring.row(channel)
    for n in range(int(origins[-1]) - first + 1):
        ring.advance(first + n)
        for channel, values in channels.items():
            if channel not in until:
                ring.put(channel, first + n, values[n])
                continue
            for position in range(sent_until[channel], int(until[channel][n]) + 1):
                ring.put(channel, first + position, values[position])
            sent_until[channel] = max(sent_until[channel], int(until[channel][n]) + 1)
        if first + n in row_of_origin:
            out[:, row_of_origin[first + n]] = features.rows(ring, first + n)[:, h]
    return out


def overlaid(rows: pd.DataFrame, store: Store, zone: Zone) -> pd.DataFrame:
    """Return the rows with the plant's closed values in place of the source's."""
    index = pd.DatetimeIndex(rows.index)
    closed = store.read(
        TELEMETRY, zone=zone.zone, start=index[0].to_pydatetime(), columns=("slot", "net_load_mw", "values")
    )
    out = rows.copy()
    for slot, net_load_mw, values in closed:
        stamp = pd.Timestamp(slot)
        if stamp not in index:
            continue
        slot_values = {**(msgspec.json.decode(values) if values else {}), NET_LOAD: net_load_mw}
        for channel, value in slot_values.items():
            if channel in out.columns and not is_published(channel) and channel != PRICE:
                out.loc[stamp, channel] = np.nan if value is None else value
    return out


def _series_now(spec: FeatureSpec, rows: pd.DataFrame, at: datetime) -> dict[str, float]:
    """Return each series' value at the slot."""
    if pd.Timestamp(at) not in rows.index:
        return {}
    position = pd.DatetimeIndex(rows.index).get_loc(pd.Timestamp(at))
    row = {str(c): float(rows[c].to_numpy(dtype=float)[position]) for c in rows.columns}
    return {s.name: sum(sign * row.get(c, np.nan) for c, sign in s.terms) for s in spec.series}


def _inputs(
    feature: Feature, spec: FeatureSpec, series: Mapping[str, float], derived: Mapping[str, float]
) -> tuple[FeatureInput, ...]:
    terms = {s.name: s.terms for s in spec.series}
    read = [name for name in dict.fromkeys((feature.x, feature.z)) if name]
    return (
        *(
            FeatureInput(
                name,
                tuple(f"{'+' if sign > 0 else '-'}{channel}" for channel, sign in terms[name]),
                _or_none(series.get(name, np.nan)),
            )
            for name in read
        ),
        *(FeatureInput(name, (), _or_none(derived[name])) for name in dict.fromkeys(feature.of)),
    )


def _column(rows: pd.DataFrame, channel: str) -> Floats:
    values = rows[channel].to_numpy(dtype=float) if channel in rows else np.full(len(rows), np.nan)
    return np.asarray(values, dtype=np.float64)


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
