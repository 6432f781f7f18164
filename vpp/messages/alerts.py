"""Alerts for people, as codes; the text repeats them and is not parsed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from vpp.messages.telemetry import Record
from vpp.messages.times import Time

Severity = Literal["info", "warning", "critical"]


class AlertCode(StrEnum):
    """Subject of an alert. Codes of telemetry are those of ``Quality``, codes of the guard those of ``Cause``."""

    OTHER = "other"
    # telemetry
    RECORD_MISSING = "record_missing"
    MISSING = "missing"
    MISSING_MARK = "missing_mark"
    OUT_OF_RANGE = "out_of_range"
    FLAT = "flat"
    PUBLISHED_IMPLAUSIBLE = "published_implausible"
    CLOCK_JUMP = "clock_jump"
    # every topic
    RECORD_UNSIGNED = "record_unsigned"
    CHANGE_FORGED = "change_forged"
    # guard
    SENSOR_FAULT = "sensor_fault"
    ATTACK_FORGED = "attack_forged"
    ATTACK_REPLAYED = "attack_replayed"
    ATTACK_FROZEN = "attack_frozen"
    REGIME_CHANGE = "regime_change"
    # forecast
    RAMP = "ramp"
    JUMP = "jump"
    INTERVAL_TOO_NARROW = "interval_too_narrow"
    SKILL_LOST = "skill_lost"
    MODEL_UNUSABLE = "model_unusable"
    RETRAINED = "retrained"
    # orders
    ORDER_REFUSED = "order_refused"
    ORDER_STOPPED = "order_stopped"
    # plant
    HOLD = "hold"
    BID_MISSING = "bid_missing"
    REFLEX = "reflex"
    ASSET_UNREACHABLE = "asset_unreachable"
    ASSET_DERATED = "asset_derated"
    SOC_NOT_BELIEVED = "soc_not_believed"
    CAP_BREACH = "cap_breach"
    SLOTS_SKIPPED = "slots_skipped"
    LATE_CORRECTION = "late_correction"
    # gateways
    CLOCK_OFF = "clock_off"


EPISODES = frozenset(
    {
        AlertCode.RECORD_MISSING,
        AlertCode.MISSING,
        AlertCode.MISSING_MARK,
        AlertCode.OUT_OF_RANGE,
        AlertCode.FLAT,
        AlertCode.SENSOR_FAULT,
        AlertCode.ATTACK_FORGED,
        AlertCode.ATTACK_REPLAYED,
        AlertCode.ATTACK_FROZEN,
        AlertCode.REGIME_CHANGE,
        AlertCode.HOLD,
        AlertCode.BID_MISSING,
        AlertCode.REFLEX,
        AlertCode.ASSET_UNREACHABLE,
        AlertCode.ASSET_DERATED,
        AlertCode.SOC_NOT_BELIEVED,
        AlertCode.CAP_BREACH,
    }
)
"""Codes of conditions that last until their alert has an end; the others speak of one moment."""


class AlertEffect(StrEnum):
    """Effect of the cause of an alert while it lasts."""

    NONE = "none"
    NOT_USED = "not_used"
    FORECAST_USED = "forecast_used"
    TOTAL_USED = "total_used"
    USED_AS_REAL = "used_as_real"
    QUARANTINED = "quarantined"
    FALLBACK_FORECAST = "fallback_forecast"
    WORSE_FORECAST = "worse_forecast"
    ORDER_NOT_FOLLOWED = "order_not_followed"
    AT_REST = "at_rest"
    LAST_BID_USED = "last_bid_used"
    BID_WITHDRAWN = "bid_withdrawn"
    NOT_PLANNED = "not_planned"
    PLANNED_IN_PART = "planned_in_part"
    SOC_BY_ENERGY = "soc_by_energy"
    PENALTY = "penalty"
    NOT_SETTLED = "not_settled"
    LOG_TIME_USED = "log_time_used"


class Alert(Record, kw_only=True, frozen=True, tag="alert", omit_defaults=True):
    """Information for people: one alert for each episode.

    ``alert_id`` is stable: the alert is written again when its episode ends, and that is the same row. ``slot``: first
    slot of the episode. ``ended_at``: its end; null while it lasts, and where it is a moment (see ``EPISODES``).
    ``channel`` or ``asset_id``: its subject; ``also``: further channels with the same fault from the same slot.
    ``topic``: the part of the plant that raises it. ``values``: its numbers, by name with unit.
    """

    slot: Time
    alert_id: str
    severity: Severity
    topic: str
    text: str
    values: dict[str, float | None] = {}
    code: AlertCode = AlertCode.OTHER
    channel: str | None = None
    also: list[str] = []
    asset_id: str | None = None
    effect: AlertEffect = AlertEffect.NONE
    ended_at: Time | None = None

    def ended(self, at: datetime) -> Alert:
        """Return the alert at the end of its episode."""
        return msgspec.structs.replace(self, ended_at=at)
