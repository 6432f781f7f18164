"""Risks of a zone in the next hours, each with its expected cost. Pure.

A level or a price exceeds its 90 % quantile with a probability of 10 %, so a loss at this quantile counts with 0.1.
Losses that already occur count in full.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from agents.autonomous.guard import AgentLimits, Call, LastLook
from vpp.fleet.scale import energy_text, power_text

WATCH_H = 8.0
TAIL = 0.1
"""Probability beyond the 90 % quantile."""
LEAST_SHARE = 0.0125
"""Of a battery's discharge power: less is not worth an order."""
LEAST_SOC = 0.02
SPIKE_RATIO = 2.0
"""A price is a spike where its 90 % quantile is so many times the median of the hours ahead."""

CHANGED_SHARE = 0.25
"""Money that changed by less than this share of its size is no news."""

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """A remedy: the call, its asset, and the first step that the plant should price."""

    call: Call
    asset_id: str
    what_if_mw: float | None = None


@dataclass(frozen=True, slots=True)
class Risk:
    """One thing that may cost money.

    ``key``: its identity, the same in every look. ``money``: expected loss if nothing is done; None: unknown.
    ``wish``: the remedy, None if the agent has none.
    """

    key: str
    text: str
    money: float | None = None
    wish: Wish | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """Energy that a battery should hold (positive) or have room for (negative) when a risk begins."""

    energy_mwh: float
    begins_min: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """The answers that a zone is judged by.

    ``now``: its line of ``get_overview``. ``ramp``, ``net_load``, ``price``: of ``predict_ramp`` and ``get_forecast``.
    ``assets``: lines of ``list_assets``; ``battery``: the store to act with, None if none answers (then no risk has a
    remedy), ``details``: ``get_asset`` of those that were asked for, by id. ``limits``: the agent's own.
    """

    now: Answer
    ramp: Answer
    net_load: Answer
    price: Answer
    assets: list[Answer]
    battery: Answer | None
    details: Mapping[str, Answer]
    limits: AgentLimits

    @property
    def share(self) -> float:
        """Share of the region's net load that the plant serves."""
        return float(self.now["served_net_load_mw"] / self.now["net_load_mw"])

    @property
    def firm_mw(self) -> float:
        """Power of reachable assets that are firm, such as peakers and loads."""
        return sum(asset["max_mw"] or 0.0 for asset in self.assets if is_firm(asset) and asset["state"] == "online")

    @property
    def least_mw(self) -> float:
        """Smallest power of an order, MW; without a battery of the firm assets."""
        return float(LEAST_SHARE * (self.firm_mw if self.battery is None else self.battery["max_mw"]))

    @property
    def answer_mw(self) -> tuple[float, float]:
        """Least and greatest power of the battery, MW; unlimited without one, so that the loss counts in full."""
        return (-math.inf, math.inf) if self.battery is None else (self.battery["min_mw"], self.battery["max_mw"])


def is_firm(asset: Answer) -> bool:
    """Return whether an asset delivers power on request at any time: it has no store, and never draws."""
    least, most = asset["min_mw"], asset["max_mw"]
    return asset["energy_capacity_mwh"] is None and least is not None and most is not None and 0 <= least < most


def stores(assets: Sequence[Answer]) -> list[Answer]:
    """Return the reachable assets that charge and discharge and whose state of charge is known, the largest first."""
    reachable = [
        asset
        for asset in assets
        if asset["state"] == "online"
        and None not in (asset["soc"], asset["energy_capacity_mwh"], asset["min_mw"], asset["max_mw"])
        and asset["min_mw"] < 0 < asset["max_mw"]
    ]
    return sorted(reachable, key=lambda asset: (asset["energy_capacity_mwh"], asset["asset_id"]), reverse=True)


def rank(risks: list[Risk]) -> list[Risk]:
    """Return risks by their money, those of unknown money last."""
    return sorted(risks, key=lambda risk: (risk.money is None, -(risk.money or 0.0), risk.key))


def changes_since(before: LastLook | None, risks: Sequence[Risk], pnl: float | None) -> list[str]:
    """Return in words the differences from the look before; empty at the first look."""
    if before is None:
        return []
    former, words = {key: (text, money) for key, text, money in before.risks}, []
    for risk in risks:
        if risk.key not in former:
            words.append(f"new: {risk.text}")
            continue
        was, now = former[risk.key][1], risk.money
        if was is not None and now is not None and abs(now - was) > CHANGED_SHARE * abs(was):
            words.append(f"changed from {was:,.2f} to {now:,.2f}: {risk.text}")
    keys = {risk.key for risk in risks}
    words += [f"over: {text}" for key, (text, _) in former.items() if key not in keys]
    if pnl is not None and before.pnl_24h is not None and abs(pnl - before.pnl_24h) >= 0.005:
        words.append(f"money of the last 24 h went from {before.pnl_24h:,.2f} to {pnl:,.2f}")
    return words


