"""Answers of the reading tools: one object per tool, with units in the names.

Power is positive into the grid (discharge, generation), negative out of it (charge). Times are ISO 8601 UTC; a slot is
identified by its start. Missing values are null. ``as_of`` is the end of the newest closed slot in the answer.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, model_validator

from mcp_server.answers.sanitize import Name, Real, Text, inert

Points = list[list[Any]]


class SanitizedModel(BaseModel):
    """Part of an answer. All text in it is cleaned by ``inert``, because it may come from devices."""

    @model_validator(mode="before")
    @classmethod
    def _inert(cls, data: Any) -> Any:
        return inert(data)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, inert(value))


class ToolAnswer(SanitizedModel):
    """Fields that all answers have."""

    as_of: datetime | None = None
    hint: Text | None = None
    warnings: list[Text] = []


class ZoneNow(SanitizedModel):
    """State of one zone at its newest closed slot."""

    zone: Name
    slot: datetime | None
    step_min: int
    net_load_mw: Real | None
    load_mw: Real | None
    solar_mw: Real | None
    wind_mw: Real | None
    price_per_mwh: Real | None
    currency: str
    bad_channels: list[Name]
    served_net_load_mw: Real | None = Field(description="net load of the served share")
    plant_power_mw: Real | None
    grid_power_mw: Real | None = Field(description="served net load minus plant power")
    import_cap_mw: Real | None
    ramp_penalty_per_mwh: Real | None = None
    cap_penalty_per_mwh: Real | None = None
    battery_soc: Real | None = Field(description="0-1, by capacity")
    battery_energy_mwh: Real | None
    assets: int
    assets_unavailable: int
    next_power_mw: Real | None = Field(description="planned for the next slot")
    next_net_load_mw: Real | None
    forecast_source: Name | None
    pnl_24h: Real | None
    alerts_24h: int = Field(description="warning or critical")
    last_alert: Text | None
    alerts_open: int = Field(default=0, description="not acknowledged")
    holds: list[Text] = []
    orders_in_force: list[Name] = []
    orders_losing: list[Text] = Field(default=[], description="orders in force with a loss so far")
    plans_waiting: list[Name] = Field(default=[], description="waiting for approval or execution")


class Overview(ToolAnswer):
    """Current state of the plant."""

    clock: str | None = Field(default=None, description="live, replay with its speed, or a stored run")
    zones: list[ZoneNow] = []
    workers_running: int = 0
    workers_silent: list[Name] = []
    max_lag: int | None = None
    dead_letters: int = 0
    truncated: bool = False
    page: Text | None = Field(default=None, description="link to the page")


class AssetLine(SanitizedModel):
    """Summary of one asset."""

    asset_id: Name
    zone: Name
    kind: str
    state: str = Field(description="online, unavailable, stale or unseen")
    power_mw: Real | None
    soc: Real | None
    min_mw: Real | None
    max_mw: Real | None
    energy_capacity_mwh: Real | None
    next_power_mw: Real | None


class AssetPage(ToolAnswer):
    """Assets, ordered by zone and by their order in the fleet file."""

    assets: list[AssetLine] = []
    total: int = 0
    truncated: bool = False
    next_cursor: str | None = None


class AssetDetail(ToolAnswer):
    """Details of one asset."""

    asset: AssetLine | None = None
    limits: dict[str, Any] = Field(default={}, description="from the fleet file")
    slot: datetime | None = None
    energy_mwh: Real | None = None
    source: Name | None = Field(default=None, description="twin or measured")
    setpoint_slot: datetime | None = None
    setpoint_reason: Text | None = None
    decision_id: Name | None = None
    curve: list[tuple[Real, Real]] = Field(default=[], description="(measured net load MW, power MW) in the slot")
    discharged_mwh_24h: Real | None = None
    charged_mwh_24h: Real | None = None
    pnl_24h: Real | None = None
    currency: str = ""


class Stats(SanitizedModel):
    """Statistics of one column of a series over the whole window."""

    column: Name
    slots: int
    missing: int
    mean: Real | None
    min: Real | None
    max: Real | None
    total: Real | None = Field(description="money only")


class SeriesAnswer(ToolAnswer):
    """A time series; ``points`` are rows of ``columns``."""

    zone: Name | None = None
    series: str = ""
    unit: str = ""
    window: str | None = Field(default=None, description="effective start/end")
    resolution_min: Real | None = Field(default=None, description="minutes between points")
    columns: list[Name] = []
    points: Points = []
    stats: list[Stats] = []
    truncated: bool = Field(default=False, description="true: points are means (money: sums) over resolution_min")


class SkillFigures(SanitizedModel):
    """Accuracy of past forecasts at one horizon."""

    zone: Name
    target: str
    horizon_min: int
    n: int
    mae: Real
    mae_persistence: Real
    better_pct: Real | None = Field(description="MAE below persistence, %")
    pinball: Real
    coverage_90: Real


class ForecastAnswer(ToolAnswer):
    """The newest forecast; ``points`` are rows of ``columns``."""

    zone: Name | None = None
    target: str = ""
    unit: str = ""
    issued_at: datetime | None = None
    source: Name | None = Field(default=None, description="model, or the named fallback")
    model_id: Name | None = None
    columns: list[str] = []
    points: Points = []
    last_observed: Real | None = None
    skill: list[SkillFigures] = []
    truncated: bool = False


class FeaturesAnswer(ToolAnswer):
    """Model features of one slot; ``features`` and the lists in ``history`` are rows."""

    zone: Name | None = None
    slot: datetime | None = None
    horizon_min: int | None = None
    model_id: Name | None = None
    spec_hash: str | None = None
    columns: list[str] = []
    features: Points = []
    history: dict[str, Points] = Field(default={}, description="by feature: slot, trained, served")
    truncated: bool = False


class RampStep(SanitizedModel):
    """Expected change of net load over one step. Each step has its own forecast."""

    at: datetime
    horizon_min: int
    change_mw: Real
    change_q10_mw: Real
    change_q90_mw: Real
    mw_per_min: Real
    ramp_limit_mw: Real | None = None
    probability_beyond_limit: Real | None = None


class Ramp(ToolAnswer):
    """The next ramp of the region's net load, MW; positive means more demand to cover.

    ``large_ramp_mw``: size that 10 % of the changes over the same horizon reached in the last six weeks. ``steps``:
    rows of ``columns``, one for each step of 24 h. ``steepest``: the steps with the largest median change per minute.
    """

    zone: Name | None = None
    issued_at: datetime | None = None
    source: Name | None = None
    observed_net_load_mw: Real | None = None
    horizon_min: int | None = None
    expected_change_mw: Real | None = None
    change_q10_mw: Real | None = None
    change_q90_mw: Real | None = None
    mw_per_min: Real | None = None
    direction: str | None = Field(default=None, description="up, down or flat")
    probability_up: Real | None = None
    large_ramp_mw: Real | None = None
    p_large_rise: Real | None = None
    p_large_fall: Real | None = None
    ramp_limit_mw: Real | None = Field(default=None, description="per step")
    probability_beyond_limit: Real | None = None
    served_change_mw: Real | None = Field(default=None, description="plant's share")
    steepest: list[RampStep] = Field(default=[], description="within 24 h")
    columns: list[str] = []
    steps: Points = []
    meaning: str | None = None


class MoneyFigures(SanitizedModel):
    """Settled money and energy of one group."""

    group: Name
    currency: str
    slots: int
    energy_mwh: Real
    revenue: Real
    wear_cost: Real
    fuel_cost: Real
    start_cost: Real
    penalty: Real
    penalty_no_action: Real
    avoided_penalty: Real
    pnl: Real


class Captured(SanitizedModel):
    """Trading of a battery against perfect foresight of each day's prices; ``lost`` sums to perfect - value."""

    asset_id: Name
    currency: str
    days: int
    value: Real = Field(description="revenue - wear + change of stored energy at each day's median price")
    perfect: Real = Field(description="value under perfect foresight")
    capture_pct: Real | None
    lost: dict[str, Real] = Field(
        description="by cause: forecast, constraint (limits, grid service, physics), latency (old or missing bids), "
        "hold (orders); negative: a gain"
    )


