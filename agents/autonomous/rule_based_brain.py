"""The agent's own brain: a fixed line of thought that needs no model and no key.

The plant already weighs expected money and penalties in its clearing. This brain looks at the tail that an expectation
leaves: net load at its 90 % quantile above what import and firm power can cover, and ramps beyond the limit at theirs.
For those the battery should hold energy, or room, in time; an overload that stands already calls for a discharge. It
asks the plant why, has the remedy priced and checked, and sends it where somebody approved.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from agents.autonomous.guard import AgentLimits, BrainContext, Call, CallResult, Conclusion, Task
from vpp.fleet.scale import energy_text, power_text

WATCH_H = 8.0
LEAST_SHARE = 0.0125
"""Of a battery's discharge power: less is not worth an order."""
LEAST_SOC = 0.02

Said = Mapping[str, Any]
Thought = Generator[Call, CallResult, Conclusion]


@dataclass(frozen=True, slots=True)
class Wish:
    """What should be done, and the finding behind it; ``what_if_mw`` is the first step to ask the plant about."""

    call: Call
    finding: str
    asset_id: str
    what_if_mw: float | None = None


class Strategy:
    """The deterministic brain: the same answers give the same calls."""

    name = "strategy"

    async def look(self, episode: BrainContext) -> Conclusion:
        """Return the conclusion of ``think``, with every call asked through the episode."""
        thought = think(episode.task, episode.limits)
        try:
            call = next(thought)
            while True:
                call = thought.send(await episode.ask(call))
        except StopIteration as end:
            conclusion: Conclusion = end.value
            return conclusion


def think(task: Task, limits: AgentLimits) -> Thought:
    """Yield calls, take what they brought, and return the conclusion; pure.

    Args:
        task: The zone and the plans that wait for approval.
        limits: What the agent may ask for.
    """
    if task.open_plans:
        waiting = [f"{plan.plan_id} ({plan.what}) waits for approval" for plan in task.open_plans]
        return Conclusion("waiting", "; ".join(waiting))
    seen: dict[str, Said] = {}
    for name, call in _looks(task.zone):
        response = yield call
        if response.answer is None:
            return Conclusion("blind", f"{call.tool}: {response.error}")
        seen[name] = response.answer
    unfit = _unfit(seen, task.zone)
    if unfit:
        return Conclusion("blind", "cannot judge the zone: " + "; ".join(unfit), tuple(unfit))
    battery = _battery(seen["assets"])
    if battery is None:
        return Conclusion("no_action", "no battery answers: no order can be proposed")
    response = yield Call("get_asset", {"asset_id": battery["asset_id"]})
    if response.answer is None:
        return Conclusion("blind", f"get_asset: {response.error}")
    margins, wish = assess(seen, task.zone, battery, response.answer.get("limits") or {}, limits)
    if wish is None:
        return Conclusion("no_action", "; ".join(margins), tuple(margins))
    return (yield from _remedy(wish, task.zone, margins, limits))


def _looks(zone: str) -> tuple[tuple[str, Call], ...]:
    return (
        ("health", Call("get_pipeline_health", {})),
        ("overview", Call("get_overview", {"zone": zone})),
        ("ramp", Call("predict_ramp", {"zone": zone})),
        ("forecast", Call("get_forecast", {"target": "net_load", "zone": zone, "horizon_h": WATCH_H})),
        ("assets", Call("list_assets", {"zone": zone})),
    )


