"""The screen Plan and why: the slots ahead, and for one of them the receipt, alternatives and inputs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from agents.assets.registry import kind_name, type_of
from agents.clearing.problem import same_cost
from agents.plant.narrative import binding_stretches
from agents.plant.plan_sentences import (
    least_mw,
    limit_sentence,
    money,
    powers_of,
    selling_pays,
    step_edges,
    step_reason,
    symbol,
    thresholds,
)
from console.dashboard.views import charts
from console.dashboard.views.moment import Moment
from console.dashboard.views.texts import source_words, span
from console.dashboard.views.values import soc_now
from mcp_server.queries.explain import explain_decision
from vpp.fleet.scale import money_text
from vpp.fleet.schema import Zone
from vpp.messages import Decision
from vpp.messages.decision import Duals

_WORTH = 0.5
_LABELS = {"discharge": "Sell", "idle": "Rest", "hold": "Rest", "rest": "Rest", "charge": "Charge"}


def plan(moment: Moment) -> dict[str, Any]:
    """Return the plan in force as charts and as a table of its steps."""
    decision = moment.plan
    config = moment.config
    if decision is None or config is None:
        return {"plan": None, "decided": moment.now, "rows": [], "why": None, "limits": charts.limits(moment)}
    edges = step_edges(decision)
    return {
        "plan": charts.plan(moment, decision),
        "price": charts.fan(moment, "price"),
        "limits": charts.limits(moment),
        "soc_before": soc_now(moment),
        "decided": decision.for_slot,
        "known_to": decision.slot,
        "hours": round((edges[-1] - edges[0]).total_seconds() / 3600, 1),
        "rows": rows(moment, decision),
        "assets": [{"asset_id": a.asset_id, "kind": a.kind, "name": kind_name(a.kind)} for a in config.assets],
        "why": why(moment, decision, 0),
    }


def rows(moment: Moment, decision: Decision) -> list[dict[str, Any]]:
    """Return one row per step of a plan, with the forecast's bands where a forecast covers the same slot."""
    config = moment.config
    assert config is not None
    edges, table, duals = step_edges(decision), decision.plan, decision.duals
    assert table is not None
    net, price = _bands(moment, "net_load", moment.factor), _bands(moment, "price", 1.0)
    soc = charts.plan_soc(moment, decision)
    plan_rows = []
    for h, start in enumerate(edges[:-1]):
        plan_rows.append(
            {
                "step": h,
                "start": start,
                "end": edges[h + 1],
                "net_mw": table.net_mw[h],
                "net_band": None if start not in net else (net[start][0], net[start][2]),
                "import_mw": table.grid_mw[h],
                "expected_price": table.price_per_mwh[h],
                "price": None if start not in price else price[start][1],
                "price_band": None if start not in price else (price[start][0], price[start][2]),
                "worth": _at(duals.power_price_per_mwh, h),
                "powers": {a.asset_id: _at(powers_of(decision, a.asset_id), h) for a in config.assets},
                "soc": _at(soc, h),
                "binding": _binding(duals, h),
            }
        )
    return plan_rows


def _bands(moment: Moment, target: str, factor: float) -> dict[datetime, tuple[float, float, float]]:
    bands = {}
    for row in moment.forecast.get(target, []):
        start = row["issued_at"] + timedelta(minutes=row["horizon_min"])
        if row["q05"] is not None and row["q95"] is not None:
            bands[start] = (row["q05"] * factor, row["q50"] * factor, row["q95"] * factor)
    return bands


def _at(values: Any, h: int) -> float | None:
    return None if values is None or h >= len(values) else values[h]


def _binding(duals: Duals, h: int) -> dict[str, Any] | None:
    """Return the most expensive limit that binds in a step: ``ramp up``, ``ramp down``, ``cap`` or ``export cap``."""
    ramp, cap = _at(duals.ramp_price_per_mw, h) or 0.0, _at(duals.cap_price_per_mw, h) or 0.0
    best = max((abs(ramp), "ramp up" if ramp > 0 else "ramp down"), (abs(cap), "cap" if cap > 0 else "export cap"))
    return {"kind": best[1], "worth": best[0]} if best[0] > _WORTH else None


def why(moment: Moment, decision: Decision, step: int) -> dict[str, Any]:
    """Return why a step of the plan is as it is; only the first is decided and has alternatives."""
    config = moment.config
    assert config is not None
    edges = step_edges(decision)
    step = min(max(step, 0), max(len(edges) - 2, 0))
    first = step == 0
    worth = _at(decision.duals.power_price_per_mwh, step)
    return {
        "step": step,
        "start": edges[step],
        "end": edges[step + 1],
        "status": "decided" if first else "planned",
        "sentence": _sentence(moment, decision, config, step),
        "axis": _axis(moment, decision, worth),
        "reasons": [
            {
                "asset_id": asset.asset_id,
                "kind": asset.kind,
                "mw": _at(powers_of(decision, asset.asset_id), step),
                "text": step_reason(decision, config, asset, step),
            }
            for asset in config.assets
        ],
        "alternatives": _alternatives(moment, decision) if first else [],
        "limit_ahead": limit_sentence(decision, config),
        "runs": [
            {"kind": r.kind, "span": span(r.start, r.end), "worth": r.worth_per_mw} for r in binding_stretches(decision)
        ],
        "bids": _bids(decision),
        "engine": decision.engine,
        "model_id": decision.model_id,
        "decision_id": decision.decision_id,
        "revision": decision.revision,
        "currency": moment.currency,
    }


