"""Energy of a closed slot: power delivered by each asset, measured or by the twin; ``agents.plant.ledger`` books it.

The twin follows the setpoint's curves at the net load (the slot's mean) and the frequency (of its ticks, else its mean)
that were really seen; without them it stays on the planned point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from agents.assets.frequency_droop import Shares, answer_mw, at, frequency_seen
from agents.assets.registry import rows_where, store_of, type_of
from agents.assets.state import AssetState, Delivered, Interval
from agents.assets.twin import deliver
from agents.plant.following import Following, checked_soc, judged
from agents.plant.ledger import SettledSlot
from agents.plant.state import AssetKept, Planned
from vpp.domain import NET_LOAD, NET_LOAD_CHANNELS, PRICE, Quality
from vpp.errors import PhysicsError
from vpp.fleet.assets import Asset
from vpp.fleet.schema import Zone
from vpp.messages import AssetReading, AssetStatus, SlotClosed

_BALANCE_SHARE = 1e-9
"""A store's energy may be out of balance by this share of its size: what arithmetic loses is far less."""

LEAST_SOC_MOVE = 0.1
"""SoC (0-1) that a slot at full power must move for its change to tell the power; readings are whole percents."""

_SILENT_GAPS = 2
"""So many times its usual gap without a reading, and an asset counts as out of reach until it answers."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One settled slot: asset rows, the assets afterwards, and what the ledger needs."""

    statuses: list[AssetStatus]
    assets: dict[str, AssetKept]
    slot: SettledSlot


def settle_slot(
    zone: Zone,
    observation: SlotClosed | None,
    index: int,
    assets: Mapping[str, AssetKept],
    setpoints: Mapping[str, Planned],
) -> Settlement:
    """Settle slot ``index``.

    Args:
        zone: Assets, share and limits.
        observation: The closed slot, None when it never came.
        index: The slot.
        assets: The fleet at the slot's start.
        setpoints: Setpoints in force by asset; an asset without one rests.

    Raises:
        PhysicsError: The energy of an asset does not balance, which is always a bug.
    """
    closed = _ClosedSlot.of(zone, observation, index)
    rows: dict[str, _SettledAsset] = {}
    emergency = [zone.assets[row] for row in rows_where(zone, lambda kind, asset: kind.is_emergency(asset))]
    for asset in [*(asset for asset in zone.assets if asset not in emergency), *emergency]:
        planned = setpoints.get(asset.asset_id)
        power_mw = 0.0 if planned is None else follow(planned, closed.net_mw, closed.hertz, closed.price_per_mwh)
        if asset in emergency and closed.net_mw is not None:
            # Emergency shedding is a reflex of the feeder: it removes only the remaining power above the cap.
            served_mw = sum(row.after.power_mw for row in rows.values())
            power_mw = max(closed.net_mw - served_mw - zone.limits.import_cap_mw, 0.0)
        is_judged = asset not in emergency
        rows[asset.asset_id] = _settled(closed, asset, assets[asset.asset_id], planned, power_mw, is_judged=is_judged)
    in_order = {asset.asset_id: rows[asset.asset_id] for asset in zone.assets}
    started = [
        asset.asset_id
        for asset in zone.assets
        if type_of(asset).started(assets[asset.asset_id].state(), in_order[asset.asset_id].after.power_mw)
    ]
    slot = SettledSlot(
        index=index,
        net_mw=closed.net_mw,
        price_per_mwh=closed.price_per_mwh,
        power_mw={asset_id: row.after.power_mw for asset_id, row in in_order.items()},
        started=started,
        observed=observation is not None,
        shortfall_mwh={asset_id: row.shortfall_mwh for asset_id, row in rows.items() if row.shortfall_mwh > 0},
        frequency_mwh={asset_id: row.frequency_mwh for asset_id, row in rows.items() if row.frequency_mwh is not None},
        provisional=is_provisional(observation),
    )
    return Settlement(
        [row.status for row in in_order.values()], {asset_id: row.after for asset_id, row in in_order.items()}, slot
    )


@dataclass(frozen=True, slots=True)
class _ClosedSlot:
    """A closed slot as all assets see it.

    ``net_mw``: net load of the served share, None: not measured. ``hertz``: frequencies with their shares of the slot.
    """

    zone: Zone
    observation: SlotClosed | None
    start: datetime
    interval: Interval
    net_mw: float | None
    hertz: Shares
    price_per_mwh: float | None

    @classmethod
    def of(cls, zone: Zone, observation: SlotClosed | None, index: int) -> _ClosedSlot:
        """Return slot ``index`` of a zone."""
        start = zone.step.start(index)
        return cls(
            zone=zone,
            observation=observation,
            start=start,
            interval=Interval(zone.step.hours, zone.local(start)),
            net_mw=served_net_mw(zone, observation),
            hertz=frequency_seen(observation),
            price_per_mwh=price_per_mwh(zone, observation),
        )

    def deliver(self, asset: Asset, state: AssetState, power_mw: float, planned: Planned | None) -> Delivered:
        """Return the twin's delivery of ``power_mw`` under a setpoint."""
        return deliver(
            asset,
            state,
            power_mw,
            self.interval.hours,
            potential_mw=potential_mw(self.zone, asset, self.observation),
            start=planned is not None and planned.start,
            at=self.interval.at,
        )


