"""Walk-forward forecasts of day-ahead prices: linear members, their weighted mix, trees on what it leaves, the blend.

Row D of every result is what was forecast before the auction for D, from prices to D-1 and what was published by then.
Members are a recursive ridge per hour and lassos over several windows. The mix weighs them by the inverse fourth power
of their error over the last 30 days. Trees learn the mix's walk-forward residual; a second ensemble learns the price
alone. The blend is half the first, a quarter each of the second and the mix (fixed on earlier years).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from models.price_day_features import DAY_AFTER, MIN_DAYS, NEXT_DAY, DayFeatures, Lags, day_features
from models.price_days import Convention, DayTable, as_known, as_seen_two_days_ahead
from models.price_lasso import LassoFit, LassoSettings, lasso_columns, lasso_walk
from models.price_ridge import RidgeFit, RidgeSettings, ridge_columns, ridge_walk
from models.price_trees import TreeModel, TreeSettings, stack_values, tree_walk
from models.price_view import Flags, Floats

Progress = Callable[[float, str], None]

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
    trees; before the first forecast wanted, ``history_refit_days`` of both linear kinds.
    """

    ridge: RidgeSettings = field(default_factory=RidgeSettings)
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
    min_stack_days: int = 90


@dataclass(frozen=True, slots=True)
class AuctionView:
    """What the auction sees, as the inputs of every member; row D holds nothing that came later."""

    price: Floats
    features: DayFeatures
    ridge: Floats
    lasso: Floats

    @staticmethod
    def of(table: DayTable, convention: Convention, weight: float) -> AuctionView:
        """Return the view of the auction for each day of ``table``."""
        return AuctionView._build(as_known(table, convention), weight, NEXT_DAY)

    @staticmethod
    def two_days_ahead(table: DayTable, weight: float) -> AuctionView:
        """Return the view of the auction for D-1 on day D: the second day of a two-day plan."""
        return AuctionView._build(as_seen_two_days_ahead(table), weight, DAY_AFTER)

    @staticmethod
    def _build(table: DayTable, weight: float, lags: Lags) -> AuctionView:
        features = day_features(table, weight, lags)
        columns = ridge_columns(table, features)
        return AuctionView(table.price, features, columns, lasso_columns(table, features.residual))


@dataclass(frozen=True, slots=True)
class LinearWalk:
    """Forecasts of the members, shape (M, n, 24), their mix (n, 24), and the fits in force after the last row."""

    members: Floats
    mix: Floats
    ridge: RidgeFit
    lassos: tuple[LassoFit | None, ...]


def schedule(n: int, first: int, last: int, *, begin: int, early: int, late: int | None) -> Flags:
    """Return before which rows to refit, shape (n + 1,).

    Every ``early`` rows from ``begin`` on, every ``late`` from ``first`` on;
    ``late`` None: once, at ``first``. Nothing is refitted after ``last``.
    """
    out = np.zeros(n + 1, dtype=np.bool_)
    out[begin:first:early] = True
    out[first] = True
    if late is not None:
        out[first : last + 1 : late] = True
    return out


def linear_walk(
    view: AuctionView, first: int, *, refit_days: int | None, settings: WalkSettings, progress: Progress
) -> LinearWalk:
    """Forecast ``history_days`` before row ``first``, then to the end of the table.

    Args:
        view: Inputs.
        first: Row from which on refits follow ``refit_days``.
        refit_days: Days between refits; None: none after ``first``.
        settings: Members and mix.
        progress: Told the share done (0-1) and what is going on.
    """
    n = view.price.shape[0]
    begin = min(max(MIN_DAYS + 28, first - settings.history_days), first)
    late = None if refit_days is None else refit_days
    solve = schedule(n, first, n, begin=begin, early=settings.history_refit_days, late=late)
    progress(0.0, "ridge")
    forecasts, ridge = ridge_walk(view.ridge, view.features, view.price, solve, settings.ridge)
    members, lassos = [forecasts], []
    late = None if refit_days is None else max(refit_days, settings.lasso_refit_days)
    fit = schedule(n, first, n, begin=begin, early=settings.history_refit_days, late=late)
    for i, window in enumerate(settings.lasso_windows):
        progress((i + 1) / (len(settings.lasso_windows) + 1), f"lasso over {window} days")
        forecasts, lasso = lasso_walk(view.lasso, view.price, fit, LassoSettings(window))
        members.append(forecasts)
        lassos.append(lasso)
    stacked = np.stack(members)
    return LinearWalk(stacked, weighted_mix(stacked, view.price, settings), ridge, tuple(lassos))


