"""Battery: a store that trades freely within its SoC band and answers the net load inside the slot."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from agents.assets.contract import (
    AssetType,
    Curve,
    PlannedAsset,
    RunningCost,
    StorageParameters,
    amount,
    with_power,
)
from agents.assets.frequency_droop import droop_curve
from agents.assets.horizon import LEAST_SHARE, ROUNDING, Horizon, unit_mw
from agents.assets.lp import BlockShape, Coefficients, LimitColumn, Sheet
from agents.assets.state import AssetState, Clamp, Interval, Response
from vpp.fleet.assets import Asset, Battery
from vpp.fleet.scale import energy_text, power_text
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Bools, Floats, Ints

TIE_COST_PER_MWH = 1e-3
"""On charging, so idling wins a tie against charging and discharging."""

_DURATIONS_AHEAD = 4.0
"""A window of this many durations: a longer one gains nothing (measured on a 2 h battery)."""


def soc_after(battery: Battery | StorageParameters, soc: float, power_mw: float, hours: float) -> float:
    """Return the SoC after ``hours`` at ``power_mw``; it is not limited to the SoC band.

    Args:
        battery: Its parameters.
        soc: State of charge at the start, 0-1.
        power_mw: Power, positive into the grid.
        hours: Length of the interval.
    """
    inside = power_mw / battery.discharge_efficiency if power_mw > 0 else power_mw * battery.charge_efficiency
    return soc - inside * hours / battery.energy_mwh


def power_range(battery: Battery | StorageParameters, soc: float, hours: float) -> tuple[float, float]:
    """Return the least and the greatest power (MW) that a battery can give for ``hours`` within its SoC band."""
    out = max(soc - battery.soc_min, 0.0) * battery.energy_mwh * battery.discharge_efficiency / hours
    into = max(battery.soc_max - soc, 0.0) * battery.energy_mwh / battery.charge_efficiency / hours
    return -min(into, battery.charge_mw), min(out, battery.discharge_mw)


def clip_to_band(
    battery: Battery | StorageParameters, soc: float, wanted_mw: float, hours: float
) -> tuple[float, float, Clamp | None]:
    """Return the power nearest to ``wanted_mw``, the SoC after it and what keeps it from the rest.

    The energy changes by exactly ``-power / eta_d * hours`` (discharge) or ``-power * eta_c * hours`` (charge); the SoC
    never leaves the band, and moves only towards it where it starts outside.

    Args:
        battery: Its parameters.
        soc: State of charge at the start, 0-1.
        wanted_mw: Requested power, positive into the grid.
        hours: Length of the interval.
    """
    low, high = power_range(battery, soc, hours)
    power, reason = wanted_mw, None
    if wanted_mw > high:
        power, reason = high, Clamp.POWER_LIMIT if high == battery.discharge_mw else Clamp.SOC_MIN
    elif wanted_mw < low:
        power, reason = low, Clamp.POWER_LIMIT if low == -battery.charge_mw else Clamp.SOC_MAX
    # At a SoC limit the bound itself is the answer: the quotient would miss it by a rounding error, outside the band.
    if reason is Clamp.SOC_MIN:
        return power, min(soc, battery.soc_min), reason
    if reason is Clamp.SOC_MAX:
        return power, max(soc, battery.soc_max), reason
    moved = soc_after(battery, soc, power, hours)
    inside = min(max(moved, min(battery.soc_min, soc)), max(battery.soc_max, soc)) if power else soc
    return power, inside, reason


def aggregate(stores: Sequence[StorageParameters]) -> Battery:
    """Return one battery for several: energy and power add up, the rest is weighted by energy."""
    energy = np.array([store.energy_mwh for store in stores])

    def mean(values: list[float]) -> float:
        return float(np.average(values, weights=energy))

    floor = mean([s.soc_min for s in stores])
    return Battery(
        asset_id="aggregate",
        energy_mwh=float(energy.sum()),
        charge_mw=float(sum(s.charge_mw for s in stores)),
        discharge_mw=float(sum(s.discharge_mw for s in stores)),
        charge_efficiency=mean([s.charge_efficiency for s in stores]),
        discharge_efficiency=mean([s.discharge_efficiency for s in stores]),
        soc_min=floor,
        soc_max=mean([s.soc_max for s in stores]),
        reserve_soc=mean([s.reserve_soc for s in stores]),
        wear_cost_per_mwh=mean([s.wear_cost_per_mwh for s in stores]),
    )


@dataclass(frozen=True, slots=True)
class BatteryForm:
    """Parameters of a battery that the matrix depends on."""

    charge_efficiency: float
    discharge_efficiency: float


@dataclass(frozen=True, slots=True)
class EnergyBand:
    """Limits of a battery's energy at the end of each step, and the steps in which it returns into its band.

    ``low_mwh``, ``high_mwh``: shape (N,). ``below``, ``above``: shape (N,), True while it comes back from below (it
    must not discharge) or from above (it must not charge).
    """

    low_mwh: Floats
    high_mwh: Floats
    below: Bools
    above: Bools


class BatteryType(AssetType[Battery]):
    """Charge c, discharge d, energy e and the segments z of energy left at the end, per battery.

    ``e[h] = e[h-1] + eta_c dt c[h] - dt d[h] / eta_d``;  ``e[N-1] - e_min = sum_i z_i``.
    """

    entry = Battery
    trades_at_market = True
    published_ahead = False
    yields_to_caps = True
    verbs: ClassVar[dict[str, int]] = {"discharge": 1, "charge": -1}
    activities: ClassVar[tuple[str, str]] = ("sells", "charges")

    def nameplate(self, asset: Battery, currency: str, reference_mw: float | None = None) -> list[tuple[str, str]]:
        """Return energy, power, band, efficiency, wear and droop."""
        round_trip_pct = 100 * asset.charge_efficiency * asset.discharge_efficiency
        band = f"{100 * asset.soc_min:g} to {100 * asset.soc_max:g} %"
        return [
            ("Energy", energy_text(asset.energy_mwh, reference_mw)),
            (
                "Charge, discharge",
                f"{power_text(asset.charge_mw, reference_mw)} / {power_text(asset.discharge_mw, reference_mw)}",
            ),
            ("State of charge", f"{band}, reserve {100 * asset.reserve_soc:g} %"),
            ("Round-trip efficiency", f"{round_trip_pct:.0f} %"),
            ("Wear", f"{asset.wear_cost_per_mwh:g} {currency} per MWh sold"),
            ("Frequency response", f"{asset.droop_mw_per_hz:g} MW/Hz" if asset.droop_mw_per_hz else "none"),
        ]

    def store(self, asset: Battery) -> StorageParameters:
        """Return its parameters; the floor keeps the reserve."""
        return StorageParameters(
            energy_mwh=asset.energy_mwh,
            charge_mw=asset.charge_mw,
            discharge_mw=asset.discharge_mw,
            charge_efficiency=asset.charge_efficiency,
            discharge_efficiency=asset.discharge_efficiency,
            soc_min=asset.soc_min,
            soc_max=asset.soc_max,
            reserve_soc=asset.reserve_soc,
            wear_cost_per_mwh=asset.wear_cost_per_mwh,
        )

    def power_limits_mw(self, zone: Zone, asset: Battery) -> tuple[float, float]:
        """Return its charging and discharging limits."""
        return -asset.charge_mw, asset.discharge_mw

    def soc_limits(self, asset: Battery) -> tuple[float, float]:
        """Return its band with the reserve kept."""
        return asset.soc_min + asset.reserve_soc, asset.soc_max

    def energy_mwh(self, asset: Battery) -> float:
        """Return its capacity."""
        return asset.energy_mwh

    def look_ahead_h(self, asset: Battery) -> float:
        """Return four times the hours that it can discharge."""
        return _DURATIONS_AHEAD * (asset.energy_mwh / asset.discharge_mw)

    def at_rest(self, asset: Battery) -> AssetState:
        """Return it at its start SoC."""
        return AssetState(soc=asset.soc_start)

    def resumed(self, asset: Battery, soc: float) -> Battery:
        """Return it starting at ``soc``."""
        return asset.model_copy(update={"soc_start": soc})

    def deliver(self, asset: Battery, state: AssetState, wanted_mw: float, interval: Interval) -> Response:
        """Return the power within its power limits and its SoC band."""
        if not math.isfinite(state.soc):
            return Response(0.0, with_power(state, math.nan, 0.0), Clamp.UNAVAILABLE)
        power, soc, reason = clip_to_band(asset, state.soc, wanted_mw, interval.hours)
        return Response(power, with_power(state, soc, power), reason)

    def measured(
        self, asset: Battery, before: AssetState, twin: AssetState, power_mw: float, interval: Interval
    ) -> AssetState:
        """Return the SoC that the measured power leaves."""
        if math.isnan(before.soc):
            return twin
        soc = min(max(soc_after(asset, before.soc, power_mw, interval.hours), 0.0), 1.0)
        return with_power(twin, soc, power_mw)

    def balance_error_mwh(self, asset: Battery, before: AssetState, after: AssetState, interval: Interval) -> float:
        """Return the stored energy minus the energy that follows from the delivered power."""
        if math.isnan(before.soc) or math.isnan(after.soc):
            return 0.0
        due = soc_after(asset, before.soc, after.power_mw, interval.hours)
        return (after.soc - due) * asset.energy_mwh

    def frequency_curve(self, zone: Zone, asset: Battery) -> Curve:
        """Return its droop where the zone measures frequency."""
        return droop_curve(zone, asset.droop_mw_per_hz, asset.charge_mw + asset.discharge_mw)

    def held_mw(self, horizon: Horizon, row: int, given_mw: Floats) -> Floats:
        """Return the given power as far as its energy lasts."""
        battery = _battery(horizon, row)
        energy = float(horizon.state.soc[row]) * battery.energy_mwh
        empty = min(battery.soc_min * battery.energy_mwh, energy)
        full = max(battery.soc_max * battery.energy_mwh, energy)
        power = np.clip(given_mw, -battery.charge_mw, battery.discharge_mw)
        for h, dt in enumerate(horizon.step_h[: len(power)]):
            most = (energy - empty) * battery.discharge_efficiency / dt
            least = -(full - energy) / battery.charge_efficiency / dt
            power[h] = min(max(power[h], least), most)
            out = power[h] / battery.discharge_efficiency if power[h] > 0 else power[h] * battery.charge_efficiency
            energy = min(max(energy - out * dt, empty), full)
        return power

    def plan_costs(self, horizon: Horizon, row: int, power_mw: Floats, running: Bools, soc: Floats) -> dict[str, float]:
        """Return wear, and minus the value of energy left at the end."""
        battery = _battery(horizon, row)
        energy = power_mw * horizon.step_h
        return {
            "wear": battery.wear_cost_per_mwh * float(np.maximum(energy, 0.0).sum()),
            "stored": -stored_worth(horizon, battery, float(soc[-1])),
        }

    def form(self, asset: Battery) -> BatteryForm:
        """Return its efficiencies."""
        return BatteryForm(asset.charge_efficiency, asset.discharge_efficiency)

    def add_power_columns(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Add charge, discharge, energy (B, N) and stored segments (B, S)."""
        for name in ("charge", "discharge", "energy"):
            sheet.add_columns(name, len(forms), shape.steps)
        sheet.add_columns("stored", len(forms), shape.segments)

    def add_energy_rows(self, sheet: Sheet, forms: Sequence[Hashable], shape: BlockShape) -> None:
        """Add ``energy_balance`` (B, N) and ``energy_left`` (B,)."""
        c, d, e, z = (sheet.column[name] for name in ("charge", "discharge", "energy", "stored"))
        dt = np.array(shape.step_h)
        batteries = [form for form in forms if isinstance(form, BatteryForm)]
        into = np.array([b.charge_efficiency for b in batteries]).reshape(-1, 1)
        out = np.array([b.discharge_efficiency for b in batteries]).reshape(-1, 1)
        balance = sheet.add_rows("energy_balance", *e.shape)
        sheet.put(balance, e, 1.0)
        sheet.put(balance[:, 1:], e[:, :-1], -1.0)
        sheet.put(balance, c, -into * dt)
        sheet.put(balance, d, dt / out)
        energy_rows = sheet.add_rows("energy_left", e.shape[0])
        sheet.put(energy_rows, e[:, -1], 1.0)
        sheet.put(energy_rows[:, None], z, -1.0)

    power_terms = (("discharge", 1.0), ("charge", -1.0))
    energy_column = target_column = "energy"
    water_row = "energy_balance"
    exclusive_columns = ("charge", "discharge")
    limit_columns = (
        LimitColumn("charge", "power"),
        LimitColumn("discharge", "power"),
        LimitColumn("energy", "soc", both=True),
    )

    def fill(self, values: Coefficients, horizon: Horizon, rows: Ints) -> None:
        """Write power limits, wear, the energy band and the value of the energy left at the end."""
        dt, price = horizon.step_h, horizon.price_per_mwh
        for b, i in enumerate(rows):
            battery = _battery(horizon, int(i))
            c, d, e, z = (values.column[name][b] for name in ("charge", "discharge", "energy", "stored"))
            on = 1.0 if horizon.state.available[i] else 0.0
            fixed = values.fixed_mw[i]
            free = np.isnan(fixed)
            values.high[c] = np.where(free, on * battery.charge_mw, np.maximum(-fixed, 0.0))
            values.high[d] = np.where(free, on * battery.discharge_mw, np.maximum(fixed, 0.0))
            values.low[c] = np.where(free, 0.0, values.high[c])
            values.low[d] = np.where(free, 0.0, values.high[d])
            values.cost[c] = dt * (price + TIE_COST_PER_MWH)
            values.cost[d] = dt * (battery.wear_cost_per_mwh - price)
            path = energy_band(horizon, int(i), fixed)
            values.low[e], values.high[e] = path.low_mwh, path.high_mwh
            values.high[d[path.below & free]] = 0.0
            values.high[c[path.above & free]] = 0.0
            balance = values.row["energy_balance"][b]
            values.row_low[balance] = values.row_high[balance] = 0.0
            start = float(horizon.state.soc[i]) * battery.energy_mwh
            values.row_low[balance[0]] = values.row_high[balance[0]] = start
            empty = battery.soc_min * battery.energy_mwh
            energy_rows = values.row["energy_left"][b]
            values.row_low[energy_rows] = values.row_high[energy_rows] = empty
            values.cost[z] = -horizon.stored_value_per_mwh
            values.high[z] = horizon.stored_width * (battery.soc_max - battery.soc_min) * battery.energy_mwh
            values.low[z[0]], values.high[z[-1]] = -np.inf, np.inf

    def running_cost(self, asset: Battery, energy_mwh: float, *, started: bool, shortfall_mwh: float) -> RunningCost:
        """Return the wear of discharged energy."""
        return RunningCost(wear=asset.wear_cost_per_mwh * max(energy_mwh, 0.0))

    def reason(self, horizon: Horizon, row: int, planned: PlannedAsset) -> str:
        """Return the comparison of water value and power price, and the action."""
        battery, power, soc = _battery(horizon, row), float(planned.power_mw[0]), float(horizon.state.soc[row])
        floor, ceiling = self.soc_limits(battery)
        full = ", it is empty" if soc <= floor + LEAST_SHARE else ", it is full" if soc >= ceiling - LEAST_SHARE else ""
        size, least_mw = amount(power), horizon.least_mw
        does = f"discharge {size}" if power > least_mw else f"charge {size}" if power < -least_mw else f"hold{full}"
        worth = float(planned.power_price_per_mwh[0])
        return f"water value {planned.water_value_per_mwh:.1f}, power worth {worth:.1f}: {does}"

    def soc_band(self, asset: Battery) -> tuple[float, float]:
        """Return its band without the reserve."""
        return asset.soc_min, asset.soc_max

    def break_even(self, asset: Battery, water_value_per_mwh: float) -> str:
        """Return the prices at which its action changes: ``eta_d`` MWh out and ``1 / eta_c`` MWh in per stored MWh."""
        out = water_value_per_mwh / asset.discharge_efficiency + asset.wear_cost_per_mwh
        into = water_value_per_mwh * asset.charge_efficiency
        return f"discharging pays above {out:.1f}, charging below {into:.1f}"