class Performance(ToolAnswer):
    """Settled money by group, and forecast skill."""

    window: str | None = None
    by: str = ""
    groups: list[MoneyFigures] = []
    total: list[MoneyFigures] = Field(default=[], description="one per currency")
    battery_cycles: dict[str, Real] = {}
    capture: list[Captured] = []
    skill: list[SkillFigures] = []
    truncated: bool = False


class WorkerHealth(SanitizedModel):
    """One worker process."""

    topology: Name
    state: str = Field(description="running, silent, restarting, stalled, ended (the run is over) or absent")
    age_s: Real | None
    lag: int | None
    processed: int | None
    dead_letters: int | None
    last_slot: Name | None


class Readiness(SanitizedModel):
    """Progress of one zone through the pipeline, and the source of its forecasts."""

    zone: Name
    newest: dict[str, datetime | None] = Field(description="newest time by table")
    behind: list[str] = Field(description="tables without the newest slot")
    forecast_source: Name | None
    model_id: Name | None
    bad_channels: dict[str, int] = Field(description="slots of the last 24 h with a channel that is not ok")
    features: dict[Name, dict[str, int]] = Field(
        description="by target: lags known, from_changelog, imputed; ready 0, 1"
    )


class DeadLetters(SanitizedModel):
    """Recent dead letters of one topic and reason."""

    topic: Name
    reason: Name
    count: int
    last_seen: datetime
    example: Text


class Health(ToolAnswer):
    """The pipeline: workers, store, features, dead letters."""

    run: str = ""
    workers: list[WorkerHealth] = []
    store: str = ""
    store_ok: bool = True
    store_error: Text | None = None
    zones: list[Readiness] = []
    dead_letters: list[DeadLetters] = []
    truncated: bool = False


class Peeked(SanitizedModel):
    """One record of a topic."""

    partition: int
    offset: int
    time: datetime = Field(description="broker time")
    key: Name | None
    value: Any = Field(description="decoded JSON; long lists are cut")


class TopicPeek(ToolAnswer):
    """Records of one topic, oldest first."""

    topic: str = ""
    records: list[Peeked] = []
    rpk: str | None = Field(default=None, description="equivalent rpk command")
    truncated: bool = False


class BacktestRun(SanitizedModel):
    """One run of a backtest; costs are positive, income negative."""

    name: Name
    cost: Real
    costs: dict[str, Real]
    ramp_breaches: int
    cap_breaches: int
    cycles: Real


class BacktestDone(ToolAnswer):
    """Result of a policy on stored days, against no action and perfect foresight."""

    run_id: Name | None = None
    zone: Name | None = None
    policy: str = ""
    window: str | None = None
    slots: int = 0
    currency: str = ""
    value: Real | None = Field(default=None, description="gain over no action")
    score: Real | None = Field(default=None, description="0: no action, 100: perfect foresight")
    runs: list[BacktestRun] = []
    report: str | None = Field(default=None, description="URI of the report")
