"""A served model of one zone: a net-load part, a price part and a guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from features.feature_spec import FeatureSpec
from models.guard.part import GuardPart
from models.price.contract import PricePart
from vpp.numerics.arrays import Floats, Ints


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


@dataclass(frozen=True, slots=True)
class NetLoadRow:
    """All that a net-load part reads to forecast from one closed slot; it keeps nothing from one row to the next.

    ``rows``: features, shape (features, H). ``now_mw``: net load of the closed slot. ``levels``: adapted levels,
    shape (H, 7). ``volatility``: trailing mean absolute errors, MW, shape (5, H). ``groups``: slot of the local day of
    each target, shape (H,). ``newest``: errors of the forecasts of the closed slot, MW, NaN = unknown; shape
    (4,), of the steps ahead in ``models.net_load.residual_trees.ERROR_STEPS``.
    """

    rows: Floats
    now_mw: float
    levels: Floats
    volatility: Floats
    groups: Ints
    newest: Floats


@dataclass(frozen=True, slots=True)
class Silence:
    """No model is used; ``reason`` gives the cause."""

    reason: str


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

    def forecast(self, row: NetLoadRow) -> NetLoadForecast:
        """Return the forecast for one origin."""
        ...


@dataclass(frozen=True, slots=True)
class ServedModel:
    """An immutable version of a zone's model. ``metadata`` is stored beside it in the registry."""

    model_id: str
    sha256: str
    zone: str
    step_min: int
    net_load: NetLoadPart | None
    price: PricePart | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    guard: GuardPart | None = None
