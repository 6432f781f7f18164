"""Training of the net-load part: walks over the history in batches, as the stream would have seen it.

The linear stages learn batch by batch, and every prediction that trees, widths and trailing errors are learned from was
made before its batch was learned, so none of them sees an in-sample fit.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from features.calendar import MINUTE, Calendar
from features.compute import FeatureHistory, make_history
from features.derived_series import is_published, known_channels
from features.feature_list import build_spec
from features.feature_spec import FeatureSpec
from models.history import known_until, with_net_load
from models.net_load.interval_training import Forward, Widths, fit_widths
from models.net_load.linear_stages import DERIVED, Stages
from models.net_load.model import ServedNetLoad
from models.net_load.residual_trees import ResidualTrees, horizons_read
from models.net_load.served_stages import StageArrays
from models.net_load.trailing_errors import groups_per_day
from models.net_load.tree_training import TreeRows, fit_residual_trees
from vpp.domain import NET_LOAD
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats, Ints
from vpp.progress import Progress, no_progress

LOOK_BACK_DAYS = 44
MIN_DAYS = 20
MIN_CHANNEL_DAYS = 28
FORWARD_DAYS = 365
BATCH_DAYS = 28
EXTRAS_DAYS = 28
METRIC_DAYS = 90
AHEAD = timedelta(days=3)
MAX_ROWS = 60_000
STRIDE_FROM_MIN = 60


@dataclass
class HorizonState:
    """What one horizon keeps between refits: its stages and the forward predictions since the walk began."""

    stages: Stages
    forward: Forward = field(default_factory=Forward)


@dataclass(frozen=True, slots=True)
class Extras:
    """Parts fitted on forward predictions, refitted every four weeks: trees and widths."""

    trees: ResidualTrees
    widths: Widths
    made_at: int


class NetLoadTrainer:
    """Fits the net-load part of one zone, and refits it over time.

    Args:
        zone: Gives step, calendar and channels.
        progress: Called with the share done (0-1) and the name of the current part.
    """

    def __init__(self, zone: Zone, progress: Progress = no_progress) -> None:
        self._zone = zone
        self._progress = progress
        self._calendar = Calendar(zone)
        self._day = zone.step.per_day
        self._groups = groups_per_day(self._day)
        self.spec: FeatureSpec | None = None
        self._states: list[HorizonState] = []
        self._trees: TreeRows | None = None
        self._learned_until = 0
        self._extras: Extras | None = None
        self.metrics: list[dict[str, float]] = []

    def fit(self, frame: pd.DataFrame, until: datetime) -> ServedNetLoad | None:
        """Fit on the rows of ``frame`` before ``until``; None if there are too few.

        Args:
            frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
            until: End of the training rows (exclusive, aware UTC).
        """
        history = self._history(frame, until)
        if history is None:
            return None
        self.spec = history.spec
        self._states = [HorizonState(Stages(history.spec, m, self._groups)) for m in history.spec.horizons_min]
        self._trees = TreeRows(history.spec)
        self._extras = None
        # A short history must not lose most of its rows to features that look back six weeks; they are missing then.
        last = self._zone.step.index(until)
        look_back = min(LOOK_BACK_DAYS, max((last - history.first) // self._day // 4, 8))
        first = history.first + look_back * self._day
        if last - first < MIN_DAYS * self._day:
            return None
        days = (last - first) // self._day
        walk = last - min(FORWARD_DAYS, max(days * 2 // 5, 7)) * self._day
        edges = [first, *range(walk, last, min(BATCH_DAYS, max(days // 8, 2)) * self._day), last]
        self._learn(history, edges)
        return self._part(history)

    def refit(self, frame: pd.DataFrame, until: datetime) -> ServedNetLoad | None:
        """Learn the rows that matured since the last fit and return the new part.

        Where a channel of the feature table has come that the last fit lacked, all is fitted again.

        Args:
            frame: As ``fit``; at least 50 days before the last fit's end must be in it.
            until: As ``fit``.
        """
        if self.spec is None or self._has_new_channels(frame, until):
            return self.fit(frame, until)
        start = self._learned_until - (LOOK_BACK_DAYS + 3) * self._day
        recent = frame.loc[frame.index >= pd.Timestamp(self._zone.step.start(start))]
        history = self._history(recent, until, self.spec)
        if history is None:
            return None
        self._learn(history, [self._learned_until, self._zone.step.index(until)])
        return self._part(history)

    def _has_new_channels(self, frame: pd.DataFrame, until: datetime) -> bool:
        assert self.spec is not None
        past = with_net_load(frame, self._zone).loc[lambda rows: rows.index < pd.Timestamp(until)]
        lasting = [c for c in known_channels(past.columns) if past[c].notna().sum() >= MIN_CHANNEL_DAYS * self._day]
        return not set(build_spec(lasting, self._zone.step).channels) <= set(self.spec.channels)

    def _history(self, frame: pd.DataFrame, until: datetime, spec: FeatureSpec | None = None) -> FeatureHistory | None:
        rows = with_net_load(frame, self._zone)
        end = pd.Timestamp(until)
        past = rows.loc[rows.index < end]
        if len(past) == 0 or past[NET_LOAD].notna().sum() < MIN_DAYS * self._day // 2:
            return None
        if spec is None:
            spec = build_spec([c for c in known_channels(past.columns) if past[c].notna().any()], self._zone.step)
        # Of the days after the end, only published values belong to the features of the last origins.
        rows = rows.loc[rows.index < end + AHEAD]
        index = pd.DatetimeIndex(rows.index)
        values = {}
        for channel in spec.channels:
            column = rows[channel].to_numpy(dtype=float) if channel in rows else np.full(len(rows), np.nan)
            values[channel] = column if is_published(channel) else np.where(index < end, column, np.nan)
        limits = {c: known_until(self._zone, c, index) for c in spec.channels if is_published(c)}
        first = self._zone.step.index(index[0].to_pydatetime())
        return make_history(spec, values, first, limits, self._calendar)

    def _learn(self, history: FeatureHistory, edges: list[int]) -> None:
        """Learn the targets between ``edges`` (slot indices), batch by batch, horizon by horizon."""
        spec, first = history.spec, history.first
        net = history.data[[s.name for s in spec.series].index("net")]
        low = max(edges[0] - first - self._day, 0)
        origins = np.arange(low, history.slots - 1, dtype=np.int64)
        origins = origins[~np.isnan(net[origins])]
        rows = history.origin_rows(origins)
        for n, steps in enumerate(spec.horizon_steps):
            self._progress(n / len(spec.horizon_steps), f"horizon {spec.horizons_min[n]} min")
            stride = 1 if spec.horizons_min[n] <= STRIDE_FROM_MIN else max(1, -(-len(origins) // MAX_ROWS))
            keep = np.flatnonzero((origins + steps < history.slots) & ((origins + first) % stride == n % stride))
            keep = keep[~np.isnan(net[np.minimum(origins[keep] + steps, history.slots - 1)])]
            part = np.ascontiguousarray(rows[:, keep])
            history.fill_targets(part, origins[keep], np.full(len(keep), steps))
            self._learn_horizon(history, n, origins[keep], part, net, edges)
        self._learned_until = edges[-1]

    def _learn_horizon(
        self, history: FeatureHistory, n: int, origins: Ints, rows: Floats, net: Floats, edges: list[int]
    ) -> None:
        state, spec = self._states[n], history.spec
        assert self._trees is not None
        targets = origins + spec.horizon_steps[n]
        change = net[targets] - net[origins]
        groups = (history.calendar[MINUTE, targets] * self._groups // 1440).astype(np.int64)
        base_column = state.stages.columns.base
        for begin, end in itertools.pairwise(edges):
            fresh = not state.stages.ready("A")
            batch = np.flatnonzero((targets + history.first >= begin) & (targets + history.first < end))
            if len(batch) == 0:
                continue
            part = rows[:, batch]
            days = (targets[batch] + history.first) / self._day
            mature = state.stages.is_mature
            prediction = state.stages.learn(part, change[batch], groups[batch], days)
            state.stages.solve()
            if fresh:
                continue
            base = part[base_column] if base_column >= 0 else np.full(len(batch), np.nan)
            state.forward.add(
                origins[batch] + history.first, groups[batch], change[batch], prediction, base, part[spec.columns("V")]
            )
            if mature:
                self._trees.add(n, origins[batch] + history.first, part)

    def _part(self, history: FeatureHistory) -> ServedNetLoad | None:
        """Fit the parts that use forward predictions and return the model part."""
        spec = history.spec
        if any(state.forward.rows == 0 for state in self._states):
            return None
        if self._extras is None or self._learned_until - self._extras.made_at >= EXTRAS_DAYS * self._day:
            self._extras = self._fit_extras(spec)
        self.metrics = [
            {"horizon_min": minutes, **state.forward.score(self._learned_until - METRIC_DAYS * self._day)}
            for minutes, state in zip(spec.horizons_min, self._states, strict=True)
        ]
        widths = self._extras.widths
        letters = ["A", *sorted({letter for s in self._states for letter in s.stages.later})]
        stages = {letter: _stacked([s.stages for s in self._states], letter, spec) for letter in letters}
        return ServedNetLoad(
            spec,
            stages,
            self._extras.trees,
            widths.scale,
            widths.mean,
            widths.sd,
            widths.coefficients,
            widths.tables,
            widths.errors,
        )

    def _fit_extras(self, spec: FeatureSpec) -> Extras:
        assert self._trees is not None
        self._progress(0.9, "widths")
        forward = [state.forward for state in self._states]
        widths, paths = fit_widths(forward, spec, self._day, self._learned_until, horizons_read(spec))
        self._progress(0.92, "trees")
        return Extras(fit_residual_trees(self._trees, paths, spec), widths, self._learned_until)


def _stacked(stages: list[Stages], letter: str, spec: FeatureSpec) -> StageArrays:
    columns = spec.columns(letter)
    before = 0 if letter == "A" else DERIVED
    width = len(columns) + before
    groups = max((s.ridge[letter].settings.groups for s in stages if s.ready(letter)), default=1)
    mean, sd = np.zeros((len(stages), width)), np.full((len(stages), width), np.inf)
    coefficients = np.zeros((len(stages), groups, width + 1))
    ready = np.zeros(len(stages), dtype=np.bool_)
    for h, stage in enumerate(stages):
        if not stage.ready(letter):
            continue
        scaling = stage.scaling[letter]
        mean[h, before:], sd[h, before:] = scaling.mean, scaling.sd
        if before:
            mean[h, :before], sd[h, :before] = stage.derived[letter].mean, stage.derived[letter].sd
        coefficients[h] = stage.ridge[letter].coefficients
        ready[h] = True
    return StageArrays(columns, mean, sd, coefficients, ready)
