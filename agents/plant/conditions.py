"""Conditions of the plant that raise alerts: each is one alert from its first slot to its last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from agents.plant.narrative import say_derating, say_missing, say_soc
from vpp.domain import iso
from vpp.fleet.scale import power_text
from vpp.fleet.schema import Zone
from vpp.messages import Alert, AlertCode, AlertEffect, Derating, MissingBid, Order, Severity

TOPIC = "plant"
_SAME_SHARE = 1e-8


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that holds now; its fields are those of the alert."""

    code: AlertCode
    effect: AlertEffect
    text: str
    asset_id: str | None = None
    severity: Severity = "warning"


def bid_missing(bid: MissingBid) -> Condition:
    """Return the condition of a policy without a current bid."""
    effect = AlertEffect.BID_WITHDRAWN if bid.cause == "not_ready" else AlertEffect.LAST_BID_USED
    return Condition(AlertCode.BID_MISSING, effect, say_missing(bid))


def reflex(binding: str) -> Condition:
    """Return the condition of a decision by a reflex, with the reflex's reason."""
    return Condition(AlertCode.REFLEX, AlertEffect.AT_REST, binding)


def hold(order: Order) -> Condition:
    """Return the condition of a hold: it is intended, so it is a note and no alarm."""
    asset_id = order.asset_ids[0] if len(order.asset_ids) == 1 else None
    text = f"hold by {order.principal}: {order.reason} (from {iso(order.issued_at)})"
    return Condition(AlertCode.HOLD, AlertEffect.AT_REST, text, asset_id, "info")


def unreachable(asset_id: str) -> Condition:
    """Return the condition of an asset that does not answer."""
    text = f"{asset_id} cannot be reached"
    return Condition(AlertCode.ASSET_UNREACHABLE, AlertEffect.NOT_PLANNED, text, asset_id)


def derated(asset_id: str, derating: Derating | None) -> Condition:
    """Return the condition of an asset that does not follow its setpoints; without a derating it is tested again."""
    if derating is None:
        text = f"{asset_id} is tried again after it did not follow"
        return Condition(AlertCode.ASSET_DERATED, AlertEffect.NONE, text, asset_id)
    effect = AlertEffect.NOT_PLANNED if derating.reach_mw is None else AlertEffect.PLANNED_IN_PART
    return Condition(AlertCode.ASSET_DERATED, effect, say_derating(asset_id, derating), asset_id)


def soc_held(asset_id: str, reading: float, used: float | None) -> Condition:
    """Return the condition of a store whose SoC reading is rejected."""
    text = say_soc(asset_id, reading, used)
    return Condition(AlertCode.SOC_NOT_BELIEVED, AlertEffect.SOC_BY_ENERGY, text, asset_id)


def cap_breach(zone: Zone, grid_mw: float | None) -> dict[str, Condition]:
    """Return the condition of measured grid power above the import cap, None otherwise."""
    cap_mw = zone.limits.import_cap_mw
    if grid_mw is None or grid_mw <= cap_mw + zone.served_scale.share(_SAME_SHARE):
        return {}
    text = f"grid power {power_text(grid_mw)} is above the cap of {power_text(cap_mw)}"
    return {"cap-breach": Condition(AlertCode.CAP_BREACH, AlertEffect.PENALTY, text)}


def alert_of(zone: Zone, slot: datetime, name: str, condition: Condition) -> Alert:
    """Return the alert of a condition, or of an event, that begins with ``slot``.

    Args:
        zone: The zone's configuration.
        slot: Its first slot.
        name: Name of the condition, unique in the zone.
        condition: Its code, effect and text.
    """
    return Alert(
        zone=zone.zone,
        slot=slot,
        alert_id=f"plant-{name}-{iso(slot)}",
        severity=condition.severity,
        topic=TOPIC,
        code=condition.code,
        asset_id=condition.asset_id,
        effect=condition.effect,
        text=condition.text,
    )


def follow(zone: Zone, slot: datetime, conditions: Mapping[str, Condition], standing: dict[str, Alert]) -> list[Alert]:
    """Return the alerts that begin or end with ``slot``.

    Args:
        zone: The zone.
        slot: The slot just closed.
        conditions: Present conditions, by name.
        standing: Alerts of earlier conditions that have not ended, by name; changed.
    """
    begun = {name: alert_of(zone, slot, name, conditions[name]) for name in sorted(set(conditions) - set(standing))}
    ended = [standing.pop(name).ended(slot) for name in sorted(set(standing) - set(conditions))]
    standing.update(begun)
    return [*begun.values(), *ended]
