"""Trains the guard of a zone on its history: channel forecasts walked forward, evidence counted on clean data."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime

import numpy as np
import pandas as pd

from features.calendar import Calendar
from models.guard.channel_kernel import Fit
from models.guard.deck_kernel import PATIENT, decks, score_of, silence
from models.guard.evidence import DWELL_HOURS, KNOTS, table_of
from models.guard.layout import DECKS, SEEN, SPENT, Layout, Shape, State, new_buffer, view_state
from models.guard.learning_kernel import learn
from models.guard.member_kernel import (
    FAR,
    GAP,
    GIVEN_SUPPLY,
    GIVEN_SUPPLY_FAR,
    MEMBERS,
    NET_FAR,
    NET_NEXT,
    NET_VARIANCE,
    NEXT,
    RAMP,
    SECOND_MIDDLE,
    SECOND_NEXT,
    SHORT_VARIANCE,
    THIRD_MIDDLE,
    THIRD_NEXT,
    VARIANCE,
    given_inputs,
    members,
)
from models.guard.part import GuardPart
from models.guard.regression import Regressions
from models.guard.series import Series, series_of
from models.history import with_net_load
from vpp.domain import NET_LOAD
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

BLOCK_DAYS = 91
MIN_DAYS = 120
SPAN_DAYS = 730
FIRST_DAYS = 60
COUNTED_DAYS = 364
SETTLING_DAYS = 21
BUDGET_SHARE = 0.75
LOWEST_ALARM, HIGHEST_ALARM, HALVINGS = -4.0, 12.0, 26
LED_AT_LEAST = 0.5
"""Episodes that every deck is taken to have had at least, so each has a share of the budget."""
FLOOR_SHARES = (0.002, 0.0013, 0.0008)
TOLERANCE_SHARE = 0.002
WORTH = 0.9
FINE_STEP_MIN = 10
OFFSETS, FINE_OFFSETS = (0.0, -0.5, -0.5, -0.5), (-0.3, 0.0, -0.6, -0.5)
Progress = Callable[[float, str], None]


@kernel(error_model="numpy")
def _walk(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    series: tuple[Floats, Floats, Floats, Floats, Floats],
    first: int,
    begin: int,
    end: int,
    forecasts: Floats,
    shape: Shape,
    state: State,
    fit: Fit,
    out: Floats,
    supply_rows: Floats,
) -> None:
    """Write the members' values of slots ``begin`` to ``end``, from forecasts made before; no value is replaced."""
    window, published, supply, totals, context = series
    for at in range(begin, end):
        index = first + at
        for c in range(shape.channels):
            state.seen[c, index % SEEN] = window[c, at]
        members(window, published, supply[at], totals[at], context, at, index, shape, state, fit, out[at])
        if supply_rows.shape[2] > 0:
            for variant in range(2):
                s = shape.first[0] if variant == 0 else shape.last[0]
                if at >= shape.ahead[s]:
                    work = supply_rows[variant, at]
                    given_inputs(window, supply[at], at, index, shape.ahead[s], s, shape, state, work)
        learn(window, published, supply[at], context, at, index, True, shape, state, fit)
        for s in range(shape.row.shape[0]):
            state.waiting[s, index % state.waiting.shape[1]] = forecasts[at, s]


@kernel(error_model="numpy")
def _fuse(levels: Floats, shape: Shape, fit: Fit, out: Floats, member_levels: Floats) -> None:
    for t in range(levels.shape[0]):
        decks(levels[t], shape, fit, member_levels, out[t])


@kernel(error_model="numpy")
def _count_led(levels: Floats, dwell: int, per_day: int, fit: Fit, led: Floats) -> int:
    """Return the number of episodes at the alarm level of ``fit``, and write how many each deck raised."""
    patience, spent = np.zeros(2, dtype=np.float32), np.zeros(SPENT, dtype=np.float32)
    count, free = 0, 0
    led[:] = 0.0
    for t in range(levels.shape[0]):
        score, leader = score_of(levels[t], patience, spent, per_day, fit)
        if t >= free and score >= fit.alarm[0]:
            count, free = count + 1, t + dwell
            led[leader] += 1.0
            silence(leader, patience)
    return count


def _set_alarm(levels: Floats, dwell: int, per_day: int, fit: Fit, weekly: float) -> None:
    """Set the lowest alarm level with at most ``weekly`` episodes a week, and the share of each deck in them.

    Args:
        levels: Level of each deck by slot of the clean past, shape (slots, decks).
        dwell: Slots in which episodes count as one.
        per_day: Slots of a day.
        fit: Tables and offsets; ``alarm`` and ``rate`` are written.
        weekly: Episodes a week.
    """
    most, led = weekly * len(levels) / (7.0 * per_day), np.zeros(DECKS)
    low, high = LOWEST_ALARM, HIGHEST_ALARM
    for _ in range(HALVINGS):
        fit.alarm[0] = (low + high) / 2.0
        if _count_led(levels, dwell, per_day, fit, led) <= most:
            high = fit.alarm[0]
        else:
            low = fit.alarm[0]
    fit.alarm[0] = high
    _count_led(levels, dwell, per_day, fit, led)
    led += LED_AT_LEAST
    fit.rate[:] = weekly * led / led.sum()


