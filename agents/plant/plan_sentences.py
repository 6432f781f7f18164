"""The plan ahead as actions of assets, each with its reason in one sentence.

An action is a stretch of steps in which an asset gives power of one sign. Its sentence is in the present tense, with
numbers and units, and the cause last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from agents.assets.contract import StorageParameters
from agents.assets.registry import type_of
from agents.plant.narrative import BindingStretch, binding_stretches
from vpp.fleet.assets import Asset
from vpp.fleet.scale import power_text
from vpp.fleet.schema import Zone
from vpp.messages import Decision, Order

_LEAST_SHARE = 0.0005
_FULL = 1e-3
_ROUNDING_PER_MWH = 1e-3
"""A worth and its threshold are taken as equal within this: decisions record both to a ten-thousandth per MWh."""
_SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$", "AUD": "A$", "JPY": "¥", "CHF": "CHF "}


class StoreTerms(Protocol):
    """Terms of a store that trades: efficiencies (0-1) and wear per MWh sold."""

    @property
    def charge_efficiency(self) -> float: ...  # noqa: D102
    @property
    def discharge_efficiency(self) -> float: ...  # noqa: D102
    @property
    def wear_cost_per_mwh(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """What one asset does over steps in a row.

    ``first_step`` to ``last_step``: of the plan, inclusive. Powers in MW, positive into the grid. SoC 0-1 before and
    after, None for assets without store. ``order_id``: the order that rules its first step, else None.
    """

    asset_id: str
    kind: str
    start: datetime
    end: datetime
    first_step: int
    last_step: int
    first_mw: float
    last_mw: float
    soc_before: float | None
    soc_after: float | None
    reason: str
    order_id: str | None = None


def least_mw(zone: Zone) -> float:
    """Return the power below which an asset counts as resting: a small share of what the plant serves (MW)."""
    return _LEAST_SHARE * zone.share.served_mw


def symbol(currency: str) -> str:
    """Return the sign before an amount of money, e.g. ``£``; else the code and a space."""
    return _SYMBOLS.get(currency, f"{currency} " if currency else "")


def money(value: float, currency: str) -> str:
    """Return an amount as people write it: no decimals, a true minus sign, commas for thousands.

    >>> money(-1234.5, "GBP")
    '−£1,234'
    """
    return ("−" if round(value) < 0 else "") + f"{symbol(currency)}{abs(round(value)):,}"


def thresholds(store: StoreTerms, water_value_per_mwh: float) -> tuple[float, float]:
    """Return the power worth below which charging pays and above which selling does, per MWh at the grid side.

    ``charge < water * eta_c`` and ``sell > water / eta_d + wear`` with the store's efficiencies.
    """
    below = water_value_per_mwh * store.charge_efficiency
    above = water_value_per_mwh / store.discharge_efficiency + store.wear_cost_per_mwh
    return below, above


def selling_pays(decision: Decision, asset_id: str, terms: StoreTerms) -> bool:
    """Return whether power in the first slot is worth more than what the stored energy is worth later."""
    water, worth = decision.duals.water_value_per_mwh.get(asset_id), decision.duals.power_price_per_mwh
    return water is not None and bool(worth) and worth[0] >= thresholds(terms, water)[1] - _ROUNDING_PER_MWH


def step_edges(decision: Decision) -> list[datetime]:
    """Return where the steps of a decision's plan begin, and the end of the last; empty without a plan."""
    if decision.plan is None:
        return []
    return [decision.for_slot + timedelta(minutes=m) for m in (0, *decision.plan.horizon_min)]


def powers_of(decision: Decision, asset_id: str) -> list[float]:
    """Return an asset's planned power (MW) by step, empty if nothing is planned for it."""
    rows = None if decision.plan is None else decision.plan.assets.get(asset_id)
    return [] if rows is None else rows.power_mw


