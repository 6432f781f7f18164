"""Replays stored days through the plant under another policy, settled beside no action and perfect foresight.

The log is the one that the live plant read (``shadow.stored_log``): bids, orders in force, deadlines and corrections.
The plant is the live one (``PlantReducer``), so a backtest differs from what happened only where its policy differs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import numpy as np

from agents.evaluation.grid_score import Actuals, GridRun, no_action, perfect_foresight, settle
from agents.plant.reducer import PlantReducer
from agents.plant.settlement import potential_mw
from topologies.backtests.deliveries import Deliveries
from topologies.backtests.grid_weeks import bridged
from topologies.backtests.shadow import charge_after, stored_log, with_hedge_of
from vpp.errors import DataError
from vpp.files.zone_fitting import NO_LIMIT_MW
from vpp.fleet.schema import Limits, Zone
from vpp.messages import ActorBid, Message, SlotClosed, TraderBid
from vpp.numerics.arrays import Floats
from vpp.store import Store
from vpp.store.tables import TELEMETRY
from vpp.streams.in_process import ReducerLoop

Policy = Literal["joint", "grid_only", "trade_only"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
_STORED_SHARE = 0.95


@dataclass(frozen=True)
class StoredDays:
    """What a run left in its store for slots in a row.

    ``start``: first settled slot; the one before it is the first of the log and fixes the first setpoints. ``soc``:
    states of charge (0-1) at ``start``, by asset. ``missing``: slots without a measured net load, which are bridged
    linearly for the money.
    """

    zone: Zone
    start: datetime
    slots: int
    log: tuple[Message, ...]
    soc: Mapping[str, float]
    actuals: Actuals
    missing: int

    @property
    def first(self) -> int:
        """Index of the first settled slot."""
        return self.zone.step.index(self.start)


def stored_days(store: Store, zone: Zone, start: datetime, end: datetime) -> StoredDays:
    """Read the log and the actuals of the slots of ``[start, end)`` that have a stored decision.

    Args:
        store: Tables of the live run.
        zone: The zone as it was configured.
        start: Start of the first slot to settle, UTC.
        end: End of the last one, exclusive.

    Raises:
        DataError: There are no two slots in a row with decisions, or no net load was measured in them.
    """
    step = zone.step
    log = tuple(stored_log(store, zone, start=start - step.delta, end=end))
    observations = {bid.slot: bid.observation for bid in log if isinstance(bid, ActorBid | TraderBid)}
    if len(observations) < 2:
        raise DataError(f"no decisions of {zone.zone} are stored there", hint="choose a later start or another end")
    before = min(observations)
    first, last = step.index(before) + 1, step.index(max(observations))
    slots = [step.start(index) for index in range(first, last + 1)]
    columns = ("slot", "net_load_mw", "price_per_mwh")
    rows = store.read(TELEMETRY, zone=zone.zone, start=before, end=slots[-1] + step.delta, columns=columns)
    measured = {slot: (net, price) for slot, net, price in rows}
    net = np.array([_number(measured.get(slot, (None, None))[0]) for slot in (before, *slots)]) * zone.share.factor
    if np.isnan(net[1:]).all():
        raise DataError(f"no net load of {zone.zone} was measured there", hint="choose another range")
    filled = bridged(net)
    flat = zone.energy_price_flat_per_mwh or 0.0
    price = [_number(measured.get(slot, (None, None))[1]) for slot in slots]
    worth = [value for bid in log if isinstance(bid, TraderBid) for value in bid.stored_value_per_mwh]
    generation = zone.generation_price_flat_per_mwh
    actuals = Actuals(
        actual_mw=filled[1:],
        before_mw=float(filled[0]),
        price_per_mwh=np.nan_to_num(np.array(price), nan=flat),
        stored_value_per_mwh=float(np.mean(worth)) if worth else _STORED_SHARE * flat,
        generation_price_per_mwh=math.nan if generation is None else generation,
        potential_mw=_potentials(zone, [observations.get(slot) for slot in slots]),
    )
    soc = charge_after(store, zone, before)
    return StoredDays(zone, slots[0], len(slots), log, soc, actuals, int(np.isnan(net[1:]).sum()))


def plant_by_day(days: StoredDays, policy: Policy, zone: Zone) -> Iterator[Deliveries]:
    """Run the plant over the log and yield the deliveries so far, after each day of slots and at the end.

    ``joint``: every stored bid is weighed. ``grid_only``: the actor's alone, with energy at the zone's flat price.
    ``trade_only``: every bid is weighed, and neither ramp nor cap has a limit. Orders in force hold under each.

    Args:
        days: The log.
        policy: What the plant weighs.
        zone: The zone as the plant has it: ``days.zone``, or that with another hedge or service factor.
    """
    weighed = ("actor",) if policy == "grid_only" else tuple(sorted({bid.policy for bid in _bids(days.log)}))
    free = Limits(ramp_limit_mw=NO_LIMIT_MW, import_cap_mw=NO_LIMIT_MW)
    served = zone.model_copy(update={"limits": free}) if policy == "trade_only" else zone
    plant = ReducerLoop(PlantReducer(served, weighed, start_soc=days.soc, explore=False), zone.zone, "bids")
    deliveries, due = Deliveries(zone), days.first + zone.step.per_day
    for message in with_hedge_of(days.log, days.zone, zone):
        for output in plant.step(message):
            deliveries.take(output)
        if deliveries.power_mw and max(deliveries.power_mw) >= due:
            due += zone.step.per_day
            yield deliveries
    yield deliveries


def settled(days: StoredDays, policy: str, deliveries: Deliveries) -> dict[str, GridRun]:
    """Return the policy's run, no action and perfect foresight, all settled on the same actual net load and prices."""
    power, soc = deliveries.arrays(days.first, days.slots)
    reflexes = deliveries.reflexes_in(days.first, days.slots)
    return {
        policy: settle(days.zone, days.actuals, power, soc, fallbacks=reflexes),
        "no_action": no_action(days.zone, days.actuals),
        "perfect_foresight": perfect_foresight(days.zone, days.actuals),
    }


def _bids(log: Sequence[Message]) -> Iterator[ActorBid | TraderBid]:
    return (message for message in log if isinstance(message, ActorBid | TraderBid))


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _potentials(zone: Zone, observations: Sequence[SlotClosed | None]) -> Floats | None:
    """Return the output of renewables that can be cut, shape (A, T), 0 if unknown; None if the zone has none."""
    if not zone.renewables:
        return None
    rows = [[potential_mw(zone, asset, observation) for observation in observations] for asset in zone.assets]
    return np.asarray(np.nan_to_num(np.array(rows)), dtype=np.float64)