def _remedy(wish: Wish, zone: str, margins: Sequence[str], limits: AgentLimits) -> Thought:
    """Ask the plant why it does otherwise, have the remedy priced, and send it where that is allowed."""
    reasons = [*margins, wish.finding]
    response = yield Call("set_policy", _standing(wish, zone))
    ruling = _ruling(response.answer, wish)
    if ruling is not None:
        return Conclusion("no_action", f"{wish.finding}; {ruling}", (*reasons, ruling))
    about = {"zone": zone}
    if wish.what_if_mw is not None:
        about |= {"why_not_asset": wish.asset_id, "why_not_mw": wish.what_if_mw}  # type: ignore[dict-item]
    response = yield Call("explain_decision", about)
    if response.answer is not None:
        reasons.append(f"binding limit: {response.answer.get('binding') or 'nothing binds'}")
        extra = (response.answer.get("why_not") or {}).get("extra_cost")
        if extra is not None and wish.what_if_mw is not None:
            reasons.append(f"{power_text(wish.what_if_mw)} now instead would cost {extra:g} as the plant weighs it")
    response = yield wish.call
    plan = (
        response.answer
        if wish.call.tool == "propose_dispatch" or response.answer is None
        else response.answer.get("plan")
    )
    if plan is None:
        return Conclusion("refused", f"{wish.finding}; not proposed: {response.error}", tuple(reasons))
    if plan.get("outcome") == "refused":
        why = "; ".join(_quoted(check) for check in plan.get("checks", []) if check.get("outcome") == "refused")
        return Conclusion("refused", f"{wish.finding}; the plan was refused: {why}", tuple(reasons))
    cost = plan.get("cost_change")
    price = f"plan {plan['plan_id']} costs {'an unknown sum' if cost is None else format(cost, '.2f')}"
    reasons.append(f"{price} {plan.get('currency', '')} against the plant's own plan".replace("  ", " "))
    if cost is None or cost > limits.max_extra_cost:
        text = f"{wish.finding}; {price}, beyond the {limits.max_extra_cost:g} that this agent may spend on one"
        return Conclusion("too_dear", text, tuple(reasons))
    response = yield Call("execute_plan", {"plan_id": plan["plan_id"]})
    if response.answer is None:
        text = f"{wish.finding}; {price} and waits: {plan.get('approval') or response.error}"
        return Conclusion("waiting", text, tuple(reasons))
    status = str(response.answer.get("status"))
    kind = {"accepted": "executed", "sent": "executed", "needs_approval": "waiting"}.get(status, "refused")
    return Conclusion(kind, f"{wish.finding}; {price}: {_receipt(response.answer)}", tuple(reasons))


def _standing(wish: Wish, zone: str) -> Said:
    """Return a dry run that shows the orders in force and changes nothing."""
    dry = {"policy": "keep_soc", "soc": 0.5, "zone": zone, "asset_ids": [wish.asset_id], "dry_run": True}
    return {**dry, "reason": "look at the orders in force"}


def _ruling(change: Said | None, wish: Wish) -> str | None:
    """Return which order in force answers a wish already or forbids it, in words; None where none does."""
    same = {"set_policy": "soc_target", "propose_dispatch": "target"}[wish.call.tool]
    for order in (change or {}).get("before", []):
        if order["asset_ids"] and wish.asset_id not in order["asset_ids"]:
            continue
        if order["action"] == "hold":
            return f"a hold by {order['principal']} stands, so nothing is proposed"
        if order["action"] == same:
            return f"order {order['order_id']} by {order['principal']} stands already"
    return None


def assess(
    seen: Mapping[str, Said],
    zone: str,
    battery: Said,
    own: Said,
    limits: AgentLimits,
) -> tuple[list[str], Wish | None]:
    """Return the margins in words, and what should be done about the most urgent risk, None where nothing should.

    Args:
        seen: Answers of ``get_overview``, ``predict_ramp``, ``get_forecast`` and ``list_assets`` by short name.
        zone: The zone.
        battery: The battery to act with, a line of ``list_assets``.
        own: Its limits, of ``get_asset``.
        limits: The agent's own.
    """
    now = _zone_now(seen, zone)
    margins: list[str] = []
    wish = _overload(now, battery, margins, limits)
    if wish is not None:
        return margins, wish
    share = now["served_net_load_mw"] / now["net_load_mw"]
    firm_mw = sum(
        asset["max_mw"] or 0.0
        for asset in seen["assets"]["assets"]
        if asset["kind"] in ("peaker", "load") and asset["state"] == "online"
    )
    needs = [
        _shortfall(seen["forecast"], share, (now["import_cap_mw"], firm_mw, battery["max_mw"]), margins),
        *_ramps(seen, share, now["step_min"], battery, margins),
    ]
    for need in sorted((need for need in needs if need is not None), key=lambda need: need.begins_min):
        margin = _kept(need, now, battery, own, limits)
        if isinstance(margin, Wish):
            return margins, margin
        margins.append(margin)
    return margins, None


@dataclass(frozen=True, slots=True)
class Need:
    """Energy that a battery should hold (positive) or have room for (negative) when a risk begins."""

    energy_mwh: float
    begins_min: float
    risk: str


