"""The rule-based brain of the agent: fixed rules that need no language model and no key.

The clearing of the plant already includes expected money and penalties. This brain assesses the other risks: the tail
beyond the 90 % quantiles, orders of people that cost more than expected, failing assets and data. It ranks risks in
money, asks the server for the price of a remedy, and proposes it only if it costs less than the risk.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.autonomous.guard import (
    AgentLimits,
    BrainContext,
    Call,
    CallResult,
    Conclusion,
    OpenPlan,
    Task,
    subject_of,
)
from agents.autonomous.risks import (
    WATCH_H,
    Answer,
    Outlook,
    Risk,
    Wish,
    changes_since,
    data_risks,
    fleet_risks,
    grid_risks,
    margins,
    price_risks,
    rank,
    stores,
)
from vpp.fleet.scale import power_text
from vpp.rules.clauses import cited

MOST_ORDERS = 3
"""Orders that are priced in one look."""
MOST_DETAILS = 4
SAME_SHARE = 0.1
"""Two remedies whose sizes differ by less than this share count as the same one."""

Thought = Generator[Call, CallResult, Conclusion]
Question = Generator[Call, CallResult, Answer]


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings of a look: ranked risks, margins in words, orders in force, money of the last 24 h."""

    risks: tuple[Risk, ...]
    margins: tuple[str, ...]
    standing: tuple[Answer, ...]
    pnl_24h: float | None
    changes: tuple[str, ...] = ()
    as_of: datetime | None = None

    def conclude(self, kind: str, text: str, reasons: Sequence[str] = ()) -> Conclusion:
        """Return a conclusion that includes the findings."""
        lines = tuple((risk.key, risk.text, risk.money) for risk in self.risks)
        return Conclusion(kind, text, (*self.margins, *reasons), lines, self.changes, self.pnl_24h)


