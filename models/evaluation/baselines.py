"""Baselines of a forecast: naive forecasts and the published day-ahead forecast, as known at the origin."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.derived_series import is_published, present
from models.evaluation.backtest import Backtest
from models.history import known_until
from vpp.domain import Target
from vpp.errors import ConfigError
from vpp.numerics.arrays import Bools, Floats

_NAIVE = ("persistence", "yesterday", "week", "week_change")
_PUBLISHED = ("dayahead", "dayahead_error")


def check_names(names: Sequence[str]) -> None:
    """Raise ``ConfigError`` for a name that is no baseline, before a long run rather than after it."""
    for name in names:
        if name not in (*_NAIVE, *_PUBLISHED):
            raise ConfigError(f"unknown baseline {name!r}", hint="one of " + ", ".join((*_NAIVE, *_PUBLISHED)))


class Baselines:
    """The baselines of one backtest; every method returns levels of shape (origins, horizons), NaN if there is none.

    Args:
        run: The backtest.
    """

    def __init__(self, run: Backtest) -> None:
        self._run = run
        channel = run.options.target.channel
        self._values = run.frame[channel].to_numpy(dtype=float)
        self._at = run.frame.index.get_indexer(run.origins)
        self._steps = np.array(run.horizons_min) // run.zone.step_min
        self._day = run.zone.step.per_day
        self.known, self._published, self._published_now = self._day_ahead()

    def make(self, name: str) -> Floats:
        """Return one baseline.

        Raises:
            ConfigError: There is no such baseline.
        """
        makers: dict[str, Callable[[], Floats]] = {
            "persistence": lambda: np.repeat(self._values[self._at][:, None], len(self._steps), axis=1),
            "yesterday": lambda: self._lagged(self._day),
            "week": lambda: self._lagged(7 * self._day),
            "week_change": self._week_change,
            "dayahead": lambda: self._published,
            "dayahead_error": self._day_ahead_error,
        }
        check_names([name])
        return makers[name]()

    def names(self) -> tuple[str, ...]:
        """Return the baselines that this run can have."""
        return _NAIVE if self.known is None else (*_NAIVE, *_PUBLISHED)

    def _lagged(self, lag: int) -> Floats:
        return self._take(self._at[:, None] + self._steps[None, :] - lag)

    def _week_change(self) -> Floats:
        week = 7 * self._day
        before = self._take(self._at[:, None] - week)
        return np.asarray(self._values[self._at][:, None] + self._lagged(week) - before)

    def _take(self, position: npt.NDArray[np.int64]) -> Floats:
        inside = (position >= 0) & (position < len(self._values))
        return np.where(inside, self._values[np.clip(position, 0, len(self._values) - 1)], np.nan)

    def _day_ahead(self) -> tuple[Bools | None, Floats, Floats]:
        """Return whether the published net load was known, its values, and its value at the origin."""
        run, empty = self._run, np.full((len(self._at), len(self._steps)), np.nan)
        published = present(run.frame.columns).get("published") if run.options.target is Target.NET_LOAD else None
        if published is None:
            return None, empty, empty[:, 0]
        total = np.zeros(len(run.frame))
        limit = np.full(len(run.frame), len(run.frame))
        for channel, sign in published.terms:
            total += sign * run.frame[channel].to_numpy(dtype=float)
            if is_published(channel):
                limit = np.minimum(limit, known_until(run.zone, channel, pd.DatetimeIndex(run.frame.index)))
        position = self._at[:, None] + self._steps[None, :]
        inside = position < len(total)
        values = np.where(inside, total[np.minimum(position, len(total) - 1)], np.nan)
        is_known = inside & (position <= limit[self._at][:, None]) & ~np.isnan(values)
        return is_known, np.where(is_known, values, np.nan), total[self._at]

    def _day_ahead_error(self) -> Floats:
        now = self._values[self._at] - self._published_now
        return np.asarray(self._published + now[:, None])
