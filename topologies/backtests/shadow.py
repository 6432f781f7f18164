"""A shadow of the live plant: other settings or policies on the same log, compared in money.

The log is put together again from the tables: every bid, the orders in force, the deadlines and the corrections, in the
order in which they ruled decisions. A control with the live settings goes through it as well; where it makes the stored
setpoints again, the comparison is exact.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import msgspec

from agents.clearing.inslot_curve import with_curve
from agents.clearing.problem import ClearingProblem, Plan
from agents.clearing.solve import solve
from agents.plant.build_problem import Clear, clear
from agents.plant.reducer import PlantReducer
from vpp.domain import PRICE
from vpp.errors import DataError
from vpp.fleet.schema import Zone
from vpp.local_time import local_date
from vpp.messages import (
    ActorBid,
    Correction,
    Deadline,
    Decision,
    End,
    LedgerEntry,
    Message,
    Order,
    Setpoint,
    TraderBid,
    read_decision,
)
from vpp.messages.bids import BID_OF_POLICY
from vpp.store import Store
from vpp.store.tables import ASSETS, BIDS, DECISIONS, SETPOINTS, TELEMETRY
from vpp.streams.in_process import ReducerLoop

MONEY = ("revenue", "wear_cost", "fuel_cost", "start_cost", "penalty", "pnl")
_SAME_SHARE = 1e-11
Tell = Callable[[float], None]


def clear_linear(problem: ClearingProblem) -> Plan:
    """Return the linear programme's plan with its curve, also where the stochastic programme would apply."""
    return with_curve(problem, solve(problem))


CLEARINGS: dict[str, Clear] = {"standard": clear, "linear": clear_linear}


@dataclass
class PlantRun:
    """What one plant made of the log: money by asset and column, by local day, and its setpoints.

    ``setpoints``: (slot, asset) to the planned power of the last revision.
    """

    money: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    pnl_by_day: dict[date, float] = field(default_factory=lambda: defaultdict(float))
    setpoints: dict[tuple[datetime, str], float] = field(default_factory=dict)

    @property
    def total(self) -> dict[str, float]:
        """Money of all assets and the zone's penalties together."""
        return {name: math.fsum(row[name] for row in self.money.values()) for name in MONEY}


@dataclass(frozen=True, slots=True)
class ShadowComparison:
    """A shadow against the live settings on the same log.

    ``exact``: whether the control made every stored setpoint again; ``reproduced`` of ``stored`` says how many.
    ``gain_per_day``: mean daily profit of the shadow less the control's, ``gain_se`` its standard error over days.
    """

    live: PlantRun
    shadow: PlantRun
    stored: int
    reproduced: int
    days: int
    days_better: int
    gain_per_day: float
    gain_se: float | None

    @property
    def exact(self) -> bool:
        """Whether the control is the live plant, setpoint by setpoint."""
        return self.stored > 0 and self.reproduced == self.stored

    @property
    def gain(self) -> float:
        """Profit of the shadow less that of the live settings."""
        return self.shadow.total["pnl"] - self.live.total["pnl"]