@dataclass(frozen=True, slots=True)
class _SettledAsset:
    """One asset after the slot. ``frequency_mwh``: its response to frequency, None if there was none."""

    after: AssetKept
    status: AssetStatus
    shortfall_mwh: float
    frequency_mwh: float | None


def _settled(
    closed: _ClosedSlot, asset: Asset, before: AssetKept, planned: Planned | None, power_mw: float, *, is_judged: bool
) -> _SettledAsset:
    """Settle one asset.

    Args:
        closed: The slot.
        asset: The asset.
        before: The asset at the slot's start.
        planned: Its setpoint; None: it rests.
        power_mw: Power that the setpoint asks for at the measured net load, frequency and price.
        is_judged: Whether a reading is compared with the setpoint.
    """
    zone, interval, planned_mw = closed.zone, closed.interval, None if planned is None else planned.power_mw
    reading = None if closed.observation is None else closed.observation.assets.get(asset.asset_id)
    delivered = closed.deliver(asset, before.state(), power_mw, planned)
    after = _measured(asset, before, delivered, reading, interval)
    if reading is not None and is_judged:
        commanded = (power_mw, 0.0 if planned_mw is None else planned_mw)
        reachable = [closed.deliver(asset, before.reachable_state(), mw, planned).power_mw for mw in commanded]
        _follow(zone, asset, before, after, reading, [*commanded, *reachable])
    _assert_balance(asset, before, after, interval)
    answer = 0.0 if planned is None else answer_mw(planned.frequency_curve, closed.hertz)
    frequency_mwh = None
    if answer and not after.measured:
        without = deliver(asset, before.state(), power_mw - answer, interval.hours, at=interval.at)
        frequency_mwh = (delivered.power_mw - without.power_mw) * interval.hours
    status = AssetStatus(
        zone=zone.zone,
        slot=closed.start,
        asset_id=asset.asset_id,
        asset_kind=asset.kind,
        power_mw=after.power_mw,
        energy_mwh=after.power_mw * interval.hours,
        soc=after.soc,
        planned_mw=planned_mw,
        source="measured" if after.measured else "twin",
        available=after.available,
        outcome=None if reading is None else reading.outcome,
    )
    return _SettledAsset(after, status, delivered.shortfall_mwh, frequency_mwh)


def follow(
    planned: Planned, net_mw: float | None, hertz: Shares | None = None, price_per_mwh: float | None = None
) -> float:
    """Return the power of a setpoint at the measured values; without them the planned power.

    ``curve(net load) + (price_curve(price) - planned power) + mean of frequency_curve(frequency)``: the net-load curve
    is drawn at the expected price and the price curve at the expected net load, so their departures from the plan add
    up.

    Args:
        planned: The setpoint with its curves.
        net_mw: Measured net load of the served share; None: not measured.
        hertz: Frequencies seen with their shares of the slot; empty or None: not measured.
        price_per_mwh: Actual price; None: missing.
    """
    power = planned.power_mw if net_mw is None or not planned.curve else at(planned.curve, net_mw)
    if price_per_mwh is not None and planned.price_curve:
        power += at(planned.price_curve, price_per_mwh) - planned.power_mw
    return power + answer_mw(planned.frequency_curve, hertz or [])


def served_net_mw(zone: Zone, observation: SlotClosed | None) -> float | None:
    """Return the measured net load of the served share (MW), None when it was not measured."""
    if observation is None or observation.net_load_mw is None:
        return None
    return observation.net_load_mw * zone.share.factor


def is_distrusted(observation: SlotClosed | None) -> bool:
    """Return whether net load is a forecast because the measured value is distrusted."""
    return observation is not None and observation.quality.get(NET_LOAD) == Quality.DISTRUSTED


def is_provisional(observation: SlotClosed | None) -> bool:
    """Return whether net load depends on a replacement of a distrusted value."""
    parts = (NET_LOAD, *NET_LOAD_CHANNELS)
    return observation is not None and any(observation.quality.get(name) == Quality.DISTRUSTED for name in parts)


def price_per_mwh(zone: Zone, observation: SlotClosed | None) -> float | None:
    """Return the actual price; the zone's flat one where it has no price at all, None if it is missing."""
    if observation is None:
        return None
    if PRICE in observation.values and observation.quality.get(PRICE) != Quality.ABSENT:
        return observation.values[PRICE]
    return zone.energy_price_flat_per_mwh


def potential_mw(zone: Zone, asset: Asset, observation: SlotClosed | None) -> float:
    """Return a renewable's output without curtailment (MW, at least 0), NaN when unknown and for other assets."""
    return type_of(asset).potential_mw(zone, asset, observation)