def _overload(now: Said, battery: Said, margins: list[str], limits: AgentLimits) -> Wish | None:
    """Return a discharge where grid power is over the import cap now and the next setpoint does not answer it."""
    grid, cap = now["grid_power_mw"], now["import_cap_mw"]
    if grid is None:
        margins.append("grid power of the last slot is not known")
        return None
    margins.append(f"grid power {power_text(grid)}, import cap {power_text(cap)}")
    planned = (now["next_power_mw"] or 0.0) - (now["plant_power_mw"] or 0.0)
    missing = grid - cap - planned
    want = min((battery["next_power_mw"] or 0.0) + missing, battery["max_mw"], limits.max_power_mw)
    least_mw = LEAST_SHARE * battery["max_mw"]
    if grid <= cap or missing < least_mw or want - (battery["next_power_mw"] or 0.0) < least_mw:
        return None
    over = f"{power_text(grid - cap)} over the import cap of {power_text(cap)}"
    finding = f"grid power is {over} and the plan adds {power_text(planned)}"
    arguments = {
        "asset_ids": [battery["asset_id"]],
        "power_mw": _written(want),
        "duration_min": max(now["step_min"], 60),
        "zone": now["zone"],
        "reason": finding[:280],
    }
    return Wish(Call("propose_dispatch", arguments), finding, battery["asset_id"], _written(want))


def _kept(need: Need, now: Said, battery: Said, own: Said, limits: AgentLimits) -> Wish | str:
    """Return the state of charge to keep for a need, or why there is nothing to do, in words."""
    low, high = own.get("soc_min", 0.0) + own.get("reserve_soc", 0.0), own.get("soc_max", 1.0)
    size, name, soc = battery["energy_capacity_mwh"], battery["asset_id"], battery["soc"]
    if need.energy_mwh > 0:
        wanted = min(high, low + need.energy_mwh / own.get("discharge_efficiency", 1.0) / size)
        is_met, side = soc >= wanted - LEAST_SOC, "at least"
    else:
        wanted = max(low, high + need.energy_mwh * own.get("charge_efficiency", 1.0) / size)
        is_met, side = soc <= wanted + LEAST_SOC, "at most"
    finding = f"{need.risk}; {name} should then hold {side} {100 * wanted:.0f} %, it has {100 * soc:.0f} %"
    # The slot that runs is decided, so an order acts from the second one on; the risk begins at its own slot's start.
    lead_min = need.begins_min - 2 * now["step_min"]
    if is_met or lead_min < now["step_min"]:
        return finding
    arguments = {
        "policy": "keep_soc",
        "zone": now["zone"],
        "asset_ids": [name],
        "soc": round(wanted, 3),
        "dry_run": False,
        "duration_min": min(lead_min, limits.max_duration_min),
        "reason": finding[:280],
    }
    return Wish(Call("set_policy", arguments), finding, name)


def _shortfall(forecast: Said, share: float, powers_mw: tuple[float, float, float], margins: list[str]) -> Need | None:
    """Return the first run of slots whose 90 % quantile import cap and firm power do not cover.

    Args:
        forecast: Of net load.
        share: Of the region's net load that the plant serves.
        powers_mw: Import cap, firm power, and what the battery can discharge, so more need not be stored.
        margins: Takes what was found, in words.
    """
    cap_mw, firm_mw, most_mw = powers_mw
    peak_mw, energy_mwh, first = 0.0, 0.0, None
    for slot, before_min, at_min, row in _steps(forecast):
        over = -1.0 if row["q90"] is None else row["q90"] * share - cap_mw - firm_mw
        if over > LEAST_SHARE * most_mw:
            first = (at_min, slot) if first is None else first
            peak_mw, energy_mwh = max(peak_mw, over), energy_mwh + min(over, most_mw) * (at_min - before_min) / 60.0
        elif first is not None:
            break
    if first is None:
        margins.append(f"net load stays within cap {power_text(cap_mw)} and firm power {power_text(firm_mw)} at 90 %")
        return None
    excess = f"{power_text(peak_mw)}, {energy_text(energy_mwh)}"
    risk = f"from {first[1]} net load may pass cap and firm power by {excess} (90 %)"
    return Need(energy_mwh, first[0], risk)


