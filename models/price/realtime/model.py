"""The price part of a real-time market: level-updated profiles, median, trees, opportunity values, spreads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from models.learners.boosted_trees import Ensembles, Trees
from models.price.contract import MODEL, PriceForecast, RingView, with_published
from models.price.error_quantiles import SpreadModel, spread_columns
from models.price.fallback import fallback
from models.price.profile import LevelModel, ProfileSettings
from models.price.realtime.inputs import InputShape, from_ring
from models.price.realtime.median import MedianModel, around_median, median_columns
from models.price.realtime.next_slot import NextModel, next_table
from models.price.realtime.profile_features import DayProfiles, LevelRows, bank_rows
from models.price.realtime.recent_features import trail_columns
from models.price.realtime.storage_value import ValueModel, value_table
from models.price.realtime.trees import BoostModel, boost_table, shared_columns
from models.price.series import PriceSeries
from vpp.domain import PRICE, QUANTILE_LEVELS
from vpp.numerics.arrays import Floats, Ints

_LEVELS = np.array(QUANTILE_LEVELS)

KIND = "real_time_2"
VALUES = "opportunity"


@dataclass(frozen=True, slots=True)
class BankLevel:
    """A further level-updated profile, an expert of its own beside the one that the forecast is made of."""

    settings: ProfileSettings
    model: LevelModel

    @property
    def name(self) -> str:
        """The expert's name: days of its profile, days of its fit, clip of its prices."""
        s = self.settings
        return f"level_{s.level_days}_{s.fit_days}_{s.cap_per_mwh:g}"


