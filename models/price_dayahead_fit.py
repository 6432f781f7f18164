"""Fits the price part of a day-ahead market; a later fit walks only the days that have come since."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from models.price_day_features import MIN_DAYS, DayFeatures, renewables_weight
from models.price_dayahead import DayAheadPart
from models.price_dayahead_fits import DayAheadFits, DayAheadShape, MemberHistory
from models.price_days import HOURS, Convention, DayTable, frame_columns, holiday_numbers, role_of, table_of
from models.price_lasso import LassoSettings, lasso_walk
from models.price_ridge import ridge_walk
from models.price_spread import GRID
from models.price_trees import TreeModel, TreeSettings, fit_trees, stack_values, tree_walk
from models.price_view import Flags, Floats
from models.price_walk import AuctionView, WalkSettings, blend_of, mix_weights, weighted_mix
from models.trees import Trees
from vpp.catalogue import available_at
from vpp.domain import PRICE
from vpp.fleet import Zone

MIN_HISTORY_DAYS = 75
_ERROR_DAYS = 182
_ERROR_BLOCK_DAYS = 28
_ERROR_TREE_DAYS = 84
_NEAR_HOURS = 2
_HOLIDAY_DAYS = 760

SERVED = WalkSettings(history_days=546)


def fit_day_ahead(
    frame: pd.DataFrame, zone: Zone, *, before: DayAheadPart | None = None, settings: WalkSettings = SERVED
) -> DayAheadPart | None:
    """Fit on all of ``frame``; None where it holds less than eleven weeks of prices.

    Args:
        frame: Regular UTC slot starts as index; price, published forecasts, neighbours as ``ZONE:channel``.
        zone: Gives step, time zone, holidays and market.
        before: The part of an earlier fit of the same zone: its walked days are not walked again, and its trees serve
            on until they are ``tree_refit_days`` old.
        settings: Members, mix and blend.
    """
    table = _whole_days(table_of(frame, zone))
    n = table.days.size
    if n < MIN_HISTORY_DAYS or np.isfinite(table.price[-MIN_HISTORY_DAYS:]).mean() < 0.5:
        return None
    shape = _shape(frame, zone, table)
    same = before is not None and before.shape.channels == shape.channels and before.settings == settings
    before = before if same else None
    if before is not None:
        shape = replace(shape, weight=before.shape.weight)
    view = AuctionView.of(table, shape.convention, shape.weight)
    begin = max(MIN_DAYS + 28, n - settings.history_days)
    old = _old_rows(table, before, begin)
    solve = _new_rows(n, begin, old, settings.history_refit_days)
    walked, ridge = ridge_walk(view.ridge, view.features, view.price, solve, settings.ridge)
    forecasts, lassos = [walked], []
    for window in settings.lasso_windows:
        made, lasso = lasso_walk(view.lasso, view.price, solve, LassoSettings(window))
        forecasts.append(made)
        lassos.append(lasso)
    members = np.stack(forecasts)
    members[:, old] = _kept(before, table, old, "members", members[:, old])
    mix = weighted_mix(members, view.price, settings)
    values = stack_values(view.features.values, mix, members, view.features.ref, view.features.scale)
    after = AuctionView.two_days_ahead(table, shape.weight)
    tail, tail_fit = ridge_walk(after.ridge, after.features, after.price, solve, settings.ridge, delay=1)
    tail[old] = _kept(before, table, old, "tail", tail[old])
    blend, stack, alone, trees_of = _trees(view, values, mix, table, before, old, settings)
    errors = np.abs(members - view.price[None]).mean(axis=2)[:, -settings.weight_days :]
    known: Flags = np.array([True, *(lasso is not None for lasso in lassos)])
    fits = DayAheadFits(
        ridge=ridge,
        lassos=tuple(lassos),
        weights=mix_weights(errors, known, settings),
        stack=stack,
        alone=alone,
        tail=tail_fit,
        errors=_error_table(np.where(np.isfinite(blend), blend, mix), view.price, view.features),
        tail_errors=_error_table(tail, after.price, after.features),
    )
    kept = slice(begin, n)
    history = MemberHistory(table.days[kept], members[:, kept], blend[kept], tail[kept], trees_of)
    return DayAheadPart(shape, fits, history, settings)


def _whole_days(table: DayTable) -> DayTable:
    """Return the table without last days that hold less than 20 hours of prices."""
    known = np.isfinite(table.price).sum(axis=1) >= 20
    return table.upto(int(np.flatnonzero(known)[-1]) + 1 if known.any() else 0)


def _shape(frame: pd.DataFrame, zone: Zone, table: DayTable) -> DayAheadShape:
    n = table.days.size
    channels = tuple(
        name for name in sorted(frame_columns(frame)) if name == PRICE or (role_of(name.rpartition(":")[2]) is not None)
    )
    return DayAheadShape(
        step_min=zone.step_min,
        time_zone=zone.time_zone,
        convention=_convention(zone, channels, frame.index[-1].to_pydatetime()),
        weight=renewables_weight(table, n),
        channels=channels,
        holidays=tuple(sorted(holiday_numbers(zone, int(table.days[-1]) - 40, int(table.days[-1]) + _HOLIDAY_DAYS))),
        floor_per_mwh=zone.market.price_floor_per_mwh,
        cap_per_mwh=zone.market.price_cap_per_mwh,
    )


def _convention(zone: Zone, channels: tuple[str, ...], day: datetime) -> Convention:
    """Return what is out before the auction: everything, or load alone."""
    noon = day.astimezone(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    gate = available_at(zone, PRICE, noon) - timedelta(minutes=1)
    late = [c for c in channels if role_of(c) == "renewables" and available_at(zone, c, noon) > gate]
    return "load_only" if late else "benchmark"


def _old_rows(table: DayTable, before: DayAheadPart | None, begin: int) -> Flags:
    old = np.zeros(table.days.size, dtype=np.bool_)
    if before is not None:
        old[begin:] = np.isin(table.days[begin:], before.history.days)
    return old


def _new_rows(n: int, begin: int, old: Flags, every: int) -> Flags:
    """Return before which rows to refit, shape (n + 1,): the first new one, every so many after it, the next day."""
    out = np.zeros(n + 1, dtype=np.bool_)
    fresh = np.flatnonzero(~old[begin:]) + begin
    if fresh.size:
        out[int(fresh[0]) : n : every] = True
    out[n] = True
    return out


def _kept(before: DayAheadPart | None, table: DayTable, old: Flags, name: str, empty: Floats) -> Floats:
    if before is None or not old.any():
        return empty
    at = np.searchsorted(before.history.days, table.days[old])
    kept = getattr(before.history, name)
    return np.asarray(kept[:, at] if kept.ndim == 3 else kept[at])


def _trees(  # noqa: PLR0917 - the pieces of one fit
    view: AuctionView,
    values: Floats,
    mix: Floats,
    table: DayTable,
    before: DayAheadPart | None,
    old: Flags,
    settings: WalkSettings,
) -> tuple[Floats, Trees | None, Trees | None, int]:
    """Return the walk-forward blend, the trees that serve, and the day number that they were fitted on."""
    n, features = table.days.size, view.features
    goal = (view.price - mix) / features.scale[:, None]
    own = features.scaled(view.price)
    blend = np.full(mix.shape, np.nan)
    enough = bool(np.isfinite(goal).all(axis=1).sum() >= settings.min_stack_days)
    if before is not None:
        blend[old] = _kept(before, table, old, "blend", blend[old])
        fresh = ~old & np.isfinite(mix).all(axis=1)
        if fresh.any() and before.fits.alone is not None:
            alone_now = features.ref[fresh] + features.scale[fresh, None] * _predict(
                before.fits.alone, features.values[fresh]
            )
            stack_now = mix[fresh]
            if before.fits.stack is not None:
                stack_now = mix[fresh] + features.scale[fresh, None] * _predict(before.fits.stack, values[fresh])
            blend[fresh] = blend_of(stack_now, alone_now, mix[fresh], settings)
        young = int(table.days[-1]) - before.history.trees_of < settings.tree_refit_days
        if young and (before.fits.stack is not None or not enough):
            return blend, before.fits.stack, before.fits.alone, before.history.trees_of
    elif enough:
        blend = _walked_blend(values, goal, own, mix, features, settings)
    alone = _served(fit_trees(features.values[MIN_DAYS:], own[MIN_DAYS:], settings.alone), features.values.shape[2])
    stack = _served(fit_trees(values, goal, settings.stack), values.shape[2]) if enough else None
    return blend, stack, alone, int(table.days[n - 1])


def _walked_blend(
    values: Floats, goal: Floats, own: Floats, mix: Floats, features: DayFeatures, settings: WalkSettings
) -> Floats:
    """Return the blend of the last twelve weeks with trees refitted every four, so that its errors are honest."""
    n = mix.shape[0]
    fit = np.zeros(n + 1, dtype=np.bool_)
    fit[max(n - _ERROR_TREE_DAYS, MIN_HISTORY_DAYS) : n : _ERROR_BLOCK_DAYS] = True

    def walked(rows: Floats, target: Floats, trees: TreeSettings) -> Floats:
        return tree_walk(rows, target, fit, trees, lambda share: None)[0]

    usable = goal.copy()
    stack = mix + features.scale[:, None] * walked(values, usable, settings.stack)
    alone = features.prices(walked(features.values, own, settings.alone))
    return blend_of(stack, alone, mix, settings)


def _predict(trees: Trees, values: Floats) -> Floats:
    rows = np.ascontiguousarray(values.reshape(-1, values.shape[2]), dtype=np.float32)
    return trees.predict(rows).astype(np.float64).reshape(-1, HOURS)


def _served(model: TreeModel, columns: int) -> Trees:
    return Trees(bytes(model.boosters[0].save_raw("json")), columns)


def _error_table(forecast: Floats, price: Floats, features: DayFeatures) -> Floats:
    """Return quantiles on ``GRID`` of the scaled errors of the last half year, each hour with two on each side."""
    z = ((price - forecast) / features.scale[:, None])[-_ERROR_DAYS:]
    out = np.zeros((HOURS, GRID.size))
    for h in range(HOURS):
        near = z[:, max(0, h - _NEAR_HOURS) : h + _NEAR_HOURS + 1]
        known = near[np.isfinite(near)]
        if known.size:
            out[h] = np.quantile(known, GRID)
    return out