def _battery(horizon: Horizon, row: int) -> Battery:
    asset: Asset = horizon.zone.assets[row]
    assert isinstance(asset, Battery)
    return asset


def stored_worth(horizon: Horizon, battery: Battery, soc: float) -> float:
    """Return the value of energy above ``soc_min`` at the horizon's end; energy below it counts negative."""
    energy = (soc - battery.soc_min) * battery.energy_mwh
    widths = horizon.stored_width * (battery.soc_max - battery.soc_min) * battery.energy_mwh
    edges = np.concatenate([[0.0], np.cumsum(widths)])
    filled = np.clip(energy - edges[:-1], 0.0, widths)
    beyond = min(energy, 0.0) * horizon.stored_value_per_mwh[0]
    above = max(energy - edges[-1], 0.0) * horizon.stored_value_per_mwh[-1]
    return float(filled @ horizon.stored_value_per_mwh + beyond + above)


def energy_band(horizon: Horizon, row: int, fixed_mw: Floats) -> EnergyBand:
    """Return the band of one battery's plan.

    A battery inside its band stays there and keeps its reserve. If its start or its fixed power leads outside the band,
    it returns at a quarter of its power, or less if the import cap limits charging.

    Args:
        horizon: The decision.
        row: The battery's row.
        fixed_mw: Shape (N,), its binding power in MW, NaN if free.
    """
    battery = _battery(horizon, row)
    floor, ceiling = (share * battery.energy_mwh for share in BatteryType().soc_limits(battery))
    energy = float(horizon.state.soc[row]) * battery.energy_mwh
    low, high = np.full(horizon.steps, floor), np.full(horizon.steps, ceiling)
    below, above = np.zeros(horizon.steps, dtype=bool), np.zeros(horizon.steps, dtype=bool)
    is_fixed = ~np.isnan(fixed_mw)
    lost = ROUNDING * unit_mw(horizon.zone)
    if not is_fixed.any() and floor <= energy <= ceiling:
        return EnergyBand(low, high, below, above)
    least, most = energy, energy
    spare = np.maximum(horizon.zone.limits.import_cap_mw - horizon.net_mw, 0.0)
    able = 1.0 if horizon.state.available[row] else 0.0
    for h, dt in enumerate(horizon.step_h):
        if is_fixed[h]:
            power = float(fixed_mw[h])
            out = power / battery.discharge_efficiency if power > 0 else power * battery.charge_efficiency
            least, most = least - out * dt, most - out * dt
        else:
            below[h], above[h] = least < floor - lost, most > ceiling + lost
            into = min(battery.charge_mw / 4.0, float(spare[h])) * battery.charge_efficiency * dt * able
            out = battery.discharge_mw / 4.0 / battery.discharge_efficiency * dt * able
            least = min(least + into, floor) if below[h] else floor
            most = max(most - out, ceiling) if above[h] else ceiling
        low[h], high[h] = min(floor, least), max(ceiling, most)
    return EnergyBand(low - lost, high + lost, below, above)


def battery(**fields: Any) -> Battery:
    """Return a battery's entry of its fields, for studies of a single one."""
    return Battery(**fields)
