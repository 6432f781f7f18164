"""Contributions to a day-ahead price forecast: ridge, lassos and both ensembles of trees, as they are blended.

Ridge: coefficient × input × scale. Lasso: its inputs add up before a sinh, so each gets its share of the sum times what
the sinh makes of it. Trees: exact SHAP values × scale. Weights of the members and shares of the blend go in as the
forecast takes them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from models.learners.boosted_trees import Trees
from models.price.contract import RingView
from models.price.dayahead.day_table import HOURS, DayTable
from models.price.dayahead.ensemble import AuctionView, DayModels
from models.price.dayahead.features import DayFeatures
from models.price.dayahead.hourly_ridge import RidgeFit
from models.price.dayahead.lear import LassoFit
from models.price.dayahead.model import DayAheadPart
from models.price.dayahead.trees import stack_values
from vpp.errors import DataError
from vpp.numerics.arrays import Floats

CONSTANT = "constant"
WITHIN = "usual shape within the hour"
_CALENDAR = ("hour", "day_type", "day_type_yesterday")
_KNOTS = ("10 %", "25 %", "75 %", "90 %")
_SERIES_NAMES = {
    "residual": "residual load",
    "load": "load forecast",
    "wind": "wind forecast",
    "solar": "solar forecast",
}
_PRICE_NAMES = {
    "price_mean7": "mean price of the last 7 days",
    "price_mean28": "mean price of the last 28 days",
    "price_ref": "usual price of the hour",
    "price_ref_level": "usual price of the hour",
    "price_scale": "size of daily price moves",
    "price_newest_mean": "mean of the newest day's prices",
    "price_newest_min": "lowest of the newest day's prices",
    "price_newest_max": "highest of the newest day's prices",
    "price_newest_last": "last of the newest day's prices",
    "ref_mean": "mean of the usual prices",
    "hour": "hour of the day",
    "day_type": "weekday or holiday",
    "day_type_yesterday": "weekday or holiday of the day before",
    "annual_sine": "time of year",
    "annual_cosine": "time of year",
}
_ENDINGS = {
    "_vs_ref": "against the usual days",
    "_vs_d1": "against the day before",
    "_vs_d7": "against a week before",
    "_vs_mean28": "against its mean of 28 days",
    "_day_mean": "mean of the day",
    "_day_min": "lowest of the day",
    "_day_max": "highest of the day",
    "_day_change": "mean of the day against the usual days",
}


def day_ahead_parts(
    part: DayAheadPart, ring: RingView, slot_index: int, horizon_min: int
) -> tuple[float, dict[str, float]]:
    """Return the usual price of the target's hour, and what each input adds to it, per MWh.

    Args:
        part: The price part.
        ring: Values up to the slot and published values of later ones.
        slot_index: Index of the last closed slot.
        horizon_min: The horizon.

    Raises:
        DataError: The target lies on a published day, but its price is missing.
    """
    table, days_after, slot = part.day_of(ring, slot_index, horizon_min // part.shape.step_min)
    hour = slot * HOURS // table.slots.shape[1]
    if days_after < 0:
        raise DataError("a price of a published day is missing", hint="choose another --at or --horizon")
    fits, shape = part.fits, part.shape
    if days_after == 0:
        view = AuctionView.of(table, shape.convention, shape.weight)
        row = table.days.size - 1
        usual, parts = _next_day(fits.models, view, table, row, hour)
        return usual, parts | {WITHIN: float(view.within[row, slot])}
    longer = table.longer(float(int(table.days[-1]) + 1 in shape.holidays))
    view = AuctionView.two_days_ahead(longer, shape.convention, shape.weight)
    row = longer.days.size - 1
    parts = _ridge(fits.tail, view, row, hour) | {WITHIN: float(view.within[row, slot])}
    return float(view.features.ref[row, hour]), parts


def _next_day(
    models: DayModels, view: AuctionView, table: DayTable, row: int, hour: int
) -> tuple[float, dict[str, float]]:
    """Return the usual price and the parts of the blend of day ``row``."""
    prices = models.forecast(view, row)
    features, one_row = view.features, slice(row, row + 1)
    usual, scale = float(features.ref[row, hour]), float(features.scale[row])
    of_stack, of_alone, of_mix = models.blend
    if prices.alone is None:
        of_stack, of_alone, of_mix = 0.0, 0.0, 1.0
    elif prices.stack is None:
        of_stack, of_alone, of_mix = 0.0, 0.5, 0.5
    out: defaultdict[str, float] = defaultdict(float)

    def take(share: float, parts: dict[str, float]) -> None:
        for name, value in parts.items():
            out[name] += share * value

    is_known = np.isfinite(prices.members).all(axis=1)
    weights = np.where(is_known, models.weights, 0.0) / models.weights[is_known].sum()
    of_linear = of_mix + of_stack
    take(of_linear * float(weights[0]), _ridge(models.ridge, view, row, hour))
    for lasso, weight in zip(models.lassos, weights[1:].tolist(), strict=True):
        if lasso is not None and weight > 0.0:
            take(of_linear * weight, _lasso(lasso, view, table, row, hour, usual))
    names = [_plain(name) for name in features.names]
    if models.alone is not None and of_alone:
        take(of_alone * scale, _tree_parts(models.alone, features.values[row, hour], names))
    if models.stack is not None and of_stack:
        stacked = stack_values(
            features.values[one_row],
            prices.mix[None],
            prices.members[:, None],
            features.ref[one_row],
            features.scale[one_row],
        )
        own_names = [
            "linear forecast",
            "linear forecast",
            *("disagreement of the linear members" for _ in prices.members),
        ]
        take(of_stack * scale, _tree_parts(models.stack, stacked[0, hour], [*names, *own_names]))
    return usual, dict(out)


def _tree_parts(trees: Trees, row: Floats, names: Sequence[str]) -> dict[str, float]:
    values = trees.contributions(np.ascontiguousarray(row[None], dtype=np.float32))[0]
    return _summed([*names, CONSTANT], values.tolist())


def _ridge(fit: RidgeFit, view: AuctionView, row: int, hour: int) -> dict[str, float]:
    beta = fit.coefficients.mean(axis=0)[hour]
    values = fit.scaler(view.ridge[row])[hour] * beta * view.features.scale[row]
    return _summed(_ridge_names(view.features), values.tolist())


def _ridge_names(features: DayFeatures) -> list[str]:
    names = [_plain(name) for name in features.names if name not in _CALENDAR]
    if np.isfinite(features.residual).any():
        for knot in _KNOTS:
            names += [
                f"residual load beyond its {knot} quantile",
                f"change of residual load beyond its {knot} quantile",
            ]
    return [*names, *["weekday or holiday"] * 7, *["weekday or holiday of the day before"] * 2, CONSTANT]


def _lasso(fit: LassoFit, view: AuctionView, table: DayTable, row: int, hour: int, usual: float) -> dict[str, float]:
    """Return the parts of a lasso's price against the usual price."""
    terms = fit.terms(view.lasso[row])[:, hour]
    before, after = float(fit.centre[hour]), float(fit.centre[hour] + terms.sum())
    level, spread = fit.price_scale
    start = level + spread * np.sinh(before)
    price = float(fit.predict(view.lasso[row : row + 1])[0, hour])
    slope = (price - start) / (after - before) if abs(after - before) > 1e-12 else 0.0
    series = ["residual load", *(_plain(name.removesuffix("_forecast_da_mw")) for name in table.series)]
    names = [f"prices {lag} days before" if lag > 1 else "prices of the day before" for lag in (1, 2, 3, 7)]
    names += [
        f"{name}{day_suffix}" for name in series for day_suffix in ("", " of the day before", " of a week before")
    ]
    names += [f"residual load of {name}" for name in table.neighbours]
    labels = [*(name for name in names for _ in range(HOURS)), *["weekday or holiday"] * 7]
    return _summed([*labels, "mean price of recent months"], [*(slope * terms).tolist(), start - usual])


def _summed(names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    out: defaultdict[str, float] = defaultdict(float)
    for name, value in zip(names, values, strict=True):
        out[name] += value
    return dict(out)


def _plain(name: str) -> str:
    """Return a day feature's name in plain words."""
    if name in _PRICE_NAMES:
        return _PRICE_NAMES[name]
    if name.startswith("price_d") and name[7:].isdigit():
        days = int(name[7:])
        return f"price {days} days before" if days > 1 else "price of the day before"
    if name.endswith("h") and name[-3] in "+-":
        base, hours = name[:-3].rstrip("_"), name[-3:-1]
        kind = {"price_newest": "newest prices", "ref": "usual prices"}.get(base) or _plain(base)
        return f"{kind}, {hours} h beside"
    for ending, words in _ENDINGS.items():
        if name.endswith(ending):
            return f"{_plain(name.removesuffix(ending))} {words}"
    if name.endswith("_residual"):
        return f"residual load of {name.removesuffix('_residual')}"
    return _SERIES_NAMES.get(name, name.replace("_", " "))
