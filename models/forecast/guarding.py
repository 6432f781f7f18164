"""The guard in the forecast step: episodes with their alerts, trust of a forecast, wider quantiles."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from models.forecast.state import Episode, ForecastHead, ForecastState, QuarantineRelease
from models.guard.watch import Judgement
from vpp.domain import NET_LOAD, Step
from vpp.errors import MessageError
from vpp.fleet.scale import significant
from vpp.messages import Alert, AlertCode, AlertEffect, Cause, Correction, Order, SlotClosed, Verdict
from vpp.numerics.arrays import Floats, Ints

TOPIC = "guard"
WIDEST_AGE = 12
_TEXT = {
    Cause.SENSOR_FAULT: "the value is impossible; check the meter",
    Cause.ATTACK_FORGED: "values differ from all forecasts; they may be forged",
    Cause.ATTACK_REPLAYED: "values repeat the past",
    Cause.ATTACK_FROZEN: "the value does not change",
    Cause.REGIME_CHANGE: "neighbouring data confirm the change; forecasts follow it",
    Cause.LATE_OR_MISSING: "values are late or missing",
}


def follow(
    state: ForecastState, step: Step, slot: SlotClosed, judged: Judgement
) -> tuple[Verdict | None, list[Alert], list[Correction]]:
    """Keep the episode of a judged slot; return its verdict, its alerts, and corrections where its change was real.

    Alerts of one episode's start share an id, so a cause found later takes the place of the first. A change that
    is taken as real in the end is written into the ring, and settled again, as it was measured.

    Args:
        state: The zone's forecast state; its ring takes corrected values.
        step: Length of a slot.
        slot: The closed slot as measured.
        judged: What the guard makes of it.
    """
    head, index = state.head, step.index(slot.slot)
    alerts: list[Alert] = []
    episode = head.episode
    doubted = judged.is_distrusted or judged.is_verified
    if doubted and episode is None:
        episode = head.episode = Episode(index - judged.rolled_back, "", judged.suspect)
    if episode is None:
        return _missing(slot, judged), alerts, []
    if not doubted:
        release = head.release_at(index)
        alerts.append(_end(step, slot, episode, judged, release))
        head.episode = None
        real = release is not None or judged.cause is Cause.REGIME_CHANGE
        return None, alerts, _restored(state, step, slot, episode) if real else []
    episode.slots += 1
    values = {name: slot.values.get(name) for name in judged.used if name != NET_LOAD}
    episode.measured.append((index, {**values, NET_LOAD: slot.net_load_mw}))
    measured, used = slot.net_load_mw, judged.used.get(NET_LOAD, slot.net_load_mw)
    if measured is not None and used is not None:
        episode.moved_mwh += abs(measured - used) * step.hours
    verdict = Verdict(
        cause=judged.cause,
        suspect=judged.suspect,
        since=step.start(episode.since),
        score=judged.score,
        replaced=judged.is_replaced,
        verified=judged.is_verified,
        witnessed=judged.is_witnessed,
        rolled_back=judged.rolled_back,
        age=judged.age,
        evidence=dict(judged.evidence),
    )
    if judged.cause != episode.cause:
        episode.cause, episode.suspect = judged.cause, judged.suspect
        begun = _begin(slot, verdict, judged)
        episode.evidence = begun.values
        alerts.append(begun)
    return verdict, alerts, []


def check_release(order: Order) -> datetime:
    """Return the end of an order that the guard can take.

    Raises:
        MessageError: The order has no end, or is not for the guard.
    """
    if order.action != "release_quarantine" or order.expires_at is None:
        raise MessageError(f"a {order.action} order is not for the guard, or has no end", reason="schema")
    return order.expires_at


def release_quarantine(head: ForecastHead, step: Step, order: Order) -> Alert | None:
    """Take the zone's values as measured from the next slot on until a verified order expires.

    The order names the quarantine by its alert, so an old order releases no later one. A repeat changes nothing.

    Args:
        head: The zone's state; changed.
        step: Length of a slot.
        order: The order.

    Returns:
        The alert of an order whose quarantine is not open.

    Raises:
        MessageError: As ``check_release``.
    """
    expires_at = check_release(order)
    if head.release is not None and head.release.order_id == order.order_id:
        return None
    if head.episode is not None and _id(order.zone, step.start(head.episode.since)) == order.cancels:
        until = step.index(step.floor(expires_at)) - 1
        head.release = QuarantineRelease(order.order_id, order.approved_by or order.principal, until)
        return None
    return Alert(
        zone=order.zone,
        slot=step.floor(order.issued_at),
        alert_id=f"guard-order-refused-{order.order_id}",
        severity="warning",
        topic="order",
        code=AlertCode.ORDER_REFUSED,
        effect=AlertEffect.ORDER_NOT_FOLLOWED,
        text=f"the guard refused order {order.order_id} by {order.principal}: "
        f"it has no open quarantine {order.cancels}",
    )


def _missing(slot: SlotClosed, judged: Judgement) -> Verdict | None:
    """Return the verdict on a slot with a missing channel; the intake reported it, and no episode begins."""
    lacks = next((name for name in judged.channels if slot.values.get(name) is None), None)
    if lacks is None or lacks == NET_LOAD:
        return None
    return Verdict(cause=Cause.LATE_OR_MISSING, suspect=lacks, since=slot.slot, score=judged.score)


def _restored(state: ForecastState, step: Step, slot: SlotClosed, episode: Episode) -> list[Correction]:
    """Put the measured values of an episode into the ring and return them as corrections."""
    corrections = []
    for index, values in episode.measured:
        for name, value in values.items():
            state.ring.put(name, index, value)
        corrections.append(
            Correction(
                zone=slot.zone,
                slot=step.start(index),
                step_min=step.minutes,
                values={name: value for name, value in values.items() if name != NET_LOAD},
                net_load_mw=values[NET_LOAD],
                revision=0,
            )
        )
    return corrections


def _id(zone: str, since: datetime) -> str:
    return f"{zone}-guard-{since:%Y%m%dT%H%M}"


def _begin(slot: SlotClosed, verdict: Verdict, judged: Judgement) -> Alert:
    measured = slot.values.get(verdict.suspect)
    used = judged.used.get(verdict.suspect)
    if verdict.verified:
        effect, outcome = AlertEffect.TOTAL_USED, "; the value that the total implies is used"
    elif verdict.cause is Cause.REGIME_CHANGE:
        effect, outcome = AlertEffect.USED_AS_REAL, ""
    else:
        effect, outcome = AlertEffect.FORECAST_USED, "; the forecast is used instead"
    return Alert(
        zone=slot.zone,
        slot=verdict.since,
        alert_id=_id(slot.zone, verdict.since),
        severity="warning" if verdict.cause is Cause.REGIME_CHANGE else "critical",
        topic=TOPIC,
        code=AlertCode(verdict.cause.value),
        channel=verdict.suspect,
        effect=effect,
        text=f"{verdict.suspect}: {_TEXT[verdict.cause]}{outcome}",
        values={
            "score": verdict.score,
            "measured": measured,
            "used": used,
            **{f"evidence_{name}": value for name, value in verdict.evidence.items()},
        },
    )


def _end(step: Step, slot: SlotClosed, episode: Episode, judged: Judgement, release: QuarantineRelease | None) -> Alert:
    cause = judged.cause if judged.cause is not Cause.NONE and release is None else Cause(episode.cause)
    real = release is not None or cause is Cause.REGIME_CHANGE
    since = step.start(episode.since)
    if release is not None:
        reason = f"{release.principal} released it by order {release.order_id}"
    elif real:
        reason = "the change stays and is taken as real"
    else:
        reason = "values agree with the forecast again"
    return Alert(
        zone=slot.zone,
        slot=since,
        alert_id=_id(slot.zone, since),
        severity="warning" if real else "critical",
        topic=TOPIC,
        code=AlertCode(cause.value),
        channel=episode.suspect,
        effect=AlertEffect.USED_AS_REAL if real else AlertEffect.FORECAST_USED,
        ended_at=slot.slot,
        text=f"{episode.suspect}: {_TEXT[cause]}; ended: {reason}; slots whose measured value was not used: "
        f"{episode.slots}",
        values={**episode.evidence, "slots": float(episode.slots), "moved_mwh": significant(episode.moved_mwh)},
    )


def widened(quantiles: Floats, mean: Floats, steps: Ints, age: int) -> Floats:
    """Return quantiles as wide as those of forecasts ``age`` slots further ahead; they never become narrower.

    Args:
        quantiles: Quantiles by horizon, MW, shape (H, 7).
        mean: Means around which they are widened, MW, shape (H,).
        steps: Horizons in slots, shape (H,).
        age: Slots since the last trusted value, at most ``WIDEST_AGE`` count.
    """
    width = quantiles[:, -1] - quantiles[:, 0]
    later = np.interp(steps + min(age, WIDEST_AGE), steps, width)
    factor = np.maximum(later / np.maximum(width, 1e-12), 1.0)
    return np.asarray(mean[:, None] + (quantiles - mean[:, None]) * factor[:, None])
