"""Opportunity values: value of one more stored MWh after the next slot, learned from perfect foresight.

The label of an origin is the slope, at a few states of charge, of the value that the best plan at known prices still
makes after the slot to be decided (prices clipped, so a few spikes do not make the values). It is learned as a
departure from the mean of the day's profile in units of its scale, from what the trees of the price read and the trail
of the last days.

Who must fix power before a price is known asks for less: how far the worth of a MWh in store lies above the price of
the slot. That margin is learned by itself (``margin``), for price and worth rise and fall together, and the difference
of two forecasts made apart errs more than a forecast of the difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xgboost as xgb

from models.learners.boosted_trees import Ensembles, Trees
from models.price.realtime.inputs import InputShape
from models.price.realtime.profile_features import LevelRows
from models.price.realtime.recent_features import trail_columns
from models.price.realtime.trees import boost_table, shared_columns
from models.price.series import PriceSeries
from vpp.numerics import storage_dp
from vpp.numerics.arrays import Bools, Floats, Floats32, Ints
from vpp.numerics.compiled import kernel
from vpp.numerics.storage_dp import Cell, UnitBattery

_POINTS = 91
_LOW, _HIGH = -8.0, 10.0
_CHUNK_ROWS = 4_000
_BLIND_DAYS = 3
_TARGET_FIRST = 2
"""First column of ``boost_table`` that is read: not the horizon, nor the linear forecast."""


@dataclass(frozen=True, slots=True)
class ValueSettings:
    """Trees of the opportunity values at ``soc_points`` states of charge; fewer than ``min_rows`` teach nothing.

    ``margin``: they learn how far the values lie above the price of the slot after the origin.
    """

    margin: bool = False
    soc_points: int = 5
    rounds: int = 200
    eta: float = 0.05
    depth: int = 6
    columns: float = 0.4
    min_child: float = 20.0
    half_life_days: float = 500.0
    cap_per_mwh: float = 1000.0
    min_rows: int = 8_000


@dataclass(frozen=True, slots=True)
class ValueModel:
    """One ensemble per state of charge, lowest first; ``margin`` as in ``ValueSettings``."""

    trees: Ensembles
    margin: bool = False

    def slopes(self, table: Floats32, rows: LevelRows) -> Floats:
        """Return the value of one more MWh at equal steps of SoC, not increasing with SoC, shape (n, points).

        A margin counts it above the price of the slot after the origin.

        Args:
            table: ``value_table`` of n origins, shape (n, columns).
            rows: Features of the origins.
        """
        middle = np.zeros(rows.origins.size) if self.margin else _middle(rows)
        return _worth(self.trees.predict(table), rows.scale, middle)


@kernel
def _worth(departures: Floats32, scale: Floats, middle: Floats) -> Floats:
    """Return scaled departures (n, points) as values per MWh that never rise along the points."""
    out = np.empty(departures.shape)
    for n in range(departures.shape[0]):
        for k in range(departures.shape[1]):
            out[n, k] = min(max(np.float64(departures[n, k]), _LOW), _HIGH) * scale[n] + middle[n]
            if k > 0:
                out[n, k] = min(out[n, k], out[n, k - 1])
    return out


def fit_value(
    data: PriceSeries,
    rows: LevelRows,
    level: Floats,
    shape: InputShape,
    anchors: Ints,
    battery: UnitBattery,
    *,
    settings: ValueSettings,
) -> ValueModel | None:
    """Fit the trees; None if there are too few rows.

    Args:
        data: The series of the rows, up to the last known value.
        rows: Features of n origins, in time order; the last three days' labels are not yet known and are left out.
        level: Walk-forward linear forecasts, shape (n, H).
        shape: Horizons, and whether the price of the slot to be decided is the origin's own (``lead`` 1).
        anchors: Positions of the anchor horizons, shape (anchors,).
        battery: The battery, per MW of power, whose stored energy is valued.
        settings: As ``ValueSettings``.
    """
    per_day, n = 1440 // data.step_min, data.prices.size
    is_known: Bools = np.asarray(rows.origins < n - _BLIND_DAYS * per_day)
    rows, level = rows.take(is_known), level[is_known]
    if rows.origins.size < settings.min_rows:
        return None
    at = np.linspace(0.0, 1.0, settings.soc_points)
    prices = np.clip(data.prices, -settings.cap_per_mwh, settings.cap_per_mwh)
    decided = rows.origins + 1 - shape.lead
    above = prices[decided] if settings.margin else _middle(rows)
    priced: Bools = np.isfinite(above)
    rows, level, decided, above = rows.take(priced), level[priced], decided[priced], above[priced]
    slopes = _slopes(prices, data.step_min / 60.0, battery.cell(_POINTS), at)[decided]
    goal = np.clip((slopes - above[:, None]) / rows.scale[:, None], _LOW, _HIGH)
    weight = 0.5 ** ((n - rows.origins) / per_day / settings.half_life_days)
    table = _table(data, rows, level, shape, anchors)
    matrix = xgb.QuantileDMatrix(table, label=goal[:, 0], weight=weight, max_bin=64, nthread=1)
    parameters = {
        "objective": "reg:squarederror",
        "eta": settings.eta,
        "max_depth": settings.depth,
        "subsample": 0.7,
        "colsample_bytree": settings.columns,
        "min_child_weight": settings.min_child,
        "max_bin": 64,
        "tree_method": "hist",
        "nthread": 1,
        "seed": 1,
        "verbosity": 0,
    }
    fitted = []
    for k in range(at.size):
        matrix.set_label(goal[:, k])
        booster = xgb.train(parameters, matrix, num_boost_round=settings.rounds)
        fitted.append(Trees(bytes(booster.save_raw("json")), table.shape[1]))
    return ValueModel(Ensembles(tuple(fitted)), settings.margin)


def _middle(rows: LevelRows) -> Floats:
    return np.asarray(rows.base.mean(axis=1))


def value_table(table: Floats32, anchors: int, shared: int, trail: Floats32) -> Floats32:
    """Return one row per origin: the price trees' input at every anchor, shared columns once, recent features.

    The linear forecast is left out: an opinion of its own gains a mix more than one that follows another.

    Args:
        table: ``boost_table`` of n origins at the anchors, shape (n * anchors, K).
        anchors: Number of anchors.
        shared: As ``shared_columns``.
        trail: ``trail_columns`` of the origins, shape (n, columns).
    """
    rows = table.reshape(-1, anchors, table.shape[1])
    own_columns = rows[:, :, _TARGET_FIRST:-shared].reshape(len(rows), -1)
    return np.concatenate([own_columns, rows[:, 0, -shared:], trail], axis=1)


def _table(data: PriceSeries, rows: LevelRows, level: Floats, shape: InputShape, anchors: Ints) -> Floats32:
    """Return ``value_table`` of many origins, made in parts that fit the memory."""
    shared, parts = shared_columns(data, rows), []
    for first in range(0, rows.origins.size, _CHUNK_ROWS):
        in_fold = np.zeros(rows.origins.size, dtype=np.bool_)
        in_fold[first : first + _CHUNK_ROWS] = True
        fold = rows.take(in_fold)
        table = boost_table(data, fold, level[in_fold], shape.steps, anchors)
        parts.append(value_table(table, anchors.size, shared, trail_columns(data, fold, shape)))
    return np.concatenate(parts)


@kernel  # pragma: no cover
def _slopes(prices: Floats, hours: float, cell: Cell, at: Floats) -> Floats:
    """Return the slope of the perfect-foresight value after each slot at shares ``at`` of capacity, (n, points)."""
    value = np.zeros(_POINTS)
    out = np.empty((prices.size, at.size))
    for t in range(prices.size - 1, -1, -1):
        for k in range(at.size):
            middle = round(at[k] * (_POINTS - 1))
            low, high = max(0, middle - 2), min(_POINTS - 1, middle + 2)
            out[t, k] = (value[high] - value[low]) / ((high - low) * cell[0])
        value = storage_dp.back(value, prices[t], hours, cell)
    return out
