"""Builds the clearing problem from bids, orders and the fleet's state, or a reflex if there is nothing to clear."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec
import numpy as np
from msgspec.structs import replace

from agents.assets.battery import power_range
from agents.assets.fleet_state import FleetState
from agents.assets.registry import store_of, type_of
from agents.assets.state import AssetState, Interval
from agents.assets.twin import deliver
from agents.clearing.problem import Bands, ClearingInputs, ClearingProblem, Plan, clearing_problem
from agents.clearing.stochastic_solve import regrets, solve_dp_with_curve
from agents.plant.orders_in_force import Asked, asked, within_reach
from agents.plant.settlement import potential_mw
from agents.plant.state import Bid, DecidedPlan, PlacedBid
from vpp.errors import MessageError
from vpp.fleet.schema import Zone
from vpp.messages import ActorBid, Order, SlotClosed, TraderBid
from vpp.numerics.arrays import Floats

Clear = Callable[[ClearingProblem], Plan]

MIN_WINDOW_H = 16.0
"""Look-ahead: less costs money, more gains nothing for batteries up to 4 h (measured on a 2 h battery)."""

_SURE_PRICES = frozenset({"model", "published"})
POTENTIAL_MIN = 60
"""A renewable's output is taken to stay as it is for an hour; beyond that, nothing is planned to be cut."""


class Basis(msgspec.Struct, frozen=True):
    """The bids that a decision rests on, which may be of earlier slots; None if a policy never bid."""

    actor: ActorBid | None
    trader: TraderBid | None


class BuiltProblem(msgspec.Struct, frozen=True):
    """A problem to clear, what orders ask of it, and the index of the first slot of each step."""

    problem: ClearingProblem
    asked: Asked
    first_slots: list[int]


def clear(problem: ClearingProblem) -> Plan:
    """Return the plan with its in-slot curve: by dynamic programming where one battery serves the zone, else the LP."""
    return solve_dp_with_curve(problem)


def validate_bid(zone: Zone, bid: ActorBid | TraderBid) -> None:
    """Refuse a bid whose lists do not fit together.

    Raises:
        MessageError: With reason ``schema`` or ``slot``.
    """
    if bid.observation is None:
        raise MessageError("a bid carries the observation of its slot", reason="schema")
    if bid.step_min != zone.step_min or zone.step.floor(bid.slot) != bid.slot:
        raise MessageError(f"slot {bid.slot} of {bid.step_min} min is not a slot of the zone", reason="slot")
    horizons = bid.horizon_min
    lists = (
        (bid.net_mw, bid.ramp_sd_mw, bid.level_sd_mw, bid.carry)
        if isinstance(bid, ActorBid)
        else (bid.price_per_mwh, bid.price_sd_per_mwh or bid.price_per_mwh)
    )
    if any(len(values) != len(horizons) for values in lists):
        raise MessageError(f"a list does not have the {len(horizons)} values of horizon_min", reason="schema")
    if horizons and (horizons[0] <= 0 or horizons != sorted(set(horizons))):
        raise MessageError("horizon_min must increase from above 0", reason="schema")
    if isinstance(bid, TraderBid) and horizons:
        values, widths = bid.stored_value_per_mwh, bid.stored_width
        if not values or len(values) != len(widths) or abs(sum(widths) - 1.0) > 1e-6 or min(widths) < 0:
            raise MessageError("stored_width must give each stored value its share of 1", reason="schema")
        if any(later > sooner for sooner, later in itertools.pairwise(values)):
            raise MessageError("stored_value_per_mwh must not increase", reason="schema")