class GuardTrainer:
    """Fits the guard of one zone, and refits it over time.

    Args:
        zone: Step, calendar, balances, companions, and false episodes a week that it may have.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._calendar = Calendar(zone)

    def fit(self, frame: pd.DataFrame, until: datetime) -> GuardPart | None:
        """Return the guard learned on the rows of ``frame`` before ``until``.

        None if there are too few rows, or where net load is constant.

        Args:
            frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
            until: End of the rows (exclusive, aware UTC).
        """
        rows = with_net_load(frame, self._zone)
        rows = rows.loc[rows.index < pd.Timestamp(until)]
        rows = rows.iloc[-SPAN_DAYS * self._zone.step.per_day :]
        have = [c for c in rows.columns if ":" not in c and rows[c].notna().any()]
        layout = Layout.of(self._zone, have)
        day = self._zone.step.per_day
        if layout is None or rows[NET_LOAD].notna().sum() < MIN_DAYS * day:
            return None
        series, shape = series_of(layout, rows, self._calendar), layout.shape()
        slots = series.window.shape[1]
        forecasts = np.full((slots, len(shape.row)), np.nan)
        regressions = Regressions(shape)
        first = max(FIRST_DAYS * day, slots - COUNTED_DAYS * day - SETTLING_DAYS * day)
        first = min(first, slots // 2)
        edges = [0, *range(first, slots - BLOCK_DAYS * day // 3, BLOCK_DAYS * day), slots]
        for begin, end in itertools.pairwise(edges):
            regressions.block(series, begin, end, forecasts)
        beta, usable = regressions.coefficients()
        observed_mw = series.window[0, slots // 2 :]
        observed_mw = observed_mw[np.isfinite(observed_mw)]
        if not observed_mw.size or not np.ptp(observed_mw):
            return None  # a constant net load has no errors to count evidence by
        fit = _blank(layout, shape, series, regressions, beta, usable)
        return self._count(layout, shape, series, forecasts, fit, first)

    def _count(
        self, layout: Layout, shape: Shape, series: Series, forecasts: Floats, fit: Fit, first: int
    ) -> GuardPart:
        """Count the evidence on the out-of-sample part of the history, from position ``first`` on."""
        slots = series.window.shape[1]
        day, dwell = shape.per_day, max(DWELL_HOURS * 60 // layout.step.minutes, 1)
        data = (series.window, series.published, series.supply, series.totals, series.context)
        fit = fit._replace(ramp=_ramp_correlation(series, forecasts, shape, first))
        levels = np.full((slots, MEMBERS), np.nan)
        width = 1 + shape.channels + shape.companions + 1 if shape.companions else 0
        supply_rows = np.full((2, slots, width), np.nan)
        state = view_state(new_buffer(shape), shape)
        _walk(data, series.first, first, slots, forecasts, shape, state, fit, levels, supply_rows)
        settled = min(first + SETTLING_DAYS * day, (first + slots) // 2)
        if width:
            fit = self._with_supply(series, shape, fit, supply_rows, settled)
        buffer = new_buffer(shape)
        state = view_state(buffer, shape)
        _walk(data, series.first, first, slots, forecasts, shape, state, fit, levels, np.empty((2, slots, 0)))
        clean = levels[settled:]
        weeks = len(clean) / (7.0 * day)
        for n in range(MEMBERS):
            fit.levels[n], fit.evidence[n], fit.tail[n] = table_of(np.ascontiguousarray(clean[:, n]), weeks, dwell)
        fused = np.empty((len(clean), DECKS))
        _fuse(clean, shape, fit, fused, np.empty(MEMBERS))
        for d in range(DECKS):
            n = MEMBERS + d
            fit.levels[n], fit.evidence[n], fit.tail[n] = table_of(np.ascontiguousarray(fused[:, d]), weeks, dwell)
        fit.most[PATIENT] = np.log10(weeks)
        _set_alarm(fused, dwell, day, fit, BUDGET_SHARE * self._zone.alarms_per_week)
        return GuardPart(layout, shape, fit, buffer, series.first + slots - 1)

    def _with_supply(self, series: Series, shape: Shape, fit: Fit, supply_rows: Floats, settled: int) -> Fit:
        """Learn load from the other supply; it is a witness only if it lowers the error by a tenth."""
        slots = series.window.shape[1]
        coefficients = np.zeros((2, supply_rows.shape[2]))
        worth = False
        half = (settled + slots) // 2
        for variant in range(2):
            s = shape.first[0] if variant == 0 else shape.last[0]
            ahead = int(shape.ahead[s])
            change = np.full(slots, np.nan)
            change[ahead:] = series.window[0, ahead:] - series.window[0, :-ahead]
            rows = supply_rows[variant]
            use = np.isfinite(change) & np.isfinite(rows).all(axis=1) & (np.arange(slots) >= settled)
            early, late = use & (np.arange(slots) < half), use & (np.arange(slots) >= half)
            if early.sum() < 500 or late.sum() < 500:
                return fit._replace(given=np.empty((2, 0)))
            alone = np.abs(change[late] - rows[late, 0]).mean()
            beta = _least_squares(rows[early], change[early])
            with_it = np.abs(change[late] - rows[late] @ beta).mean()
            worth = worth or with_it < WORTH * alone
            coefficients[variant] = _least_squares(rows[use], change[use])
        if not worth:
            return fit._replace(given=np.empty((2, 0)))
        added, single = fit.added.copy(), fit.single.copy()
        added[[GIVEN_SUPPLY, GIVEN_SUPPLY_FAR]] = True
        single[GIVEN_SUPPLY] = True
        return fit._replace(given=coefficients, added=added, single=single)


def _least_squares(rows: Floats, y: Floats) -> Floats:
    scale = np.maximum(rows.std(axis=0), 1e-9)
    scale[-1] = 1.0
    z = rows / scale
    gram = z.T @ z + 1e-3 * len(rows) * np.diag([*([1.0] * (rows.shape[1] - 1)), 0.0])
    return np.asarray(np.linalg.solve(gram, z.T @ y) / scale)


def _blank(
    layout: Layout, shape: Shape, series: Series, regressions: Regressions, beta: Floats, usable: np.ndarray
) -> Fit:
    """Return a fit whose evidence is not counted yet."""
    size = np.nanmean(np.abs(series.window[0]))
    shares = [FLOOR_SHARES[min(c, 2)] for c in range(shape.channels)]
    floor = size * np.array([*shares, *([FLOOR_SHARES[0]] if shape.net else [])])
    added, single = np.zeros(MEMBERS, dtype=np.bool_), np.zeros(MEMBERS, dtype=np.bool_)
    added[[NEXT, FAR, VARIANCE, RAMP]] = True
    single[NEXT] = True
    if layout.published[0] is not None:
        added[GAP] = single[GAP] = True
    if shape.net:
        added[[NET_NEXT, NET_FAR, NET_VARIANCE]] = True
        single[[NET_NEXT, SECOND_NEXT, SECOND_MIDDLE]] = True
        if shape.channels > 2:
            single[[THIRD_NEXT, THIRD_MIDDLE]] = True
    else:
        added[SHORT_VARIANCE] = True
    tolerance, part = [], []
    for b, terms in enumerate(layout.balances):
        off = np.abs(series.totals[:, b])
        off = off[np.isfinite(off)]
        usual = float(np.quantile(off, 0.9999)) if off.size else np.inf
        tolerance.append(1.5 * usual + TOLERANCE_SHARE * size / 10.0)
        signs = dict(terms)
        part.append([signs.get(c, 0.0) for c in layout.channels])
    tables = MEMBERS + DECKS
    mean, sd = regressions.scaling()
    return Fit(
        mean=mean,
        sd=sd,
        beta=beta,
        usable=usable,
        floor=floor,
        ramp=np.zeros((shape.horizons,) * 3),
        given=np.empty((2, 0)),
        tolerance=np.array(tolerance),
        part=np.array(part).reshape(-1, shape.channels),
        levels=np.zeros((tables, KNOTS)),
        evidence=np.zeros((tables, KNOTS)),
        tail=np.zeros((tables, 3)),
        added=added,
        single=single,
        offset=np.array(FINE_OFFSETS if layout.step.minutes < FINE_STEP_MIN else OFFSETS),
        alarm=np.array([np.inf]),
        rate=np.zeros(DECKS),
        most=np.full(DECKS, np.inf),
    )


def _ramp_correlation(series: Series, forecasts: Floats, shape: Shape, first: int) -> Floats:
    """Return for each number of horizons the inverse correlation of the errors of one origin, (H, H, H)."""
    count, slots = shape.horizons, series.window.shape[1]
    errors = np.full((slots, count), np.nan)
    for k in range(count):
        h = int(shape.ahead[k])
        errors[:-h, k] = series.window[0, h:] - forecasts[:-h, k]
    errors = errors[first:]
    errors = errors[np.isfinite(errors).all(axis=1)]
    out = np.zeros((count, count, count))
    if len(errors) < 200:
        for k in range(count):
            out[k, : k + 1, : k + 1] = np.eye(k + 1)
        return out
    limit = 6.0 * np.abs(errors).mean(axis=0)
    correlation = np.corrcoef(np.clip(errors, -limit, limit), rowvar=False).reshape(count, count) + 0.05 * np.eye(count)
    for k in range(count):
        out[k, : k + 1, : k + 1] = np.linalg.inv(correlation[: k + 1, : k + 1])
    return out