def socs_of(decision: Decision, asset_id: str) -> list[float]:
    """Return a store's planned state of charge (0-1) at the end of each step, empty if none is planned."""
    rows = None if decision.plan is None else decision.plan.assets.get(asset_id)
    return [] if rows is None else rows.soc


def planned_actions(decision: Decision, zone: Zone) -> list[PlannedAction]:
    """Return every action of the plan, in order of start, then of the fleet file."""
    edges = step_edges(decision)
    actions = [action for asset in zone.assets for action in _actions_of(decision, zone, asset, edges)]
    return sorted(actions, key=lambda action: action.start)


def _actions_of(decision: Decision, zone: Zone, asset: Asset, edges: Sequence[datetime]) -> Iterator[PlannedAction]:
    powers, socs, least = powers_of(decision, asset.asset_id), socs_of(decision, asset.asset_id), least_mw(zone)
    snapshot = decision.state.assets.get(asset.asset_id)
    before = None if snapshot is None else snapshot.soc
    first = 0
    while first < len(powers):
        last = first
        while last + 1 < len(powers) and _sign(powers[last + 1], least) == _sign(powers[first], least):
            last += 1
        if _sign(powers[first], least):
            order = ruling_order(decision, asset, edges[first])
            yield PlannedAction(
                asset_id=asset.asset_id,
                kind=asset.kind,
                start=edges[first],
                end=edges[last + 1],
                first_step=first,
                last_step=last,
                first_mw=powers[first],
                last_mw=powers[last],
                soc_before=(socs[first - 1] if first else before) if socs else None,
                soc_after=socs[last] if socs else None,
                reason=step_reason(decision, zone, asset, first, last),
                order_id=None if order is None else order.order_id,
            )
        first = last + 1


def step_reason(decision: Decision, zone: Zone, asset: Asset, first: int, last: int | None = None) -> str:
    """Return the reason of an asset's planned power in steps ``first`` to ``last`` (default: the one step).

    Args:
        decision: A decision with a plan.
        zone: The zone as it is configured.
        asset: One of its assets.
        first: First step, counted from 0.
        last: Last step, inclusive.
    """
    last = first if last is None else last
    edges, currency = step_edges(decision), zone.market.currency
    order = ruling_order(decision, asset, edges[first])
    if order is not None:
        return order_sentence(order, zone)
    worth = decision.duals.power_price_per_mwh[first : last + 1] or [0.0]
    power = powers_of(decision, asset.asset_id)[first]
    least = least_mw(zone)
    kind = type_of(asset)
    store, generator, shed = kind.store(asset), kind.generator(asset), kind.shedding(asset)
    price = money(worth[0], currency)
    if store is not None:
        return _store_reason(decision, asset.asset_id, store, currency, (first, last), _sign(power, least))
    if generator is not None:
        fuel = money(generator.fuel_cost_per_mwh, currency)
        if power > least:
            return f"Power is worth more than its fuel, {fuel}/MWh."
        return f"Its fuel, {fuel}/MWh, costs more than power is worth, {price}/MWh."
    if shed is not None and shed.only_at_cap:
        cap = power_text(zone.limits.import_cap_mw, zone.served_scale.reference_mw)
        return f"Import would exceed its cap of {cap}." if power > least else f"Import stays below its cap, {cap}."
    cost = kind.curtail_cost_per_mwh(asset)
    if cost is not None:
        return f"Power is worth {price}/MWh, curtailing costs {money(cost, currency)}."
    water = decision.duals.water_value_per_mwh.get(asset.asset_id)
    if water is not None and kind.energy_mwh(asset) is not None:
        return f"Power is worth {price}/MWh, a MWh more in store {money(water, currency)}."
    return f"Power is worth {price}/MWh."


