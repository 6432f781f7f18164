"""Orders in force in a slot, and their bounds for the clearing.

Priorities: physics > hold > the order of highest priority > of equal ones the later. A hold fixes power on the way to
rest; every other order is a wish that the plan meets as nearly as physics lets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
from msgspec.structs import replace

from agents.assets.fleet_state import FleetState
from agents.assets.registry import type_of
from agents.assets.state import AssetState
from agents.assets.twin import deliver
from agents.clearing.problem import Bands
from vpp.fleet.assets import Asset
from vpp.fleet.schema import Zone
from vpp.messages import Order, OrderVerdict, PlanNote
from vpp.numerics.arrays import Floats

_SAME_SHARE = 1e-6
"""Powers that differ by at most this share of the served power count as equal."""


class Asked(msgspec.Struct, frozen=True):
    """Requests of orders over a horizon, and the order that applies to each asset at its first step (None: none)."""

    bands: Bands
    ruling: tuple[Order | None, ...]
    orders: tuple[Order, ...]


def admit(orders: list[Order], order: Order) -> list[Order]:
    """Return the orders in force after ``order`` arrived; a repeat changes nothing.

    ``cancel`` ends one order; ``release`` ends holds: of its assets, or without asset ids every hold of the zone;
    ``release_quarantine`` only concerns the guard.
    """
    if any(other.order_id == order.order_id for other in orders):
        return orders
    match order.action:
        case "cancel":
            return [other for other in orders if other.order_id != order.cancels]
        case "release":
            return [other for other in orders if not _released(other, order)]
        case "release_quarantine":
            return orders
        case _:
            return [*orders, order]


def _released(standing: Order, release: Order) -> bool:
    if standing.action != "hold":
        return False
    return not release.asset_ids or (bool(standing.asset_ids) and set(standing.asset_ids) <= set(release.asset_ids))


def unexpired(orders: list[Order], slot: datetime) -> list[Order]:
    """Return the orders that apply to ``slot`` or a later one."""
    return [order for order in orders if order.expires_at is None or order.expires_at > slot]


def in_force(order: Order, slot: datetime) -> bool:
    """Return whether an order is in force at the start of ``slot``."""
    started = order.starts_at is None or order.starts_at <= slot
    return started and (order.expires_at is None or slot < order.expires_at)


def names(order: Order, asset: Asset) -> bool:
    """Return whether an order covers an asset; without asset ids it covers the whole fleet."""
    return not order.asset_ids or asset.asset_id in order.asset_ids


def asked(zone: Zone, orders: Sequence[Order], state: FleetState, starts: Sequence[datetime], step_h: Floats) -> Asked:
    """Return the requests of the orders for the steps that begin at ``starts``.

    Args:
        zone: The zone with its assets.
        orders: Orders in force, in order of arrival.
        state: The fleet at the first step.
        starts: UTC start of each step, shape (N,).
        step_h: Hours of each step, shape (N,).
    """
    bands = Bands.none(len(zone.assets), len(starts))
    ranked = sorted(orders, key=lambda order: (order.action == "hold", order.priority))
    ruling: list[Order | None] = []
    for row, asset in enumerate(zone.assets):
        mine = [order for order in ranked if names(order, asset)]
        if not mine:
            ruling.append(None)
            continue
        ruler: Order | None = None
        for h, start in enumerate(starts):
            standing = [o for o in mine if o.action in {"hold", "target", "band"} and in_force(o, start)]
            if standing:
                _apply(bands, row, h, standing[-1])
                ruler = standing[-1] if h == 0 else ruler
        is_fixed = np.isfinite(bands.fixed_mw[row])
        if is_fixed[0]:
            count = int(np.argmin(is_fixed)) if not is_fixed.all() else len(is_fixed)
            bands.fixed_mw[row, :count] = rest_path(
                asset, AssetState.of(state, row), step_h[:count], zone.local(starts[0])
            )
        _target_soc(bands, row, asset, [o for o in mine if o.action == "soc_target"], starts, step_h)
        ruling.append(ruler)
    return Asked(bands, tuple(ruling), tuple(orders))


def _apply(bands: Bands, row: int, h: int, order: Order) -> None:
    match order.action:
        case "hold":
            bands.fixed_mw[row, h] = 0.0
        case "target" if order.power_mw is not None:
            bands.min_mw[row, h] = bands.max_mw[row, h] = order.power_mw
        case _:
            bands.min_mw[row, h] = -np.inf if order.min_mw is None else order.min_mw
            bands.max_mw[row, h] = np.inf if order.max_mw is None else order.max_mw


def rest_path(asset: Asset, state: AssetState, step_h: Floats, at: datetime) -> Floats:
    """Return the power of each step on an asset's fastest way to rest: 0 for most, down its ramp for a generator.

    Args:
        asset: The asset.
        state: Its state at the first step.
        step_h: Hours of each step, shape (N,).
        at: Start of the first step, in the zone's time zone.
    """
    path = np.zeros(len(step_h))
    for h, hours in enumerate(step_h):
        delivered = deliver(asset, state, 0.0, float(hours), at=at)
        path[h] = delivered.power_mw
        state = delivered.state
        at = _later(at, float(hours))
    return path


def _later(at: datetime, hours: float) -> datetime:
    """Return the time after some hours, in the same time zone."""
    return (at.astimezone(UTC) + timedelta(hours=hours)).astimezone(at.tzinfo)


def within_reach(zone: Zone, bands: Bands, state: FleetState, step_h: Floats, start: datetime) -> Bands:
    """Return the bands with what stores are asked from now on cut to what their energy lasts for.

    Else an order that cannot be met for long ("charge 4 MW" for good) would be met best by turning the battery the
    other way in between.

    Args:
        zone: The zone's configuration.
        bands: Power and SoC bands that orders ask for.
        state: State of the fleet.
        step_h: Length of each step in hours, shape (N,).
        start: Start of the first step.
    """
    low, high = bands.min_mw.copy(), bands.max_mw.copy()
    for row, asset in enumerate(zone.assets):
        if type_of(asset).energy_mwh(asset) is None:
            continue
        now, at = AssetState.of(state, row), zone.local(start)
        for h, hours in enumerate(step_h):
            least, most = low[row, h], high[row, h]
            if least < 0.0 < most:
                break
            delivered = deliver(asset, now, float(least if least > 0 else min(most, 0.0)), float(hours), at=at)
            low[row, h], high[row, h] = min(least, delivered.power_mw), max(most, delivered.power_mw)
            now, at = delivered.state, _later(at, float(hours))
    return replace(bands, min_mw=low, max_mw=high)


def reach_notes(zone: Zone, asked_for: Bands, cut: Bands, step_h: Floats) -> tuple[PlanNote, ...]:
    """Return for how long each battery can follow its order, where ``within_reach`` cut it.

    Args:
        zone: The zone's configuration.
        asked_for: The bands as orders ask for them.
        cut: The bands of ``within_reach``.
        step_h: Length of each step in hours, shape (N,).
    """
    notes = []
    for row, asset in enumerate(zone.assets):
        short = (cut.min_mw[row] < asked_for.min_mw[row]) | (cut.max_mw[row] > asked_for.max_mw[row])
        if short.any():
            minutes = 60.0 * float(step_h[: int(np.argmax(short))].sum())
            notes.append(PlanNote(code="order_energy_limited", asset_id=asset.asset_id, values={"minutes": minutes}))
    return tuple(notes)


def _target_soc(
    bands: Bands, row: int, asset: Asset, orders: list[Order], starts: Sequence[datetime], step_h: Floats
) -> None:
    """Set the SoC target of a battery: of the highest priority, of equal ones the later; due at the order's expiry."""
    if type_of(asset).soc_limits(asset) is None or not orders:
        return
    order = orders[-1]
    ends = [start + timedelta(hours=float(hours)) for start, hours in zip(starts, step_h, strict=True)]
    due = [h for h, end in enumerate(ends) if order.expires_at is not None and end <= order.expires_at]
    if order.soc is None or (order.starts_at is not None and order.starts_at > ends[-1]):
        return
    bands.soc_target[row] = order.soc
    bands.soc_target_step[row] = due[-1] if due else 0