def margins(outlook: Outlook) -> list[str]:
    """Return the distances of the zone from its limits, in words."""
    now, grid = outlook.now, outlook.now["grid_power_mw"]
    cap = power_text(now["import_cap_mw"])
    flow = "grid power of the last slot is not known" if grid is None else f"grid power {power_text(grid)}"
    words = [f"{flow}, import cap {cap}"]
    if _shortfall(outlook, outlook.firm_mw)[0] <= 0:
        words.append(f"net load stays within cap {cap} and firm power {power_text(outlook.firm_mw)} at 90 %")
    limit = outlook.ramp.get("ramp_limit_mw")
    if limit is None or not outlook.ramp.get("steps"):
        words.append("ramps cannot be compared with the limit: " + str(outlook.ramp.get("hint") or "no limit is known"))
    for way, sign in (("up", 1.0), ("down", -1.0)):
        steepest = max(_later_steps(outlook), key=lambda pair: sign * pair[0]["change_mw"], default=None)
        if steepest is not None and limit is not None:
            step = steepest[0]
            size = power_text(step["change_mw"] * outlook.share, signed=True)
            of = power_text(limit * outlook.share)
            words.append(f"steepest ramp {way} {size} at {step['slot']}, limit {of} per step")
    return words


def grid_risks(outlook: Outlook) -> Iterator[Risk]:
    """Yield risks of exceeding the import cap or the ramp limit, with the remedy by a battery."""
    yield from _overload(outlook)
    yield from _beyond_cap(outlook)
    yield from _ramps(outlook)


def price_risks(outlook: Outlook) -> Iterator[Risk]:
    """Yield a spike of prices that may come: what its tail is worth to the battery.

    The plant's own trader decides what to keep for it; to keep more lost money in as many evenings as it earned some
    (`vpp backtest agent`), so nothing is asked for.
    """
    battery, rows = outlook.battery, list(_steps(outlook.price))
    prices = [row["q50"] for _, _, row in rows if row["q50"] is not None]
    if battery is None or not prices:
        return
    usual = max(median(prices), 0.0)
    money, energy_mwh, first = 0.0, 0.0, None
    for before_min, at_min, row in rows:
        is_high = row["q90"] is not None and row["q90"] > SPIKE_RATIO * usual and row["q90"] > row["q50"]
        if is_high and energy_mwh < (battery["energy_capacity_mwh"] or 0.0):
            first = row if first is None else first
            mwh = battery["max_mw"] * (at_min - before_min) / 60.0
            energy_mwh, money = energy_mwh + mwh, money + TAIL * (row["q90"] - row["q50"]) * mwh
        elif first is not None:
            break
    if first is not None:
        text = f"from {first['slot']} the price may reach {first['q90']:,.0f} (90 %), {first['q50']:,.0f} expected"
        yield Risk(
            "price_spike", f"{text}; {power_text(battery['max_mw'])} could sell {energy_text(energy_mwh)}", money
        )