def compare(
    store: Store,
    live: Zone,
    shadow: Zone,
    *,
    policies: Sequence[str] | None = None,
    clearing: Clear = clear,
    start: datetime | None = None,
    end: datetime | None = None,
    tell: Tell = lambda _: None,
) -> ShadowComparison:
    """Run control and shadow over the stored log.

    Args:
        store: The live run's tables.
        live: The zone as it was configured.
        shadow: The zone as it might have been; same name and slot length.
        policies: Whose bids the shadow weighs; None: those that the live plant weighed.
        clearing: How the shadow clears.
        start: First closed slot; None: the run's first, which alone lets the control be exact.
        end: End of closed slots, exclusive.
        tell: Called with the share done, 0 to 1.

    Raises:
        DataError: There are no decisions in the range.
    """
    log = list(stored_log(store, live, start=start, end=end))
    if not log:
        raise DataError(f"no decisions of {live.zone} are stored there", hint="see vpp explain latest")
    recorded = tuple(sorted({m.policy for m in log if isinstance(m, ActorBid | TraderBid)}))
    charge = charge_after(store, live, start - live.step.delta) if start is not None else {}
    control = run_log(live, log, recorded, charge, lambda share: tell(0.5 * share))
    rewritten = with_hedge_of(log, live, shadow)
    weighed = tuple(policies or recorded)
    other = run_log(shadow, rewritten, weighed, charge, lambda share: tell(0.5 + 0.5 * share), clearing=clearing)
    stored = _stored_setpoints(store, live, control.setpoints)
    same_mw = live.served_scale.share(_SAME_SHARE)
    repeats = sum(
        abs(control.setpoints[key] - power) <= same_mw for key, power in stored.items() if key in control.setpoints
    )
    gains = [other.pnl_by_day[day] - control.pnl_by_day[day] for day in sorted(control.pnl_by_day)]
    mean = math.fsum(gains) / len(gains)
    spread = math.fsum((gain - mean) ** 2 for gain in gains)
    return ShadowComparison(
        live=control,
        shadow=other,
        stored=len(stored),
        reproduced=repeats,
        days=len(gains),
        days_better=sum(gain > 0 for gain in gains),
        gain_per_day=mean,
        gain_se=math.sqrt(spread / (len(gains) - 1) / len(gains)) if len(gains) > 1 else None,
    )


def run_log(
    zone: Zone,
    log: Sequence[Message],
    policies: tuple[str, ...],
    charge: Mapping[str, float],
    tell: Tell,
    *,
    clearing: Clear = clear,
) -> PlantRun:
    """Return the result of a plant on a log.

    Args:
        zone: Its configuration.
        log: Messages of ``bids``.
        policies: Whose bids it waits for.
        charge: Known states of charge at the start, by asset.
        tell: Called with the share done, 0 to 1.
        clearing: How it clears.
    """
    reducer = PlantReducer(zone, policies, clear=clearing, start_soc=charge, explore=False)
    plant, run = ReducerLoop(reducer, zone.zone, "bids"), PlantRun()
    for offset, message in enumerate(log):
        for output in plant.step(message):
            match output:
                case LedgerEntry():
                    row = run.money[output.asset_id]
                    for name in MONEY:
                        row[name] += getattr(output, name) or 0.0
                    run.pnl_by_day[local_date(output.slot, zone.time_zone)] += output.pnl
                case Setpoint():
                    run.setpoints[output.slot, output.asset_id] = output.power_mw
        if offset % 100 == 0:
            tell(offset / len(log))
    tell(1.0)
    return run


def stored_log(
    store: Store, zone: Zone, *, start: datetime | None = None, end: datetime | None = None
) -> Iterator[Message]:
    """Yield the messages of ``bids`` that led to the stored decisions, in their order.

    Args:
        store: The store to read.
        zone: The zone's configuration.
        start: First decided slot, inclusive; None: from the first.
        end: Last decided slot, exclusive; None: to the last.
    """
    bids = _bids(store, zone.zone, start, end)
    corrections = _corrections(store, zone, start, end)
    standing: dict[str, Order] = {}
    policies = sorted({policy for _, policy in bids})
    for chunk in store.scan(DECISIONS, zone=zone.zone, start=start, end=end, columns=("slot", "revision", "body")):
        for slot, revision, body in chunk:
            decision = read_decision(body)
            orders = {order.order_id: order for order in decision.orders}
            if revision:
                yield from (order for order_id, order in orders.items() if order_id not in standing)
                standing |= orders
                continue
            yield from _ended(zone, standing, orders, decision)
            yield from (order for order_id, order in orders.items() if order_id not in standing)
            standing = orders
            absent = {bid.policy for bid in decision.missing if bid.cause == "no_bid"}
            yield from (bids[slot, p] for p in policies if p not in absent and (slot, p) in bids)
            if absent:
                yield Deadline(zone=zone.zone, slot=slot)
                yield from (bids[slot, p] for p in policies if p in absent and (slot, p) in bids)
            correction = corrections.get(slot - zone.step.delta)
            if correction is not None:
                yield correction
    yield from (End(zone=zone.zone, producer=policy, last_slot=None) for policy in policies)