@dataclass(frozen=True, slots=True)
class RealTimePart:
    """Level-updated profile, median, trees, spreads and the named experts of one zone.

    The mean lies between profile and trees; the quantiles are the mean and past errors of it, but for the median, which
    is forecast by itself. ``bank``: further profiles. ``value``: opportunity values for the zone's batteries;
    ``margin``: how far they lie above the next slot's price; ``first``: that price; None if they were not learned.
    """

    shape: InputShape
    settings: ProfileSettings
    level: LevelModel
    median: MedianModel
    boost: BoostModel
    spread: SpreadModel
    bank: tuple[BankLevel, ...] = ()
    value: ValueModel | None = None
    first: NextModel | None = None
    margin: ValueModel | None = None
    _weight: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_weight", self.boost.weights(self.shape.steps))

    def new_cache(self) -> DayProfiles:
        """Return an empty cache of one zone's stream: the profiles of the local day under way."""
        settings = (self.settings, *(level.settings for level in self.bank))
        return DayProfiles(settings, len(self.shape.sides), self.shape.step_min)

    def forecast(
        self, ring: RingView, slot_index: int, levels: Floats = _LEVELS, cache: DayProfiles | None = None
    ) -> PriceForecast:
        """Return the forecast issued when ``slot_index`` closed.

        Args:
            ring: Values up to that slot, and those of later slots that are published; such a price is used unchanged.
            slot_index: Index of the last closed slot.
            levels: Levels in place of the nominal ones, shape (7,) or (H, 7), as a calibrator adapts them.
            cache: Profiles of the slot before, used again where their inputs are the same; None computes them.
        """
        shape, steps = self.shape, self.shape.steps
        first = slot_index - (self.settings.level_days + 2) * shape.per_day
        data = from_ring(ring, shape, first, slot_index + 1 + shape.lead)
        rows, *bank = bank_rows(data, steps, self.new_cache() if cache is None else cache)
        experts, slopes, margins = _naive_experts(data, steps), {}, {}
        if not np.isfinite(data.prices[-shape.per_day :]).any() or not np.isfinite(rows.scale[0]):
            name, quantiles, mean = fallback(data, steps)
            experts = {"fallback": mean, **experts}
        else:
            level = level_prices(self.level, rows, shape)
            table = boost_table(data, rows, level, steps, self.boost.anchors)
            trees = shape.price(rows.base, rows.scale, self.boost.departures(table, steps))
            mean = (1.0 - self._weight) * level[0] + self._weight * trees[0]
            columns = spread_columns(rows.features, rows.spread, rows.scale)
            errors = self.spread.quantiles(columns, rows.scale, levels)[0]
            median = median_prices(self.median, data, rows)[0]
            name, quantiles = MODEL, around_median(mean, errors, median, shape.floor_per_mwh, shape.cap_per_mwh)
            experts |= {"level_profile": level[0], "trees": trees[0], "profile": rows.base[0]}
            experts |= self._bank(bank)
            trail = trail_columns(data, rows, shape)
            if self.first is not None:
                ahead = float(self.first.prices(next_table(table[:1], trail), rows, level)[0])
                experts["next_slot"] = mean.copy()
                experts["next_slot"][0] = trees[0, 0] = min(max(ahead, shape.floor_per_mwh), shape.cap_per_mwh)
            value_inputs = value_table(table, self.boost.anchors.size, shared_columns(data, rows), trail)
            if self.value is not None:
                slopes = {VALUES: self.value.slopes(value_inputs, rows)[0]}
            if self.margin is not None:
                margins = {VALUES: self.margin.slopes(value_inputs, rows)[0]}
        published = ring.window(PRICE, slot_index + 1, slot_index + 1 + shape.per_day)[steps + shape.lead - 1]
        forecast = PriceForecast(
            name, quantiles, mean, shape.horizon_min, published, experts, slopes, margins, takes_levels=name == MODEL
        )
        return with_published(forecast, published)

    def _bank(self, bank: list[LevelRows]) -> dict[str, Floats]:
        """Return the prices of the further profiles, and the plain profiles that they start from, at one origin."""
        experts: dict[str, Floats] = {}
        for level, rows in zip(self.bank, bank, strict=True):
            experts[level.name] = level_prices(level.model, rows, self.shape)[0]
            experts[f"profile_{level.settings.level_days}"] = rows.base[0]
        return experts

    def to_arrays(self) -> dict[str, np.ndarray[Any, Any] | bytes]:
        """Return the part as arrays and one JSON value."""
        meta = {
            "kind": KIND,
            "shape": asdict(self.shape),
            "settings": asdict(self.settings),
            "columns": self.boost.trees.features,
            "bank": [asdict(level.settings) for level in self.bank],
        }
        more: dict[str, np.ndarray[Any, Any] | bytes] = {}
        for n, level in enumerate(self.bank):
            more |= {f"bank.{n}.pooled": level.model.pooled, f"bank.{n}.blocks": level.model.blocks}
        for name, model in (("value", self.value), ("first", self.first), ("margin", self.margin)):
            members = () if model is None else model.trees.members
            meta[f"{name}_columns"] = [trees.features for trees in members]
            more |= {f"{name}.trees.{n}": trees.raw for n, trees in enumerate(members)}
        return {
            "meta": json.dumps(meta, sort_keys=True).encode(),
            "level.pooled": self.level.pooled,
            "level.blocks": self.level.blocks,
            "median.coefficients": self.median.coefficients,
            "boost.trees": self.boost.trees.raw,
            "boost.anchors": self.boost.anchors,
            "boost.weight": self.boost.weight,
            "spread.coefficients": self.spread.coefficients,
            "spread.table": self.spread.table,
            **more,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> RealTimePart:
        """Return the part that ``to_arrays`` wrote."""
        shape = dict(meta["shape"])
        shape["sides"], shape["flows"] = tuple(shape["sides"]), tuple(shape["flows"])
        shape["published"] = tuple((str(channel), float(sign)) for channel, sign in shape["published"])
        trees = Trees(bytes(arrays["boost.trees"]), int(meta["columns"]))
        bank = tuple(
            BankLevel(
                ProfileSettings(**settings),
                LevelModel(np.asarray(arrays[f"bank.{n}.pooled"]), np.asarray(arrays[f"bank.{n}.blocks"])),
            )
            for n, settings in enumerate(meta.get("bank", []))
        )

        def ensembles(name: str) -> Ensembles | None:
            columns = meta.get(f"{name}_columns", [])
            members = tuple(Trees(bytes(arrays[f"{name}.trees.{n}"]), int(k)) for n, k in enumerate(columns))
            return Ensembles(members) if members else None

        values, first, margins = ensembles("value"), ensembles("first"), ensembles("margin")
        return cls(
            InputShape(**shape),
            ProfileSettings(**meta["settings"]),
            LevelModel(np.asarray(arrays["level.pooled"]), np.asarray(arrays["level.blocks"])),
            MedianModel(np.asarray(arrays["median.coefficients"])),
            BoostModel(trees, np.asarray(arrays["boost.anchors"]), np.asarray(arrays["boost.weight"])),
            SpreadModel(np.asarray(arrays["spread.coefficients"]), np.asarray(arrays["spread.table"])),
            bank,
            None if values is None else ValueModel(values),
            None if first is None else NextModel(first),
            None if margins is None else ValueModel(margins, margin=True),
        )


def level_prices(model: LevelModel, rows: LevelRows, shape: InputShape) -> Floats:
    """Return the profile's forecasts per MWh, shape (n, H)."""
    return shape.price(rows.base, rows.scale, model.predict(rows.features, rows.block))


def median_prices(model: MedianModel, data: PriceSeries, rows: LevelRows) -> Floats:
    """Return the forecasts of the median per MWh, shape (n, H)."""
    return np.asarray(rows.base + rows.scale[:, None] * model.predict(median_columns(data, rows)))


def _naive_experts(data: PriceSeries, steps: Ints) -> dict[str, Floats]:
    last, per_day = data.prices.size - 1, 1440 // data.step_min
    return {"yesterday": data.prices[last + steps - per_day], "last_week": data.prices[last + steps - 7 * per_day]}