def fleet_risks(outlook: Outlook) -> Iterator[Risk]:
    """Yield risks of the assets: unreachable, running at a loss, shed or curtailed."""
    step_h = outlook.now["step_min"] / 60.0
    penalty = outlook.now["cap_penalty_per_mwh"]
    expected = next((row["q50"] for _, _, row in _steps(outlook.price)), None)
    for asset in outlook.assets:
        name, power = asset["asset_id"], asset["next_power_mw"] or 0.0
        limits = (outlook.details.get(name) or {}).get("limits") or {}
        if is_firm(asset) and asset["state"] != "online":
            power = asset["max_mw"] or 0.0
            without, with_it = _shortfall(outlook, outlook.firm_mw)[1], _shortfall(outlook, outlook.firm_mw + power)[1]
            text = f"{name} is {asset['state']}: {power_text(power)} less firm power"
            yield Risk(f"{asset['kind']}:{name}", text, _money(without - with_it, penalty))
        elif asset["state"] == "unavailable":
            yield Risk(f"{asset['kind']}:{name}", f"{name} is unavailable")
        elif power > 0 and None not in (expected, limits.get("fuel_cost_per_mwh")):
            dearer = limits["fuel_cost_per_mwh"] - expected
            if dearer > 0:
                text = f"{name} runs at {power_text(power)}, {dearer:,.0f} per MWh above the expected price"
                yield Risk(f"{asset['kind']}:{name}", text, dearer * power * step_h)
        elif power > 0 and "curtail_cost_per_mwh" in limits:
            text = f"{name} is shed by {power_text(power)} at {limits['curtail_cost_per_mwh']:g} per MWh"
            yield Risk(f"{asset['kind']}:{name}", text, limits["curtail_cost_per_mwh"] * power * step_h)
        elif power < 0 and ("curtail_cost_per_mwh" in limits or asset["min_mw"] is None):
            # Where the least power depends on the weather, it is output that is cut.
            price = max(expected or 0.0, 0.0) + limits.get("curtail_cost_per_mwh", 0.0)
            text = f"{name} is to be cut by {power_text(-power)}, {price:,.0f} per MWh lost"
            yield Risk(f"curtailment:{name}", text, -price * power * step_h)


def data_risks(outlook: Outlook, alerts: list[Answer]) -> Iterator[Risk]:
    """Yield risks from faulty data and from lasting alerts; their money is unknown."""
    for channel in outlook.now.get("bad_channels") or ():
        yield Risk(f"data:{channel}", f"{channel} is not good in the newest slot")
    for alert in alerts:
        about = alert.get("channel") or alert.get("asset_id") or alert["code"]
        yield Risk(f"alert:{alert['code']}:{about}", f"{alert['severity']}: {alert['title']} ({about})")
    if outlook.price.get("source") not in (None, "model"):
        yield Risk("data:price_forecast", f"the price forecast is the fallback {outlook.price['source']}")


def _overload(outlook: Outlook) -> Iterator[Risk]:
    now, battery = outlook.now, outlook.battery
    grid, cap = now["grid_power_mw"], now["import_cap_mw"]
    if grid is None or grid <= cap:
        return
    planned = (now["next_power_mw"] or 0.0) - (now["plant_power_mw"] or 0.0)
    missing = grid - cap - planned
    over = f"{power_text(grid - cap)} over the import cap of {power_text(cap)}"
    text = f"grid power is {over} and the plan adds {power_text(planned)}"
    money = _money(max(missing, 0.0) * now["step_min"] / 60.0, now["cap_penalty_per_mwh"], likely=1.0)
    if battery is None or missing < outlook.least_mw:
        yield Risk("overload", text, money)
        return
    delivered_mw = battery["next_power_mw"] or 0.0
    want = min(delivered_mw + missing, battery["max_mw"], outlook.limits.max_power_mw)
    if want - delivered_mw < outlook.least_mw:
        yield Risk("overload", text, money)
        return
    arguments = {
        "asset_ids": [battery["asset_id"]],
        "power_mw": _written(want),
        "duration_min": max(now["step_min"], 60),
        "zone": now["zone"],
        "reason": text[:280],
    }
    yield Risk("overload", text, money, Wish(Call("propose_dispatch", arguments), battery["asset_id"], _written(want)))


def _beyond_cap(outlook: Outlook) -> Iterator[Risk]:
    peak_mw, energy_mwh, first = _shortfall(outlook, outlook.firm_mw)
    if first is None:
        return
    begins_min, slot = first
    text = (
        f"from {slot} net load may pass cap and firm power by {power_text(peak_mw)}, {energy_text(energy_mwh)} (90 %)"
    )
    money = _money(energy_mwh, outlook.now["cap_penalty_per_mwh"])
    yield _kept("shortfall", text, money, Need(energy_mwh, begins_min), outlook)


def _shortfall(outlook: Outlook, firm_mw: float) -> tuple[float, float, tuple[float, str] | None]:
    """Return the first run of slots whose 90 % quantile import cap and firm power do not cover.

    Peak (MW), energy that the battery could give against it (MWh), and its beginning (minutes ahead, slot).
    """
    most_mw, share = outlook.answer_mw[1], outlook.share
    peak_mw, energy_mwh, first = 0.0, 0.0, None
    for before_min, at_min, row in _steps(outlook.net_load):
        over = -1.0 if row["q90"] is None else row["q90"] * share - outlook.now["import_cap_mw"] - firm_mw
        if over > outlook.least_mw:
            first = (at_min, row["slot"]) if first is None else first
            peak_mw, energy_mwh = max(peak_mw, over), energy_mwh + min(over, most_mw) * (at_min - before_min) / 60.0
        elif first is not None:
            break
    return peak_mw, energy_mwh, first


