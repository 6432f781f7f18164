"""Money of a slot whose energy ``agents.plant.settlement`` settled: earnings and costs by asset and zone, corrections.

All functions are pure functions of the settled slot. A correction is therefore the difference of two evaluations, and
all entries of a slot and asset sum to the evaluation on the latest values.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from agents.assets.registry import type_of
from vpp.fleet.assets import Asset
from vpp.fleet.schema import Zone
from vpp.messages import LedgerEntry, Trade

ZONE_ROW = "zone"


class SettledSlot(msgspec.Struct, omit_defaults=True):
    """Data of one settled slot, sufficient to compute its money again.

    ``net_mw``: served net load, None when not measured. ``power_mw``: delivered power by asset. ``started``: assets
    that started up. ``observed``: False while the slot's observation never came. ``correction``: revision of the last
    correction applied. ``revision``: that of the last ledger entries written. ``shortfall_mwh``: energy by asset that
    it owed to its users in the slot and did not have. ``frequency_mwh``: energy by asset that its own answer to
    frequency added. ``provisional``: ``net_mw`` is a forecast in place of a value
    that is not believed.
    """

    index: int
    net_mw: float | None
    price_per_mwh: float | None
    power_mw: dict[str, float]
    started: list[str] = []
    observed: bool = True
    correction: int = 0
    revision: int = 0
    shortfall_mwh: dict[str, float] = {}
    provisional: bool = False
    frequency_mwh: dict[str, float] = {}

    @property
    def grid_mw(self) -> float | None:
        """Grid power: served net load minus plant power; None without a measurement."""
        return None if self.net_mw is None else self.net_mw - sum(self.power_mw.values())


@dataclass(frozen=True, slots=True)
class Money:
    """Settlement of one asset, or of the zone, over one slot, in the zone's currency.

    ``frequency_mwh``: the part of ``energy_mwh`` that its answer to frequency added.
    """

    energy_mwh: float | None
    price_per_mwh: float | None
    revenue: float | None
    wear_cost: float = 0.0
    fuel_cost: float = 0.0
    start_cost: float = 0.0
    penalty: float = 0.0
    penalty_no_action: float = 0.0
    frequency_mwh: float = 0.0

    @property
    def pnl(self) -> float:
        """Return ``revenue - wear - fuel - start - penalty``; a missing revenue counts as nothing."""
        return (self.revenue or 0.0) - self.wear_cost - self.fuel_cost - self.start_cost - self.penalty


def money_of(zone: Zone, now: SettledSlot, before: SettledSlot | None) -> dict[str, Money]:
    """Return the money of one slot by asset, the zone's penalties last under ``zone``.

    ``fuel_cost`` is the running cost of an asset: fuel, paid curtailment, or missing energy due to its users.
    ``penalty_no_action`` is the zone's penalty on the same net load with the plant at rest, including the emergency
    shedding that acts without the plant.

    Args:
        zone: Assets, costs and limits.
        now: The slot.
        before: The slot just before it, None when there is none: no ramp is then counted.
    """
    hours = zone.step.hours
    no_action_before = None if before is None else _no_action_mw(zone, before)
    money = {asset.asset_id: _asset_money(asset, now, hours) for asset in zone.assets if asset.asset_id in now.power_mw}
    money[ZONE_ROW] = Money(
        energy_mwh=None,
        price_per_mwh=None,
        revenue=None,
        penalty=penalty(zone, now.grid_mw, None if before is None else before.grid_mw),
        penalty_no_action=penalty(zone, _no_action_mw(zone, now), no_action_before),
    )
    return money


def _asset_money(asset: Asset, now: SettledSlot, hours: float) -> Money:
    energy = now.power_mw[asset.asset_id] * hours
    price = now.price_per_mwh
    cost = type_of(asset).running_cost(
        asset,
        energy,
        started=asset.asset_id in now.started,
        shortfall_mwh=now.shortfall_mwh.get(asset.asset_id, 0.0),
    )
    return Money(
        energy_mwh=energy,
        price_per_mwh=price,
        revenue=None if price is None else energy * price,
        wear_cost=cost.wear,
        fuel_cost=cost.running,
        start_cost=cost.start,
        frequency_mwh=now.frequency_mwh.get(asset.asset_id, 0.0),
    )


def penalty(zone: Zone, grid_mw: float | None, before_mw: float | None) -> float:
    """Return the ramp and cap penalties of one slot; without a measurement they are 0 until a correction arrives.

    ``hours * (ramp_price * max(|G - G'| - R, 0) + cap_price * (max(G - import_cap, 0) + max(-export_cap - G, 0)))``
    """
    if grid_mw is None:
        return 0.0
    limits = zone.limits
    beyond = max(grid_mw - limits.import_cap_mw, 0.0)
    if limits.export_cap_mw is not None:
        beyond += max(-limits.export_cap_mw - grid_mw, 0.0)
    ramp = 0.0 if before_mw is None else max(abs(grid_mw - before_mw) - limits.ramp_limit_mw, 0.0)
    return zone.step.hours * (limits.ramp_penalty_per_mwh * ramp + limits.cap_penalty_per_mwh * beyond)


def no_action_shed_mw(zone: Zone, net_mw: float | None) -> dict[str, float]:
    """Return the emergency shedding at the import cap if the plant does not act, MW by load in file order."""
    excess_mw = 0.0 if net_mw is None else max(net_mw - zone.limits.import_cap_mw, 0.0)
    shed: dict[str, float] = {}
    for asset in zone.assets:
        load = type_of(asset).shedding(asset)
        if load is not None and load.only_at_cap:
            shed[asset.asset_id] = min(excess_mw, load.capacity_mw)
            excess_mw -= shed[asset.asset_id]
    return shed


def _no_action_mw(zone: Zone, slot: SettledSlot) -> float | None:
    if slot.net_mw is None:
        return None
    return slot.net_mw - sum(no_action_shed_mw(zone, slot.net_mw).values())


def entries(
    zone: Zone,
    slot: SettledSlot,
    new: dict[str, Money],
    old: dict[str, Money] | None = None,
    *,
    settles: bool = False,
) -> list[LedgerEntry]:
    """Return the ledger entries of one slot: all of them, or with ``old`` the differences that are not zero.

    Args:
        zone: The zone's configuration.
        slot: The settled slot.
        new: Money by asset.
        old: Money that was booked before; None: nothing was.
        settles: Whether a provisional slot is settled, so the zone's entry is written even if nothing changed.
    """
    ledger = []
    for asset_id, money in new.items():
        before = None if old is None else old.get(asset_id)
        if before is not None and before == money and not (settles and asset_id == ZONE_ROW):
            continue
        ledger.append(_entry(zone, slot, asset_id, money if before is None else _difference(money, before)))
    return ledger


def trades(zone: Zone, slot: SettledSlot, new: dict[str, Money], old: dict[str, Money] | None = None) -> list[Trade]:
    """Return the trades of one slot, assets without energy left out; with ``old`` only where the revenue changed.

    Args:
        zone: The zone's configuration.
        slot: The settled slot.
        new: Money by asset.
        old: Money that was booked before; None: nothing was.
    """
    results = []
    for asset_id, money in new.items():
        if not money.energy_mwh:
            continue
        before = None if old is None else old.get(asset_id)
        if before is not None and before.revenue == money.revenue:
            continue
        part = money if before is None else _difference(money, before)
        results.append(
            Trade(
                zone=zone.zone,
                slot=zone.step.start(slot.index),
                asset_id=asset_id,
                revision=slot.revision,
                side="sell" if money.energy_mwh > 0 else "buy",
                energy_mwh=abs(part.energy_mwh or 0.0),
                price_per_mwh=part.price_per_mwh,
                revenue=part.revenue,
                currency=zone.market.currency,
            )
        )
    return results


def _difference(new: Money, old: Money) -> Money:
    revenue = new.revenue
    if old.revenue is not None:
        revenue = (new.revenue or 0.0) - old.revenue
    return Money(
        energy_mwh=None if new.energy_mwh is None else new.energy_mwh - (old.energy_mwh or 0.0),
        price_per_mwh=new.price_per_mwh,
        revenue=revenue,
        wear_cost=new.wear_cost - old.wear_cost,
        fuel_cost=new.fuel_cost - old.fuel_cost,
        start_cost=new.start_cost - old.start_cost,
        penalty=new.penalty - old.penalty,
        penalty_no_action=new.penalty_no_action - old.penalty_no_action,
        frequency_mwh=new.frequency_mwh - old.frequency_mwh,
    )


def _entry(zone: Zone, slot: SettledSlot, asset_id: str, money: Money) -> LedgerEntry:
    return LedgerEntry(
        zone=zone.zone,
        slot=zone.step.start(slot.index),
        asset_id=asset_id,
        revision=slot.revision,
        energy_mwh=money.energy_mwh,
        price_per_mwh=money.price_per_mwh,
        revenue=money.revenue,
        wear_cost=money.wear_cost,
        fuel_cost=money.fuel_cost,
        start_cost=money.start_cost,
        penalty=money.penalty,
        penalty_no_action=money.penalty_no_action,
        pnl=money.pnl,
        currency=zone.market.currency,
        provisional=slot.provisional and asset_id == ZONE_ROW,
        frequency_mwh=money.frequency_mwh,
    )