class BlindError(Exception):
    """The zone cannot be assessed, so the agent does not act."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


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
    """Yield calls, receive their results, and return the conclusion; pure.

    Args:
        task: The zone, the plans that wait for approval, and the look before.
        limits: What the agent may ask for.
    """
    try:
        findings = yield from _see(task, limits)
    except BlindError as error:
        text = f"cannot judge the zone: {error}"
        return Conclusion("blind", text, error.faults, tuple(("data", fault, None) for fault in error.faults))
    waiting = yield from _review(task, findings)
    if waiting:
        words = [f"{plan.plan_id} ({plan.what}) waits for approval" for plan in waiting]
        return findings.conclude("waiting", "; ".join(words))
    return (yield from _act(task, findings, limits))


def _see(task: Task, limits: AgentLimits) -> Generator[Call, CallResult, Findings]:
    """Query the state of the zone and return the findings.

    Raises:
        BlindError: Something that is needed is missing.
    """
    zone, answers = task.zone, dict[str, Answer]()
    for name, call in _questions(zone):
        answers[name] = yield from _needed(call)
    faults = _faults(answers, zone)
    if faults:
        raise BlindError(faults)
    now = _zone_now(answers, zone)
    assets = list(answers["assets"]["assets"])
    details: dict[str, Answer] = {}
    battery = yield from _battery(assets, details)
    standing = tuple(answers["orders"]["orders"])
    alerts = list(answers["alerts"]["alerts"])
    for asset in _worth_a_look(assets)[: MOST_DETAILS - 1]:
        details[asset["asset_id"]] = yield from _needed(Call("get_asset", {"asset_id": asset["asset_id"]}))
    outlook = Outlook(now, answers["ramp"], answers["net_load"], answers["price"], assets, battery, details, limits)
    risks = [*grid_risks(outlook), *price_risks(outlook), *fleet_risks(outlook), *data_risks(outlook, alerts)]
    words = margins(outlook)
    if battery is None:
        words.insert(0, "no battery answers: no order can be proposed")
    for order in standing[:MOST_ORDERS]:
        # An order of the agent covers the risks found so far, so its value is the cost of the most expensive of them.
        worth = max((risk.money or 0.0 for risk in risks), default=0.0) if order["order_id"] in task.own else 0.0
        risks += yield from _order_risk(order, zone, now.get("currency") or "", worth)
    risks = rank(risks)
    pnl = now.get("pnl_24h")
    as_of = answers["overview"].get("as_of")
    return Findings(
        risks=tuple(risks),
        margins=tuple(words),
        standing=standing,
        pnl_24h=pnl,
        changes=tuple(changes_since(task.before, risks, pnl)),
        as_of=None if as_of is None else datetime.fromisoformat(as_of),
    )


def _battery(assets: Sequence[Answer], details: dict[str, Answer]) -> Generator[Call, CallResult, Answer | None]:
    """Return the largest store that answers and has a band of SoC to order in; add each detail seen to ``details``."""
    for store in stores(assets)[:MOST_DETAILS]:
        name = store["asset_id"]
        details[name] = yield from _needed(Call("get_asset", {"asset_id": name}))
        if {"soc_min", "soc_max"} <= details[name].get("limits", {}).keys():
            return store
    return None


def _questions(zone: str) -> tuple[tuple[str, Call], ...]:
    def forecast(target: str) -> Call:
        return Call("get_forecast", {"target": target, "zone": zone, "horizon_h": WATCH_H})

    return (
        ("health", Call("get_pipeline_health", {})),
        ("overview", Call("get_overview", {"zone": zone})),
        ("ramp", Call("predict_ramp", {"zone": zone})),
        ("net_load", forecast("net_load")),
        ("price", forecast("price")),
        ("assets", Call("list_assets", {"zone": zone})),
        ("orders", Call("list_orders", {"zone": zone, "open_only": True})),
        ("alerts", Call("get_alerts", {"zone": zone, "open_only": True})),
    )


def _needed(call: Call) -> Question:
    response = yield call
    if response.answer is None:
        raise BlindError([f"{call.tool}: {response.error}"])
    return response.answer


def _order_risk(order: Answer, zone: str, currency: str, worth: float) -> Generator[Call, CallResult, list[Risk]]:
    """Return the cost of an order from now on, by a dry run that ends it, if this cost is certain.

    A hold is a stop by a person: its cost is reported, and its release is not proposed.

    Args:
        order: A line of ``list_orders``.
        zone: Its zone.
        currency: Of the money.
        worth: Value of the order beyond the plant's expected money.
    """
    name, is_hold = order["order_id"], order["action"] == "hold"
    wish: dict[str, Any] = {"zone": zone, "reason": f"what {name} costs from now on", "dry_run": True}
    wish |= {"policy": "automatic", "asset_ids": order["asset_ids"]} if is_hold else _cancel(name)
    response = yield Call("set_policy", wish)
    plan = (response.answer or {}).get("plan") or {}
    cost = plan.get("cost_change")
    if cost is None or -cost <= worth + (plan.get("max_loss") or 0.0):
        return []
    order_text = f"{order['action']} {name} by {order['principal']} ({order['reason']})"
    text = f"{order_text} costs {-cost:,.2f} {currency} from now on"
    if is_hold:
        return [Risk(f"hold:{name}", f"{text}; it is for people to release", -cost)]
    arguments = {**_cancel(name), "zone": zone, "dry_run": False, "reason": text[:280]}
    asset_id = next(iter(order["asset_ids"]), "")
    return [Risk(f"order:{name}", text, -cost, Wish(Call("set_policy", arguments), asset_id))]


def _cancel(order_id: str) -> dict[str, Any]:
    return {"policy": "cancel", "order_id": order_id}


def _review(task: Task, findings: Findings) -> Generator[Call, CallResult, list[OpenPlan]]:
    """Withdraw the open plans that are stale and return those that still wait.

    A plan is stale if its time is over by the run clock, no risk needs it any more, or another remedy replaces it.
    """
    wishes = {subject_of(risk.wish.call): risk.wish.call for risk in findings.risks if risk.wish is not None}
    waiting = []
    for plan in task.open_plans:
        stale = _why_stale(plan, wishes, findings.as_of)
        if stale is None:
            waiting.append(plan)
            continue
        yield Call("set_policy", {**_cancel(plan.plan_id), "zone": task.zone, "dry_run": False, "reason": stale})
    return waiting


def _why_stale(plan: OpenPlan, wishes: Mapping[tuple[Any, ...], Call], as_of: datetime | None) -> str | None:
    if plan.ends_at is not None and as_of is not None and plan.ends_at <= as_of:
        return "its time is over by the run's clock"
    if plan.call is None:
        return None
    needed = wishes.get(subject_of(plan.call))
    if needed is None:
        return "what it was for is not expected any more"
    return None if _is_same(plan.call, needed) else "another size or time is needed now"


def _is_same(call: Call, other: Call) -> bool:
    for name in ("power_mw", "soc"):
        mine, other_value = call.arguments.get(name), other.arguments.get(name)
        if mine is not None and other_value is not None and abs(mine - other_value) > SAME_SHARE * abs(mine):
            return False
    return True


def _act(task: Task, findings: Findings, limits: AgentLimits) -> Thought:
    """Propose the remedy of the most expensive risk whose remedy costs less than the risk."""
    deferred: list[str] = []
    for risk in findings.risks:
        if risk.wish is None:
            continue
        if subject_of(risk.wish.call) in {subject_of(call) for call in task.declined}:
            deferred.append(f"{risk.text}: a person declined it")
            continue
        ruling = _ruling(findings.standing, risk.wish)
        if ruling is None and risk.wish.call.arguments.get("policy") == "keep_soc":
            ruling = yield from _too_dear(risk)
        if ruling is not None:
            deferred.append(f"{risk.text}; {ruling}")
            continue
        return (yield from _remedy(risk, risk.wish, task.zone, findings, limits))
    text = deferred[0] if deferred else findings.risks[0].text if findings.risks else "; ".join(findings.margins)
    return findings.conclude("no_action", text, deferred)


def _too_dear(risk: Risk) -> Generator[Call, CallResult, str | None]:
    """Return why a remedy costs more than its risk, by a dry run; None if it does not."""
    assert risk.wish is not None
    response = yield Call("set_policy", {**risk.wish.call.arguments, "dry_run": True})
    cost = ((response.answer or {}).get("plan") or {}).get("cost_change")
    if cost is None:
        return "it cannot be priced"
    if risk.money is not None and cost >= risk.money:
        return f"answering it would cost {cost:,.2f}, more than the {risk.money:,.2f} at risk"
    return None


def _remedy(risk: Risk, wish: Wish, zone: str, findings: Findings, limits: AgentLimits) -> Thought:
    """Query the plant's reason for its own plan, have the remedy priced, and propose it if this is allowed."""
    about: dict[str, Any] = {"zone": zone}
    if wish.what_if_mw is not None:
        about |= {"why_not_asset": wish.asset_id, "why_not_mw": wish.what_if_mw}
    reasons = [risk.text]
    response = yield Call("explain_decision", about)
    if response.answer is not None:
        reasons.append(f"binding limit: {response.answer.get('binding') or 'nothing binds'}")
        extra = (response.answer.get("why_not") or {}).get("extra_cost")
        if extra is not None and wish.what_if_mw is not None:
            reasons.append(f"{power_text(wish.what_if_mw)} now instead would cost {extra:g} as the plant weighs it")
    response = yield wish.call
    plan = response.answer
    if plan is not None and wish.call.tool == "set_policy":
        plan = plan.get("plan")
    if plan is None:
        return findings.conclude("refused", f"{risk.text}; not proposed: {response.error}", reasons)
    if plan.get("outcome") == "refused":
        refused_checks = "; ".join(
            _quoted(check) for check in plan.get("checks", []) if check.get("outcome") == "refused"
        )
        return findings.conclude("refused", f"{risk.text}; the plan was refused: {refused_checks}", reasons)
    cost, currency = plan.get("cost_change"), plan.get("currency", "")
    price = f"plan {plan['plan_id']} costs {'an unknown sum' if cost is None else format(cost, '.2f')}"
    reasons.append(f"{price} {currency} against the plant's own plan".replace("  ", " "))
    rules = dict.fromkeys(_rule(check) for check in plan.get("checks", []) if check.get("clause"))
    reasons += [f"checked by {', '.join(rules)}"] if rules else []
    if cost is None or cost > limits.max_extra_cost:
        text = f"{risk.text}; {price}, beyond the {limits.max_extra_cost:g} that this agent may spend on one"
        yield Call("set_policy", {**_cancel(plan["plan_id"]), "zone": zone, "dry_run": False, "reason": "too dear"})
        return findings.conclude("too_dear", text, reasons)
    response = yield Call("execute_plan", {"plan_id": plan["plan_id"]})
    if response.answer is None:
        text = f"{risk.text}; {price} and waits: {plan.get('approval') or response.error}"
        return findings.conclude("waiting", text, reasons)
    status = str(response.answer.get("status"))
    kind = {"accepted": "executed", "sent": "executed", "needs_approval": "waiting"}.get(status, "refused")
    return findings.conclude(kind, f"{risk.text}; {price}: {_receipt(response.answer)}", reasons)


