"""Backtest of day-ahead price forecasts: every local day forecast from what was known before its auction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from models.price_day_features import MIN_DAYS, renewables_weight
from models.price_days import HOURS, Convention, DayTable, day_number, day_table, frame_columns, holiday_numbers
from models.price_view import Flags, Floats, Ints, local_minutes
from models.price_walk import AuctionView, WalkSettings, linear_walk, tail_walk, tree_walks
from vpp.canonical import inspect_file, read_frame
from vpp.domain import PRICE, QUANTILE_LEVELS, iso
from vpp.errors import ConfigError, DataError
from vpp.fleet import Zone

Progress = Callable[[float, str], None]

DEFAULTS = WalkSettings()
MIN_HISTORY_DAYS = 60
_CALIBRATION_DAYS = 84
_SPREAD_DAYS = 182
_NEAR_HOURS = 2
_LEVELS = np.array(QUANTILE_LEVELS)


def _quiet(share: float, text: str) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True)
class DayAheadRun:
    """Day-ahead forecasts of consecutive local days beside what came; m days, s real slots of these days.

    ``days``: local day numbers, (m,). ``price``: blend per hour of the local day, (m, 24). ``tail``: the day after, as
    seen at the same auction, (m, 24). ``members``: forecasts by name, (m, 24). ``quantiles``: (m, 24, 7).
    ``slots``: UTC starts, (s,). ``row``, ``hour``: day and hour of each slot. ``actual``: its price, NaN missing.
    ``baselines``: ``week``, ``yesterday``: price of the same hour 7 and 1 days before, (m, 24).
    """

    zone: Zone
    convention: Convention
    days: Ints
    price: Floats
    tail: Floats
    members: dict[str, Floats]
    quantiles: Floats
    slots: pd.DatetimeIndex
    row: Ints
    hour: Ints
    actual: Floats
    baselines: dict[str, Floats]

    def by_slot(self, forecast: Floats) -> Floats:
        """Return a forecast by day and hour (m, 24, ...) as one value per real slot."""
        return np.asarray(forecast[self.row, self.hour])


def read_day_ahead(path: Path | str, zone: Zone, *, until: datetime | None = None) -> pd.DataFrame:
    """Return a zone's frame with its neighbours' prices and forecasts: those of the fleet file, else all of the file.

    Raises:
        DataError: The file cannot be read or has no such zone.
    """
    neighbours = zone.neighbours or tuple(z for z in inspect_file(path).zones if z != zone.zone)
    return read_frame(path, zone.zone, neighbours=neighbours, end=until)


def run_day_ahead(  # noqa: PLR0913 - each is a choice of the command line
    frame: pd.DataFrame,
    zone: Zone,
    *,
    train_to: datetime,
    test_from: datetime,
    test_to: datetime,
    convention: Convention = "benchmark",
    refit_days: int | None = 1,
    settings: WalkSettings = DEFAULTS,
    progress: Progress = _quiet,
) -> DayAheadRun:
    """Forecast every local day whose noon lies in ``[test_from, test_to)``, rolling from auction to auction.

    Args:
        frame: UTC slot starts as index; price, published forecasts, neighbours as ``ZONE:channel``; rows after the last
            of these days are not read.
        zone: Gives time zone and holidays.
        train_to: End of the first fit (aware UTC).
        test_from: First slot of the test.
        test_to: End of the test.
        convention: What is known at the auction.
        refit_days: Days between refits of the linear members (trees every 14 or more); None: one fit, at ``train_to``.
        settings: Members, mix and blend.
        progress: Told the share done (0-1) and what is going on.

    Raises:
        ConfigError: The ranges contradict each other.
        DataError: The frame has no price, or too little before the test.
    """
    if not train_to <= test_from < test_to:
        raise ConfigError(
            f"ranges must follow each other: train-to {iso(train_to)}, test-from {iso(test_from)}, "
            f"test-to {iso(test_to)}",
            hint="--train-to at or before --test-from, --test-from before --test-to",
        )
    table = table_of(frame, zone)
    begin, fitted, end = _rows(table, zone, train_to, test_from, test_to)
    table = table.upto(end)
    first = begin if refit_days is not None else fitted
    weight = renewables_weight(table, fitted)
    view = AuctionView.of(table, convention, weight)
    linear = linear_walk(view, first, refit_days=refit_days, settings=settings, progress=_part(progress, 0.0, 0.35))
    calibrate = max(first - _CALIBRATION_DAYS, MIN_DAYS + 28)
    trees = tree_walks(
        view, linear, first, begin=min(calibrate, first), refit_days=refit_days, settings=settings,
        progress=_part(progress, 0.35, 0.9),
    )  # fmt: skip
    progress(0.9, "the day after")
    next_day = int(table.days[-1]) + 1
    holiday = float(next_day in holiday_numbers(zone, next_day, next_day))
    after, _ = tail_walk(table.longer(holiday), weight, first, refit_days=refit_days, settings=settings)
    history = np.where(np.isfinite(trees.blend), trees.blend, linear.mix)
    spread = day_quantiles(history, table.price, view.features.scale, begin, end)
    test = slice(begin, end)
    slots, row, hour, actual = _real_slots(frame, zone, table, test)
    names = ("ridge", *(f"lasso_{w}" for w in settings.lasso_windows))
    members = {name: linear.members[i, test] for i, name in enumerate(names)}
    members |= {"mix": linear.mix[test], "trees": trees.alone[test], "stack": trees.stack[test]}
    return DayAheadRun(
        zone=zone,
        convention=convention,
        days=table.days[test],
        price=_limited(trees.blend[test], zone),
        tail=_limited(after[begin + 1 : end + 1], zone),
        members=members,
        quantiles=_limited(spread, zone),
        slots=slots,
        row=row,
        hour=hour,
        actual=actual,
        baselines={"week": table.price[begin - 7 : end - 7], "yesterday": table.price[begin - 1 : end - 1]},
    )


def day_quantiles(forecast: Floats, price: Floats, scale: Floats, begin: int, end: int) -> Floats:
    """Return the seven quantiles of rows ``begin`` to ``end``, shape (rows, 24, 7), ascending.

    Quantiles of the scaled errors of the 182 days before, of the hour and the two on each side, around the forecast.
    """
    z = (price - forecast) / scale[:, None]
    out = np.full((end - begin, HOURS, _LEVELS.size), np.nan)
    for row in range(begin, end):
        past = z[max(0, row - _SPREAD_DAYS) : row]
        past = past[np.isfinite(past).all(axis=1)]
        if past.shape[0] < 14:
            continue
        for h in range(HOURS):
            near = past[:, max(0, h - _NEAR_HOURS) : h + _NEAR_HOURS + 1]
            out[row - begin, h] = forecast[row, h] + scale[row] * np.quantile(near, _LEVELS)
    return out


def table_of(frame: pd.DataFrame, zone: Zone) -> DayTable:
    """Return the day table of a frame.

    Raises:
        DataError: The frame holds no price.
    """
    if PRICE not in frame or not frame[PRICE].notna().any():
        raise DataError(f"the data of {zone.zone} hold no {PRICE}", hint="choose another --target or --zone")
    step_min = round((frame.index[1] - frame.index[0]).total_seconds() / 60)
    first = int(frame.index[0].timestamp()) // (60 * step_min)
    days = (int(frame.index[0].timestamp()) // 86400 - 1, int(frame.index[-1].timestamp()) // 86400 + 2)
    return day_table(
        frame_columns(frame), first_index=first, step_min=step_min, time_zone=zone.time_zone,
        holidays=holiday_numbers(zone, *days),
    )  # fmt: skip


def _rows(
    table: DayTable, zone: Zone, train_to: datetime, test_from: datetime, test_to: datetime
) -> tuple[int, int, int]:
    """Return the rows of the first test day, of the first day after the first fit, and one past the last test day."""
    clock = ZoneInfo(zone.time_zone)

    def at(when: datetime) -> int:
        local = when.astimezone(clock)
        noon = local.replace(hour=12, minute=0, second=0, microsecond=0, fold=0)
        return table.position(day_number(local.date())) + int(noon.astimezone(UTC) < when.astimezone(UTC))

    begin, fitted, end = at(test_from), at(train_to), min(at(test_to), table.days.size)
    if begin >= end:
        raise DataError(
            f"the data of {zone.zone} hold no whole day of the test range",
            hint="choose --test-from and --test-to inside the file",
        )
    if fitted < MIN_HISTORY_DAYS:
        raise DataError(
            f"{zone.zone} has {max(fitted, 0)} days before {iso(train_to)}, {MIN_HISTORY_DAYS} are needed",
            hint="choose a later --train-to",
        )
    return begin, min(fitted, begin), end


def _real_slots(
    frame: pd.DataFrame, zone: Zone, table: DayTable, test: slice
) -> tuple[pd.DatetimeIndex, Ints, Ints, Floats]:
    step_min = round((frame.index[1] - frame.index[0]).total_seconds() / 60)
    first = int(frame.index[0].timestamp()) // (60 * step_min)
    minutes = local_minutes(first, first + len(frame), step_min=step_min, time_zone=zone.time_zone)
    row = minutes // 1440 - table.days[0] - test.start
    inside: Flags = np.asarray((row >= 0) & (row < test.stop - test.start))
    index = pd.DatetimeIndex(frame.index)[inside]
    return index, row[inside], minutes[inside] % 1440 // 60, frame[PRICE].to_numpy(dtype=float)[inside]


def _limited(prices: Floats, zone: Zone) -> Floats:
    return np.asarray(np.clip(prices, zone.market.price_floor_per_mwh, zone.market.price_cap_per_mwh))


def _part(progress: Progress, start: float, stop: float) -> Progress:
    return lambda share, text: progress(start + (stop - start) * share, text)


def day_ahead_metrics(run: DayAheadRun) -> dict[str, Any]:
    """Return the figures of a run: ``day_ahead_mae``, ``day_ahead_rmae``, and one entry per hour of the local day.

    ``horizon_min`` counts from the auction at noon of the day before to the hour's start (720 is midnight).
    """
    forecast, quantiles = run.by_slot(run.price), run.by_slot(run.quantiles)
    naive = {name: run.by_slot(values) for name, values in run.baselines.items()}
    scored = np.isfinite(run.actual) & np.isfinite(forecast)
    both = scored & np.isfinite(naive["week"])
    mae = _mean(np.abs(run.actual - forecast)[scored])
    week = _mean(np.abs(run.actual - naive["week"])[both])
    of_both = _mean(np.abs(run.actual - forecast)[both])
    return {
        "day_ahead_mae": mae,
        "day_ahead_rmae": None if not week or of_both is None else round(of_both / week, 5),
        "day_ahead_mae_by_member": {
            name: _mean(np.abs(run.actual - run.by_slot(values))[scored]) for name, values in run.members.items()
        },
        "day_ahead_mae_second_day": _second_day(run),
        "horizons": [_hour(run, h, forecast, quantiles, naive, scored) for h in range(HOURS)],
    }


def _second_day(run: DayAheadRun) -> float | None:
    later = run.row > 0
    ahead = run.tail[run.row[later] - 1, run.hour[later]]
    return _mean(np.abs(run.actual[later] - ahead))


def _hour(
    run: DayAheadRun, h: int, forecast: Floats, quantiles: Floats, naive: dict[str, Floats], scored: Flags
) -> dict[str, Any]:
    here = scored & (run.hour == h)
    actual, q = run.actual[here], quantiles[here]
    error = np.abs(actual - forecast[here])
    gap = actual[:, None] - q
    mae, persistence = _mean(error), _mean(np.abs(actual - naive["yesterday"][here]))
    covered = np.where(np.isfinite(q[:, 0]), (actual >= q[:, 0]) & (actual <= q[:, -1]), np.nan)
    squared = _mean((actual - forecast[here]) ** 2)
    return {
        "horizon_min": 720 + 60 * h,
        "n": int(here.sum()),
        "mae": mae,
        "rmse": None if squared is None else round(float(np.sqrt(squared)), 5),
        "pinball": _mean(np.maximum(_LEVELS * gap, (_LEVELS - 1.0) * gap)),
        "skill_vs_persistence": None if mae is None or not persistence else round(1.0 - mae / persistence, 5),
        "coverage_90": _mean(covered),
        "width_90": _mean(q[:, -1] - q[:, 0]),
        "worst_week_coverage_90": _worst_week(covered, run.row[here] // 7),
        "mae_by_baseline": {
            "persistence": persistence,
            **{name: _mean(np.abs(actual - values[here])) for name, values in naive.items()},
        },
        "mae_day_ahead_known": None,
        "mae_day_ahead_unknown": None,
    }


def _worst_week(covered: Floats, week: Ints) -> float | None:
    known = np.isfinite(covered)
    if not known.any():
        return None
    hits, counts = np.bincount(week[known], covered[known]), np.bincount(week[known])
    return round(float((hits / np.maximum(counts, 1))[counts >= 4].min()), 5) if (counts >= 4).any() else None


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(known.mean()), 5) if known.size else None


def backtest_day_ahead(  # noqa: PLR0913 - each is a choice of the command line
    data: pd.DataFrame | Path | str,
    zone: Zone,
    *,
    train_to: datetime,
    test_from: datetime,
    test_to: datetime,
    convention: Convention | None = None,
    refit_days: int | None = 1,
    settings: WalkSettings = DEFAULTS,
    progress: Progress = _quiet,
) -> dict[str, Any]:
    """Return ``metrics.json`` of a day-ahead backtest: the benchmark's convention, and beside it ``*_load_only``.

    Args:
        data: A frame as ``run_day_ahead`` takes it, or a file of canonical shape.
        zone: Gives time zone, holidays and neighbours.
        train_to: As ``run_day_ahead``.
        test_from: As ``run_day_ahead``.
        test_to: As ``run_day_ahead``.
        convention: Only this one; None: both.
        refit_days: As ``run_day_ahead``.
        settings: As ``run_day_ahead``.
        progress: As ``run_day_ahead``.

    Raises:
        ConfigError: As ``run_day_ahead``.
        DataError: As ``run_day_ahead``, and for a file that cannot be read.
    """
    frame = data if isinstance(data, pd.DataFrame) else read_day_ahead(data, zone, until=test_to + timedelta(days=1))
    conventions: list[Convention] = ["benchmark", "load_only"] if convention is None else [convention]
    out: dict[str, Any] = {}
    for i, name in enumerate(conventions):
        told = _part(progress, i / len(conventions), (i + 1) / len(conventions))
        run = run_day_ahead(
            frame, zone, train_to=train_to, test_from=test_from, test_to=test_to, convention=name,
            refit_days=refit_days, settings=settings, progress=told,
        )  # fmt: skip
        figures = day_ahead_metrics(run)
        if i == 0:
            out = {
                "target": "price", "zone": zone.zone, "train_to": iso(train_to), "test_from": iso(test_from),
                "test_to": iso(test_to), "origins": int(run.days.size), "convention": name, **figures,
            }  # fmt: skip
        else:
            out |= {f"{key}_{name}": figures[key] for key in ("day_ahead_mae", "day_ahead_rmae")}
    progress(1.0, "done")
    return out
