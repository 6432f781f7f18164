"""Rolling-origin backtest: the stream's own reducer over stored history, with refits that walk forward.

Leakage is impossible by construction: the reducer is fed the messages that a source would have sent, in order of
availability, and each model is trained on rows before its promotion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.forecast.reducer import ForecastReducer
from models.history import telemetry, with_net_load
from models.net_load.model import ServedNetLoad
from models.net_load.residual_trees import ResidualTrees
from models.registry.artifact import assemble
from models.registry.registry import identified
from models.registry.trainer import Trainer
from models.served import ServedModel
from vpp.domain import QUANTILE_NAMES, Target, horizons_min, iso
from vpp.errors import ConfigError, DataError, ModelError
from vpp.fleet.schema import Zone
from vpp.messages import Forecast, Promotion, Quantiles, RampOutlook, SlotClosed
from vpp.numerics.arrays import Floats32
from vpp.progress import Progress, no_progress
from vpp.streams.in_process import ReducerLoop

WARM_UP_DAYS = 60
AHEAD = timedelta(days=3)


@dataclass(frozen=True)
class BacktestOptions:
    """What to backtest; times are aware UTC, ranges half-open.

    ``train_to`` ends the first fit; with ``refit`` later fits follow at this interval, each on the rows before it.
    """

    target: Target
    train_to: datetime
    test_from: datetime
    test_to: datetime
    refit: timedelta | None = timedelta(days=7)


@dataclass(frozen=True)
class RampForecasts:
    """Ramp outlooks of the n forecasts, arrays of shape (n, H), NaN if missing; see ``vpp.messages.RampOutlook``.

    ``alarm_level``: shape (n,).
    """

    alarm_level: Floats32
    large_mw: Floats32
    p_rise: Floats32
    p_fall: Floats32
    step_q10_mw: Floats32
    step_mw: Floats32
    step_q90_mw: Floats32


@dataclass(frozen=True)
class Backtest:
    """Forecasts of n origins and H horizons, with actual values.

    ``origins``: slot starts. ``quantiles``: shape (n, H, 7), NaN if none was made. ``mean``, ``actual``: (n, H).
    ``now``: actual at the origin, (n,). ``source``: (n,) names. ``models``: ids in the order of promotion. ``ramps``:
    of net load only.
    """

    zone: Zone
    options: BacktestOptions
    frame: pd.DataFrame
    origins: pd.DatetimeIndex
    quantiles: Floats32
    mean: Floats32
    actual: Floats32
    now: Floats32
    source: npt.NDArray[np.str_]
    models: tuple[str, ...]
    ramps: RampForecasts | None = None

    @property
    def horizons_min(self) -> tuple[int, ...]:
        """The horizons."""
        return horizons_min(self.zone.step_min)


def run_backtest(
    frame: pd.DataFrame, zone: Zone, options: BacktestOptions, progress: Progress = no_progress
) -> Backtest:
    """Run a backtest.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing, training rows included.
        zone: Its configuration.
        options: Target and ranges.
        progress: Called with the share done (0-1) and the name of the current part.

    Raises:
        ConfigError: The ranges contradict each other.
        DataError: The frame does not hold them.
    """
    frame = _checked(frame, zone, options)
    served: dict[str, ServedModel] = {}
    return _forecast(frame, zone, options, served, _promotions(frame, zone, options, served, progress), progress)


def run_beside_linear(
    frame: pd.DataFrame, zone: Zone, options: BacktestOptions, progress: Progress = no_progress
) -> tuple[Backtest, Backtest, tuple[ServedModel, ...]]:
    """Run a backtest of net load twice with the same fits: as served, and without XGBoost.

    Arguments and errors as ``run_backtest``.

    Returns:
        The backtest as served, that of the linear stages alone, and the models in the order of promotion.
    """
    frame = _checked(frame, zone, options)
    served: dict[str, ServedModel] = {}
    promotions = list(_promotions(frame, zone, options, served, progress))
    linear = {model_id: without_trees(model) for model_id, model in served.items()}
    full = _forecast(frame, zone, options, served, iter(promotions), progress)
    return full, _forecast(frame, zone, options, linear, iter(promotions), progress), tuple(served.values())


def without_trees(model: ServedModel) -> ServedModel:
    """Return the model with a net-load part of its linear stages alone."""
    part = model.net_load
    if not isinstance(part, ServedNetLoad):
        return model
    trees = ResidualTrees.none(part.spec, part.trees.days, part.trees.verdict)
    return replace(model, net_load=replace(part, trees=trees))


def walk(
    frame: pd.DataFrame,
    zone: Zone,
    options: BacktestOptions,
    progress: Progress = no_progress,
    targets: frozenset[Target] | None = None,
) -> Iterator[Forecast]:
    """Yield the forecasts of the test range one by one, each as the stream would have published it.

    Arguments and errors as ``run_backtest``. ``targets``: forecast targets, by default only that of the options.
    """
    frame = _checked(frame, zone, options)
    all_targets = targets or frozenset({options.target})
    served: dict[str, ServedModel] = {}
    promotions = _promotions(frame, zone, options, served, progress, all_targets)
    yield from _walk(frame, zone, options, served, promotions, all_targets)


def replay_model(
    frame: pd.DataFrame,
    zone: Zone,
    options: BacktestOptions,
    model: ServedModel | None,
    progress: Progress = no_progress,
) -> Backtest:
    """Forecast the test range with one finished model, or without one by the fallbacks.

    Arguments and errors as ``run_backtest``. The test range must begin after the model's training data end.
    """
    frame = _checked(frame, zone, options)
    if model is None:
        return _forecast(frame, zone, options, {}, iter(()), progress)
    promotion = Promotion(zone=zone.zone, available_at=options.test_from, model_id=model.model_id, sha256=model.sha256)
    return _forecast(frame, zone, options, {model.model_id: model}, iter([promotion]), progress)


def _forecast(
    frame: pd.DataFrame,
    zone: Zone,
    options: BacktestOptions,
    served: dict[str, ServedModel],
    promotions: Iterator[Promotion],
    progress: Progress,
) -> Backtest:
    collected = _Collector(options.target, len(horizons_min(zone.step_min)))
    span = (options.test_to - options.test_from).total_seconds()
    for forecast in _walk(frame, zone, options, served, promotions, frozenset({options.target})):
        collected.add(forecast)
        share = (forecast.slot - options.test_from).total_seconds() / span
        if len(collected.origins) % 96 == 0:
            progress(0.2 + 0.8 * share, f"forecasting {forecast.slot:%Y-%m-%d}")
    return collected.result(zone, options, frame, tuple(served))


def _walk(
    frame: pd.DataFrame,
    zone: Zone,
    options: BacktestOptions,
    served: dict[str, ServedModel],
    promotions: Iterator[Promotion],
    targets: frozenset[Target],
) -> Iterator[Forecast]:
    reducer = ForecastReducer(zone, load_model=_finder(served), targets=targets)
    forecasts = ReducerLoop(reducer, zone.zone, "telemetry")
    due = next(promotions, None)
    start = options.test_from - timedelta(days=WARM_UP_DAYS)
    rows = frame.loc[(frame.index >= pd.Timestamp(start)) & (frame.index < pd.Timestamp(options.test_to) + AHEAD)]
    for message in telemetry(rows, zone, options.test_from, options.test_to):
        newest = message.slot if isinstance(message, SlotClosed) else None
        while due is not None and newest is not None and newest >= due.available_at:
            forecasts.step(due)
            due = next(promotions, None)
        yield from (output for output in forecasts.step(message) if isinstance(output, Forecast))


def _checked(frame: pd.DataFrame, zone: Zone, options: BacktestOptions) -> pd.DataFrame:
    if not options.train_to <= options.test_from < options.test_to:
        raise ConfigError(
            f"ranges must follow each other: train-to {iso(options.train_to)}, test-from {iso(options.test_from)}, "
            f"test-to {iso(options.test_to)}",
            hint="--train-to at or before --test-from, --test-from before --test-to",
        )
    frame = with_net_load(frame, zone)
    channel = options.target.channel
    if channel not in frame or frame[channel].notna().sum() == 0:
        raise DataError(f"the data of {zone.zone} hold no {channel}", hint="choose another --target or --zone")
    inside = frame.loc[(frame.index >= pd.Timestamp(options.test_from)) & (frame.index < pd.Timestamp(options.test_to))]
    if len(inside) == 0:
        raise DataError(
            f"the data of {zone.zone} end {iso(frame.index[-1].to_pydatetime())}, before the test range",
            hint="choose --test-from and --test-to inside the file",
        )
    return frame


def _finder(served: dict[str, ServedModel]) -> Callable[[str, str], ServedModel]:
    def find(model_id: str, sha256: str) -> ServedModel:
        if model_id not in served:
            raise ModelError(f"no model {model_id}")
        return served[model_id]

    return find


def _promotions(
    frame: pd.DataFrame,
    zone: Zone,
    options: BacktestOptions,
    served: dict[str, ServedModel],
    progress: Progress,
    targets: frozenset[Target] | None = None,
) -> Iterator[Promotion]:
    """Yield one promotion per fit, training each when the one before is in force."""

    def train_progress(share: float, text: str) -> None:
        if not served:
            progress(0.2 * share, f"training: {text}")

    trainer = Trainer(zone, train_progress)
    all_targets = targets or frozenset({options.target})
    net_load, price = Target.NET_LOAD in all_targets, Target.PRICE in all_targets
    until, in_force = options.train_to, options.test_from
    while in_force < options.test_to:
        try:
            parts, metadata = trainer.train(frame, until, net_load=net_load, price=price)
        except DataError:
            if served or options.refit is None:
                return
        else:
            full = identified(parts, metadata)
            served[full["model_id"]] = assemble(parts, full)
            yield Promotion(zone=zone.zone, available_at=in_force, model_id=full["model_id"], sha256=full["sha256"])
        if options.refit is None:
            return
        in_force = until = max(until, options.test_from) + options.refit


class _Collector:
    def __init__(self, target: Target, horizons: int) -> None:
        self._target = target
        self._none = np.full((horizons, len(QUANTILE_NAMES)), np.nan, dtype=np.float32)
        self.origins: list[datetime] = []
        self._quantiles: list[Floats32] = []
        self._mean: list[Floats32] = []
        self._source: list[str] = []
        self._ramps: list[RampOutlook | None] = []

    def add(self, forecast: Forecast) -> None:
        quantiles: Quantiles | None = getattr(forecast, self._target.value)
        self.origins.append(forecast.slot)
        self._ramps.append(forecast.ramps)
        self._source.append("none" if quantiles is None else quantiles.source)
        if quantiles is None:
            self._quantiles.append(self._none)
            self._mean.append(self._none[:, 0])
            return
        columns = np.array([quantiles.level(name) for name in QUANTILE_NAMES], dtype=np.float32).T
        self._quantiles.append(columns)
        self._mean.append(np.array(quantiles.expected, dtype=np.float32))

    def result(self, zone: Zone, options: BacktestOptions, frame: pd.DataFrame, models: tuple[str, ...]) -> Backtest:
        channel = options.target.channel
        origins = pd.DatetimeIndex(self.origins)
        values = frame[channel].to_numpy(dtype=np.float32)
        at = frame.index.get_indexer(origins)
        steps = np.array(horizons_min(zone.step_min)) // zone.step_min
        targets = at[:, None] + steps[None, :]
        inside = targets < len(values)
        actual = np.where(inside, values[np.minimum(targets, len(values) - 1)], np.nan).astype(np.float32)
        return Backtest(
            zone,
            options,
            frame,
            origins,
            np.stack(self._quantiles),
            np.stack(self._mean),
            actual,
            values[at],
            np.array(self._source),
            models,
            self._ramp_forecasts(),
        )

    def _ramp_forecasts(self) -> RampForecasts | None:
        if self._target is not Target.NET_LOAD:
            return None
        none = self._none[:, 0]
        columns = {
            column.name: np.stack([none if r is None else _filled(getattr(r, column.name), none) for r in self._ramps])
            for column in fields(RampForecasts)[1:]
        }
        levels = [math.nan if r is None else r.alarm_level for r in self._ramps]
        return RampForecasts(np.array(levels, dtype=np.float32), **columns)


def _filled(values: list[float], none: Floats32) -> Floats32:
    return np.array(values, dtype=np.float32) if values else none