def weighted_mix(members: Floats, price: Floats, settings: WalkSettings) -> Floats:
    """Return the mean of the members (M, n, 24) by trailing error; row D uses errors of rows before D only."""
    error = np.abs(members - price[None]).mean(axis=2)
    out = np.full(price.shape, np.nan)
    for row in range(price.shape[0]):
        known: Flags = np.asarray(np.isfinite(members[:, row]).all(axis=1))
        if known.any():
            weight = mix_weights(error[:, max(0, row - settings.weight_days) : row], known, settings)
            out[row] = weight[known] @ members[known, row]
    return out


def mix_weights(error: Floats, known: Flags, settings: WalkSettings) -> Floats:
    """Return the members' weights, summing to 1 over ``known``, from their trailing daily errors (M, days)."""
    days = np.isfinite(error[known]).all(axis=0)
    weight = np.where(known, 1.0, 0.0)
    if days.sum() >= 7:
        weight[known] = np.maximum(error[known][:, days].mean(axis=1), 1e-6) ** -settings.weight_power
    return np.asarray(weight / weight.sum())


@dataclass(frozen=True, slots=True)
class TreeWalk:
    """Forecasts of the trees on the residual (n, 24), of the trees alone, of the blend, and the newest trees."""

    stack: Floats
    alone: Floats
    blend: Floats
    stack_model: TreeModel | None
    alone_model: TreeModel | None


def tree_walks(
    view: AuctionView,
    linear: LinearWalk,
    first: int,
    *,
    begin: int,
    refit_days: int | None,
    settings: WalkSettings,
    progress: Progress,
) -> TreeWalk:
    """Forecast from row ``begin`` on with trees refitted every 28 days, from ``first`` on every ``tree_refit_days``.

    A longer ``refit_days`` wins. Where the mix has a history of less than ``min_stack_days`` the blend is half the
    trees alone and half the mix.
    """
    n = view.price.shape[0]
    features = view.features
    late = None if refit_days is None else max(refit_days, settings.tree_refit_days)
    fit = schedule(n, first, n, begin=begin, early=28, late=late)
    values = stack_values(features.values, linear.mix, linear.members, features.ref, features.scale)
    goal = (view.price - linear.mix) / features.scale[:, None]
    alone, alone_model = tree_walk(
        features.values[MIN_DAYS:], features.scaled(view.price)[MIN_DAYS:], fit[MIN_DAYS:], settings.alone,
        lambda share: progress(0.5 * share, "trees alone"),
    )  # fmt: skip
    alone = features.prices(np.concatenate([np.full((MIN_DAYS, alone.shape[1]), np.nan), alone]))
    enough = np.isfinite(goal[:begin]).all(axis=1).sum() >= settings.min_stack_days
    if not enough:
        return TreeWalk(linear.mix, alone, _halves(alone, linear.mix), None, alone_model)
    residual, stack_model = tree_walk(
        values, goal, fit, settings.stack, lambda share: progress(0.5 + 0.5 * share, "trees on the residual")
    )
    stack = linear.mix + features.scale[:, None] * residual
    return TreeWalk(stack, alone, blend_of(stack, alone, linear.mix, settings), stack_model, alone_model)


def blend_of(stack: Floats, alone: Floats, mix: Floats, settings: WalkSettings) -> Floats:
    """Return the published forecast of the three."""
    a, b, c = settings.blend
    return a * stack + b * alone + c * mix


def _halves(alone: Floats, mix: Floats) -> Floats:
    both = 0.5 * alone + 0.5 * mix
    return np.where(np.isfinite(both), both, np.where(np.isfinite(mix), mix, alone))


def tail_walk(
    table: DayTable, weight: float, first: int, *, refit_days: int | None, settings: WalkSettings
) -> tuple[Floats, RidgeFit]:
    """Forecast each day two days ahead by the ridge alone: row D from what was known at the auction for D-1."""
    view = AuctionView.two_days_ahead(table, weight)
    n = view.price.shape[0]
    solve = schedule(n, first, n, begin=first, early=1, late=refit_days)
    return ridge_walk(view.ridge, view.features, view.price, solve, settings.ridge, delay=1)