def verdicts(zone: Zone, asked_for: Asked, power_mw: Floats, notes: Sequence[PlanNote]) -> list[OrderVerdict]:
    """Return the outcome of each order at the first step.

    Args:
        zone: The zone with its assets.
        asked_for: What the orders ask.
        power_mw: Setpoints that went out, shape (A,).
        notes: What the plan could not meet.
    """
    return [_verdict(order, zone, asked_for, power_mw, notes) for order in asked_for.orders]


def _verdict(order: Order, zone: Zone, asked_for: Asked, power_mw: Floats, notes: Sequence[PlanNote]) -> OrderVerdict:
    if order.action == "soc_target":
        missed = next((n for n in notes if n.code == "soc_target_missed" and _concerns(order, n)), None)
        return _accepted(order) if missed is None else _out_of_reach(order, missed)
    rows = [row for row, ruler in enumerate(asked_for.ruling) if ruler is order]
    if not rows:
        return _without_effect(order, zone, asked_for)
    same_mw = zone.served_scale.share(_SAME_SHARE)
    short = next((row for row in rows if _departs(asked_for.bands, row, float(power_mw[row]), same_mw)), None)
    if short is None:
        return _accepted(order)
    return OrderVerdict(
        order_id=order.order_id,
        action=order.action,
        outcome="clamped",
        code="limited",
        asset_id=zone.assets[short].asset_id,
        power_mw=float(power_mw[short]),
    )


def _accepted(order: Order) -> OrderVerdict:
    return OrderVerdict(order_id=order.order_id, action=order.action, outcome="accepted")


def _out_of_reach(order: Order, missed: PlanNote) -> OrderVerdict:
    return OrderVerdict(
        order_id=order.order_id,
        action=order.action,
        outcome="clamped",
        code="out_of_reach",
        asset_id=missed.asset_id,
        soc=missed.values["soc"],
        wanted_soc=missed.values["wanted_soc"],
    )


def _concerns(order: Order, note: PlanNote) -> bool:
    return not order.asset_ids or note.asset_id in order.asset_ids


def _without_effect(order: Order, zone: Zone, asked_for: Asked) -> OrderVerdict:
    rulers = [asked_for.ruling[row] for row, asset in enumerate(zone.assets) if names(order, asset)]
    if any(ruler is not None for ruler in rulers):
        return OrderVerdict(order_id=order.order_id, action=order.action, outcome="superseded", code="outranked")
    return OrderVerdict(
        order_id=order.order_id,
        action=order.action,
        outcome="waiting",
        code="not_started",
        starts_at=order.starts_at,
    )


def _departs(bands: Bands, row: int, power_mw: float, same_mw: float) -> bool:
    low, high = float(bands.min_mw[row, 0]), float(bands.max_mw[row, 0])
    if np.isfinite(bands.fixed_mw[row, 0]):
        return abs(power_mw) > same_mw
    return power_mw < low - same_mw or power_mw > high + same_mw