def problem_of(
    zone: Zone,
    closed: int,
    basis: Basis,
    *,
    state: FleetState,
    orders: Sequence[Order],
    observation: SlotClosed | None,
    planned: DecidedPlan | None = None,
    reach_mw: Mapping[str, tuple[float | None, float | None]] | None = None,
) -> BuiltProblem | None:
    """Return the problem of deciding slot ``closed + 1``.

    A bid of an earlier slot is shifted by the slots elapsed. Without a net load there is no problem: None.

    Args:
        zone: The zone.
        closed: Index of the slot just closed.
        basis: The bids.
        state: The fleet after it.
        orders: Orders in force.
        observation: The closed slot, for the output of renewables.
        planned: The plan published before, where departing from it has a price.
        reach_mw: Least and greatest power of derated assets, None if not limited.
    """
    actor, trader = basis.actor, basis.trader
    if actor is None:
        return None
    late = (closed - zone.step.index(actor.slot)) * zone.step_min
    window = _window_min(zone)
    minutes = [m for m in actor.horizon_min if m <= window and m + late <= actor.horizon_min[-1]]
    if not minutes:
        return None
    at = np.array(minutes, dtype=float)
    step_h = np.diff(np.concatenate([[0.0], at])) / 60.0
    first_slots = [closed + 1 + m // zone.step_min for m in [0, *minutes[:-1]]]
    demands = asked(zone, orders, state, [zone.step.start(index) for index in first_slots], step_h)
    bands = within_reach(zone, demands.bands, state, step_h, zone.step.start(closed + 1))
    _narrow(zone, bands, reach_mw or {})
    for row in np.flatnonzero(~state.available):
        # An unreachable asset may still deliver its last power; telemetry shows it if there are readings.
        bands.fixed_mw[row, 0] = state.power_mw[row]
    forecast = {
        name: np.interp(at + late, actor.horizon_min, getattr(actor, name))
        for name in ("net_mw", "ramp_sd_mw", "level_sd_mw", "carry")
    }
    inputs = ClearingInputs(
        net_mw=forecast["net_mw"],
        state=state,
        step_h=step_h,
        ramp_sd_mw=forecast["ramp_sd_mw"],
        level_sd_mw=forecast["level_sd_mw"],
        carry=forecast["carry"],
        start=zone.step.start(closed + 1),
        potential_mw=_potentials(zone, observation, minutes),
        bands=bands,
        hedge=actor.hedge,
        ramp_margin_mw=zone.limits.ramp_margin_mw,
        cap_margin_mw=zone.limits.cap_margin_mw,
        reference_mw=_references(zone, planned, first_slots),
        churn_price_per_mwh=zone.churn_price_per_mwh,
    )
    return BuiltProblem(clearing_problem(zone, _priced(inputs, zone, trader, closed, at)), demands, first_slots)


def _narrow(zone: Zone, bands: Bands, reach_mw: Mapping[str, tuple[float | None, float | None]]) -> None:
    """Limit the requested power of derated assets to their reach."""
    for row, asset in enumerate(zone.assets):
        low, high = reach_mw.get(asset.asset_id, (None, None))
        if low is not None:
            bands.min_mw[row] = np.maximum(bands.min_mw[row], low)
            bands.max_mw[row] = np.maximum(bands.max_mw[row], low)
        if high is not None:
            bands.max_mw[row] = np.minimum(bands.max_mw[row], high)
            bands.min_mw[row] = np.minimum(bands.min_mw[row], high)


def _references(zone: Zone, planned: DecidedPlan | None, first_slots: Sequence[int]) -> Floats:
    """Return each asset's power in the previous plan, shape (A, N), NaN without a plan or a price of deviations."""
    references = np.full((len(zone.assets), len(first_slots)), np.nan)
    if zone.churn_price_per_mwh > 0:
        for row, asset in enumerate(zone.assets):
            if type_of(asset).keeps_to_plan:
                planned_mw = [planned_before(planned, asset.asset_id, index) for index in first_slots]
                references[row] = [np.nan if power is None else power for power in planned_mw]
    return references


def _window_min(zone: Zone) -> float:
    return 60.0 * max((MIN_WINDOW_H, *(type_of(asset).look_ahead_h(asset) for asset in zone.assets)))


def _priced(inputs: ClearingInputs, zone: Zone, trader: TraderBid | None, closed: int, at: Floats) -> ClearingInputs:
    """Return the inputs with what energy is weighed at.

    Without any price energy counts nothing, and the plant serves the grid alone.

    Args:
        inputs: Without prices.
        zone: The zone.
        trader: The bid with prices, None if there is none.
        closed: Index of the slot just closed.
        at: End of each step, minutes from then.
    """
    if trader is None:
        flat = zone.energy_price_flat_per_mwh or 0.0
        return replace(inputs, price_per_mwh=flat, stored_value_per_mwh=0.95 * flat, service_factor=1.0)
    late = (closed - zone.step.index(trader.slot)) * zone.step_min
    price = np.interp(at + late, trader.horizon_min, trader.price_per_mwh)
    sd = trader.price_sd_per_mwh
    generators = [g for asset in zone.assets if (g := type_of(asset).generator(asset)) is not None]
    fuel = min((generator.fuel_cost_per_mwh for generator in generators), default=np.inf)
    # A fallback has the shape of the day but not its level: sufficient to shift energy, not to burn fuel for profit.
    sure = trader.source in _SURE_PRICES or trader.source == "flat"
    generation = price if sure else np.minimum(price, fuel)
    if zone.generation_price_flat_per_mwh is not None:
        generation = np.full_like(price, zone.generation_price_flat_per_mwh)
    return replace(
        inputs,
        price_per_mwh=price,
        price_sd_per_mwh=np.interp(at + late, trader.horizon_min, sd) if sd else 0.0,
        generation_price_per_mwh=generation,
        stored_value_per_mwh=np.array(trader.stored_value_per_mwh),
        stored_width=np.array(trader.stored_width),
        service_factor=1.0 if trader.source == "flat" else zone.service_factor,
    )


def _potentials(zone: Zone, observation: SlotClosed | None, minutes: list[int]) -> Floats:
    near = np.array(minutes) <= POTENTIAL_MIN
    rows = [np.where(near, potential_mw(zone, asset, observation), 0.0) for asset in zone.assets]
    return np.array(rows).reshape(len(zone.assets), len(minutes))


def stale_power(zone: Zone, state: FleetState, orders: Sequence[Order | None], start: datetime) -> dict[str, float]:
    """Return the reflex ``stale``: net load is not measured, so stores rest, generators keep their power, holds stay.

    Args:
        zone: The zone.
        state: The fleet.
        orders: The order that applies to each asset, None if none does.
        start: UTC start of the slot.
    """
    interval = Interval(zone.step.hours, zone.local(start))
    power: dict[str, float] = {}
    for row, asset in enumerate(zone.assets):
        ruler = orders[row] if orders else None
        is_held = ruler is not None and ruler.action == "hold"
        now = AssetState.of(state, row)
        power_mw = 0.0 if is_held else type_of(asset).blind_mw(asset, now, interval)
        power[asset.asset_id] = deliver(asset, now, power_mw, interval.hours, at=interval.at).power_mw
    return power


def alternatives(problem: ClearingProblem, plan: Plan) -> dict[str, float]:
    """Return the extra cost if the free batteries rest, discharge or charge at full power in the first slot."""
    if plan.is_reflex:
        return {}
    hours = float(problem.step_h[0])
    ranges = {
        asset.asset_id: power_range(store, float(problem.state.soc[row]), hours)
        for row, asset in enumerate(problem.assets)
        if (store := store_of(asset)) is not None
        and problem.state.available[row]
        and np.isnan(problem.bands.fixed_mw[row, 0])
    }
    if not ranges:
        return {}
    actions = {
        "rest": dict.fromkeys(ranges, 0.0),
        "discharge": {asset_id: high for asset_id, (_, high) in ranges.items()},
        "charge": {asset_id: low for asset_id, (low, _) in ranges.items()},
    }
    return {name: problem.zone.served_scale.money(cost) for name, cost in regrets(problem, plan, actions).items()}


def without_curve(plan: Plan) -> Plan:
    """Return the plan with constant setpoints: without a trusted net load no asset may follow it."""
    return replace(plan, curve_net_mw=np.zeros(0), curve_mw=np.zeros((0, 0)))


def starting(zone: Zone, plan: Plan, step_h: Floats) -> frozenset[str]:
    """Return the assets that must start now to run when the plan needs them."""
    begins_min = np.concatenate([[0.0], np.cumsum(step_h)[:-1]]) * 60.0
    return frozenset(
        asset.asset_id
        for row, asset in enumerate(zone.assets)
        if (lead := type_of(asset).start_lead_min(asset)) is not None
        and bool(plan.running[row][begins_min <= lead].any())
    )


def potentials_now(zone: Zone, observation: SlotClosed | None) -> dict[str, float]:
    """Return each renewable's last measured output, for the checker."""
    outputs = {asset.asset_id: potential_mw(zone, asset, observation) for asset in zone.assets}
    return {asset_id: output for asset_id, output in outputs.items() if not np.isnan(output)}


def basis_of(last: Mapping[str, PlacedBid]) -> Basis:
    """Return the bids to clear from the last bid of each policy."""
    return basis_of_bids({policy: entry.bid for policy, entry in last.items()})


def basis_of_bids(bids: Mapping[str, Bid]) -> Basis:
    """Return the bids to clear by their policies."""
    actor, trader = bids.get(ActorBid.policy), bids.get(TraderBid.policy)
    return Basis(
        actor=actor if isinstance(actor, ActorBid) else None,
        trader=trader if isinstance(trader, TraderBid) else None,
    )


def planned_before(plan: DecidedPlan | None, asset_id: str, index: int) -> float | None:
    """Return the power (MW) of an asset in slot ``index`` of the last plan, None if the plan has none."""
    if plan is None or asset_id not in plan.ahead_mw or not plan.ahead_index or index < plan.ahead_index[0]:
        return None
    step = max(i for i, first in enumerate(plan.ahead_index) if first <= index)
    return plan.ahead_mw[asset_id][step]
