"""The red-team bench: trains on data before the test, then attacks a zone that was not used for tuning."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from models.registry.artifact import assemble
from models.registry.registry import identified
from models.registry.trainer import Trainer
from models.served import ServedModel
from topologies.redteam.adaptive import reach
from topologies.redteam.detection import ATTACK_HOURS, CleanRun, Detection, choose_starts, inject, run_clean
from topologies.redteam.money import Errors, MoneyBench
from topologies.redteam.readings import READINGS, minutes_to_find
from topologies.sources.attacks import ALL_CHANNELS, ATTACKS, Attack, forge
from vpp.domain import LOAD, NET_LOAD, PRICE, iso
from vpp.errors import ConfigError, DataError
from vpp.fleet.schema import Zone
from vpp.progress import Progress, no_progress, part_of

ADAPTIVE = "adaptive"
EVERY_ATTACK = (*ATTACKS, *READINGS)
REACH_STARTS = {6: 30, 24: 30, 168: 6}
"""Starts of the adaptive attacker by the hours of his attack; a week shows what he can sustain."""

WARM_UP_DAYS = 40
MONEY_DAYS = 400
"""History that the net-load model of the money rows learns from: a year and what features look back."""

RANGE_SHARE = 0.2
"""What a range check lets an attacker do where no guard is; his swings set the scale for the adaptive one."""


@dataclass(frozen=True)
class RedTeamOptions:
    """What to attack; times are aware UTC, the test half-open.

    ``n``: injections of each attack. ``money_n``: of them, how many run through the plant; 0: none. ``attacks``: names
    or kinds; empty: all. ``reach_hours``: lengths of the adaptive attacks, of ``REACH_STARTS``.
    """

    train_to: datetime
    test_from: datetime
    test_to: datetime
    n: int = 200
    money_n: int = 6
    seed: int = 0
    attacks: tuple[str, ...] = ()
    reach_hours: tuple[int, ...] = tuple(REACH_STARTS)


@dataclass(frozen=True)
class RedTeam:
    """``figures``: ``metrics.json``. ``details``: all else that was measured, for the report."""

    zone: Zone
    figures: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)


def run_redteam(frame: pd.DataFrame, zone: Zone, options: RedTeamOptions, progress: Progress = no_progress) -> RedTeam:
    """Attack a zone.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing, training rows included.
        zone: Its configuration.
        options: Ranges, attacks, how many.
        progress: Called with the share done (0-1) and the name of the current part.

    Raises:
        ConfigError: The ranges contradict each other, or an attack is unknown.
        DataError: There is too little history to count false episodes on, or none of load.
    """
    attacks = chosen(options.attacks)
    frame = with_net_load(frame, zone)
    _check(frame, zone, options)
    progress(0.0, "training the guard")
    part = GuardTrainer(zone).fit(frame, options.train_to)
    if part is None:
        raise DataError(
            f"{zone.zone} has too little load before {iso(options.train_to)} to count false episodes on",
            hint=f"give at least {MIN_DAYS} days of history, a year is better",
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
        raise DataError(f"the test of {zone.zone} holds no six hours without a gap", hint="choose a longer test")
    progress(0.2, "running over the clean test")
    run = run_clean([part], [begin - base], series, begin - base, end, starts)
    run = _from_test(run, test)
    detections: list[Detection] = []
    on_telemetry = [attack for attack in attacks if attack not in READINGS]
    for n, attack in enumerate(on_telemetry):
        progress(0.3 + 0.3 * n / len(on_telemetry), f"attack: {attack.name}")
        result = inject(run, attack, options.seed)
        if result is not None and result.minutes.size:
            detections.append(result)
    details = _clean_details(run, rows)
    details["reach"] = _reach(run, options)
    money: dict[str, tuple[float, float]] = {}
    if options.money_n:
        money, cost = _money(
            frame, zone, run, base, [f.attack for f in detections], options, part_of(progress, 0.6, 1.0)
        )
        details["clean_cost"] = cost
    rows_of = [_row(f, money.get(f.attack.name), step.minutes) for f in detections]
    prices = rows[PRICE].to_numpy(dtype=np.float64)[test:] if PRICE in rows else np.empty(0)
    for attack in (attack for attack in attacks if attack in READINGS):
        minutes = minutes_to_find(attack, zone, prices, slots, len(starts), options.seed)
        if minutes.size:
            rows_of.append(_row(Detection(attack, minutes, (), ()), None, step.minutes))
    adaptive = details["reach"].get("6 h")
    if adaptive is not None:
        rows_of.append(_adaptive_row(adaptive, money.get(ADAPTIVE)))
    figures = {
        "zone": zone.zone,
        "test_from": iso(options.test_from),
        "test_to": iso(options.test_to),
        "false_episodes_per_week": round(len(run.false_episodes()) / run.weeks, 3),
        "attacks": rows_of,
    }
    details["verdicts"] = {f.attack.name: _verdicts(f) for f in detections}
    details["balances"] = [terms[0][0] for terms in part.layout.balances]
    details["has_supply"] = part.fit.given.shape[1] > 0
    return RedTeam(zone, figures, details)


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
    if LOAD not in frame and frame[NET_LOAD].notna().sum() == 0:
        raise DataError(f"the data of {zone.zone} hold no load", hint="choose another --zone")
    last = frame.index[-1].to_pydatetime()
    if options.test_from > last:
        raise DataError(
            f"the data of {zone.zone} end {iso(last)}, before the test", hint="choose --test-from inside it"
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


def _reach(run: CleanRun, options: RedTeamOptions) -> dict[str, dict[str, float]]:
    reach_by_length = {}
    for hours in options.reach_hours:
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


def _money(  # noqa: PLR0917 - all of them say what is run
    frame: pd.DataFrame,
    zone: Zone,
    run: CleanRun,
    base: int,
    attacks: Sequence[Attack],
    options: RedTeamOptions,
    progress: Progress,
) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """Return mean money lost by attack, with and without the guard, and the guard's cost on clean data."""
    since = pd.Timestamp(options.train_to) - pd.Timedelta(days=MONEY_DAYS)
    parts, metadata = Trainer(zone, part_of(progress, 0.0, 0.3)).train(
        frame.loc[frame.index >= since], options.train_to, price=False, guard=False
    )
    full = identified(parts, metadata)
    served = assemble(parts, full)
    model = ServedModel(
        served.model_id,
        served.sha256,
        served.zone,
        served.step_min,
        served.net_load,
        None,
        served.metadata,
        run.parts[0],
    )
    bench = MoneyBench(zone, frame, model)
    per = max(len(run.starts) // options.money_n, 1)
    numbers = list(range(per // 2, len(run.starts), per))[: options.money_n]
    begin = base + run.begin
    end = min(base + run.truth.shape[1], len(frame))
    states, with_it = bench.walk(
        begin, end, [base + run.starts[n] for n in numbers], guarded=True, progress=part_of(progress, 0.3, 0.5)
    )
    _, without = bench.walk(begin, end, [], guarded=False, progress=part_of(progress, 0.5, 0.6))
    slots = ATTACK_HOURS * 60 // zone.step.minutes
    names = run.parts[0].layout.channels
    money_lost: dict[str, tuple[float, float]] = {}
    for k, attack in enumerate(attacks):
        progress(0.6 + 0.4 * k / len(attacks), f"money: {attack.name}")
        lost = np.zeros(2)
        used = 0
        for number in numbers:
            place = base + run.starts[number]
            if place not in states:
                continue
            saved, chain = states[place]
            rng = np.random.default_rng((options.seed, number))
            sign = 1.0 if rng.random() < 0.5 else -1.0
            rows = names if attack.channel == ALL_CHANNELS else (attack.channel,)
            forged = {
                name: forge(
                    attack, run.truth[names.index(name)], run.starts[number], slots, zone.step.per_day, sign, rng
                )
                for name in rows
            }
            _add_totals(zone, frame, place, slots, forged, moved=attack.moves_total)
            clean = bench.pnl(saved, chain, place, {}, slots, guarded=True)[0]
            lost[0] += clean - bench.pnl(saved, chain, place, forged, slots, guarded=True)[0]
            lost[1] += clean - bench.pnl(saved, chain, place, forged, slots, guarded=False)[0]
            used += 1
        if used:
            money_lost[attack.name] = (float(lost[0] / used), float(lost[1] / used))
    if attacks:
        money_lost[ADAPTIVE] = _adaptive_money(bench, run, numbers, states, base, options)
    return money_lost, _cost(with_it, without)


def _adaptive_money(
    bench: MoneyBench, run: CleanRun, numbers: list[int], states: dict[int, Any], base: int, options: RedTeamOptions
) -> tuple[float, float]:
    """Return mean money lost to the adaptive attacker, and without a guard to one who swings within a range check."""
    slots = ATTACK_HOURS * 60 // run.parts[0].layout.step.minutes
    usable = [number for number in numbers if base + run.starts[number] in states]
    if not usable:
        return 0.0, 0.0
    reached = reach(run, usable, ATTACK_HOURS, options.seed)
    name = run.parts[0].layout.channels[0]
    lost = np.zeros(2)
    for i, number in enumerate(usable):
        place = base + run.starts[number]
        truth = run.truth[0, run.starts[number] : run.starts[number] + slots]
        swing = truth * (1.0 + RANGE_SHARE * np.where(np.arange(slots) % 2 == 0, 1.0, -1.0))
        saved, chain = states[place]
        clean = bench.pnl(saved, chain, place, {}, slots, guarded=True)[0]
        for n, values in ((0, truth + reached.bias[i]), (1, swing)):
            forged = {name: values}
            _add_totals(bench.zone, bench.frame, place, slots, forged, moved=True)
            lost[n] += clean - bench.pnl(saved, chain, place, forged, slots, guarded=n == 0)[0]
    return float(lost[0] / len(usable)), float(lost[1] / len(usable))


def _add_totals(
    zone: Zone, frame: pd.DataFrame, place: int, slots: int, forged: dict[str, np.ndarray], *, moved: bool
) -> None:
    """Forge the independent totals along with their parts."""
    if not moved:
        return
    for balance in zone.balances:
        if balance.total not in frame:
            continue
        off = sum(
            sign * (forged[name] - frame[name].to_numpy(dtype=float)[place : place + slots])
            for name, sign in balance.parts.items()
            if name in forged
        )
        if not isinstance(off, int):
            forged[balance.total] = frame[balance.total].to_numpy(dtype=float)[place : place + slots] + off


def _cost(with_it: Errors, without: Errors) -> dict[str, float]:
    """Return by how many per cent the guard changes the mean absolute error on clean data."""
    a, b = with_it.total / np.maximum(with_it.count, 1), without.total / np.maximum(without.count, 1)
    change = 100.0 * (a / np.where(b > 0, b, math.nan) - 1.0)
    return {"mae_one_step_pct": round(float(change[0]), 3), "mae_mean_pct": round(float(np.nanmean(change)), 3)}
