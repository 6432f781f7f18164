"""Peaker: a dispatchable generator with minimum load, ramp, start cost, start time and minimum run."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec
import numpy as np

from agents.assets.contract import AssetType, Generator, PlannedAsset, RunningCost
from agents.assets.horizon import ROUNDING, Horizon, unit_mw
from agents.assets.lp import BlockShape, Coefficients, LimitColumn, Sheet, gap_hours
from agents.assets.state import AssetState, Clamp, Interval, Response
from vpp.fleet.assets import Asset, Peaker
from vpp.fleet.scale import power_text
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Bools, Floats, Ints

_ROUNDING_SHARE = 1e-7
"""What a solver's plan may be off by; without it a plan that stops from just the greatest power would be refused."""


@dataclass(frozen=True, slots=True)
class PeakerForm:
    """Parameters of a peaker that the matrix depends on; ``commits`` is True if it has an on/off decision."""

    capacity_mw: float
    min_load_mw: float
    ramp_mw_per_h: float
    min_run_min: float
    start_time_min: float
    commits: bool


class PeakerType(AssetType[Peaker]):
    """Power g per peaker; on u, start v and stop w where it commits (Rajan and Takriti 2005 for the time rows).

    ``|g[h] - g[h-1]| <= ramp * gap[h]`` without a commitment; with one:
    ``min_load u <= g <= capacity u``;  ``u[h] - u[h-1] = v[h] - w[h]``;  ``v[h] <= 1 - u[h-1]``;
    starts within the last ``min_run`` ``<= u``;  stops within the last ``start_time`` ``<= 1 - u``;
    a start may jump to the minimum load, a stop may leave it.
    """

    entry = Peaker
    verbs: ClassVar[dict[str, int]] = {"run": 1, "stop": 0}
    activities: ClassVar[tuple[str, str]] = ("runs", "runs")

    def nameplate(self, asset: Peaker, currency: str, reference_mw: float | None = None) -> list[tuple[str, str]]:
        """Return capacity, least load, ramp, fuel, start and least run."""
        return [
            ("Capacity", power_text(asset.capacity_mw, reference_mw)),
            ("Least load", power_text(asset.min_load_mw, reference_mw)),
            ("Ramp", f"{power_text(asset.ramp_mw_per_h, reference_mw)} per hour"),
            ("Fuel", f"{asset.fuel_cost_per_mwh:g} {currency} per MWh"),
            ("Start", f"{asset.start_cost:g} {currency}, {asset.start_time_min:g} min"),
            ("Least run", f"{asset.min_run_min:g} min"),
        ]

    def generator(self, asset: Peaker) -> Generator:
        """Return its parameters."""
        return Generator(asset.capacity_mw, asset.ramp_mw_per_h, asset.fuel_cost_per_mwh, commits(asset))

    def power_limits_mw(self, zone: Zone, asset: Peaker) -> tuple[float, float]:
        """Return 0 and its capacity."""
        return 0.0, asset.capacity_mw

    def start_lead_min(self, asset: Peaker) -> float:
        """Return its start time."""
        return asset.start_time_min

    def at_rest(self, asset: Peaker) -> AssetState:
        """Return it cold."""
        return AssetState(ready_in_min=asset.start_time_min)

    def deliver(self, asset: Peaker, state: AssetState, wanted_mw: float, interval: Interval) -> Response:
        """Return 0 or a power between minimum load and capacity, no faster than its ramp, its minimum time kept."""
        power, reason = (0.0, None) if not state.available else clip_peaker(asset, state, wanted_mw, interval.hours)
        after = _run_on(asset, state, power, interval.hours, start=interval.starts_up or wanted_mw > 0)
        return Response(power, msgspec.structs.replace(after, power_mw=power), reason)

    def measured(
        self, asset: Peaker, before: AssetState, twin: AssetState, power_mw: float, interval: Interval
    ) -> AssetState:
        """Return it running while it gives power."""
        if power_mw > 0:
            return msgspec.structs.replace(
                twin, running_min=before.running_min + interval.hours * 60.0, ready_in_min=0.0
            )
        return msgspec.structs.replace(twin, running_min=0.0)

    def started(self, before: AssetState, power_mw: float) -> bool:
        """Return whether it gives power and did not before."""
        return power_mw > 0 and not (before.running_min > 0 or before.power_mw > 0)

    def blind_mw(self, asset: Peaker, state: AssetState, interval: Interval) -> float:
        """Return its last power."""
        return state.power_mw

    def held_mw(self, horizon: Horizon, row: int, given_mw: Floats) -> Floats:
        """Return the given power within 0 and capacity."""
        return np.clip(given_mw, 0.0, _peaker(horizon, row).capacity_mw)

    def reflex_path(self, horizon: Horizon, row: int, fixed_mw: Floats) -> tuple[Floats, Floats]:
        """Return its last power, held."""
        last = min(max(float(horizon.state.power_mw[row]), 0.0), _peaker(horizon, row).capacity_mw)
        return np.where(np.isnan(fixed_mw), last, fixed_mw), np.full(horizon.steps, np.nan)

    def plan_costs(self, horizon: Horizon, row: int, power_mw: Floats, running: Bools, soc: Floats) -> dict[str, float]:
        """Return fuel and starts."""
        peaker, energy = _peaker(horizon, row), power_mw * horizon.step_h
        was = np.concatenate([[horizon.state.running_min[row] > 0], running[:-1]])
        return {
            "fuel": peaker.fuel_cost_per_mwh * float(energy.sum()),
            "start": peaker.start_cost * int((running & ~was).sum()),
        }

    def form(self, asset: Peaker) -> PeakerForm:
        """Return its limits and times."""
        return PeakerForm(
            capacity_mw=asset.capacity_mw,
            min_load_mw=asset.min_load_mw,
            ramp_mw_per_h=asset.ramp_mw_per_h,
            min_run_min=asset.min_run_min,
            start_time_min=asset.start_time_min,
            commits=commits(asset),
        )

    def add_power_columns(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Add ``generation`` (P, N)."""
        sheet.add_columns("generation", len(forms), shape.steps)

    def add_operating_rows(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Add ``ramp_rate`` (P, N) and the commitment of U peakers: columns and rows (U, N)."""
        generation = sheet.column["generation"]
        ramp_rate = sheet.add_rows("ramp_rate", *generation.shape)
        sheet.put(ramp_rate, generation, 1.0)
        sheet.put(ramp_rate[:, 1:], generation[:, :-1], -1.0)
        peakers = [form for form in forms if isinstance(form, PeakerForm)]
        units = [p for p, peaker in enumerate(peakers) if peaker.commits]
        on, start, stop = (
            sheet.add_columns(name, len(units), shape.steps, pure_number=True) for name in ("on", "start", "stop")
        )
        rows = {name: sheet.add_rows(name, len(units), shape.steps) for name in _COMMITMENT_ROWS}
        for unit, place in enumerate(units):
            columns = (generation[place], on[unit], start[unit], stop[unit])
            _put_commitment(sheet, peakers[place], shape, columns, {name: row[unit] for name, row in rows.items()})

    power_terms = (("generation", 1.0),)
    running_column = "on"
    limit_columns = (LimitColumn("generation", "power"),)

    def fill(self, values: Coefficients, horizon: Horizon, rows: Ints) -> None:
        """Write power limits, fuel net of the price, ramps and the commitment."""
        ramp_rate = values.row["ramp_rate"]
        gap = gap_hours(horizon.step_h)
        for p, i in enumerate(rows):
            peaker = _peaker(horizon, int(i))
            g = values.column["generation"][p]
            fixed = values.fixed_mw[i]
            free = np.isnan(fixed)
            most = peaker.capacity_mw if horizon.state.available[i] else 0.0
            values.high[g] = np.where(free, most, fixed)
            values.low[g] = np.where(free, 0.0, fixed)
            values.cost[g] = horizon.step_h * (peaker.fuel_cost_per_mwh - horizon.generation_price_per_mwh)
            if commits(peaker) or not horizon.state.available[i]:
                continue
            before = float(np.clip(horizon.state.power_mw[i], 0.0, peaker.capacity_mw))
            limit = np.where(free, peaker.ramp_mw_per_h * gap, np.inf)
            values.row_low[ramp_rate[p]], values.row_high[ramp_rate[p]] = -limit, limit
            values.row_low[ramp_rate[p, 0]] += before
            values.row_high[ramp_rate[p, 0]] += before
        _fill_commitment(values, horizon, [int(i) for i in rows if commits(_peaker(horizon, int(i)))])

    def running_cost(self, asset: Peaker, energy_mwh: float, *, started: bool, shortfall_mwh: float) -> RunningCost:
        """Return fuel, and the start cost where it started."""
        return RunningCost(running=asset.fuel_cost_per_mwh * energy_mwh, start=asset.start_cost if started else 0.0)

    def reason(self, horizon: Horizon, row: int, planned: PlannedAsset) -> str:
        """Return the power price against the fuel cost, and the action."""
        power = float(planned.power_mw[0])
        does = f"run at {power_text(power)}"
        if power <= horizon.least_mw:
            ahead = np.flatnonzero(planned.power_mw > horizon.least_mw)
            does = f"off, planned in {horizon.step_h[: ahead[0]].sum() * 60.0:.0f} min" if len(ahead) else "off"
        fuel = _peaker(horizon, row).fuel_cost_per_mwh
        return f"power worth {float(planned.power_price_per_mwh[0]):.1f}, fuel {fuel:.1f}: {does}"


_COMMITMENT_ROWS = (
    "capacity",
    "minimum_load",
    "ramp_up",
    "ramp_down",
    "commitment_logic",
    "start_exclusive",
    "min_up_time",
    "min_down_time",
)


def commits(peaker: Peaker) -> bool:
    """Return whether a peaker has an on/off decision."""
    return peaker.min_load_mw > 0 or peaker.start_cost > 0 or peaker.min_run_min > 0 or peaker.start_time_min > 0


def _peaker(horizon: Horizon, row: int) -> Peaker:
    asset: Asset = horizon.zone.assets[row]
    assert isinstance(asset, Peaker)
    return asset


def clip_peaker(peaker: Peaker, state: AssetState, power_mw: float, hours: float) -> tuple[float, Clamp | None]:
    """Return the power nearest to ``power_mw`` (MW) that a peaker can give, and what keeps it from the rest.

    Args:
        peaker: Its entry in the fleet file.
        state: State at the start.
        power_mw: Requested power, MW.
        hours: Length of the interval.
    """
    running = state.running_min > 0 or state.power_mw > 0
    swing = peaker.ramp_mw_per_h * hours
    jump = max(swing, peaker.min_load_mw)
    reason: Clamp | None = None
    power = power_mw
    if power < 0 or power > peaker.capacity_mw:
        power = min(max(power, 0.0), peaker.capacity_mw)
        reason = Clamp.WRONG_SIGN if power_mw < 0 else Clamp.POWER_LIMIT
    if not running:
        if power == 0:
            return 0.0, reason
        if state.ready_in_min > 1e-9:
            return 0.0, Clamp.NOT_READY
        ceiling, floor = min(jump, peaker.capacity_mw), peaker.min_load_mw
    else:
        ceiling = min(max(state.power_mw + swing, peaker.min_load_mw), peaker.capacity_mw)
        floor = max(state.power_mw - swing, peaker.min_load_mw, 0.0)
        may_stop = state.running_min >= peaker.min_run_min - 1e-9
        if power < peaker.min_load_mw / 2 or power == 0:
            if may_stop and state.power_mw <= jump + _ROUNDING_SHARE * peaker.capacity_mw:
                return 0.0, reason if power == 0 else Clamp.MIN_LOAD
            reason = Clamp.RAMP_LIMIT if may_stop else Clamp.MIN_RUN
            return min(floor, ceiling), reason
    if power > ceiling:
        return ceiling, Clamp.RAMP_LIMIT
    if power < floor:
        return floor, Clamp.MIN_LOAD if power < peaker.min_load_mw else Clamp.RAMP_LIMIT
    return power, reason


def _run_on(peaker: Peaker, state: AssetState, power: float, hours: float, *, start: bool) -> AssetState:
    minutes = hours * 60.0
    # With a minimum load of 0 a peaker may idle at 0 MW while its minimum time runs.
    idles = state.available and 0 < state.running_min < peaker.min_run_min - 1e-9
    if power > 0 or idles:
        return msgspec.structs.replace(state, running_min=state.running_min + minutes, ready_in_min=0.0)
    stopped = state.running_min > 0 or state.power_mw > 0
    needed = peaker.start_time_min if stopped else state.ready_in_min
    remaining_min = max(needed - minutes, 0.0) if start else peaker.start_time_min
    return msgspec.structs.replace(state, running_min=0.0, ready_in_min=remaining_min)


def _put_commitment(
    sheet: Sheet, peaker: PeakerForm, shape: BlockShape, columns: tuple[Ints, Ints, Ints, Ints], rows: dict[str, Ints]
) -> None:
    """Enter the commitment of one peaker: ``columns`` are g, u, v and w."""
    generation, on, start, stop = columns
    dt = np.array(shape.step_h)
    begin_min = np.concatenate([[0.0], np.cumsum(dt)[:-1]]) * 60.0
    swing = peaker.ramp_mw_per_h * gap_hours(dt)
    jump = np.maximum(peaker.min_load_mw, swing)
    sheet.put(rows["capacity"], generation, 1.0)
    sheet.put(rows["capacity"], on, -peaker.capacity_mw)
    sheet.put(rows["minimum_load"], generation, 1.0)
    sheet.put(rows["minimum_load"], on, -peaker.min_load_mw)
    for row, sign, stays_on, edge in (
        (rows["ramp_up"], 1.0, on[:-1], start),
        (rows["ramp_down"], -1.0, on[1:], stop),
    ):
        sheet.put(row, generation, sign)
        sheet.put(row[1:], generation[:-1], -sign)
        sheet.put(row[1:], stays_on, -swing[1:])
        sheet.put(row, edge, -jump)
    sheet.put(rows["ramp_down"][0], on[0], -swing[0])
    sheet.put(rows["commitment_logic"], on, 1.0)
    sheet.put(rows["commitment_logic"][1:], on[:-1], -1.0)
    sheet.put(rows["commitment_logic"], start, -1.0)
    sheet.put(rows["commitment_logic"], stop, 1.0)
    sheet.put(rows["start_exclusive"], start, 1.0)
    sheet.put(rows["start_exclusive"][1:], on[:-1], 1.0)
    sheet.put(rows["min_up_time"], on, -1.0)
    sheet.put(rows["min_down_time"], on, 1.0)
    for h in range(shape.steps):
        sheet.put(rows["min_up_time"][h], start[_since(begin_min, h, peaker.min_run_min)], 1.0)
        sheet.put(rows["min_down_time"][h], stop[_since(begin_min, h, peaker.start_time_min)], 1.0)


def _since(begin_min: Floats, h: int, minutes: float) -> slice:
    """Return the steps less than ``minutes`` before step h, whose start or stop still limits it."""
    first = int(np.searchsorted(begin_min, begin_min[h] - minutes, side="right"))
    return slice(min(first, h), h + 1)


def _fill_commitment(values: Coefficients, horizon: Horizon, units: list[int]) -> None:
    """Write on/off decisions: minimum run and start time of a current run or start, start cost, or fixed decisions."""
    row, column = values.row, values.column
    begin_min = np.concatenate([[0.0], np.cumsum(horizon.step_h)[:-1]]) * 60.0
    for name in ("capacity", "ramp_up", "ramp_down", "min_up_time"):
        values.row_high[row[name]] = 0.0
    values.row_low[row["minimum_load"]] = 0.0
    values.equal("commitment_logic", 0.0)
    values.row_high[row["start_exclusive"]] = values.row_high[row["min_down_time"]] = 1.0
    for unit, i in enumerate(units):
        peaker, state = _peaker(horizon, i), horizon.state
        u, v, w = (column[name][unit] for name in ("on", "start", "stop"))
        ran, before = float(state.running_min[i]), float(state.power_mw[i])
        was_on = ran > 0 or before > ROUNDING * unit_mw(horizon.zone)
        before = float(np.clip(before, 0.0, peaker.capacity_mw))
        swing = peaker.ramp_mw_per_h * float(horizon.step_h[0]) * was_on
        values.row_high[row["ramp_up"][unit, 0]] = before + swing
        values.row_high[row["ramp_down"][unit, 0]] = -before
        logic = row["commitment_logic"][unit, 0]
        values.row_low[logic] = values.row_high[logic] = float(was_on)
        values.row_high[row["start_exclusive"][unit, 0]] = 1.0 - was_on
        values.high[np.concatenate([u, v, w])] = 1.0
        values.integer[u] = 1
        values.cost[v] = peaker.start_cost
        fixed = values.fixed_mw[i]
        bound = ~np.isnan(fixed)
        must_run = (begin_min < peaker.min_run_min - ran - 1e-9) & was_on
        cannot = (begin_min < state.ready_in_min[i] - 1e-9) & (not was_on)
        if bound.any():
            _commit_fixed(values, unit, u, fixed, bound, ROUNDING * unit_mw(horizon.zone))
        else:
            values.low[u[must_run]] = 1.0
            values.high[u[cannot]] = 0.0
        if values.running is not None:
            values.low[u] = values.high[u] = values.running[i].astype(float)
            values.integer[u] = 0


def _commit_fixed(values: Coefficients, unit: int, u: Ints, fixed: Floats, bound: Bools, least_mw: float) -> None:
    """Set a peaker's commitment from its fixed power, which may break the rows of a free choice.

    Args:
        values: The program.
        unit: Position among the peakers that commit.
        u: Columns of its on/off decisions, shape (N,).
        fixed: Power that is fixed, MW, shape (N,); NaN where it is free.
        bound: Where it is fixed, shape (N,).
        least_mw: Power up to which it is off.
    """
    row = values.row
    values.low[u[bound]] = values.high[u[bound]] = (fixed[bound] > least_mw).astype(float)
    for name in ("ramp_up", "ramp_down", "capacity", "min_up_time", "min_down_time", "start_exclusive"):
        values.row_high[row[name][unit][bound]] = np.inf
    values.row_low[row["minimum_load"][unit][bound]] = -np.inf