def _ramps(outlook: Outlook) -> Iterator[Risk]:
    """Yield the excess of the steepest steps ahead over the ramp limit, up and down, at their 90 % quantiles."""
    limit, share, (least_mw, most_mw) = outlook.ramp.get("ramp_limit_mw"), outlook.share, outlook.answer_mw
    later = _later_steps(outlook)
    if limit is None or not later:
        return
    step_h = outlook.now["step_min"] / 60.0
    for way, sign, name, most in (
        ("up", 1.0, "change_q90_mw", most_mw),
        ("down", -1.0, "change_q10_mw", -least_mw),
    ):
        step, before_min = max(later, key=lambda pair: sign * pair[0]["change_mw"])
        beyond = (sign * step[name] - limit) * share
        if beyond > outlook.least_mw:
            text = f"the ramp {way} at {step['slot']} may pass the limit by {power_text(beyond)} (90 %)"
            money = _money(beyond * step_h, outlook.now["ramp_penalty_per_mwh"])
            yield _kept(f"ramp_{way}", text, money, Need(sign * min(beyond, most) * step_h, before_min), outlook)


def _later_steps(outlook: Outlook) -> list[tuple[Answer, float]]:
    """Return the steps of one slot each within the watch, with the minutes to their begin.

    The step that is decided already is left out.
    """
    steps = [dict(zip(outlook.ramp["columns"], row, strict=True)) for row in outlook.ramp.get("steps") or []]
    return [
        (step, before["horizon_min"])
        for before, step in pairwise(steps)
        if abs(step["horizon_min"] - before["horizon_min"] - outlook.now["step_min"]) < 1e-6
        and step["horizon_min"] <= 60 * WATCH_H
    ]


def _kept(key: str, text: str, money: float | None, need: Need, outlook: Outlook) -> Risk:
    """Return a risk with the state of charge that would answer it, if there is time and a battery lacks it."""
    battery = outlook.battery
    if battery is None:
        return Risk(key, text, money)
    limits = (outlook.details.get(battery["asset_id"]) or {}).get("limits") or {}
    low, high = limits.get("soc_min", 0.0) + limits.get("reserve_soc", 0.0), limits.get("soc_max", 1.0)
    size, name, soc = battery["energy_capacity_mwh"], battery["asset_id"], battery["soc"]
    if need.energy_mwh > 0:
        target = min(high, low + need.energy_mwh / limits.get("discharge_efficiency", 1.0) / size)
        is_met, side = soc >= target - LEAST_SOC, "at least"
    else:
        target = max(low, high + need.energy_mwh * limits.get("charge_efficiency", 1.0) / size)
        is_met, side = soc <= target + LEAST_SOC, "at most"
    text = f"{text}; {name} should then hold {side} {100 * target:.0f} %, it has {100 * soc:.0f} %"
    # The running slot is decided, so an order acts from the second slot on; the risk begins at the start of its slot.
    lead_min = need.begins_min - 2 * outlook.now["step_min"]
    if is_met or lead_min < outlook.now["step_min"]:
        return Risk(key, text, money)
    arguments = {
        "policy": "keep_soc",
        "zone": outlook.now["zone"],
        "asset_ids": [name],
        "soc": round(target, 3),
        "dry_run": False,
        "duration_min": min(lead_min, outlook.limits.max_duration_min),
        "reason": text[:280],
    }
    return Risk(key, text, money, Wish(Call("set_policy", arguments), name))


def _steps(forecast: Answer) -> Iterator[tuple[float, float, dict[str, Any]]]:
    """Yield each step of a forecast within the watch: minutes to the step before it and to it, its values by column."""
    before_min = 0.0
    for point in forecast.get("points") or ():
        row = dict(zip(forecast["columns"], point, strict=True))
        if row["horizon_min"] > 60 * WATCH_H:
            return
        yield before_min, row["horizon_min"], row
        before_min = row["horizon_min"]


def _money(energy_mwh: float, price_per_mwh: float | None, likely: float = TAIL) -> float | None:
    return None if price_per_mwh is None else likely * energy_mwh * price_per_mwh


def _written(power_mw: float) -> float:
    """Return a power to four significant digits, as an order states it."""
    return float(f"{power_mw:.4g}")
