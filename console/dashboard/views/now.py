"""The screen Now: verdict, current action and its reason, next actions, open tasks; values and charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from agents.assets.registry import TYPES, kind_name, type_of
from agents.plant.plan_sentences import (
    PlannedAction,
    least_mw,
    limit_sentence,
    money,
    order_sentence,
    planned_actions,
    selling_pays,
    step_edges,
    step_reason,
    thresholds,
)
from console.dashboard.views import alarms, charts
from console.dashboard.views.background import Background
from console.dashboard.views.frame import fault_words, verdict_of, worker_faults
from console.dashboard.views.moment import Moment
from console.dashboard.views.orders import OrderBook
from console.dashboard.views.texts import joined, plural, span
from console.dashboard.views.values import grid_mw, next_powers, values
from vpp.fleet.assets import Asset
from vpp.messages import Decision

PAST = timedelta(hours=6)
ACTIONS = 3
ALARM_LINES = 30
FULL = 0.005


def now(moment: Moment, book: OrderBook, background: Background) -> dict[str, Any]:
    """Return the screen Now."""
    alarm_lines = alarms.lines(moment)
    decision, planned = moment.decision, moment.plan
    actions = [] if planned is None or moment.config is None else planned_actions(planned, moment.config)
    return {
        "strip": {
            "fine": _fine(moment, book, alarm_lines),
            "doing": _doing(moment),
            "comes": _comes(moment, planned, actions),
            "must": _must(moment, book, alarm_lines),
        },
        "values": values(moment, planned, actions, background),
        "past": charts.past(moment, PAST),
        "net": charts.fan(moment, "net_load", moment.factor),
        "price": charts.fan(moment, "price"),
        "plan": charts.plan(moment, planned),
        "limits": charts.limits(moment) | _sell_above(moment, planned),
        "next": next_powers(moment),
        "no_plan": None if planned is not None else _why_no_plan(moment, book),
        "decided": None if decision is None else decision.for_slot,
        "actions": _shown(moment, planned, actions),
        "in_force": [] if planned is not None else in_force(moment),
        "alarms": alarms.as_values(_listed(alarm_lines)),
        "quiet": alarms.quiet(moment),
    }


def _listed(alarm_lines: Sequence[alarms.AlarmLine]) -> list[alarms.AlarmLine]:
    """Return the lines of the alarm list: all open ones first, then the newest others."""
    open_lines = [line for line in alarm_lines if line.open]
    others = [line for line in alarm_lines if not line.open]
    return open_lines + others[: max(0, ALARM_LINES - len(open_lines))]


def _fine(moment: Moment, book: OrderBook, alarm_lines: Sequence[alarms.AlarmLine]) -> dict[str, Any]:
    holds = [order for order in book.standing() if order.action == "hold"]
    faults = worker_faults(moment)
    verdict = verdict_of(moment, alarm_lines, holds, faults)
    room = _room(moment)
    below = (
        "" if room is None else f"import {moment.brief_power(abs(room))} {'below' if room >= 0 else 'above'} the cap"
    )
    match verdict.state:
        case "normal":
            text = "No warning in 24 h" if not any(line.act for line in alarm_lines) else "No open warning"
            text += f", {below}." if below else "."
        case "hold":
            text = "No other alarm." + (f" Import is {below.removeprefix('import ')}." if below else "")
        case "waiting":
            text = "The first forecast needs history."
        case "warning" if faults:
            words = fault_words(faults)
            text = f"{words[:1].upper()}{words[1:]}; what is shown may be old."
        case _:
            since = alarms.unmeasured_since(moment)
            worst = next(iter(alarms.open_lines(alarm_lines)), None)
            text = f"Net load is not measured since {since:%H:%M}." if since is not None else ""
            if not text and worst is not None:
                text = f"{worst.title}, {worst.slot:%H:%M}."
    return {"state": verdict.state, "headline": verdict.word, "text": text}


def _room(moment: Moment) -> float | None:
    grid = grid_mw(moment)
    return None if grid is None or moment.config is None else moment.config.limits.import_cap_mw - grid


def _doing(moment: Moment) -> dict[str, Any]:
    now = moment.now
    if now is None:
        return {"label": "Now", "headline": "Waiting for the first slot", "text": "Nothing is decided yet."}
    label = f"Now, {span(now, now + moment.step)}"
    powers = next_powers(moment)
    if not powers:
        return {"label": label, "headline": "Not decided yet", "text": "The setpoints of this slot come in a moment."}
    least = moment.least_mw
    assets = () if moment.config is None else moment.config.assets
    with_store = {asset.kind for asset in assets if asset.asset_id in moment.stores}
    words = [
        f"{kind_name(k)} {moment.brief_power(v, signed=True)}"
        for k, v in powers.items()
        if abs(v) > least or k in with_store
    ]
    headline = joined(words) if words else "All assets rest"
    return {"label": label, "headline": headline, "text": _doing_text(moment)}


def _doing_text(moment: Moment) -> str:
    decision, config = moment.decision, moment.config
    if decision is None or config is None:
        return ""
    rules = [order for order in decision.orders if order.action == "hold" and not order.asset_ids]
    if rules:
        return order_sentence(rules[-1], config)
    if decision.plan is None:
        binding = decision.binding or "no reason is recorded"
        return binding[:1].upper() + binding[1:] + "."
    trading = next((asset for asset in config.assets if asset.asset_id in moment.stores), None)
    generators = ((asset, type_of(asset).generator(asset)) for asset in config.assets)
    generating, generator = next(((each, of) for each, of in generators if of is not None), (None, None))
    asset = trading or generating or next(iter(config.assets), None)
    if asset is None:
        return ""
    text = step_reason(decision, config, asset, 0)
    if trading is None or generating is None or generator is None:
        return text
    if selling_pays(decision, trading.asset_id, moment.stores[trading.asset_id]):
        fuel = f"{kind_name(generating.kind)}’s fuel is {money(generator.fuel_cost_per_mwh, moment.currency)}"
        text = f"{text.removesuffix('.')}, the {fuel}."
    return text


def _comes(moment: Moment, planned: Decision | None, actions: Sequence[PlannedAction]) -> dict[str, Any]:
    if moment.config is None or planned is None:
        if moment.decision is not None and any(o.action == "hold" for o in moment.decision.orders):
            return {"headline": "On hold until released", "text": "Nothing is planned while the hold stands."}
        if moment.decision is None:
            return {"headline": "Not planned yet", "text": "A plan follows the forecast of the newest slot."}
        if moment.telemetry.get("net_load_mw") is None:
            return {"headline": "Plans again when net load is back", "text": "Until then nothing is planned ahead."}
        return {"headline": "Nothing is planned ahead", "text": "The next decision may have a plan again."}
    text = limit_sentence(planned, moment.config) or "No limit binds in the hours planned."
    return {"headline": _next_change(moment, planned, actions), "text": text}


def _next_change(moment: Moment, planned: Decision, actions: Sequence[PlannedAction]) -> str:
    """Return the next change of an action, of the first kind that has one, in at most 32 characters if possible."""
    begin = planned.for_slot
    for kind in TYPES:
        mine = [action for action in actions if action.kind == kind]
        name = kind_name(kind)
        name = name[:1].upper() + name[1:]
        running = next((action for action in mine if action.start == begin), None)
        if running is None and mine:
            return f"{name} {_verb(mine[0])} from {mine[0].start:%H:%M}"
        if running is None or running.end >= _end(planned):
            continue
        after = next((a for a in mine if a.start == running.end and a.asset_id == running.asset_id), None)
        then = "then rests" if after is None else f"then {_verb(after)}"
        store = moment.stores.get(running.asset_id)
        if store is not None and running.soc_after is not None:
            if running.soc_after <= store.floor_soc + FULL:
                return f"{name} empty by {running.end:%H:%M}, {then}"
            if running.soc_after >= store.soc_max - FULL:
                return f"{name} full by {running.end:%H:%M}, {then}"
        return f"{name} {_verb(running)} to {running.end:%H:%M}, {then}"
    return "No change planned"


def _end(planned: Decision) -> datetime:
    return step_edges(planned)[-1]


def _verb(action: PlannedAction) -> str:
    return TYPES[action.kind].activity(action.first_mw)


def _must(moment: Moment, book: OrderBook, alarm_lines: Sequence[alarms.AlarmLine]) -> dict[str, Any]:
    plans = [] if moment.at is not None else book.open_plans()
    holds = [order for order in book.standing() if order.action == "hold"]
    open_lines = alarms.open_lines(alarm_lines)
    worst = next((line for line in open_lines if line.act and line.acknowledged_by is None), None)
    faults = worker_faults(moment)
    lost = next((name for name, state in faults.items() if state != "restarting"), None)
    if lost is not None and (worst is None or worst.severity != "critical"):
        headline, text = f"Look at worker {lost}", f"It is {faults[lost]}; its log is logs/{lost}.log."
        return {"state": "warning", "headline": headline, "text": text, "go": "health"}
    if worst is not None and (worst.severity == "critical" or not plans):
        headline = f"{worst.act} of {worst.channels[0]}" if worst.channels else str(worst.act)
        detail = f"{worst.title}, since {worst.slot:%H:%M}."
        return {
            "state": worst.severity,
            "headline": headline,
            "text": detail,
            "go": "health",
            "alert_ids": worst.alert_ids,
        }
    if plans:
        count = len(plans)
        headline = "1 plan waits for you" if count == 1 else f"{plural(count, 'plan')} wait for you"
        return {
            "state": "plans",
            "headline": headline,
            "text": "",
            "ends_at": plans[0].proposal.expires_at,
            "go": "orders",
        }
    if holds:
        return {
            "state": "hold",
            "headline": "Release when it is safe",
            "text": "A release needs an approval.",
            "go": "orders",
        }
    now = moment.now
    text = "" if now is None else f"The next plan comes at {now + moment.step:%H:%M}."
    return {"state": "normal", "headline": "Nothing", "text": text}


def _sell_above(moment: Moment, planned: Decision | None) -> dict[str, Any]:
    if planned is None:
        return {}
    water = planned.duals.water_value_per_mwh
    asset_id = next((each for each in moment.stores if each in water), None)
    if asset_id is None:
        return {}
    below, above = thresholds(moment.stores[asset_id], water[asset_id])
    return {"charge_below": below, "sell_above": above}


def _why_no_plan(moment: Moment, book: OrderBook) -> dict[str, str]:
    decision = moment.decision
    if any(order.action == "hold" for order in book.standing()) or (
        decision is not None and any(order.action == "hold" for order in decision.orders)
    ):
        return {"state": "hold", "text": "no plan while on hold"}
    if moment.telemetry.get("net_load_mw") is None:
        return {"state": "blind", "text": "no plan without net load"}
    return {"state": "none", "text": "no plan yet"}


def _shown(moment: Moment, planned: Decision | None, actions: Sequence[PlannedAction]) -> list[dict[str, Any]]:
    if planned is None:
        return []
    return [asdict(action) | {"verb": _verb(action), "name": _name(moment, action)} for action in actions[:ACTIONS]]


def _name(moment: Moment, action: PlannedAction) -> str:
    several = sum(asset.kind == action.kind for asset in moment.config.assets) if moment.config is not None else 0
    return action.asset_id if several > 1 else kind_name(action.kind).capitalize()


def in_force(moment: Moment) -> list[dict[str, Any]]:
    """Return the setpoints of the slot that begins now, in words, where there is no plan to tell actions from."""
    config = moment.config
    if config is None or moment.now is None:
        return []
    setpoints = []
    for asset in config.assets:
        row = moment.setpoints.get(asset.asset_id)
        if row is not None:
            setpoints.append(
                {
                    "asset_id": asset.asset_id,
                    "kind": asset.kind,
                    "title": _does(asset, row["power_mw"], least_mw(config)),
                    "mw": row["power_mw"],
                }
            )
    return setpoints


def _does(asset: Asset, power_mw: float, least: float) -> str:
    word = "rest" if abs(power_mw) <= least else type_of(asset).action_word(power_mw)
    return f"{kind_name(asset.kind).capitalize()}: {word}"