def _sentence(moment: Moment, decision: Decision, config: Zone, step: int) -> str:
    trading = next((asset for asset in config.assets if asset.asset_id in moment.stores), None)
    asset = trading or next(iter(config.assets), None)
    if asset is None:
        return "This zone has no assets."
    power = _at(powers_of(decision, asset.asset_id), step) or 0.0
    reason = step_reason(decision, config, asset, step)
    if trading is None:
        return f"{asset.asset_id} gives {moment.power_text(power)}. {reason}"
    least = least_mw(config)
    name, activity = kind_name(asset.kind), type_of(asset).activity(power)
    does = "rests" if abs(power) <= least else f"{activity} {moment.power_text(abs(power))}"
    if power > least and step == 0 and selling_pays(decision, asset.asset_id, moment.stores[asset.asset_id]):
        worth, water = decision.duals.power_price_per_mwh[0], decision.duals.water_value_per_mwh[asset.asset_id]
        worths = money(worth, moment.currency), money(water, moment.currency)
        return f"The {name} {does} because power is worth {worths[0]}/MWh and what it stores is worth {worths[1]}."
    return f"The {name} {does}. {reason}"


def _axis(moment: Moment, decision: Decision, worth: float | None) -> dict[str, Any] | None:
    water = decision.duals.water_value_per_mwh
    asset_id = next((each for each in moment.stores if each in water), None)
    if asset_id is None or worth is None:
        return None
    below, above = thresholds(moment.stores[asset_id], water[asset_id])
    return {"charge_below": below, "sell_above": above, "worth": worth, "water": water[asset_id]}


def _alternatives(moment: Moment, decision: Decision) -> list[dict[str, Any]]:
    """Return the stores' alternatives at full power with their extra cost; the chosen one first."""
    config = moment.config
    assert config is not None
    stores = moment.stores
    full = {
        "Sell": sum(store.discharge_mw for store in stores.values()),
        "Charge": sum(store.charge_mw for store in stores.values()),
    }
    chosen = sum(_at(powers_of(decision, asset_id), 0) or 0.0 for asset_id in stores)
    least = least_mw(config)
    does = "Rest" if abs(chosen) <= least else "Sell" if chosen > 0 else "Charge"
    amount = "" if does == "Rest" else f" {moment.power_text(abs(chosen))}"
    alternatives: list[dict[str, Any]] = [{"name": f"{does}{amount}", "code": "chosen", "cost": 0.0, "as_good": True}]
    for code, cost in sorted(decision.alternatives.items(), key=lambda item: item[1]):
        name = _LABELS.get(code, code[:1].upper() + code[1:])
        if name == does and (does == "Rest" or abs(abs(chosen) - full[does]) < least):
            continue
        at_full = f" at full, {moment.power_text(full[name])}" if name in full else ""
        as_good = abs(cost) <= same_cost(config)
        alternatives.append({"name": name + at_full, "code": code, "cost": cost, "as_good": as_good})
    return alternatives


def _bids(decision: Decision) -> str:
    sources = {bid.source for bid in decision.bids.values()}
    missing = f", no current bid of {', '.join(bid.policy for bid in decision.missing)}" if decision.missing else ""
    if len(sources) == 1 and len(decision.bids) == 2:
        return f"both from the {source_words(next(iter(sources)))}{missing}"
    policies = ", ".join(f"{name} from the {source_words(bid.source)}" for name, bid in sorted(decision.bids.items()))
    return (policies or "none") + missing


def why_not(moment: Moment, decision_id: str | None, asset_id: str, power_mw: float) -> dict[str, Any]:
    """Return the cost of another first step of one asset: the problem solved again with this step fixed.

    Args:
        moment: What the page shows of the zone.
        decision_id: The decision; None: the newest.
        asset_id: The asset.
        power_mw: Power of its first step, positive into the grid.

    Raises:
        QuestionError: Zone, decision or asset is unknown.
    """
    answer = explain_decision(
        moment.context, zone=moment.zone, decision_id=decision_id, at=None, why_not_asset=asset_id, why_not_mw=power_mw
    )
    if answer.why_not is None:
        return {"outcome": "refused", "text": "; ".join(answer.warnings) or (answer.hint or "It cannot be priced.")}
    alternative = answer.why_not
    does = _instead(moment, asset_id, alternative.power_mw)
    if abs(alternative.extra_cost) <= (same_cost(moment.config) if moment.config else 0.0):
        text = f"{does} instead costs the same in the hours ahead."
    else:
        amount = f"{symbol(moment.currency)}{money_text(alternative.extra_cost)}"
        text = f"{does} instead costs {amount} {'more' if alternative.extra_cost > 0 else 'less'}."
    return {
        "outcome": "priced",
        "text": text,
        "extra_cost": alternative.extra_cost,
        "items": alternative.items,
        "notes": alternative.notes,
        "power_mw": alternative.power_mw,
    }


def _instead(moment: Moment, asset_id: str, power_mw: float) -> str:
    has_store = asset_id in moment.stores
    if moment.config is None or abs(power_mw) <= least_mw(moment.config):
        return "Rest" if has_store else "Off"
    if has_store:
        return f"{'Sell' if power_mw > 0 else 'Charge'} {moment.power_text(abs(power_mw))}"
    return moment.signed_power(power_mw)