def _ruling(standing: Sequence[Answer], wish: Wish) -> str | None:
    """Return in words the order in force that already fulfils or forbids a remedy, None if there is none."""
    policy_action = {"keep_soc": "soc_target", None: "target"}.get(wish.call.arguments.get("policy"))
    for order in standing if policy_action is not None else ():
        if order["asset_ids"] and wish.asset_id not in order["asset_ids"]:
            continue
        if order["action"] == "hold":
            return f"a hold by {order['principal']} stands, so nothing is proposed"
        if order["action"] == policy_action:
            return f"order {order['order_id']} by {order['principal']} stands already"
    return None


def _faults(answers: Mapping[str, Answer], zone: str) -> list[str]:
    """Return why the zone cannot be assessed."""
    overview, forecast = answers["overview"], answers["net_load"]
    now = _zone_now(answers, zone)
    if not now:
        return [str(overview.get("hint") or f"no data of {zone}")]
    faults = [f"{name} is missing" for name in _NEEDED if now.get(name) is None]
    if now.get("net_load_mw") == 0:
        faults.append("net load is 0, so the served share is unknown")
    faults += [f"worker {name} is silent" for name in overview.get("workers_silent", [])]
    faults += [
        f"{name} lags behind"
        for ready in answers["health"].get("zones", [])
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


def _zone_now(answers: Mapping[str, Answer], zone: str) -> Answer:
    entry: Answer = next((now for now in answers["overview"].get("zones", []) if now["zone"] == zone), {})
    return entry


def _worth_a_look(assets: Sequence[Answer]) -> list[Answer]:
    """Return the assets without a store that will run, be shed, be curtailed or draw next."""
    return [asset for asset in assets if asset["energy_capacity_mwh"] is None and asset["next_power_mw"]]


def _quoted(check: Answer) -> str:
    clause = f" ({_rule(check)}, {check.get('citation')}: {check.get('rule')})" if check.get("clause") else ""
    return f"{check.get('detail')}{clause}"


def _rule(check: Answer) -> str:
    return cited(check["clause"], check.get("version") or "")


def _receipt(receipt: Answer) -> str:
    reason = receipt.get("reason") or receipt.get("hint")
    return f"{receipt.get('status')}{f', {reason}' if reason else ''}"
