"""The red-team bench: trains on data before the test, then attacks a zone that was not used for tuning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from features.calendar import Calendar
from models.guard.quarantine_kernel import LEADER
from models.guard.series import series_of
from models.guard.training import MIN_DAYS, GuardTrainer
from models.guard.watch import CODES
from models.history import with_net_load
from topologies.redteam.adaptive import reach
from topologies.redteam.detection import ATTACK_HOURS, CleanRun, Detection, choose_starts, inject, run_clean
from topologies.redteam.held_bias import HELD_HOURS, held_biases
from topologies.redteam.losses import NO_LOSSES, LossBench, Losses
from topologies.redteam.readings import READINGS, minutes_to_find
from topologies.sources.attacks import ATTACKS, Attack
from vpp.domain import LOAD, NET_LOAD, PRICE, iso
from vpp.errors import ConfigError, DataError
from vpp.files.zone_fitting import FLAT_PRICE_PER_MWH
from vpp.fleet.schema import Zone
from vpp.progress import Progress, no_progress, part_of

ADAPTIVE = "adaptive"
MONEY_N = 6
EVERY_ATTACK = (*ATTACKS, *READINGS)
REACH_STARTS = {6: 30, 24: 30, 168: 6}
"""Starts of the adaptive attacker by the hours of his attack; a week shows what he can sustain."""

WARM_UP_DAYS = 40


@dataclass(frozen=True)
class RedTeamOptions:
    """What to attack; times are aware UTC, the test half-open.

    ``n``: injections of each attack. ``money_n``: of them, how many run through the plant; 0: none; None: ``MONEY_N``
    where the data have prices, else none. ``attacks``: names or kinds; empty: all. ``reach_hours``: lengths of the
    adaptive attacks, of ``REACH_STARTS``; with 168, biases held for a week are measured too.
    """

    train_to: datetime
    test_from: datetime
    test_to: datetime
    n: int = 200
    money_n: int | None = None
    seed: int = 0
    attacks: tuple[str, ...] = ()
    reach_hours: tuple[int, ...] = tuple(REACH_STARTS)


@dataclass(frozen=True)
class RedTeam:
    """``figures``: ``metrics.json``. ``details``: all else that was measured, for the report."""

    zone: Zone
    figures: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)


def run_redteam(
    frame: pd.DataFrame,
    zone: Zone,
    options: RedTeamOptions,
    progress: Progress = no_progress,
    take: Callable[[RedTeam], None] = lambda _: None,
) -> RedTeam:
    """Attack a zone.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing, training rows included.
        zone: Its configuration.
        options: Ranges, attacks, how many.
        progress: Called with the share done (0-1) and the name of the current part.
        take: Called with what is measured before money is counted, which takes longest; not where none is.

    Raises:
        ConfigError: The ranges contradict each other, or an attack is unknown.
        DataError: There is too little history to count false episodes on, or none of load.
    """
    attacks = chosen(options.attacks)
    _check(frame, zone, options)
    money_n, no_money = _money_n(frame, zone, options)
    frame = with_net_load(frame, zone)
    detect = part_of(progress, 0.0, 0.35 if money_n else 1.0)
    detect(0.0, "training the guard")
    part = GuardTrainer(zone).fit(frame, options.train_to)
    if part is None:
        raise DataError(
            f"{zone.zone} has too little load before {iso(options.train_to)} to count false episodes on",
            hint=f"give at least {MIN_DAYS} days of history, a year is better; its data begin "
            f"{iso(frame.index[0].to_pydatetime())}",
        )
    step = zone.step
    begin = int(frame.index.searchsorted(pd.Timestamp(options.train_to)))
    base = max(begin - WARM_UP_DAYS * step.per_day, 0)
    rows = frame.iloc[base : int(frame.index.searchsorted(pd.Timestamp(options.test_to)))]
    series = series_of(part.layout, rows, Calendar(zone))
    test = int(rows.index.searchsorted(pd.Timestamp(options.test_from)))
    slots = ATTACK_HOURS * 60 // step.minutes
    end = len(rows)
    rng = np.random.default_rng(options.seed)
    starts = choose_starts(series.window, test + 1, end - 1, options.n, slots, rng)
    if not starts:
        raise DataError(
            f"the test of {zone.zone} holds no {ATTACK_HOURS} hours in which {', '.join(part.layout.channels)} are "
            "all there",
            hint="choose a longer test, or one with fewer gaps",
        )
    detect(0.2, "running over the clean test")
    run = _from_test(run_clean([part], [begin - base], series, begin - base, end, starts), test)
    detections: list[Detection] = []
    on_telemetry = [attack for attack in attacks if attack not in READINGS]
    for n, attack in enumerate(on_telemetry):
        detect(0.25 + 0.4 * n / len(on_telemetry), f"attack: {attack.name}")
        result = inject(run, attack, options.seed)
        if result is not None and result.minutes.size:
            detections.append(result)
    prices = rows[PRICE].to_numpy(dtype=np.float64)[test:] if PRICE in rows else np.empty(0)
    readings = [
        Detection(attack, minutes, (), ())
        for attack in attacks
        if attack in READINGS
        and (minutes := minutes_to_find(attack, zone, prices, slots, len(starts), options.seed)).size
    ]
    details = {
        **_clean_details(run, rows),
        "reach": _reach(run, options, part_of(detect, 0.65, 0.95)),
        "held": (
            held_biases(run, options.seed, part_of(detect, 0.95, 1.0)) if HELD_HOURS in options.reach_hours else []
        ),
        "verdicts": {one.attack.name: _verdicts(one) for one in detections},
        "balances": [terms[0][0] for terms in part.layout.balances],
        "has_supply": part.fit.given.shape[1] > 0,
        "no_money": no_money,
    }

    def result_with(losses: Losses) -> RedTeam:
        attack_rows = [
            _row(one, losses.by_attack.get(one.attack.name), step.minutes) for one in (*detections, *readings)
        ]
        adaptive = details["reach"].get(f"{ATTACK_HOURS} h")
        if adaptive is not None:
            attack_rows.append(_adaptive_row(adaptive, losses.adaptive))
        figures = {
            "zone": zone.zone,
            "test_from": iso(rows.index[test].to_pydatetime()),
            "test_to": iso(rows.index[-1].to_pydatetime() + step.delta),
            "false_episodes_per_week": round(len(run.false_episodes()) / run.weeks, 3),
            "attacks": attack_rows,
        }
        return RedTeam(zone, figures, {**details, "clean_cost": losses.clean_cost})

    if not money_n:
        return result_with(NO_LOSSES)
    take(result_with(NO_LOSSES))
    bench = LossBench(zone, frame, run, base, train_to=options.train_to, seed=options.seed)
    try:
        losses = bench.losses([one.attack for one in detections], money_n, part_of(progress, 0.35, 1.0))
    except DataError as error:
        details["no_money"] = f"no money is counted: {error}"
        losses = NO_LOSSES
    return result_with(losses)


def chosen(names: Sequence[str]) -> list[Attack]:
    """Return the attacks of these names or kinds, all where none is given.

    Raises:
        ConfigError: None has such a name.
    """
    if not names:
        return list(EVERY_ATTACK)
    attacks = [attack for attack in EVERY_ATTACK if attack.name in names or attack.kind in names]
    unknown = [name for name in names if not any(name in {attack.name, attack.kind} for attack in EVERY_ATTACK)]
    if unknown:
        kinds = ", ".join(dict.fromkeys(attack.kind for attack in EVERY_ATTACK))
        raise ConfigError(f"unknown attack {unknown[0]!r}", hint=f"a kind ({kinds}) or a name from the report")
    return attacks


def _check(frame: pd.DataFrame, zone: Zone, options: RedTeamOptions) -> None:
    if not options.train_to <= options.test_from < options.test_to:
        raise ConfigError(
            f"ranges must follow each other: train-to {iso(options.train_to)}, test-from {iso(options.test_from)}, "
            f"test-to {iso(options.test_to)}",
            hint="--train-to at or before --test-from, --test-from before --test-to",
        )
    if options.n < 1 or (options.money_n or 0) < 0:
        raise ConfigError(f"nothing to inject: n {options.n}, money-n {options.money_n}", hint="--n 1 or more")
    channels = [channel for channel in (LOAD, NET_LOAD) if channel in frame and frame[channel].notna().any()]
    if not channels:
        raise DataError(
            f"the data of {zone.zone} hold no load: {', '.join(map(str, frame.columns))}",
            hint="the guard watches load, solar and wind as measured; choose a zone or a file that has load",
        )
    first, last = frame.index[0].to_pydatetime(), frame.index[-1].to_pydatetime() + zone.step.delta
    if not first < options.test_from < last:
        raise DataError(
            f"the data of {zone.zone} reach from {iso(first)} to {iso(last)}, the test begins {iso(options.test_from)}",
            hint="choose --test-from inside the data, after the rows to learn from",
        )


def _money_n(frame: pd.DataFrame, zone: Zone, options: RedTeamOptions) -> tuple[int, str | None]:
    """Return how many injections are settled, and why none is where nobody asked for none."""
    if options.money_n is not None:
        return options.money_n, None
    if PRICE in frame and frame[PRICE].notna().any():
        return MONEY_N, None
    return 0, (
        f"the data of {zone.zone} have no price, so no money is counted; --money-n {MONEY_N} counts energy at "
        f"{FLAT_PRICE_PER_MWH:g} {zone.market.currency}/MWh"
    )


def _from_test(run: CleanRun, test: int) -> CleanRun:
    """Return the run without the outputs before the test."""
    return CleanRun(
        run.parts, run.series, run.truth, test, run.outputs[test - run.begin :], run.starts, run.states, run.part_of
    )


def _clean_details(run: CleanRun, rows: pd.DataFrame) -> dict[str, Any]:
    names = ("sum of residuals", "single residual", "identity", "patient")
    leaders = [names[int(run.outputs[slot, LEADER])] for slot in run.false_episodes()]
    return {
        "weeks": round(run.weeks, 2),
        "false_episodes": [
            {"slot": iso(rows.index[run.begin + slot].to_pydatetime()), "deck": leader}
            for slot, leader in zip(run.false_episodes(), leaders, strict=True)
        ],
        "alarm": round(float(run.parts[0].fit.alarm[0]), 3),
    }


def _reach(run: CleanRun, options: RedTeamOptions, progress: Progress) -> dict[str, dict[str, float]]:
    reach_by_length = {}
    hours_done, all_hours = 0, sum(hours * REACH_STARTS[hours] for hours in options.reach_hours)
    for hours in options.reach_hours:
        progress(hours_done / all_hours, f"an attacker who knows the guard, {hours} h")
        most = REACH_STARTS[hours]
        numbers = list(range(0, len(run.starts), max(len(run.starts) // most, 1)))[:most]
        slots = hours * 60 // run.parts[0].layout.step.minutes
        usable = [n for n in numbers if np.isfinite(run.truth[:, run.starts[n] : run.starts[n] + slots]).all()]
        usable = [n for n in usable if run.starts[n] + slots < run.truth.shape[1]]
        if usable:
            reached = reach(run, usable, hours, options.seed)
            reach_by_length[f"{hours} h"] = {
                "reach_pct": round(reached.at_end_pct(), 2),
                "mean_pct": round(reached.mean_pct(), 2),
                "alarmed_pct": round(100.0 * float(reached.alarmed.mean()), 1),
                "n": len(usable),
            }
        hours_done += hours * most
    return reach_by_length


def _row(detection: Detection, money: tuple[float, float] | None, step_min: int) -> dict[str, Any]:
    minutes = detection.minutes[np.isfinite(detection.minutes)]
    return {
        "name": detection.attack.name,
        "size_pct": detection.attack.size_pct,
        "n": int(detection.minutes.size),
        "tpr": round(detection.tpr, 4),
        "first_sample_tpr": round(float((detection.minutes == step_min).mean()), 4),
        "median_min": float(np.median(minutes)) if minutes.size else None,
        "p90_min": round(float(np.quantile(minutes, 0.9)), 1) if minutes.size else None,
        "money_lost": None if money is None else round(money[0], 2),
        "money_lost_unguarded": None if money is None else round(money[1], 2),
    }


def _adaptive_row(reached: dict[str, float], money: tuple[float, float] | None) -> dict[str, Any]:
    return {
        "name": ADAPTIVE,
        "size_pct": reached["reach_pct"],
        "n": int(reached["n"]),
        "tpr": round(reached["alarmed_pct"] / 100.0, 4),
        "first_sample_tpr": 0.0,
        "median_min": None,
        "p90_min": None,
        "money_lost": None if money is None else round(money[0], 2),
        "money_lost_unguarded": None if money is None else round(money[1], 2),
    }


def _verdicts(detection: Detection) -> dict[str, float]:
    share = 1.0 / max(len(detection.verdicts), 1)
    counted: dict[str, float] = {}
    for code in detection.verdicts:
        name = CODES[code].value
        counted[name] = counted.get(name, 0.0) + share
    return {name: round(value, 3) for name, value in sorted(counted.items())}
