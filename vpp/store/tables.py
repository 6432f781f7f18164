"""The tables of the store: stable names and columns, the same in SQLite, InfluxDB, exports and MCP answers.

A table's ``key`` identifies a row: writing it again overwrites it with the same content. Times are ISO 8601 UTC in
exports. Wall times stand in ``hops``, ``ends``, ``dlq`` and where people and devices act; a replay repeats all else.
"""

from __future__ import annotations

from vpp.store.table import Table, columns_of

TELEMETRY = Table(
    "telemetry",
    columns_of("""
    zone text Zone.
    slot time Start of the slot.
    load_mw real Load (MW).
    solar_mw real Solar generation (MW).
    wind_mw real Wind generation (MW).
    net_load_mw real load - solar - wind (MW); empty when a part is missing.
    price_per_mwh real Actual price, currency per MWh.
    frequency_hz real Grid frequency (Hz).
    quality json Channels that were not ok when the slot closed, with why.
    values json Every channel of the slot, as it closed.
    revision int 0, or how often the slot was corrected.
    """),
    ("zone", "slot"),
    "slot",
    "Closed slots, one row per zone and slot, corrections applied.",
)
FORECASTS = Table(
    "forecasts",
    columns_of("""
    zone text Zone.
    issued_at time The slot whose closing issued the forecast.
    horizon_min int Minutes ahead: the target time is issued_at + horizon_min.
    target text net_load (MW) or price (per MWh), as levels.
    q05 real 5 % quantile.
    q10 real 10 % quantile.
    q25 real 25 % quantile.
    q50 real Median.
    q75 real 75 % quantile.
    q90 real 90 % quantile.
    q95 real 95 % quantile.
    mean real Expected value; empty where it is the median.
    large_ramp_mw real Size of a large ramp up to then: the largest tenth of six weeks' changes; net load only.
    p_rise real Probability that net load rises by at least that from issued_at, 0-1.
    p_fall real Probability that it falls by at least that, 0-1.
    step_q10_mw real 10 % quantile of the change over the step that ends then; net load only.
    step_mw real Its median; not the difference of neighbouring levels.
    step_q90_mw real Its 90 % quantile.
    p_limit real Probability that it passes the ramp limit, up or down, 0-1.
    source text model, or the named fallback.
    model_id text The model in force.
    """),
    ("zone", "issued_at", "horizon_min", "target"),
    "issued_at",
    "One row per zone, issue, horizon and target.",
)
BIDS = Table(
    "bids",
    columns_of("""
    zone text Zone.
    slot time The closed slot that the bid follows.
    policy text actor or trader.
    source text Model or fallback of its forecast.
    model_id text The model in force.
    reason text Why the bid is empty, if it is.
    body json The whole bid.
    """),
    ("zone", "slot", "policy"),
    "slot",
    "One row per zone, slot and policy.",
)
SETPOINTS = Table(
    "setpoints",
    columns_of("""
    zone text Zone.
    slot time The slot it holds for.
    asset_id text Asset.
    power_mw real Planned power (MW, positive into the grid).
    decision_id text The decision that made it.
    reason text The limit that bound it, in words.
    curve json (net load MW, power MW) points inside the slot.
    revision int 0, or the number of the revision (a hold acts at once).
    """),
    ("zone", "slot", "asset_id", "revision"),
    "slot",
    "Planned power, one row per zone, slot, asset and revision.",
)
ASSETS = Table(
    "assets",
    columns_of("""
    zone text Zone.
    slot time The slot.
    asset_id text Asset.
    asset_kind text Kind of the asset, as in the fleet file.
    power_mw real Delivered mean power (MW, positive into the grid).
    energy_mwh real Delivered energy (MWh).
    soc real State of charge 0-1 at the slot's end; empty for assets without store.
    planned_mw real The setpoint it had.
    source text twin or measured.
    available bool Whether it could follow.
    outcome text What became of its newest command: followed, or the name of the difference; empty without a gateway.
    """),
    ("zone", "slot", "asset_id"),
    "slot",
    "Delivered power and state, one row per zone, slot and asset.",
)
LEDGER = Table(
    "ledger",
    columns_of("""
    zone text Zone.
    slot time The settled slot.
    asset_id text Asset, or `zone` for the zone's penalties.
    revision int 0, or the number of the correction (a difference to what stood before).
    energy_mwh real Delivered energy; empty for `zone`.
    price_per_mwh real Actual price; empty for `zone`.
    revenue real energy x price.
    wear_cost real Battery wear.
    fuel_cost real Fuel.
    start_cost real Starts.
    penalty real Ramp and cap penalties of what happened.
    penalty_no_action real The same had the plant not acted.
    pnl real revenue - wear - fuel - start - penalty.
    currency text Currency.
    frequency_mwh real The part of the energy that the asset's own answer to frequency added.
    provisional bool Whether net load was not believed; a later revision settles it.
    """),
    ("zone", "slot", "asset_id", "revision"),
    "slot",
    "Settlement, one row per zone, slot, asset and revision.",
)
TRADES = Table(
    "trades",
    columns_of("""
    zone text Zone.
    slot time The slot.
    asset_id text Asset.
    revision int 0, or the number of the correction.
    side text buy (charged) or sell (discharged).
    energy_mwh real Traded energy, positive.
    price_per_mwh real Actual price.
    revenue real Money received; negative when paid.
    currency text Currency.
    """),
    ("zone", "slot", "asset_id", "revision"),
    "slot",
    "Energy bought and sold at the actual price.",
)
DECISIONS = Table(
    "decisions",
    columns_of("""
    zone text Zone.
    slot time The closed slot that the decision follows.
    for_slot time The slot decided.
    decision_id text Content hash.
    revision int 0, or the number of the revision.
    engine text lp, dp, or the named reflex.
    objective real Expected cost of the plan (money).
    binding text What bound the first slot.
    body json The whole decision without its receipt.
    """),
    ("zone", "slot", "revision"),
    "slot",
    "One row per zone, slot and revision.",
)
ALERTS = Table(
    "alerts",
    columns_of("""
    zone text Zone.
    slot time First slot of the episode.
    alert_id text Stable id.
    severity text info, warning or critical.
    topic text Topology that raised it.
    text text For people.
    values json Numbers behind it.
    code text What it is about (AlertCode).
    channel text The telemetry channel, where it is about one.
    asset_id text The asset, where it is about one.
    effect text What follows from it (AlertEffect).
    ended_at time End of the episode; empty while it lasts.
    also json Further channels with the same fault.
    """),
    ("zone", "slot", "alert_id"),
    "slot",
    "Alerts for people: anomalies, drift, refusals.",
)
ALERT_ACTS = Table(
    "alert_acts",
    columns_of("""
    zone text Zone.
    at time When (wall time).
    act_id text Id.
    action text acknowledge, silence or maintenance.
    principal text Who.
    reason text Why.
    alert_id text The alert, where it is about one.
    code text The code that it is about; empty for all.
    asset_id text The asset that it is about; empty for all.
    channel text The telemetry channel that it is about; empty for all.
    until time End of a silence or of a maintenance window.
    since time Start of a maintenance window.
    """),
    ("zone", "at", "act_id"),
    "at",
    "Acts of people on alerts: acknowledgements, silences and maintenance windows.",
)
NOTICES = Table(
    "notices",
    columns_of("""
    zone text Zone.
    at time When (wall time).
    alert_id text The alert.
    contact text Who was notified, by name in the alert rules.
    stage text raised, ended or escalated-N.
    slot time First slot of the alert.
    outcome text delivered or given_up.
    attempts int Messages tried.
    """),
    ("zone", "at", "alert_id", "contact", "stage"),
    "at",
    "Who was notified of which alert.",
)
SKILL = Table(
    "skill",
    columns_of("""
    zone text Zone.
    slot time End of the trailing window.
    target text net_load or price.
    horizon_min int Minutes ahead.
    n int Scored forecasts.
    mae real Mean absolute error of the median.
    mae_persistence real The same of persistence.
    pinball real Mean pinball loss over the quantiles.
    coverage_90 real Share of actuals inside q05..q95.
    """),
    ("zone", "slot", "target", "horizon_min"),
    "slot",
    "Live scores of past forecasts.",
)
ORDERS = Table(
    "orders",
    columns_of("""
    zone text Zone.
    issued_at time When it was asked for.
    order_id text Id.
    action text What is wanted.
    principal text Who asks.
    verdict text accepted, refused or expired; empty before admission.
    verdict_reason text Why.
    body json The whole order, as it was asked for.
    digest text Hash of it: another order of the same id and time is another row.
    admission text Signature of the admission step on order and verdict, where there is an approval key.
    """),
    ("zone", "issued_at", "order_id", "digest"),
    "issued_at",
    "Orders with their verdict.",
)
ORDER_STATES = Table(
    "order_states",
    columns_of("""
    zone text Zone.
    at time When, by the run's clock.
    order_id text The order.
    stage text waiting, acting, clamped, done, expired, refused or withdrawn.
    number int Counts the states of the zone.
    reason text Why.
    decision_id text The decision that weighed it.
    moved_mwh real Energy moved so far against what the plant would have done itself, where it is counted.
    lost real Money lost by that so far (negative: gained).
    """),
    ("zone", "at", "order_id", "stage"),
    "at",
    "States of each order, one row per change.",
)
DLQ = Table(
    "dlq",
    columns_of("""
    zone text Key of the record, where it had a readable one.
    seen_at time Broker time of the dead letter.
    topic text Where the record stands.
    partition int Partition.
    offset int Offset.
    reason text Reason code.
    detail text What was wrong.
    raw text The record's value, base64.
    """),
    ("topic", "partition", "offset"),
    "seen_at",
    "Records that could not be used.",
)
AUDIT = Table(
    "audit",
    columns_of("""
    zone text Zone.
    at time When.
    audit_id text Id.
    principal text Who.
    action text What.
    verdict text With which result.
    detail text More.
    digest text Digest of the arguments.
    hash text Hash of the record: another one of the same id and time is another row.
    """),
    ("zone", "at", "audit_id", "hash"),
    "at",
    "Append-only record of every act on the plant.",
)
COMMANDS = Table(
    "commands",
    columns_of("""
    zone text Zone.
    made_at time When the gateway made it.
    asset_id text Asset.
    slot time Slot of the setpoint.
    sequence int Number of the command, growing; 0: the setpoint came too late and was not sent.
    revision int Revision of the setpoint.
    decision_id text The decision that made it.
    cause text setpoint, fallback (its end without a next) or restored (the device had lost it).
    power_mw real Power that was asked for (MW, positive into the grid).
    valid_until time When it ends; empty for a fallback.
    sent_at time When the gateway sent it first.
    acknowledged_at time When the device acknowledged it.
    read_back_at time When the device was seen to hold it.
    measured_at time When the measured power agreed with it.
    read_back_mw real The commanded power as the device holds it.
    measured_mw real Measured power at the last reading of it.
    outcome text followed, or the name of the difference.
    named_at time When the outcome was decided.
    gateway text Gateway.
    device text Device.
    """),
    ("zone", "made_at", "asset_id"),
    "made_at",
    "The command ledger: every command to a device with its proof.",
)
HOPS = Table(
    "hops",
    columns_of("""
    zone text Zone.
    slot time The closed slot.
    step text telemetry, forecast, actor, trader or plant: the step that the slot passed.
    trace_id text Of the slot; also in the header traceparent of its records and in JSON logs.
    arrived_at time When the raw record that closed the slot arrived (wall time).
    taken_at time When the step took its input.
    sent_at time When it wrote its record.
    stored_at time When the store held that record.
    """),
    ("zone", "slot", "step"),
    "slot",
    "Passage of each slot through the steps, with wall times; shown by `vpp trace`.",
)
ENDS = Table(
    "ends",
    columns_of("""
    zone text Zone.
    seen_at time Broker time.
    topic text Topic.
    producer text Who is through.
    last_slot time Its last slot.
    """),
    ("zone", "topic", "producer"),
    "seen_at",
    "End marks: this producer has sent everything of this zone.",
)

TABLES: tuple[Table, ...] = tuple(entry for entry in list(globals().values()) if isinstance(entry, Table))
"""Every table above, in order."""
BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}
