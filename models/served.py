"""A served model of one zone: a net-load part, a price part and a guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from features.feature_spec import FeatureSpec
from models.guard.part import GuardPart
from models.price.contract import PricePart
from vpp.numerics.arrays import Floats


@dataclass(frozen=True, slots=True)
class NetLoadForecast:
    """Net load of H horizons in MW, as levels.

    ``quantiles``: shape (H, 7), sorted along the levels. ``mean``: shape (H,). ``scale``: shape (H,), the width that
    the quantiles were scaled with. ``xgboost_weight``: of the first horizons; beyond there is none.
    """

    quantiles: Floats
    mean: Floats
    scale: Floats
    xgboost_weight: list[float]


@dataclass(frozen=True, slots=True)
class ErrorStart:
    """Trailing errors at the end of training, from which a fresh zone starts (``models.net_load.trailing_errors``)."""

    slots: Floats
    recent: Floats


class ErrorView(Protocol):
    """What a net-load part reads of the trailing errors."""

    @property
    def levels(self) -> Floats:
        """Adapted levels, shape (H, 7)."""
        ...

    def volatility(self, groups: npt.NDArray[np.int64]) -> Floats:
        """Return trailing mean absolute errors in MW, shape (5, H); ``groups`` are the targets' slots of the day."""
        ...


class NetLoadPart(Protocol):
    """The net-load half of a served model."""

    @property
    def spec(self) -> FeatureSpec:
        """The feature table that it reads."""
        ...

    @property
    def errors(self) -> ErrorStart:
        """Trailing errors to start from."""
        ...

    def forecast(
        self, rows: Floats, now_mw: float, errors: ErrorView, groups: npt.NDArray[np.int64], newest: Floats
    ) -> NetLoadForecast:
        """Return the forecast for one origin.

        Args:
            rows: Features, shape (features, H).
            now_mw: Net load of the closed slot.
            errors: The trailing errors.
            groups: Slot of the local day of each target, shape (H,).
            newest: What the forecasts of the closed slot missed it by, MW, NaN = unknown; shape (4,), of the steps
                ahead in ``models.net_load.residual_trees.ERROR_STEPS``.
        """
        ...


@dataclass(frozen=True, slots=True)
class ServedModel:
    """An immutable version of a zone's model. ``metadata`` is what the registry keeps beside it."""

    model_id: str
    sha256: str
    zone: str
    step_min: int
    net_load: NetLoadPart | None
    price: PricePart | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    guard: GuardPart | None = None