def _lost(state: AssetKept) -> bool:
    return state.silent_slots is not None and state.silent_slots >= _SILENT_GAPS * state.gap_slots


def _measured(
    asset: Asset, before: AssetKept, delivered: Delivered, reading: AssetReading | None, interval: Interval
) -> AssetKept:
    """Return the asset after the slot: the twin's state, with measured values in place of its own."""
    settled = AssetKept(
        soc=None if math.isnan(delivered.soc) else delivered.soc,
        power_mw=delivered.power_mw,
        running_min=delivered.state.running_min,
        ready_in_min=delivered.state.ready_in_min,
        answers=before.answers,
        available=before.available,
        conduct=msgspec.structs.replace(before.conduct, soc=None),
    )
    if reading is None:
        if before.silent_slots is not None:
            settled.silent_slots, settled.gap_slots = before.silent_slots + 1, before.gap_slots
            settled.answers = before.answers and not _lost(settled)
            settled.available = settled.answers and not settled.conduct.is_out
        return settled
    settled.silent_slots = 0
    settled.gap_slots = 1 if before.silent_slots is None else before.silent_slots + 1
    if reading.available is not None:
        settled.answers = reading.available
    elif _lost(before):
        settled.answers = True
    settled.available = settled.answers and not settled.conduct.is_out
    if reading.power_mw is not None:
        settled.measured = True
        settled.power_mw = reading.power_mw
        after = type_of(asset).measured(asset, before.state(), delivered.state, reading.power_mw, interval)
        settled.soc = None if math.isnan(after.soc) else after.soc
        settled.running_min, settled.ready_in_min = after.running_min, after.ready_in_min
    if reading.soc is not None and type_of(asset).energy_mwh(asset) is not None:
        settled.measured = True
        settled.soc = _soc(asset, before, settled, min(max(reading.soc, 0.0), 1.0), reading, interval)
    return settled


def _soc(
    asset: Asset, before: AssetKept, settled: AssetKept, soc: float, reading: AssetReading, interval: Interval
) -> float:
    """Return the SoC to use: the reading, unless it contradicts the energy measured since the last one."""
    conduct = before.conduct
    since = before.soc if conduct.soc is None else conduct.soc
    if store_of(asset) is None or reading.power_mw is None or before.silent_slots != 0 or since is None:
        settled.conduct.soc = settled.conduct.soc_reading = soc
        settled.conduct.soc_held = 0
        return soc
    start = msgspec.structs.replace(before.state(), soc=since)
    implied = type_of(asset).measured(asset, start, start, reading.power_mw, interval).soc
    return checked_soc(conduct, settled.conduct, soc, (since, implied), interval.hours)


def _follow(
    zone: Zone, asset: Asset, before: AssetKept, settled: AssetKept, reading: AssetReading, range_mw: Sequence[float]
) -> None:
    """Judge how the asset followed, and take it out of the plan or back into it.

    Args:
        zone: The zone.
        asset: The asset.
        before: At the slot's start.
        settled: After it; changed.
        reading: What was read.
        range_mw: Power that the setpoint asked for with its curves, then without, and what physics lets it.
    """
    if not settled.answers:
        return
    limits_mw = type_of(asset).power_limits_mw(zone, asset)
    slot = Following(
        set_mw=range_mw[0],
        low_mw=min(range_mw),
        high_mw=max(range_mw),
        measured_mw=_shown_mw(asset, before, reading, zone.step.hours),
        rated_mw=max(abs(limit) for limit in limits_mw),
    )
    settled.conduct = judged(settled.conduct, slot, zone.step.per_day)
    settled.available = not settled.conduct.is_out


def _shown_mw(asset: Asset, before: AssetKept, reading: AssetReading, hours: float) -> float | None:
    """Return the measured power, else the power implied by the change of SoC if this change is large enough."""
    store = store_of(asset)
    if reading.power_mw is not None or reading.soc is None or store is None:
        return reading.power_mw
    if before.silent_slots != 0 or before.soc is None:
        return None
    if max(store.charge_mw, store.discharge_mw) * hours < LEAST_SOC_MOVE * store.energy_mwh:
        return None
    given_mw = (before.soc - reading.soc) * store.energy_mwh / hours
    return given_mw * store.discharge_efficiency if given_mw > 0.0 else given_mw / store.charge_efficiency


def _assert_balance(asset: Asset, before: AssetKept, settled: AssetKept, interval: Interval) -> None:
    if settled.measured or before.soc is None or settled.soc is None:
        return
    error = type_of(asset).balance_error_mwh(asset, before.state(), settled.state(), interval)
    if abs(error) > _BALANCE_SHARE * (type_of(asset).energy_mwh(asset) or 0.0):
        raise PhysicsError(f"{asset.asset_id}: {error:.3g} MWh out of balance at {settled.power_mw} MW")
