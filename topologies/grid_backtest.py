"""Backtest of grid response: forecast, actor and plant reducers over stored history, week by week, in money.

Leakage is impossible by construction: the reducers are fed in order of availability. Each week of 7 days from the test
range's start begins with the fleet at rest; energy counts at one flat price, so that the score tells service from
trading. The score places a policy between doing nothing (0) and perfect foresight (100) over the same weeks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from agents.grid_backtest import Actuals, GridRun, GridScore, no_action, perfect_foresight, score_of, settle
from agents.grid_inner import CAP_MARGIN_MW, RAMP_MARGIN_MW
from agents.problem import Array
from models.backtest import BacktestOptions, walk
from models.feed import with_net_load
from models.naive import PAST_DAYS, naive_forecast
from models.ramp_events import HOURS, event_threshold, score_events
from models.ramp_events import PAST_DAYS as RAMP_PAST_DAYS
from topologies.grid_lanes import Lane, OriginalRuleLane, PlantLane, Slot, arrays, forget
from vpp.domain import NET_LOAD, Target, iso
from vpp.errors import ConfigError, DataError
from vpp.fleet import CurtailableRenewable, Zone
from vpp.messages import Forecast
from vpp.zones import FLAT_PRICE_PER_MWH

Progress = Callable[[float, str], None]

WEEK_DAYS = 7
STORED_SHARE = 0.95
NAIVE = {"persistence": 0, "week_change": 7}
BASELINES = (*NAIVE, "original_rule")


@dataclass(frozen=True)
class GridOptions:
    """What to backtest; times are aware UTC, the range half-open.

    ``train_to`` ends the first fit, by default where the test begins; ``refit`` repeats it so often, None: never.
    ``compare``: baselines besides no action and perfect foresight.
    """

    test_from: datetime
    test_to: datetime
    train_to: datetime | None = None
    refit: timedelta | None = timedelta(days=28)
    compare: tuple[str, ...] = BASELINES


@dataclass(frozen=True)
class GridBacktest:
    """Figures as ``metrics.json`` holds them, and per slot what happened, for the report.

    ``net_mw``, ``grid_mw``, ``idle_grid_mw``: served share, shape (slots,). ``power_mw``: by asset, shape (slots,).
    """

    zone: Zone
    figures: dict[str, Any]
    slots: pd.DatetimeIndex
    net_mw: Array
    grid_mw: Array
    idle_grid_mw: Array
    power_mw: Mapping[str, Array]


def run_grid_backtest(
    frame: pd.DataFrame,
    zone: Zone,
    options: GridOptions,
    progress: Progress,
    ticks: pd.DataFrame | None = None,
) -> GridBacktest:
    """Run a backtest.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing, training rows included.
        zone: Its configuration.
        options: Range, training and baselines.
        progress: Told the share done (0-1) and what is going on.
        ticks: The same history in finer, equal parts of a slot; batteries then follow their curves tick by tick.

    Raises:
        ConfigError: The range holds no whole week, or a baseline is unknown.
        DataError: The frame does not hold the range and a slot before it.
    """
    frame = with_net_load(frame, zone)
    weeks = weeks_of(frame, zone, options)
    served = _service_zone(zone, inside=ticks is not None)
    net = frame[NET_LOAD].to_numpy(dtype=float)
    lanes = _lanes(served, net, pd.DatetimeIndex(frame.index), options.compare)
    walked = _Walk(served, frame, net, None if ticks is None else _tick_rows(ticks, frame, served))
    walked.run(lanes, weeks, _forecasts(frame, zone, options, weeks, progress), progress)
    return _result(zone, served, options, walked, lanes, weeks)


def weeks_of(frame: pd.DataFrame, zone: Zone, options: GridOptions) -> list[int]:
    """Return the position in ``frame`` of the first slot of each whole week of the range; raises as the backtest."""
    unknown = set(options.compare) - set(BASELINES)
    if unknown:
        raise ConfigError(f"unknown baseline {min(unknown)!r}", hint="one of " + ", ".join(BASELINES))
    length = WEEK_DAYS * zone.step.per_day
    start = frame.index.searchsorted(pd.Timestamp(options.test_from))
    end = frame.index.searchsorted(pd.Timestamp(options.test_to))
    if start < 1 or start >= len(frame):
        raise DataError(
            f"the data of {zone.zone} run from {iso(frame.index[0].to_pydatetime())} to "
            f"{iso(frame.index[-1].to_pydatetime())}: there must be a slot before {iso(options.test_from)}",
            hint="choose --test-from inside the file",
        )
    weeks = list(range(start, end - length + 1, length))
    if not weeks:
        raise ConfigError(
            f"{iso(options.test_from)} to {iso(options.test_to)} holds no whole week of data",
            hint="choose --test-to at least seven days after --test-from, inside the file",
        )
    return weeks


def _service_zone(zone: Zone, *, inside: bool) -> Zone:
    """Return the zone with energy at one flat price, and with margins where slots are only estimated inside."""
    flat = FLAT_PRICE_PER_MWH if zone.energy_price_flat_per_mwh is None else zone.energy_price_flat_per_mwh
    update: dict[str, Any] = {"energy_price_flat_per_mwh": flat}
    if inside:
        margins = {"cap_margin_mw": CAP_MARGIN_MW, "ramp_margin_mw": RAMP_MARGIN_MW}
        update["limits"] = zone.limits.model_copy(update=margins)
    return zone.model_copy(update=update)


def _lanes(zone: Zone, net: Array, index: pd.DatetimeIndex, compare: Sequence[str]) -> dict[str, Lane]:
    lanes: dict[str, Lane] = {"plant": PlantLane(zone)}
    position = {slot: at for at, slot in enumerate(index.to_pydatetime())}
    for name in compare:
        if name in NAIVE:
            lanes[name] = PlantLane(zone, forecaster=partial(_naive, net, position, zone, NAIVE[name]))
        else:
            lanes[name] = OriginalRuleLane(zone)
    return lanes


def _naive(net: Array, position: Mapping[datetime, int], zone: Zone, lag_days: int, forecast: Forecast) -> Forecast:
    at = position[forecast.slot]
    return naive_forecast(forecast, net[max(at + 1 - PAST_DAYS * zone.step.per_day, 0) : at + 1], lag_days=lag_days)


def _forecasts(frame: pd.DataFrame, zone: Zone, options: GridOptions, weeks: Sequence[int], progress: Progress) -> Any:
    begin = frame.index[weeks[0] - 1].to_pydatetime()
    end = frame.index[weeks[-1]].to_pydatetime() + timedelta(days=WEEK_DAYS)
    train_to = min(options.train_to or begin, begin)
    return walk(
        frame, zone, BacktestOptions(Target.NET_LOAD, train_to, begin, end, options.refit), partial(_training, progress)
    )


def _training(progress: Progress, share: float, text: str) -> None:
    progress(share, text)


def _tick_rows(ticks: pd.DataFrame, frame: pd.DataFrame, zone: Zone) -> Array:
    """Return net load of the served share by slot of ``frame`` and tick, shape (slots, M)."""
    own = with_net_load(ticks, zone)[NET_LOAD]
    spacing = own.index[1] - own.index[0]
    count = int(pd.Timedelta(zone.step.delta) / spacing)
    index = pd.date_range(frame.index[0], periods=len(frame) * count, freq=spacing)
    return own.reindex(index).to_numpy(dtype=float).reshape(-1, count) * zone.share.factor


class _Walk:
    """Feeds every lane slot by slot and settles each week; holds what all lanes are measured against."""

    def __init__(self, zone: Zone, frame: pd.DataFrame, net: Array, ticks: Array | None) -> None:
        self.zone, self.frame, self.net, self.ticks = zone, frame, net, ticks
        self.served = net * zone.share.factor
        self.filled = pd.Series(self.served).interpolate(limit_direction="both").to_numpy()
        self.runs: dict[str, list[GridRun]] = {}
        self.changes: dict[int, Array] = {}
        self.sources: dict[str, int] = {}
        self.models: dict[str, None] = {}

    def run(self, lanes: Mapping[str, Lane], weeks: Sequence[int], forecasts: Any, progress: Progress) -> None:
        """Feed all forecasts."""
        length = WEEK_DAYS * self.zone.step.per_day
        first, last = weeks[0] - 1, weeks[-1] + length - 1
        offset = self.zone.step.index(self.frame.index[0].to_pydatetime())
        for forecast in forecasts:
            at = self.zone.step.index(forecast.slot) - offset
            slot = Slot(offset + at, float(self.served[at]), None if self.ticks is None else self.ticks[at])
            self._note(forecast, at)
            if at > first:
                for lane in lanes.values():
                    lane.feed(forecast, slot)
            if (at - first) % length == 0:
                if at > first:
                    self._settle(lanes, at + 1 - length, length, offset)
                for lane in lanes.values() if at < last else ():
                    lane.begin()
                    lane.feed(forecast, Slot(slot.index, slot.net_mw))
            if (at - first) % self.zone.step.per_day == 0:
                progress(0.2 + 0.8 * (at - first) / (last - first), f"{forecast.slot:%Y-%m-%d}")

    def _note(self, forecast: Forecast, at: int) -> None:
        made = forecast.net_load
        source = "none" if made is None else made.source
        self.sources[source] = self.sources.get(source, 0) + 1
        if made is None:
            return
        self.models[made.model_id] = None
        mean = np.asarray(made.q50 if made.mean is None else made.mean)
        wanted = np.searchsorted(forecast.horizon_min, [60 * hours for hours in HOURS])
        self.changes[at] = mean[wanted] - self.net[at]

    def _settle(self, lanes: Mapping[str, Lane], start: int, length: int, offset: int) -> None:
        actuals = self.actuals(start, length)
        for name, lane in lanes.items():
            power, soc = arrays(lane.record, offset + start, length)
            inside = range(offset + start, offset + start + length)
            fallbacks = sum(index in lane.record.reflexes for index in inside)
            done = settle(self.zone, actuals, power, soc, fallbacks=fallbacks)
            self.runs.setdefault(name, []).append(done)
            forget(lane.record, offset + start + length)
        self.runs.setdefault("no_action", []).append(no_action(self.zone, actuals))
        self.runs.setdefault("perfect_foresight", []).append(perfect_foresight(self.zone, actuals))

    def actuals(self, start: int, length: int) -> Actuals:
        """Return what came in one week; missing net load is bridged for the money, nowhere else."""
        flat = self.zone.energy_price_flat_per_mwh or 0.0
        rows = slice(start, start + length)
        return Actuals(
            actual_mw=np.asarray(self.filled[rows], dtype=np.float64),
            before_mw=float(self.filled[start - 1]),
            price_per_mwh=np.full(length, flat),
            stored_value_per_mwh=STORED_SHARE * flat,
            potential_mw=self._potential(rows),
        )

    def _potential(self, rows: slice) -> Array | None:
        if not self.zone.renewables:
            return None
        found = np.zeros((len(self.zone.assets), rows.stop - rows.start))
        for row, asset in enumerate(self.zone.assets):
            if isinstance(asset, CurtailableRenewable) and asset.channel in self.frame:
                output = self.frame[asset.channel].to_numpy(dtype=float)[rows]
                found[row] = np.maximum(np.nan_to_num(output) * self.zone.share.factor * asset.share, 0.0)
        return found

    def ramp_events(self, first: int) -> dict[str, Any]:
        """Return the scores of ramp warnings by hours ahead; thresholds are of the year before ``first``."""
        per_hour = 60.0 / self.zone.step_min
        past = self.net[max(first - RAMP_PAST_DAYS * self.zone.step.per_day, 0) : first]
        at = np.array(sorted(self.changes))
        scores = {}
        for column, hours in enumerate(HOURS):
            steps = round(hours * per_hour)
            threshold = event_threshold(past, steps) if len(past) > steps else None
            if threshold is None:
                continue
            ends = np.minimum(at + steps, len(self.net) - 1)
            actual = np.where(at + steps < len(self.net), self.net[ends] - self.net[at], np.nan)
            expected = np.array([self.changes[i][column] for i in at])
            scores[f"{hours}h"] = score_events(expected, actual, threshold)
        return scores


def _result(
    zone: Zone, served: Zone, options: GridOptions, walked: _Walk, lanes: Mapping[str, Lane], weeks: Sequence[int]
) -> GridBacktest:
    runs = walked.runs
    idle, best = runs["no_action"], runs["perfect_foresight"]
    scores = {name: score_of(done, idle, best) for name, done in runs.items()}
    main, record = scores["plant"], lanes["plant"].record
    index = pd.DatetimeIndex(walked.frame.index)
    length = WEEK_DAYS * zone.step.per_day
    days = len(weeks) * WEEK_DAYS
    times = 1000.0 * np.array(record.decision_s)
    figures = {
        "zone": zone.zone,
        "test_from": iso(index[weeks[0]].to_pydatetime()),
        "test_to": iso(index[weeks[-1]].to_pydatetime() + timedelta(days=WEEK_DAYS)),
        "weeks": len(weeks),
        "step_min": zone.step_min,
        "tick_min": None if walked.ticks is None else zone.step_min / walked.ticks.shape[1],
        "train_to": iso(options.train_to or index[weeks[0] - 1].to_pydatetime()),
        "refit_days": None if options.refit is None else options.refit.total_seconds() / 86400,
        **_scored(main),
        "week_scores": {
            iso(index[at].to_pydatetime()): round(score, 2) for at, score in zip(weeks, main.week_scores, strict=True)
        },
        "ramp_events": walked.ramp_events(weeks[0]),
        "baselines": {name: _scored(score) for name, score in scores.items() if name != "plant"},
        "costs": _costs(runs),
        "missing_slots": int(np.isnan(walked.served[weeks[0] : weeks[-1] + length]).sum()),
        "sources": walked.sources,
        "models": list(walked.models),
        "churn_mwh_per_day": round(sum(record.churn_mwh.values()) / days, 3),
        "decision_ms": {"p50": _at(times, 0.5), "p99": _at(times, 0.99)},
    }
    return GridBacktest(
        zone=served,
        figures=figures,
        slots=pd.DatetimeIndex(np.concatenate([index[at : at + length] for at in weeks])),
        net_mw=np.concatenate([walked.filled[at : at + length] for at in weeks]),
        grid_mw=np.concatenate([run.grid_mw for run in runs["plant"]]),
        idle_grid_mw=np.concatenate([run.grid_mw for run in idle]),
        power_mw={
            asset.asset_id: np.concatenate([run.power_mw[row] for run in runs["plant"]])
            for row, asset in enumerate(zone.assets)
        },
    )


def _scored(score: GridScore) -> dict[str, Any]:
    return {
        "score": round(score.score, 2),
        "worst_week_score": round(score.worst_week_score, 2),
        "cap_breaches": score.cap_breaches,
        "ramp_breach_pct": round(score.ramp_breach_pct, 3),
        "cost": round(score.cost, 2),
        "reflexes": score.fallbacks,
    }


def _costs(runs: Mapping[str, list[GridRun]]) -> dict[str, dict[str, float]]:
    return {
        name: {item: round(sum(run.costs[item] for run in done), 2) + 0.0 for item in done[0].costs}
        for name, done in runs.items()
    }


def _at(times: Array, share: float) -> float | None:
    return round(float(np.quantile(times, share)), 2) if times.size else None
