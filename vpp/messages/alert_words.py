"""Texts of alerts: title, effect, recommended action."""

from __future__ import annotations

from vpp.messages.alerts import AlertCode, AlertEffect

RANK: dict[str, int] = {"critical": 0, "warning": 1, "info": 2}
"""Severities, the most severe first."""

TITLES: dict[AlertCode, str] = {
    AlertCode.OTHER: "note",
    AlertCode.RECORD_MISSING: "no telemetry",
    AlertCode.MISSING: "missing",
    AlertCode.MISSING_MARK: "missing",
    AlertCode.OUT_OF_RANGE: "out of range",
    AlertCode.FLAT: "value unchanged",
    AlertCode.PUBLISHED_IMPLAUSIBLE: "published values implausible",
    AlertCode.CLOCK_JUMP: "records from the future",
    AlertCode.RECORD_UNSIGNED: "records not signed",
    AlertCode.CHANGE_FORGED: "zone change not signed",
    AlertCode.SENSOR_FAULT: "sensor fault",
    AlertCode.ATTACK_FORGED: "values may be forged",
    AlertCode.ATTACK_REPLAYED: "values repeat earlier ones",
    AlertCode.ATTACK_FROZEN: "value frozen",
    AlertCode.REGIME_CHANGE: "lasting change of the values",
    AlertCode.RAMP: "large ramp ahead",
    AlertCode.JUMP: "net load far from its forecast",
    AlertCode.INTERVAL_TOO_NARROW: "forecast intervals too narrow",
    AlertCode.SKILL_LOST: "forecasts worse than persistence",
    AlertCode.MODEL_UNUSABLE: "model cannot be served",
    AlertCode.ORDER_REFUSED: "order refused",
    AlertCode.ORDER_STOPPED: "order stopped",
    AlertCode.HOLD: "hold",
    AlertCode.BID_MISSING: "no current bid",
    AlertCode.REFLEX: "no plan, reflex active",
    AlertCode.ASSET_UNREACHABLE: "asset unreachable",
    AlertCode.ASSET_DERATED: "asset does not follow its setpoint",
    AlertCode.SOC_NOT_BELIEVED: "state of charge implausible",
    AlertCode.CAP_BREACH: "import cap exceeded",
    AlertCode.SLOTS_SKIPPED: "slots skipped",
    AlertCode.LATE_CORRECTION: "correction too late",
    AlertCode.CLOCK_OFF: "wrong clock",
}
"""Title of an alert, without its channel or asset."""

EFFECTS: dict[AlertEffect, str] = {
    AlertEffect.NONE: "",
    AlertEffect.NOT_USED: "the values count as missing",
    AlertEffect.FORECAST_USED: "the forecast is used instead of the values",
    AlertEffect.TOTAL_USED: "the value is computed from the independent total",
    AlertEffect.USED_AS_REAL: "the values are accepted",
    AlertEffect.QUARANTINED: "the records are not used",
    AlertEffect.FALLBACK_FORECAST: "forecasts come from a fallback",
    AlertEffect.WORSE_FORECAST: "forecasts are less accurate than stated",
    AlertEffect.ORDER_NOT_FOLLOWED: "the order is not followed",
    AlertEffect.AT_REST: "the assets are at rest",
    AlertEffect.LAST_BID_USED: "the last bid is used, shifted in time",
    AlertEffect.BID_WITHDRAWN: "plans do not use its bids",
    AlertEffect.NOT_PLANNED: "plans do not include it",
    AlertEffect.PLANNED_IN_PART: "plans are limited to its measured power",
    AlertEffect.SOC_BY_ENERGY: "the state of charge is computed from its measured energy",
    AlertEffect.PENALTY: "the cap penalty applies",
    AlertEffect.NOT_SETTLED: "the slots are not settled",
    AlertEffect.LOG_TIME_USED: "the time of the log is used instead",
}
"""Consequence of the cause, as a clause; empty if there is none."""

ACTIONS: dict[AlertCode, str] = {
    AlertCode.RECORD_MISSING: "Check the source",
    AlertCode.MISSING: "Check the source",
    AlertCode.MISSING_MARK: "Check the meter",
    AlertCode.OUT_OF_RANGE: "Check the meter and its unit",
    AlertCode.FLAT: "Check the meter",
    AlertCode.PUBLISHED_IMPLAUSIBLE: "Check the source",
    AlertCode.CLOCK_JUMP: "Check the clock of the source",
    AlertCode.RECORD_UNSIGNED: "Check who writes the topic",
    AlertCode.CHANGE_FORGED: "Check who writes the topic",
    AlertCode.SENSOR_FAULT: "Check the meter",
    AlertCode.ATTACK_FORGED: "Check who writes the telemetry",
    AlertCode.ATTACK_REPLAYED: "Check who writes the telemetry",
    AlertCode.ATTACK_FROZEN: "Check the meter",
    AlertCode.REGIME_CHANGE: "Retrain the model",
    AlertCode.JUMP: "Check the meter and its unit",
    AlertCode.INTERVAL_TOO_NARROW: "Retrain the model",
    AlertCode.SKILL_LOST: "Retrain the model",
    AlertCode.MODEL_UNUSABLE: "Promote another model",
    AlertCode.ORDER_REFUSED: "Look at the order",
    AlertCode.ORDER_STOPPED: "Look at the order",
    AlertCode.BID_MISSING: "Check the workers",
    AlertCode.REFLEX: "Check the source and the workers",
    AlertCode.ASSET_UNREACHABLE: "Check the asset",
    AlertCode.ASSET_DERATED: "Check the asset",
    AlertCode.SOC_NOT_BELIEVED: "Check the asset",
    AlertCode.CAP_BREACH: "Check the limits and the fleet",
    AlertCode.SLOTS_SKIPPED: "Check the source",
    AlertCode.CLOCK_OFF: "Set the clock of the gateway",
}
"""Recommended action; a code without an entry needs none."""