def _ramps(
    seen: Mapping[str, Said], share: float, step_min: float, battery: Said, margins: list[str]
) -> tuple[Need | None, Need | None]:
    """Return what the steepest steps ahead may need beyond the limit, up and down, at their 90 % quantiles.

    The step that is decided already is left out.
    """
    ramp = seen["ramp"]
    limit, rows = ramp.get("ramp_limit_mw"), ramp.get("steps") or []
    if limit is None or not rows:
        margins.append("ramps cannot be held against the limit: " + str(ramp.get("hint") or "no limit is known"))
        return None, None
    steps = [dict(zip(ramp["columns"], row, strict=True)) for row in rows]
    later = [
        (step, before["horizon_min"])
        for before, step in pairwise(steps)
        if abs(step["horizon_min"] - before["horizon_min"] - step_min) < 1e-6 and step["horizon_min"] <= 60 * WATCH_H
    ]
    if not later:
        return None, None
    needs: list[Need | None] = []
    for way, sign, name, most in (
        ("up", 1.0, "change_q90_mw", battery["max_mw"]),
        ("down", -1.0, "change_q10_mw", -battery["min_mw"]),
    ):
        step, before_min = max(later, key=lambda one: sign * one[0]["change_mw"])
        slot, beyond = step["slot"], (sign * step[name] - limit) * share
        steepest = power_text(step["change_mw"] * share, signed=True)
        margins.append(f"steepest ramp {way} {steepest} at {slot}, limit {power_text(limit * share)} per step")
        risk = f"the ramp {way} at {slot} may pass the limit by {power_text(beyond)} (90 %)"
        needs.append(
            Need(sign * min(beyond, most) * step_min / 60.0, before_min, risk)
            if beyond > LEAST_SHARE * battery["max_mw"]
            else None
        )
    return needs[0], needs[1]


def _steps(forecast: Said) -> list[tuple[str, float, float, dict[str, Any]]]:
    """Return each step of a forecast: slot, minutes to the step before it and to it, its values by column."""
    rows = [dict(zip(forecast["columns"], point, strict=True)) for point in forecast["points"]]
    before = [0.0, *(row["horizon_min"] for row in rows)]
    return [(row["slot"], then, row["horizon_min"], row) for then, row in zip(before, rows, strict=False)]


def _unfit(seen: Mapping[str, Said], zone: str) -> list[str]:
    """Return why the zone cannot be judged; an agent that does not see does not act."""
    overview, forecast = seen["overview"], seen["forecast"]
    now = _zone_now(seen, zone)
    if not now:
        return [str(overview.get("hint") or f"no data of {zone}")]
    faults = [f"{name} is missing" for name in _NEEDED if now.get(name) is None]
    if now.get("net_load_mw") == 0:
        faults.append("net load is 0, so the served share is unknown")
    faults += [f"worker {name} is silent" for name in overview.get("workers_silent", [])]
    faults += [
        f"{name} lags behind"
        for ready in seen["health"].get("zones", [])
        if ready["zone"] == zone
        for name in ready.get("behind", [])
        if name in ("forecasts", "decisions")
    ]
    if not forecast.get("points"):
        faults.append(str(forecast.get("hint") or "there is no forecast"))
    elif forecast.get("source") != "model":
        faults.append(f"the forecast comes from the fallback {forecast.get('source')}")
    return faults


_NEEDED = ("net_load_mw", "served_net_load_mw", "import_cap_mw", "step_min")


def _zone_now(seen: Mapping[str, Said], zone: str) -> Said:
    entry: Said = next((now for now in seen["overview"].get("zones", []) if now["zone"] == zone), {})
    return entry


def _battery(assets: Said) -> Said | None:
    there = [
        asset
        for asset in assets.get("assets", [])
        if asset["kind"] == "battery" and asset["state"] == "online" and None not in (asset["soc"], asset["max_mw"])
    ]
    return max(there, key=lambda asset: (asset["energy_capacity_mwh"] or 0.0, asset["asset_id"]), default=None)


def _quoted(check: Said) -> str:
    clause = f" ({check['clause']}, {check.get('citation')}: {check.get('rule')})" if check.get("clause") else ""
    return f"{check.get('detail')}{clause}"


def _receipt(receipt: Said) -> str:
    why = receipt.get("reason") or receipt.get("hint")
    return f"{receipt.get('status')}{f', {why}' if why else ''}"


def _written(power_mw: float) -> float:
    """Return a power to four significant digits, as an order states it."""
    return float(f"{power_mw:.4g}")
