"""Learns day-ahead prices one auction after another: every forecast is made before its prices are learned.

Backtest and training are this one walk. The first call walks the history; each later one forecasts the days that have
come since with the models that were in force, learns them, and fits for the next day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.learners.boosted_trees import Trees
from models.price.dayahead.day_table import HOURS, filled
from models.price.dayahead.ensemble import (
    AuctionView,
    DayModels,
    WalkSettings,
    blended,
    how_far_apart,
    mix_weights,
    walked_mix,
)
from models.price.dayahead.features import MIN_DAYS
from models.price.dayahead.hourly_ridge import RidgeFit, RidgeLearner
from models.price.dayahead.intervals import DaySpread
from models.price.dayahead.lear import LassoFit, LassoSettings, fit_lasso, lasso_walk
from models.price.dayahead.trees import fit_trees, stack_values, tree_walk
from vpp.domain import QUANTILE_LEVELS
from vpp.numerics.arrays import Bools, Floats
from vpp.progress import Progress, no_progress

FIRST_ROW = MIN_DAYS + 28
"""No day before this row of a table is forecast."""


@dataclass
class WalkTable:
    """Forecasts of a walk, one row per day, per MWh; NaN if there was none.

    ``members`` (M, n, 24), ``mix``, ``stack``, ``alone``, ``blend`` (n, 24): made before the day's auction. ``tail``
    (n + 1, 24): made an auction earlier. ``quantiles``: (n, slots, 7).
    """

    members: Floats
    mix: Floats
    stack: Floats
    alone: Floats
    blend: Floats
    tail: Floats
    quantiles: Floats

    @classmethod
    def of(cls, members: Floats, mix: Floats, tail: Floats, slots: int) -> WalkTable:
        """Return the table of a walk whose trees have forecast nothing yet.

        Args:
            members: Shape (M, n, 24).
            mix: Shape (n, 24).
            tail: Shape (n + 1, 24).
            slots: Slots in a day.
        """
        stack, alone, blend = (np.full(mix.shape, np.nan) for _ in range(3))
        quantiles = np.full((mix.shape[0], slots, len(QUANTILE_LEVELS)), np.nan)
        return cls(members, mix, stack, alone, blend, tail, quantiles)

    def grow(self, rows: int) -> None:
        """Make room for ``rows`` days in all."""
        more = rows - self.mix.shape[0]
        if more > 0:
            self.members = _with_more_rows(self.members, more, axis=1)
            self.mix, self.stack = _with_more_rows(self.mix, more), _with_more_rows(self.stack, more)
            self.alone, self.blend = _with_more_rows(self.alone, more), _with_more_rows(self.blend, more)
            self.tail, self.quantiles = _with_more_rows(self.tail, more), _with_more_rows(self.quantiles, more)


class DayAheadLearner:
    """Walks from auction to auction over the days of a table.

    ``table``: the forecasts. Days before ``row`` are learned, and the models in force are fitted for day ``row``.

    Args:
        settings: Members, mix and blend.

    Invariants:
        - No forecast of a row changes when prices of that row or of later ones do; so what the trees learn to correct
          is walk-forward, never the residual of an in-sample fit.
    """

    def __init__(self, settings: WalkSettings) -> None:
        self.settings = settings
        self.row = -1
        nothing = np.empty((0, HOURS))
        self.table = WalkTable.of(np.empty((1 + len(settings.lasso_windows), 0, HOURS)), nothing, nothing, HOURS)
        self.spread, self.tail_spread = DaySpread(HOURS), DaySpread(HOURS)
        self._ridge, self._tail = RidgeLearner(settings.ridge), RidgeLearner(settings.ridge)
        self._lassos: list[LassoFit | None] = []
        self._stack_trees: Trees | None = None
        self._alone_trees: Trees | None = None
        self._fitted = self._lassos_at = self._trees_at = -1

    @property
    def tail_fit(self) -> RidgeFit:
        """The ridge that looks two days ahead, as fitted for the day after ``row``."""
        return self._tail.fit

    def models(self, view: AuctionView) -> DayModels:
        """Return the models in force for day ``row``."""
        error = np.abs(self.table.members[:, : self.row] - view.price[None, : self.row]).mean(axis=2)
        is_fitted: Bools = np.array([True, *(lasso is not None for lasso in self._lassos)])
        weights = mix_weights(error[:, -self.settings.weight_days :], is_fitted, self.settings)
        return DayModels(
            self._ridge.fit, tuple(self._lassos), weights, self._stack_trees, self._alone_trees, self.settings.blend
        )

    def advance(
        self,
        view: AuctionView,
        after: AuctionView,
        row: int,
        *,
        refit_days: int | None = 1,
        progress: Progress = no_progress,
    ) -> None:
        """Forecast and learn all days before ``row``, then fit for day ``row`` where that is due.

        Args:
            view: The auctions; in a later call those of the first and more.
            after: The auctions as ``AuctionView.two_days_ahead`` sees them, to day ``row`` at least.
            row: First day that is not learned.
            refit_days: Days between fits; None: only the first call fits.
            progress: Called with the share done (0-1) and the name of the current part.
        """
        if self.row < 0:
            self._start(view, after, row, progress)
        else:
            self.table.grow(row)
            while self.row < row:
                self._learn(view, after)
            if refit_days is not None and row - self._fitted >= refit_days:
                self._fit(view)

    def _start(self, view: AuctionView, after: AuctionView, row: int, progress: Progress) -> None:
        settings = self.settings
        begin = min(max(FIRST_ROW, row - settings.history_days), row)
        fit = _every(row, begin, settings.history_refit_days)
        progress(0.0, "ridge")
        members = [self._ridge.walk(view.ridge, view.features, view.price, fit, row)]
        later = _every(row + 1, begin + 1, settings.history_refit_days)
        tail = self._tail.walk(after.ridge, after.features, after.price, later, row + 1, delay=1)
        for i, window in enumerate(settings.lasso_windows):
            progress(0.1 + 0.4 * i / len(settings.lasso_windows), f"lasso over {window} days")
            forecast, lasso = lasso_walk(view.lasso[:row], view.price[:row], fit, LassoSettings(window))
            members.append(forecast)
            self._lassos.append(lasso)
        all_members, slots = np.stack(members), view.slots.shape[1]
        mix = walked_mix(all_members, view.price[:row], settings)
        table = self.table = WalkTable.of(all_members, mix, tail, slots)
        self.spread, self.tail_spread = DaySpread(slots), DaySpread(slots)
        self._prove(view, row, begin, progress)
        for day in range(begin, row):
            forecast = table.blend[day] if np.isfinite(table.blend[day]).all() else table.mix[day]
            all_of = [*table.members[:, day], table.mix[day], table.stack[day], table.alone[day]]
            self._judge(view, after, day, forecast, how_far_apart(all_of))
        self.row = self._fitted = self._lassos_at = row
        progress(0.9, "trees")
        self._fit_trees(view)

    def _prove(self, view: AuctionView, row: int, begin: int, progress: Progress) -> None:
        """Let trees forecast the last weeks of the history too, so the blend's errors are known."""
        settings, features = self.settings, view.features
        first = min(max(FIRST_ROW, row - settings.proved_days), row)
        fit = _every(row, first, settings.proved_refit_days)
        fit[row] = False
        progress(0.5, "trees alone")
        targets = features.scaled(view.price)[:row]
        alone = tree_walk(features.values[:row], targets, fit, settings.alone, MIN_DAYS)
        self.table.alone = features.ref[:row] + features.scale[:row, None] * alone
        if np.isfinite(self._left(view)[begin:first]).all(axis=1).sum() >= settings.min_stack_days:
            progress(0.7, "trees on the residual")
            residual = tree_walk(self._stack_values(view), self._left(view), fit, settings.stack)
            self.table.stack = self.table.mix + features.scale[:row, None] * residual
        for day in range(first, row):
            self.table.blend[day] = blended(
                _made(self.table.stack[day]), _made(self.table.alone[day]), self.table.mix[day], settings.blend
            )

    def _learn(self, view: AuctionView, after: AuctionView) -> None:
        """Forecast day ``row`` by the models in force, then learn its prices."""
        day, later = self.row, after.features
        self.table.tail[day + 1] = later.prices_of(day + 1, self._tail.fit.predict(after.ridge[day + 1]))
        forecast, table = self.models(view).forecast(view, day), self.table
        table.members[:, day], table.mix[day], table.blend[day] = forecast.members, forecast.mix, forecast.blend
        for rows, prices in ((table.stack, forecast.stack), (table.alone, forecast.alone)):
            if prices is not None:
                rows[day] = prices
        self._judge(view, after, day, forecast.blend, forecast.apart)
        self._ridge.learn(view.ridge[day], view.features.scaled(view.price)[day])
        self._tail.learn(after.ridge[day], later.scaled(after.price)[day])
        self.row += 1

    def _judge(self, view: AuctionView, after: AuctionView, day: int, forecast: Floats, apart: Floats) -> None:
        """Keep the quantiles of a day's forecast, then enter its error and that of the forecast a day earlier."""
        scale, price = float(view.features.scale[day]), view.slots[day]
        forecast, apart = view.by_slot(day, forecast), view.of_hours(apart)
        self.table.quantiles[day] = self.spread.fit.quantiles(forecast, scale, apart)
        self.spread.enter(price, forecast, scale, apart)
        earlier = after.by_slot(day, self.table.tail[day])
        self.tail_spread.enter(price, earlier, float(after.features.scale[day]), np.zeros(earlier.size))

    def _fit(self, view: AuctionView) -> None:
        settings, row = self.settings, self.row
        self._ridge.solve()
        self._tail.solve()
        self._fitted = row
        if row - self._lassos_at >= settings.lasso_refit_days:
            prices = filled(view.price[:row])
            for i, window in enumerate(settings.lasso_windows):
                self._lassos[i] = fit_lasso(view.lasso[:row], prices, LassoSettings(window)) or self._lassos[i]
            self._lassos_at = row
        if row - self._trees_at >= settings.tree_refit_days:
            self._fit_trees(view)

    def _fit_trees(self, view: AuctionView) -> None:
        settings, row, features = self.settings, self.row, view.features
        targets = features.scaled(view.price)[MIN_DAYS:row]
        if np.isfinite(targets[-settings.alone.window_days :]).any():
            self._alone_trees = fit_trees(features.values[MIN_DAYS:row], targets, settings.alone)
        residual = self._left(view)
        if np.isfinite(residual).all(axis=1).sum() >= settings.min_stack_days:
            self._stack_trees = fit_trees(self._stack_values(view), residual, settings.stack)
        self._trees_at = row

    def _left(self, view: AuctionView) -> Floats:
        """Return the residuals of the mix's forecasts, scaled, shape (n, 24)."""
        n = self.table.mix.shape[0]
        return np.asarray((view.price[:n] - self.table.mix) / view.features.scale[:n, None])

    def _stack_values(self, view: AuctionView) -> Floats:
        n, features = self.table.mix.shape[0], view.features
        return stack_values(
            features.values[:n], self.table.mix, self.table.members, features.ref[:n], features.scale[:n]
        )


def _with_more_rows(values: Floats, more: int, axis: int = 0) -> Floats:
    shape = list(values.shape)
    shape[axis] = more
    return np.concatenate([values, np.full(shape, np.nan)], axis=axis)


def _made(prices: Floats) -> Floats | None:
    return prices if np.isfinite(prices).any() else None


def _every(last: int, begin: int, days: int) -> Bools:
    """Return the rows before which to fit, shape (last + 1,): every ``days`` days from ``begin``, and at ``last``."""
    out = np.zeros(last + 1, dtype=np.bool_)
    out[begin:last:days] = True
    out[last] = True
    return out
