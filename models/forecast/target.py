"""The interface of a forecast target; docs/guide/adding-a-target.md describes how to add one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from models.forecast.state import ForecastState
from models.served import ServedModel
from vpp.domain import Target
from vpp.messages import Alert


class TargetForecaster(Protocol):
    """Forecasts one target of one zone and scores its forecasts.

    All indices are of slots. State is shared: the ring is read, the target's own ``state.waiting`` entry is written.
    """

    @property
    def target(self) -> Target:
        """The target."""
        ...

    @property
    def judged_horizons(self) -> slice:
        """The horizons at which lost skill counts as drift."""
        ...

    @property
    def error_decimals(self) -> int:
        """Decimals of an error in the target's unit."""
        ...

    def issue(self, state: ForecastState, index: int) -> dict[str, Any]:
        """Forecast from the closed slot ``index``; return the fields of ``Forecast`` of this target."""
        ...

    def alert(self, state: ForecastState, index: int, slot: datetime) -> Alert | None:
        """Return an alert about the forecast just issued, None without one."""
        ...

    def score(self, state: ForecastState, index: int) -> Alert | None:
        """Score the forecasts of slot ``index`` on its actual value; return an alert if this value is implausible."""
        ...

    def model(self, served: ServedModel | None) -> object | None:
        """Return the model whose drift is watched, None if a fallback is in use."""
        ...
