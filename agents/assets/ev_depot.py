"""Electric vehicle depot: a store that leaves every day with a needed energy, connected between two local times."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import ClassVar

import numpy as np

from agents.assets.contract import AssetType, PlannedAsset, RunningCost, amount, with_power
from agents.assets.horizon import Horizon
from agents.assets.lp import BlockShape, Coefficients, LimitColumn, Sheet
from agents.assets.state import AssetState, Clamp, Interval, Response
from vpp.fleet.assets import Asset, EvDepot
from vpp.fleet.scale import energy_text, power_text
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Bools, Floats, Ints

TIE_COST_PER_MWH = 1e-3
"""On charging, so waiting wins a tie."""

_LOOK_AHEAD_H = 24.0
"""The next departure is always within a day."""

_ROUNDING = 1e-9
"""Share of the capacity below which missing energy is a rounding error."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """Connection and departures of the vehicles over N intervals.

    ``connected_h``: hours (N,) of each interval in which they are connected. ``departs``: (N,), True where they leave
    within the interval or at its end. ``left_h``: connected hours (N,) from the interval's end to the next departure;
    0 where they leave in the interval.
    """

    connected_h: Floats
    departs: Bools
    left_h: Floats


def timetable(depot: EvDepot, edges: Sequence[datetime]) -> Timetable:
    """Return the timetable of the intervals between ``edges`` (N + 1 times, aware, in the zone's time zone)."""
    zone, first = edges[0].tzinfo, edges[0].date() - timedelta(days=1)
    days = (edges[-1].date() - first).days + 3
    opens, closes = time.fromisoformat(depot.connected_from), time.fromisoformat(depot.departure)
    overnight = timedelta(days=1 if closes <= opens else 0)
    begin, end = [], []
    for day in (first + timedelta(days=k) for k in range(days)):
        begin.append(datetime.combine(day, opens, tzinfo=zone).timestamp())
        end.append(datetime.combine(day + overnight, closes, tzinfo=zone).timestamp())
    starts, stops = np.array(begin), np.array(end)
    at = np.array([edge.astimezone(UTC).timestamp() for edge in edges])
    low, high = at[:-1, None], at[1:, None]
    overlap = np.clip(np.minimum(stops, high) - np.maximum(starts, low), 0.0, None)
    departs = np.asarray(((stops > low) & (stops <= high)).any(axis=1))
    coming = np.searchsorted(stops, at[1:], side="right")
    time_to_departure = stops[coming] - np.maximum(starts[coming], at[1:])
    return Timetable(overlap.sum(axis=1) / 3600.0, departs, np.where(departs, 0.0, time_to_departure / 3600.0))


@dataclass(frozen=True, slots=True)
class _Move:
    """One interval: mean power (MW), energy aboard at the end (MWh), energy missing at a departure, what limits it."""

    power_mw: float
    energy_mwh: float
    unmet_mwh: float
    reason: Clamp | None


def _move(depot: EvDepot, energy: float, wanted_mw: float, hours: float, day: Timetable, h: int) -> _Move:
    """Return the move in interval ``h``, within power, capacity, connection and later energy needs."""
    share = min(float(day.connected_h[h]) / hours, 1.0)
    floor = depot.departure_mwh - depot.charge_mw * depot.charge_efficiency * float(day.left_h[h])
    spare = max(energy - max(floor, 0.0), 0.0)
    room = max(depot.energy_mwh - energy, 0.0)
    low_limits = (
        (-depot.charge_mw * share, Clamp.POWER_LIMIT),
        (-room / depot.charge_efficiency / hours, Clamp.SOC_MAX),
    )
    high_limits = (
        (depot.discharge_mw * share, Clamp.POWER_LIMIT),
        (spare * depot.discharge_efficiency / hours, Clamp.NEEDED_LATER),
    )
    low, low_reason = max(low_limits, key=lambda limit: limit[0])
    high, high_reason = min(high_limits, key=lambda limit: limit[0])
    power, reason = wanted_mw, None
    if wanted_mw > high:
        power, reason = high + 0.0, high_reason
    elif wanted_mw < low:
        power, reason = low + 0.0, low_reason
    if reason is not None and share <= 0.0:
        reason = Clamp.NOT_CONNECTED
    return _after(depot, energy, power, hours, departs=bool(day.departs[h]), reason=reason)


def _after(depot: EvDepot, energy: float, power: float, hours: float, *, departs: bool, reason: Clamp | None) -> _Move:
    """Return the interval at a given power; departing vehicles return with the energy that their trip left."""
    inside = power / depot.discharge_efficiency if power > 0 else power * depot.charge_efficiency
    aboard = min(max(energy - inside * hours, 0.0), depot.energy_mwh)
    unmet = 0.0
    if departs:
        lack = depot.departure_mwh - aboard
        unmet = lack if lack > _ROUNDING * depot.energy_mwh else 0.0
        aboard = depot.arrival_mwh + max(-lack, 0.0)
    return _Move(power, aboard, unmet, reason)


class EvDepotType(AssetType[EvDepot]):
    """Charge c, discharge d, energy aboard e and missing energy m per depot.

    ``e[h] = e[h-1] + eta_c dt c[h] - dt d[h] / eta_d + m[h] - departs[h] (departure - arrival)``: at a departure the
    vehicles take ``departure`` MWh, of which ``arrival`` comes back. What is missing then (m) is charged elsewhere at
    ``unmet_price``; m is 0 wherever charging at full power would meet the need, unless an order rules the depot.
    While the vehicles are away, energy and SoC are those that they come back with.
    """

    entry = EvDepot
    label = "EV depot"
    trades_at_market = True
    yields_to_caps = True
    verbs: ClassVar[dict[str, int]] = {"charge": -1, "discharge": 1}

    def nameplate(self, asset: EvDepot, currency: str, reference_mw: float | None = None) -> list[tuple[str, str]]:
        """Return timetable, energy, power and the price of unmet energy."""
        return [
            ("Connected", f"{asset.connected_from} to {asset.departure}, local time"),
            (
                "Energy at departure",
                f"{energy_text(asset.departure_mwh, reference_mw)} of {energy_text(asset.energy_mwh, reference_mw)}",
            ),
            (
                "Charge, discharge",
                f"{power_text(asset.charge_mw, reference_mw)} / {power_text(asset.discharge_mw, reference_mw)}",
            ),
            ("Unmet energy", f"{asset.unmet_price_per_mwh:g} {currency} per MWh"),
            ("Wear", f"{asset.wear_cost_per_mwh:g} {currency} per MWh discharged"),
        ]

    def power_limits_mw(self, zone: Zone, asset: EvDepot) -> tuple[float, float]:
        """Return its charging and discharging limits."""
        return -asset.charge_mw, asset.discharge_mw

    def energy_mwh(self, asset: EvDepot) -> float:
        """Return the capacity of all vehicles together."""
        return asset.energy_mwh

    def look_ahead_h(self, asset: EvDepot) -> float:
        """Return a day, so the next departure is always in view."""
        return _LOOK_AHEAD_H

    def at_rest(self, asset: EvDepot) -> AssetState:
        """Return it with its start energy, else with the energy of the returned vehicles."""
        start = asset.arrival_mwh if asset.start_mwh is None else asset.start_mwh
        return AssetState(soc=start / asset.energy_mwh)

    def resumed(self, asset: EvDepot, soc: float) -> EvDepot:
        """Return it starting at ``soc``."""
        return asset.model_copy(update={"start_mwh": soc * asset.energy_mwh})

    def deliver(self, asset: EvDepot, state: AssetState, wanted_mw: float, interval: Interval) -> Response:
        """Return the power within its limits while connected; discharging never uses energy that the departure needs.

        Raises:
            ValueError: The time of the interval is not known.
        """
        if not math.isfinite(state.soc):
            return Response(0.0, with_power(state, math.nan, 0.0), Clamp.UNAVAILABLE)
        move = _move(asset, state.soc * asset.energy_mwh, wanted_mw, interval.hours, _day(asset, interval), 0)
        after = with_power(state, move.energy_mwh / asset.energy_mwh, move.power_mw)
        return Response(move.power_mw, after, move.reason, move.unmet_mwh)

    def measured(
        self, asset: EvDepot, before: AssetState, twin: AssetState, power_mw: float, interval: Interval
    ) -> AssetState:
        """Return the SoC that the measured power leaves."""
        if math.isnan(before.soc):
            return twin
        departs = bool(_day(asset, interval).departs[0])
        move = _after(asset, before.soc * asset.energy_mwh, power_mw, interval.hours, departs=departs, reason=None)
        return with_power(twin, move.energy_mwh / asset.energy_mwh, power_mw)

    def balance_error_mwh(self, asset: EvDepot, before: AssetState, after: AssetState, interval: Interval) -> float:
        """Return the stored energy minus the energy that follows from power and departure."""
        if math.isnan(before.soc) or math.isnan(after.soc):
            return 0.0
        due = self.measured(asset, before, after, after.power_mw, interval)
        return (after.soc - due.soc) * asset.energy_mwh

    def unplanned_mw(self, asset: EvDepot, state: AssetState, interval: Interval) -> float:
        """Return even charging to the next departure: vehicles must be charged even without a forecast."""
        if not math.isfinite(state.soc):
            return 0.0
        return _even_mw(asset, state.soc * asset.energy_mwh, interval.hours, _day(asset, interval), 0)

    def held_mw(self, horizon: Horizon, row: int, given_mw: Floats) -> Floats:
        """Return the given power within its limits."""
        return self._path(horizon, row, given_mw)[0]

    def reflex_path(self, horizon: Horizon, row: int, fixed_mw: Floats) -> tuple[Floats, Floats]:
        """Return even charging to each departure where it is free."""
        power, energy, _ = self._path(horizon, row, fixed_mw)
        return power, energy / _depot(horizon, row).energy_mwh

    def plan_costs(self, horizon: Horizon, row: int, power_mw: Floats, running: Bools, soc: Floats) -> dict[str, float]:
        """Return wear, missing energy at its price, and minus the value of energy left at the end."""
        depot = _depot(horizon, row)
        days = timetable(depot, horizon.edges())
        energy, unmet = float(horizon.state.soc[row]) * depot.energy_mwh, 0.0
        for h, dt in enumerate(horizon.step_h):
            move = _after(depot, energy, float(power_mw[h]), float(dt), departs=bool(days.departs[h]), reason=None)
            energy, unmet = move.energy_mwh, unmet + move.unmet_mwh
        discharged = float(np.maximum(power_mw * horizon.step_h, 0.0).sum())
        return {
            "wear": depot.wear_cost_per_mwh * discharged,
            "unmet": depot.unmet_price_per_mwh * unmet,
            "stored": -_left_value(horizon) * energy,
        }

    def form(self, asset: EvDepot) -> tuple[float, float]:
        """Return its efficiencies."""
        return asset.charge_efficiency, asset.discharge_efficiency

    def add_power_columns(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Add charge, discharge, energy and missing energy (V, N)."""
        for name in ("ev_charge", "ev_discharge", "ev_energy", "ev_unmet"):
            sheet.add_columns(name, len(forms), shape.steps)

    def add_energy_rows(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Add ``ev_balance`` (V, N)."""
        c, d, e, m = (sheet.column[name] for name in ("ev_charge", "ev_discharge", "ev_energy", "ev_unmet"))
        dt = np.array(shape.step_h)
        efficiencies = np.array([form for form in forms if isinstance(form, tuple)], dtype=float).reshape(-1, 2)
        balance = sheet.add_rows("ev_balance", *e.shape)
        sheet.put(balance, e, 1.0)
        sheet.put(balance[:, 1:], e[:, :-1], -1.0)
        sheet.put(balance, c, -efficiencies[:, :1] * dt)
        sheet.put(balance, d, dt / efficiencies[:, 1:])
        sheet.put(balance, m, -1.0)

    power_terms = (("ev_discharge", 1.0), ("ev_charge", -1.0))
    energy_column = "ev_energy"
    water_row = "ev_balance"
    exclusive_columns = ("ev_charge", "ev_discharge")
    limit_columns = (
        LimitColumn("ev_charge", "power"),
        LimitColumn("ev_discharge", "power"),
        LimitColumn("ev_energy", "soc", both=True),
    )

    def fill(self, values: Coefficients, horizon: Horizon, rows: Ints) -> None:
        """Write power limits while connected, the needs of departures and their price."""
        dt, price = horizon.step_h, horizon.price_per_mwh
        for v, i in enumerate(rows):
            depot = _depot(horizon, int(i))
            c, d, e, m = (values.column[name][v] for name in ("ev_charge", "ev_discharge", "ev_energy", "ev_unmet"))
            days = timetable(depot, horizon.edges())
            share, fixed = np.minimum(days.connected_h / dt, 1.0), values.fixed_mw[i]
            free = np.isnan(fixed)
            values.high[c] = np.where(free, depot.charge_mw * share, np.maximum(-fixed, 0.0))
            values.high[d] = np.where(free, depot.discharge_mw * share, np.maximum(fixed, 0.0))
            values.low[c] = np.where(free, 0.0, values.high[c])
            values.low[d] = np.where(free, 0.0, values.high[d])
            values.cost[c] = dt * (price + TIE_COST_PER_MWH)
            values.cost[d] = dt * (depot.wear_cost_per_mwh - price)
            absence_mwh = depot.departure_mwh - depot.arrival_mwh
            values.low[e] = np.where(days.departs, depot.arrival_mwh, 0.0)
            values.high[e] = depot.energy_mwh - np.where(days.departs, absence_mwh, 0.0)
            values.cost[e[-1]] = -_left_value(horizon)
            most = np.full(horizon.steps, depot.departure_mwh)
            if not values.is_ordered[i]:
                most = self._path(horizon, int(i), np.where(free, -depot.charge_mw, fixed))[2]
                most[days.departs] += _ROUNDING * depot.energy_mwh
            values.high[m] = np.where(days.departs, most, 0.0)
            values.cost[m] = depot.unmet_price_per_mwh
            balance = values.row["ev_balance"][v]
            values.row_low[balance] = values.row_high[balance] = np.where(days.departs, -absence_mwh, 0.0)
            start = float(horizon.state.soc[i]) * depot.energy_mwh
            values.row_low[balance[0]] += start
            values.row_high[balance[0]] += start

    def running_cost(self, asset: EvDepot, energy_mwh: float, *, started: bool, shortfall_mwh: float) -> RunningCost:
        """Return the wear of discharged energy and the price of energy missing at a departure."""
        return RunningCost(
            wear=asset.wear_cost_per_mwh * max(energy_mwh, 0.0), running=asset.unmet_price_per_mwh * shortfall_mwh
        )

    def reason(self, horizon: Horizon, row: int, planned: PlannedAsset) -> str:
        """Return stored and needed energy, the values of energy and power, and the action."""
        depot, power = _depot(horizon, row), float(planned.power_mw[0])
        if timetable(depot, horizon.edges()[:2]).connected_h[0] <= 0:
            return f"the vehicles are away until {depot.connected_from}: rest"
        does = "wait" if abs(power) <= horizon.least_mw else f"{'discharge' if power > 0 else 'charge'} {amount(power)}"
        aboard = float(horizon.state.soc[row]) * depot.energy_mwh
        worth = float(planned.power_price_per_mwh[0])
        return (
            f"{energy_text(aboard)} aboard, {energy_text(depot.departure_mwh)} needed at {depot.departure}, "
            f"energy worth {planned.water_value_per_mwh:.1f}, power worth {worth:.1f}: {does}"
        )

    def _path(self, horizon: Horizon, row: int, wanted_mw: Floats) -> tuple[Floats, Floats, Floats]:
        """Return power, energy aboard and missing energy per step; where ``wanted_mw`` is NaN it charges evenly."""
        depot = _depot(horizon, row)
        days = timetable(depot, horizon.edges())
        energy = float(horizon.state.soc[row]) * depot.energy_mwh
        moves: list[_Move] = []
        for h, target_mw in enumerate(wanted_mw):
            hours = float(horizon.step_h[h])
            power = _even_mw(depot, energy, hours, days, h) if np.isnan(target_mw) else float(target_mw)
            moves.append(_move(depot, energy, power, hours, days, h))
            energy = moves[-1].energy_mwh
        columns = ([m.power_mw for m in moves], [m.energy_mwh for m in moves], [m.unmet_mwh for m in moves])
        power_mw, energy_mwh, unmet_mwh = (np.array(column, dtype=float) for column in columns)
        return power_mw, energy_mwh, unmet_mwh


def _even_mw(depot: EvDepot, energy: float, hours: float, day: Timetable, h: int) -> float:
    """Return the power of even charging to the next departure, at most 0."""
    connected = float(day.connected_h[h])
    time_left = connected + float(day.left_h[h])
    need = max(depot.departure_mwh - energy, 0.0) / depot.charge_efficiency
    return -min(need / time_left, depot.charge_mw) * connected / hours if connected > 0 else 0.0


def _day(depot: EvDepot, interval: Interval) -> Timetable:
    if interval.at is None:
        raise ValueError(f"{depot.asset_id}: a depot needs the time of the interval")
    end = (interval.at.astimezone(UTC) + timedelta(hours=interval.hours)).astimezone(interval.at.tzinfo)
    return timetable(depot, [interval.at, end])


def _left_value(horizon: Horizon) -> float:
    """Return the mean value of energy left at the horizon's end, per MWh."""
    return float(horizon.stored_value_per_mwh @ horizon.stored_width)


def _depot(horizon: Horizon, row: int) -> EvDepot:
    asset: Asset = horizon.zone.assets[row]
    assert isinstance(asset, EvDepot)
    return asset
