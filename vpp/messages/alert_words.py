"""Texts of alerts: a title, the effect, and what to do."""

from __future__ import annotations

from vpp.messages.alerts import AlertCode, AlertEffect

RANK: dict[str, int] = {"critical": 0, "warning": 1, "info": 2}
"""Severities, the gravest first."""

TITLES: dict[AlertCode, str] = {
    AlertCode.OTHER: "note",
    AlertCode.RECORD_MISSING: "no telemetry",
    AlertCode.MISSING: "missing",
    AlertCode.MISSING_MARK: "missing",
    AlertCode.OUT_OF_RANGE: "out of range",
    AlertCode.FLAT: "standing still",
    AlertCode.PUBLISHED_IMPLAUSIBLE: "published values implausible",
    AlertCode.CLOCK_JUMP: "records from the future",
    AlertCode.RECORD_UNSIGNED: "records not signed",
    AlertCode.SENSOR_FAULT: "sensor fault",
    AlertCode.ATTACK_FORGED: "values may be forged",
    AlertCode.ATTACK_REPLAYED: "values repeat the past",
    AlertCode.ATTACK_FROZEN: "value stands still",
    AlertCode.REGIME_CHANGE: "a lasting change",
    AlertCode.RAMP: "large ramp ahead",
    AlertCode.JUMP: "net load absurd against its forecast",
    AlertCode.INTERVAL_TOO_NARROW: "forecast intervals too narrow",
    AlertCode.SKILL_LOST: "forecasts worse than persistence",
    AlertCode.MODEL_UNUSABLE: "model cannot be served",
    AlertCode.ORDER_REFUSED: "order refused",
    AlertCode.ORDER_STOPPED: "order stopped",
    AlertCode.HOLD: "hold",
    AlertCode.BID_MISSING: "no current bid",
    AlertCode.REFLEX: "no plan, a reflex acts",
    AlertCode.ASSET_UNREACHABLE: "asset out of reach",
    AlertCode.ASSET_DERATED: "does not follow",
    AlertCode.SOC_NOT_BELIEVED: "state of charge not believed",
    AlertCode.CAP_BREACH: "import cap exceeded",
    AlertCode.SLOTS_SKIPPED: "slots skipped",
    AlertCode.LATE_CORRECTION: "correction too late",
    AlertCode.CLOCK_OFF: "clock is wrong",
}
"""What an alert is about, without its channel or asset."""

EFFECTS: dict[AlertEffect, str] = {
    AlertEffect.NONE: "",
    AlertEffect.NOT_USED: "the values count as missing",
    AlertEffect.FORECAST_USED: "the forecast is used in their place",
    AlertEffect.TOTAL_USED: "the value that the independent total implies is used",
    AlertEffect.USED_AS_REAL: "the values are taken as real",
    AlertEffect.QUARANTINED: "the records are set aside",
    AlertEffect.FALLBACK_FORECAST: "a fallback forecasts",
    AlertEffect.WORSE_FORECAST: "forecasts are less certain than they say",
    AlertEffect.ORDER_NOT_FOLLOWED: "the order is not followed",
    AlertEffect.AT_REST: "the assets rest",
    AlertEffect.LAST_BID_USED: "the last bid is used, shifted in time",
    AlertEffect.BID_WITHDRAWN: "nothing is planned by it",
    AlertEffect.NOT_PLANNED: "nothing is planned for it",
    AlertEffect.PLANNED_IN_PART: "it is planned with what it delivers",
    AlertEffect.SOC_BY_ENERGY: "the state of charge by its measured energy is used",
    AlertEffect.PENALTY: "the penalty of the cap is due",
    AlertEffect.NOT_SETTLED: "nothing is settled for it",
    AlertEffect.LOG_TIME_USED: "the time of the log is used in its place",
}
"""What follows from the cause, as a clause; empty: nothing."""

ACTIONS: dict[AlertCode, str] = {
    AlertCode.RECORD_MISSING: "Check the source",
    AlertCode.MISSING: "Check the source",
    AlertCode.MISSING_MARK: "Check the meter",
    AlertCode.OUT_OF_RANGE: "Check the meter and its unit",
    AlertCode.FLAT: "Check the meter",
    AlertCode.PUBLISHED_IMPLAUSIBLE: "Check the source",
    AlertCode.CLOCK_JUMP: "Check the clock of the source",
    AlertCode.RECORD_UNSIGNED: "Check who writes the topic",
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
"""What a person does about it; a code without an entry asks for nothing."""
