"""One walk over history for all lanes of a grid backtest: every forecast is fed to all, every week settled for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from agents.evaluation.grid_score import Actuals, GridRun, no_action, perfect_foresight, settle
from models.forecast.ramp_events import HOURS, PAST_DAYS, event_threshold, score_events
from models.history import with_net_load
from topologies.backtests.grid_policies import Lane, MeasuredSlot
from vpp.domain import NET_LOAD
from vpp.fleet.schema import Zone
from vpp.messages import Forecast
from vpp.numerics.arrays import Floats
from vpp.progress import Progress

WEEK_DAYS = 7
NO_ACTION, PERFECT = "no_action", "perfect_foresight"


class History:
    """Actual values in MW of the served share, by position in the frame.

    ``net``: net load of the region. ``served``: of the share, NaN if missing. ``filled``: the same, bridged for the
    money. ``ticks``: by slot and tick, None without ticks. ``offset``: slot index of position 0.

    Args:
        zone: Share, step and renewables.
        frame: With the channel ``net_load_mw``.
        ticks: The same history in finer, equal parts of a slot.
    """

    def __init__(self, zone: Zone, frame: pd.DataFrame, ticks: pd.DataFrame | None = None) -> None:
        self.zone, self.frame = zone, frame
        self.index = pd.DatetimeIndex(frame.index)
        self.offset = zone.step.index(self.index[0].to_pydatetime())
        self.net: Floats = frame[NET_LOAD].to_numpy(dtype=np.float64)
        self.served: Floats = self.net * zone.share.factor
        self.filled: Floats = bridged(self.served)
        self.ticks = None if ticks is None else self._by_slot(ticks)

    def _by_slot(self, ticks: pd.DataFrame) -> Floats:
        by_tick = with_net_load(ticks, self.zone)[NET_LOAD]
        spacing = by_tick.index[1] - by_tick.index[0]
        count = int(pd.Timedelta(self.zone.step.delta) / spacing)
        index = pd.date_range(self.index[0], periods=len(self.index) * count, freq=spacing)
        values: Floats = by_tick.reindex(index).to_numpy(dtype=np.float64).reshape(-1, count)
        return values * self.zone.share.factor

    def slot(self, at: int) -> MeasuredSlot:
        """Return the slot at a position."""
        return MeasuredSlot(self.offset + at, float(self.served[at]), None if self.ticks is None else self.ticks[at])

    def potential(self, start: int, length: int) -> Floats | None:
        """Return the output of renewables that can be cut, shape (A, length), None if there is none."""
        if not self.zone.renewables:
            return None
        potential_mw = np.zeros((len(self.zone.assets), length))
        for asset in self.zone.renewables:
            row = self.zone.assets.index(asset)
            if asset.channel in self.frame:
                output = self.frame[asset.channel].to_numpy(dtype=float)[start : start + length]
                potential_mw[row] = np.maximum(np.nan_to_num(output) * self.zone.share.factor * asset.share, 0.0)
        return potential_mw


def bridged(values: Floats) -> Floats:
    """Return the values with NaN bridged linearly, the ends held."""
    return np.asarray(pd.Series(values).interpolate(limit_direction="both").to_numpy(), dtype=np.float64)


@dataclass
class Trial:
    """Lanes that are compared in the same money.

    ``actuals``: what they are settled on, by first position and number of slots. ``runs``: weekly runs by lane, with
    no action and perfect foresight.
    """

    zone: Zone
    lanes: Mapping[str, Lane]
    actuals: Callable[[int, int], Actuals]
    runs: dict[str, list[GridRun]] = field(default_factory=dict)

    def settle(self, start: int, length: int, offset: int) -> None:
        """Settle one week of all lanes."""
        actuals = self.actuals(start, length)
        for name, lane in self.lanes.items():
            power, soc = lane.deliveries.arrays(offset + start, length)
            fallbacks = lane.deliveries.reflexes_in(offset + start, length)
            self.runs.setdefault(name, []).append(settle(self.zone, actuals, power, soc, fallbacks=fallbacks))
            lane.deliveries.forget(offset + start + length)
        self.runs.setdefault(NO_ACTION, []).append(no_action(self.zone, actuals))
        self.runs.setdefault(PERFECT, []).append(perfect_foresight(self.zone, actuals))


class Foreseen:
    """What the forecasts were, and how well they warned of ramps."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._hours = [hours for hours in HOURS if 60 * hours % history.zone.step_min == 0]
        self._changes: dict[int, Floats] = {}
        self.sources: dict[str, int] = {}
        self.models: dict[str, None] = {}

    def note(self, forecast: Forecast, at: int) -> None:
        """Take the forecast issued at a position."""
        net_load = forecast.net_load
        source = "none" if net_load is None else net_load.source
        self.sources[source] = self.sources.get(source, 0) + 1
        if net_load is None:
            return
        self.models[net_load.model_id] = None
        mean = np.asarray(net_load.expected)
        positions = np.searchsorted(forecast.horizon_min, [60 * hours for hours in self._hours])
        self._changes[at] = mean[positions] - self._history.net[at]

    def ramp_events(self, first: int) -> dict[str, dict[str, float | int | None]]:
        """Return the scores of ramp warnings by hours ahead; thresholds are of the year before position ``first``."""
        history = self._history
        net, step = history.net, history.zone.step
        past = net[max(first - PAST_DAYS * step.per_day, 0) : first]
        at = np.array(sorted(self._changes), dtype=np.int64)
        scores = {}
        for column, hours in enumerate(self._hours):
            steps = round(hours / step.hours)
            threshold = event_threshold(past, steps) if len(past) > steps else None
            if threshold is None or not at.size:
                continue
            ends = np.minimum(at + steps, len(net) - 1)
            actual = np.where(at + steps < len(net), net[ends] - net[at], np.nan)
            expected = np.array([self._changes[int(i)][column] for i in at])
            scores[f"{hours}h"] = score_events(expected, actual, threshold)
        return scores


def walk_weeks(
    history: History,
    trials: Sequence[Trial],
    weeks: Sequence[int],
    forecasts: Iterable[Forecast],
    progress: Progress,
) -> Foreseen:
    """Feed all forecasts to all lanes, week by week, and settle each week.

    Args:
        history: Actual values.
        trials: The lanes, settled in place.
        weeks: Positions of the weeks' first slots, one week after the other.
        forecasts: From the slot before the first week, or earlier for the lanes to learn from, to the last slot of the
            last one.
        progress: Called with the share done (0.2 to 1) and the day.
    """
    step = history.zone.step
    length = WEEK_DAYS * step.per_day
    first, last = weeks[0] - 1, weeks[-1] + length - 1
    foreseen = Foreseen(history)
    lanes = [lane for trial in trials for lane in trial.lanes.values()]
    for forecast in forecasts:
        at = step.index(forecast.slot) - history.offset
        if at < first:
            for lane in lanes:
                lane.learn(forecast)
            continue
        slot = history.slot(at)
        foreseen.note(forecast, at)
        if at > first:
            for lane in lanes:
                lane.feed(forecast, slot)
        if (at - first) % length == 0:
            if at > first:
                for trial in trials:
                    trial.settle(at + 1 - length, length, history.offset)
            for lane in lanes if at < last else ():
                lane.begin()
                lane.feed(forecast, MeasuredSlot(slot.index, slot.net_mw))
        if (at - first) % step.per_day == 0:
            progress(0.2 + 0.8 * (at - first) / (last - first), f"{forecast.slot:%Y-%m-%d}")
    return foreseen