def _ended(zone: Zone, standing: Mapping[str, Order], now: Mapping[str, Order], decision: Decision) -> Iterator[Order]:
    """Yield a cancel for each order that ended before its expiry, because it was cancelled or released."""
    for order_id, order in standing.items():
        if order_id not in now and (order.expires_at is None or order.expires_at > decision.for_slot):
            yield msgspec.structs.replace(
                order, order_id=f"end-{order_id}", action="cancel", cancels=order_id, verdict="accepted"
            )


def _bids(
    store: Store, zone: str, start: datetime | None, end: datetime | None
) -> dict[tuple[datetime, str], ActorBid | TraderBid]:
    bids: dict[tuple[datetime, str], ActorBid | TraderBid] = {}
    for chunk in store.scan(BIDS, zone=zone, start=start, end=end, columns=("slot", "policy", "body")):
        for slot, policy, body in chunk:
            bids[slot, policy] = msgspec.json.decode(body, type=BID_OF_POLICY[policy])
    return bids


def _corrections(store: Store, zone: Zone, start: datetime | None, end: datetime | None) -> dict[datetime, Correction]:
    columns = ("slot", "net_load_mw", "price_per_mwh", "revision")
    corrections: dict[datetime, Correction] = {}
    for chunk in store.scan(TELEMETRY, zone=zone.zone, start=start, end=end, columns=columns):
        for slot, net, price, revision in chunk:
            if revision:
                values: dict[str, float | None] = {} if price is None else {PRICE: price}
                corrections[slot] = Correction(
                    zone=zone.zone, slot=slot, step_min=zone.step_min, values=values, net_load_mw=net, revision=revision
                )
    return corrections


def charge_after(store: Store, zone: Zone, slot: datetime) -> dict[str, float]:
    """Return the stored states of charge (0-1) at the end of a slot, by asset."""
    rows = store.read(ASSETS, zone=zone.zone, filters={"slot": slot}, columns=("asset_id", "soc"))
    return {asset_id: soc for asset_id, soc in rows if soc is not None}


def _stored_setpoints(
    store: Store, zone: Zone, recomputed: Mapping[tuple[datetime, str], float]
) -> dict[tuple[datetime, str], float]:
    """Return the stored setpoints of the slots that were made again; of revisions the last."""
    slots = [slot for slot, _ in recomputed]
    setpoints: dict[tuple[datetime, str], float] = {}
    columns = ("slot", "asset_id", "power_mw", "revision")
    end = max(slots) + zone.step.delta
    for chunk in store.scan(SETPOINTS, zone=zone.zone, start=min(slots), end=end, columns=columns):
        for slot, asset_id, power, _ in chunk:
            setpoints[slot, asset_id] = power
    return setpoints


def with_hedge_of(log: Sequence[Message], live: Zone, shadow: Zone) -> list[Message]:
    """Return the log with the hedge of the actor's bids taken from the shadow configuration."""
    if live.hedge == shadow.hedge:
        return list(log)
    return [
        msgspec.structs.replace(message, hedge=shadow.hedge) if isinstance(message, ActorBid) else message
        for message in log
    ]


def with_settings(zone: Zone, settings: Mapping[str, Any]) -> Zone:
    """Return the zone with other settings.

    Args:
        zone: The zone.
        settings: Dotted names of the fleet file to values, an asset's behind its id: ``service_factor``,
            ``limits.ramp_limit_mw``, ``GB-battery-1.energy_mwh``.

    Raises:
        KeyError: There is no such asset or section.
        pydantic.ValidationError: The fleet file would not take it.
    """
    body = zone.model_dump(mode="json")
    assets = {asset["asset_id"]: asset for asset in body["assets"]}
    for name, value in settings.items():
        *sections, last = name.split(".")
        place = body
        for section in sections:
            place = assets[section] if section in assets else place[section]
        place[last] = value
    return Zone.model_validate(body)
