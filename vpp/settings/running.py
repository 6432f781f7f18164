"""Groups of a running plant: the forecast step and the clock of live mode."""

from __future__ import annotations

from pydantic import Field

from vpp.settings.group import SettingsGroup


class ForecastSettings(SettingsGroup):
    """How the forecast step behaves."""

    skill_window: int = Field(default=336, ge=8, description="scored forecasts per horizon in the live skill")
    min_history_days: float = Field(
        default=15.0, ge=1, le=40, description="days of net load that a model needs before it forecasts"
    )
    ready_share: float = Field(
        default=0.3, ge=0, le=1, description="share of a target's lags that must be there before policies bid on it"
    )
    patience_s: float = Field(
        default=60.0, gt=0, description="remote inference: time until a slot without answer gets a fallback (s)"
    )


class LiveSettings(SettingsGroup):
    """Live mode: pulse and deadlines."""

    pulse_s: float = Field(default=5.0, gt=0, description="time between two ticks (s)")
    close_after_s: float = Field(default=2.0, ge=0, description="a slot closes this long after its end")
    decide_after_s: float = Field(default=4.0, ge=0, description="missing bids are replaced this long after its end")
    real_time: bool = Field(
        default=False,
        description="the run goes by the real time: records dated after the broker's clock are refused",
    )