def _store_reason(
    decision: Decision, asset_id: str, store: StorageParameters, currency: str, steps: tuple[int, int], way: int
) -> str:
    worth = decision.duals.power_price_per_mwh[steps[0] : steps[1] + 1] or [0.0]
    water = decision.duals.water_value_per_mwh.get(asset_id)
    low, high = money(min(worth), currency), money(max(worth), currency)
    value = f"Power is worth {low if low == high else f'{low} to {high}'}/MWh"
    if water is None:
        return f"{value}."
    below, above = thresholds(store, water)
    socs = socs_of(decision, asset_id)
    soc = socs[steps[0]] if socs else None
    if way > 0:
        if max(worth) >= above - _ROUNDING_PER_MWH:
            return f"{value}; selling pays above {money(above, currency)}."
        run = _run_near(decision, steps, "ramp up", "import cap")
        return f"{value}." if run is None else _limit_reason("Keeps import down", run)
    if way < 0:
        if min(worth) <= below + _ROUNDING_PER_MWH:
            return f"{value}; charging pays below {money(below, currency)}."
        run = _run_near(decision, steps, "ramp up", "import cap")
        return f"{value}." if run is None else _limit_reason("Raises import early", run)
    if soc is not None and soc <= store.floor_soc + _FULL:
        return "It is empty."
    if soc is not None and soc >= store.soc_max - _FULL:
        return "It is full."
    return f"{value}, between {money(below, currency)} and {money(above, currency)}."


def _run_near(decision: Decision, steps: tuple[int, int], *kinds: str) -> BindingStretch | None:
    """Return the limit that binds during the steps, else the first that binds after them."""
    begin = step_edges(decision)[steps[0]]
    runs = [run for run in binding_stretches(decision) if run.kind in kinds and run.end > begin]
    return min(runs, key=lambda run: run.start, default=None)


def _limit_reason(subject: str, run: BindingStretch) -> str:
    name = "ramp limit" if run.kind.startswith("ramp") else run.kind
    return f"{subject}: the {name} binds from {run.start:%H:%M} to {run.end:%H:%M}."


def limit_sentence(decision: Decision, zone: Zone) -> str | None:
    """Return the most expensive limit ahead and the saving by one MW more of it; None if none binds."""
    run = max(binding_stretches(decision), key=lambda run: run.worth_per_mw, default=None)
    if run is None:
        return None
    limits = zone.limits
    size = {"import cap": limits.import_cap_mw, "export cap": limits.export_cap_mw}.get(run.kind, limits.ramp_limit_mw)
    name = "ramp limit" if run.kind.startswith("ramp") else run.kind
    saved = money(run.worth_per_mw, zone.market.currency)
    of = "" if size is None else f" of {power_text(size, zone.served_scale.reference_mw)}"
    return f"The {name}{of} binds {run.start:%H:%M}–{run.end:%H:%M}: one MW more would save up to {saved}."


def ruling_order(decision: Decision, asset: Asset, at: datetime) -> Order | None:
    """Return the order that rules an asset at a time, None if none does; holds rule first, then priority."""
    mine = [
        order
        for order in decision.orders
        if order.action in {"hold", "target", "band"}
        and (not order.asset_ids or asset.asset_id in order.asset_ids)
        and (order.starts_at is None or order.starts_at <= at)
        and (order.expires_at is None or at < order.expires_at)
    ]
    return max(mine, key=lambda order: (order.action == "hold", order.priority), default=None)


def order_sentence(order: Order, zone: Zone) -> str:
    """Return the request and the author of an order in force, in one sentence; power in the zone's unit."""
    if order.action == "hold":
        return f"Hold by {order.principal}: {order.reason}."
    until = "" if order.expires_at is None else f" until {order.expires_at:%H:%M}"
    if order.action == "target" and order.power_mw is not None:
        power = power_text(order.power_mw, zone.served_scale.reference_mw, signed=True).replace("-", "−")
        return f"By order of {order.principal}, {power}{until}: {order.reason}."
    return f"By order of {order.principal}{until}: {order.reason}."


def _sign(power_mw: float, least: float) -> int:
    return (power_mw > least) - (power_mw < -least)
