"""The next day's price: linear members, their weighted mix, trees on the residual of the mix, and the blend of all.

Members are a recursive ridge per hour and lassos over several windows. The mix weighs them by the inverse fourth power
of their error over the last 30 days. Trees learn the mix's walk-forward residual; a second ensemble learns the price
alone. The blend is half the first, a quarter each of the second and the mix (fixed on earlier years).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.learners.boosted_trees import Trees
from models.price.dayahead.day_table import HOURS, Convention, DayTable, as_known, as_seen_two_days_ahead, within_hours
from models.price.dayahead.features import DAY_AFTER, NEXT_DAY, DayFeatures, Lags, day_features
from models.price.dayahead.hourly_ridge import HourlyRidgeSettings, RidgeFit, ridge_columns
from models.price.dayahead.lear import LassoFit, lasso_columns
from models.price.dayahead.trees import TreeSettings, stack_values, tree_days
from vpp.numerics.arrays import Bools, Floats

STACK = TreeSettings(window_days=728, half_life_days=300.0, rounds=400, objective="reg:pseudohubererror")
ALONE = TreeSettings(
    window_days=1092,
    half_life_days=300.0,
    rounds=400,
    depth=6,
    columns=0.33,
    eta=0.05,
    objective="reg:pseudohubererror",
)


@dataclass(frozen=True, slots=True)
class WalkSettings:
    """Members, mix and blend.

    ``history_days``: walk-forward days of the members before the first forecast wanted, on which the trees learn.
    ``blend``: shares of the trees on the residual, the trees alone, and the mix. Refits in days: of the lassos, of the
    trees; before the first forecast wanted, ``history_refit_days`` of both linear kinds. ``proved_days``: how long
    before it the trees forecast too, so errors are known, refitted every ``proved_refit_days``.
    """

    ridge: HourlyRidgeSettings = field(default_factory=HourlyRidgeSettings)
    lasso_windows: tuple[int, ...] = (84, 364, 1092)
    stack: TreeSettings = field(default_factory=lambda: STACK)
    alone: TreeSettings = field(default_factory=lambda: ALONE)
    blend: tuple[float, float, float] = (0.5, 0.25, 0.25)
    weight_days: int = 30
    weight_power: float = 4.0
    history_days: int = 728
    lasso_refit_days: int = 2
    history_refit_days: int = 4
    tree_refit_days: int = 14
    proved_days: int = 84
    proved_refit_days: int = 28
    min_stack_days: int = 90


@dataclass(frozen=True, slots=True)
class AuctionView:
    """Data known at the auction, as the inputs of every member; row D has no later values.

    Every array has one row per day of the table from row ``first`` on: a walk needs all of them, a forecast one.
    ``slots``: prices by slot of the day, (n, slots). ``within``: how far a slot usually lies from its hour, (n, slots).
    ``lasso``: as ``lasso_columns``; no columns two days ahead, where no lasso forecasts.
    """

    price: Floats
    slots: Floats
    within: Floats
    features: DayFeatures
    ridge: Floats
    lasso: Floats

    @staticmethod
    def of(table: DayTable, convention: Convention, weight: float, first: int = 0) -> AuctionView:
        """Return the view of the auction for each day of ``table`` from row ``first`` on.

        Args:
            table: Prices and published series by day.
            convention: What is known at the auction.
            weight: Weight of renewables in residual load (``renewables_weight``).
            first: First row.
        """
        view = as_known(table, convention)
        features = day_features(view, weight, NEXT_DAY, first)
        return AuctionView._of(view, features, NEXT_DAY, first, lasso_columns(view, features, first))

    @staticmethod
    def two_days_ahead(table: DayTable, convention: Convention, weight: float, first: int = 0) -> AuctionView:
        """Return the view of the auction for D-1 on day D: the second day of a two-day plan.

        Args:
            table: Prices and published series by day.
            convention: What is known at the auction.
            weight: Weight of renewables in residual load (``renewables_weight``).
            first: First row.
        """
        view = as_seen_two_days_ahead(table, convention)
        features = day_features(view, weight, DAY_AFTER, first)
        return AuctionView._of(view, features, DAY_AFTER, first, np.empty((table.days.size - first, 0)))

    @staticmethod
    def _of(table: DayTable, features: DayFeatures, lags: Lags, first: int, lasso: Floats) -> AuctionView:
        ridge, within = ridge_columns(table, features, first), within_hours(table, lags.newest, first)
        return AuctionView(table.price[first:], table.slots[first:], within, features, ridge, lasso)

    def by_slot(self, row: int, prices: Floats) -> Floats:
        """Return a day's forecast by hour (24,) as one by slot (slots,)."""
        return np.asarray(self.of_hours(prices) + self.within[row])

    def of_hours(self, values: Floats) -> Floats:
        """Return values by hour (24,) as values by slot (slots,): every slot of an hour has its value."""
        return np.repeat(values, self.slots.shape[1] // HOURS)


@dataclass(frozen=True, slots=True)
class DayPrices:
    """Forecasts of one day, shape (24,) each; ``members``: (M, 24), NaN for one that learned from too little.

    ``stack`` and ``alone`` are None if there are no such trees.
    """

    members: Floats
    mix: Floats
    stack: Floats | None
    alone: Floats | None
    blend: Floats

    @property
    def apart(self) -> Floats:
        """How far the forecasts lie apart: their standard deviation at each hour, shape (24,)."""
        return how_far_apart(
            [*self.members, self.mix, *(forecast for forecast in (self.stack, self.alone) if forecast is not None)]
        )


@dataclass(frozen=True, slots=True)
class DayModels:
    """What forecasts the next day: members, their weights (M,), trees, and the blend's shares.

    ``lassos``: one per window, None if it had too little. ``stack``, ``alone``: None if there was too little.
    """

    ridge: RidgeFit
    lassos: tuple[LassoFit | None, ...]
    weights: Floats
    stack: Trees | None
    alone: Trees | None
    blend: tuple[float, float, float]

    def forecast(self, view: AuctionView, row: int) -> DayPrices:
        """Return the forecasts of day ``row`` of ``view``; in backtest and stream this is the same call."""
        rows = slice(row, row + 1 or None)
        features = view.features
        members = np.full((1 + len(self.lassos), HOURS), np.nan)
        members[0] = features.prices_of(row, self.ridge.predict(view.ridge[row]))
        for i, lasso in enumerate(self.lassos):
            if lasso is not None:
                members[i + 1] = lasso.predict(view.lasso[rows])[0]
        mix = mixed(members, self.weights)
        values = features.values[rows]
        alone = None if self.alone is None else features.prices_of(row, tree_days(self.alone, values)[0])
        stack = None
        if self.stack is not None:
            stacked = stack_values(values, mix[None], members[:, None], features.ref[rows], features.scale[rows])
            stack = mix + features.scale[row] * tree_days(self.stack, stacked)[0]
        return DayPrices(members, mix, stack, alone, blended(stack, alone, mix, self.blend))


def how_far_apart(forecasts: Sequence[Floats]) -> Floats:
    """Return the standard deviation over the forecasts (24,) that are not NaN; 0 without any."""
    stacked = np.stack(forecasts)
    is_finite = np.isfinite(stacked)
    count = np.maximum(is_finite.sum(axis=0), 1)
    centre = np.where(is_finite, stacked, 0.0).sum(axis=0) / count
    return np.asarray(np.sqrt((np.where(is_finite, stacked - centre, 0.0) ** 2).sum(axis=0) / count))


def blended(stack: Floats | None, alone: Floats | None, mix: Floats, shares: tuple[float, float, float]) -> Floats:
    """Return the published forecast: all three, or half the trees alone and half the mix, or the mix.

    Args:
        stack: Mix plus the trees on its residual, shape (n, hours); None if there are none.
        alone: Forecast of the trees alone, shape (n, hours); None if there are none.
        mix: Mix of the linear members, shape (n, hours).
        shares: Weights of the three, summing to 1.
    """
    if alone is None:
        return mix
    if stack is None:
        return np.asarray(0.5 * alone + 0.5 * mix)
    return np.asarray(shares[0] * stack + shares[1] * alone + shares[2] * mix)


def mixed(members: Floats, weights: Floats) -> Floats:
    """Return the mean of the members (M, 24) by their weights (M,); a member that is NaN is left out."""
    is_complete: Bools = np.asarray(np.isfinite(members).all(axis=1))
    if not is_complete.any():
        return np.full(members.shape[1], np.nan)
    return np.asarray(weights[is_complete] / weights[is_complete].sum() @ members[is_complete])


def mix_weights(error: Floats, is_known: Bools, settings: WalkSettings) -> Floats:
    """Return the members' weights, summing to 1 over ``is_known``, from their trailing daily errors (M, days)."""
    days = np.isfinite(error[is_known]).all(axis=0)
    weight = np.where(is_known, 1.0, 0.0)
    if days.sum() >= 7:
        weight[is_known] = np.maximum(error[is_known][:, days].mean(axis=1), 1e-6) ** -settings.weight_power
    return np.asarray(weight / weight.sum())


def walked_mix(members: Floats, price: Floats, settings: WalkSettings) -> Floats:
    """Return the mix of walked members (M, n, 24); row D uses errors of rows before D only."""
    error = np.abs(members - price[None]).mean(axis=2)
    out = np.full(price.shape, np.nan)
    for row in range(price.shape[0]):
        is_complete: Bools = np.asarray(np.isfinite(members[:, row]).all(axis=1))
        if is_complete.any():
            weights = mix_weights(error[:, max(0, row - settings.weight_days) : row], is_complete, settings)
            out[row] = mixed(members[:, row], weights)
    return out
