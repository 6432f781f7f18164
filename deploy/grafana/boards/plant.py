"""The dashboard of one zone: telemetry, forecasts, actions and earnings of the plant."""

from __future__ import annotations

from deploy.grafana import queries as q
from deploy.grafana.boards.frame import Placed, zone_board
from deploy.grafana.panels import (
    COUNT,
    MINUTES,
    MONEY,
    MW,
    PER_MWH,
    SHARE,
    TIME,
    Override,
    Panel,
    band,
    chart,
    colour,
    number,
    override,
    table,
)
from vpp.messages import REFLEXES

QUANTILES = ("q05", "q25", "q50", "q75", "q95")
COSTS = ("revenue", "wear_cost", "fuel_cost", "start_cost", "penalty", "pnl")
ACTUAL = {"color": colour("text"), "custom_lineWidth": 2}


def plant() -> Panel:
    """Return the dashboard of one zone: forecast, price, state of charge, dispatch, money, skill, health."""
    rows = [
        ("Now", _now()),
        ("Net load", forecast_panels("net_load", "net_load_mw", "net load", MW)),
        ("Price", forecast_panels("price", "price_per_mwh", "price", PER_MWH)),
        ("Dispatch", _dispatch()),
        ("Money", _money()),
        ("Forecast skill", skill_panels()),
        ("Decisions and health", _health()),
    ]
    return zone_board(
        "vpp-plant",
        "Virtual power plant",
        "One zone of the plant, from the tables that the storage topology writes.",
        rows,
    )


def _now() -> list[Placed]:
    return [
        (4, 4, number("Last closed slot", "Start of the newest slot stored, UTC.", _last_slot(), TIME)),
        (
            4,
            4,
            number(
                "Profit in range",
                "Revenue minus wear, fuel, starts and penalties, in the zone's currency.",
                q.total(q.points("ledger", ["pnl"]), "pnl"),
                MONEY,
                steps=((None, "red"), (0, "text")),
            ),
        ),
        (
            4,
            4,
            number(
                "Penalty avoided",
                "Penalties without the plant minus penalties with it, on the same actuals.",
                _avoided(),
                MONEY,
                steps=((None, "orange"), (0, "text")),
            ),
        ),
        (
            4,
            4,
            number(
                "Skill, next step",
                "1 - error / error of persistence, net load, shortest horizon; 0 is no better.",
                _first_skill(),
                SHARE,
                steps=((None, "orange"), (0.2, "text")),
            ),
        ),
        (
            4,
            4,
            number(
                "Alerts in range",
                "What a person should know; the list is below.",
                q.counted("alerts", "text", "alerts"),
                COUNT,
                steps=((None, "text"), (1, "orange")),
            ),
        ),
        (
            4,
            4,
            number(
                "Reflexes in range",
                "Decisions by a named reflex instead of the optimiser.",
                _reflexes(),
                COUNT,
                steps=((None, "text"), (1, "orange")),
            ),
        ),
    ]


def forecast_panels(target: str, column: str, name: str, unit: str) -> list[Placed]:
    """Return the panels of one target: actual values with the forecast made before, and the newest forecast.

    Args:
        target: ``net_load`` or ``price``.
        column: Column of its actual value in ``telemetry``.
        name: What people call it.
        unit: Its unit in Grafana.
    """
    actual = q.lines("telemetry", [column])
    looks = [override(column, **ACTUAL), *_fan()]
    return [
        (
            12,
            9,
            chart(
                f"Actual {name} and the forecast made $horizon min before",
                "Bands: 5 to 95 % and 25 to 75 %; the actual value should leave the outer one in one slot of ten.",
                [actual, q.forecast_ahead(target, QUANTILES)],
                unit,
                overrides=looks,
            ),
        ),
        (
            12,
            9,
            chart(
                f"Newest {name} forecast, all horizons",
                "The last forecast issued in the range, to 24 h ahead.",
                [actual, q.forecast_latest(target, QUANTILES)],
                unit,
                overrides=looks,
            ),
        ),
    ]


def _fan() -> list[Override]:
    return [
        *band("q05", "q95", "blue", 15),
        *band("q25", "q75", "blue", 30),
        override("q50", color=colour("blue"), custom_lineWidth=1),
    ]


def _dispatch() -> list[Placed]:
    return [
        (
            12,
            9,
            chart(
                "Delivered power by asset",
                "MW, positive into the grid: discharge up, charge down.",
                [q.by_asset("power_mw")],
                MW,
                draw="step",
                stacked=True,
            ),
        ),
        (
            12,
            9,
            chart(
                "Planned power by asset",
                "The setpoint each asset had.",
                [q.by_asset("planned_mw")],
                MW,
                draw="step",
                stacked=True,
            ),
        ),
        (
            12,
            8,
            chart(
                "State of charge",
                "At the end of each slot, share of what the battery holds.",
                [q.by_asset("soc", q.LAST)],
                SHARE,
                bounds=(0, 1),
            ),
        ),
        (
            12,
            8,
            chart(
                "Price against delivered power",
                "Discharge belongs where the price is high.",
                [q.lines("telemetry", ["price_per_mwh"]), _delivered()],
                PER_MWH,
                overrides=[override("delivered_mw", unit=MW, custom_axisPlacement="right", color=colour("green"))],
            ),
        ),
    ]


def _money() -> list[Placed]:
    return [
        (
            8,
            9,
            chart(
                "Profit by asset, added up",
                "In the zone's currency; `zone` holds the zone's penalties.",
                [q.cumulated(["pnl"], by="asset_id")],
                MONEY,
                draw="step",
            ),
        ),
        (
            8,
            9,
            chart(
                "Penalties with and without the plant, added up",
                "The gap is what acting was worth to the grid.",
                [q.cumulated(["penalty", "penalty_no_action"])],
                MONEY,
                draw="step",
            ),
        ),
        (
            8,
            9,
            table(
                "Ledger in range",
                "Sums by asset: pnl = revenue - wear - fuel - start - penalty.",
                q.money_table(COSTS),
                MONEY,
            ),
        ),
    ]


def skill_panels() -> list[Placed]:
    """Return the panels of live scores: error and coverage over time, and the newest score of each horizon."""
    return [
        (
            12,
            8,
            chart(
                "Error at $horizon min, trailing window",
                "Mean absolute error of the median against persistence.",
                [
                    q.lines(
                        "skill", ["mae", "mae_persistence"], 'r.target == "net_load"', 'r.horizon_min == "${horizon}"'
                    )
                ],
                MW,
            ),
        ),
        (
            12,
            8,
            chart(
                "Coverage of the 90 % band at $horizon min",
                "Share of actuals inside; 86 to 94 % is in order.",
                [q.lines("skill", ["coverage_90"], 'r.target == "net_load"', 'r.horizon_min == "${horizon}"')],
                SHARE,
                bounds=(0, 1),
            ),
        ),
        (
            12,
            8,
            table(
                "Net load by horizon",
                "The newest score of each horizon, MW.",
                q.skill_by_horizon("net_load"),
                MW,
                overrides=_shares(),
            ),
        ),
        (
            12,
            8,
            table(
                "Price by horizon",
                "The newest score of each horizon, per MWh.",
                q.skill_by_horizon("price"),
                PER_MWH,
                overrides=_shares(),
            ),
        ),
    ]


def _shares() -> list[Override]:
    return [
        override("horizon_min", unit=MINUTES),
        override("coverage_90", unit=SHARE),
        override("skill", unit=SHARE),
        override("n", unit=COUNT),
    ]


def _health() -> list[Placed]:
    return [
        (
            8,
            8,
            table(
                "Steps behind telemetry",
                "Newest stored slot of each step, and its distance in stream time.",
                q.steps_behind(),
                MINUTES,
                overrides=[override("last", unit=TIME)],
            ),
        ),
        (
            8,
            8,
            table(
                f"Dead letters, last {q.DLQ_DAYS} days by the broker's clock",
                "Records that could not be used.",
                q.dead_letters(),
                COUNT,
            ),
        ),
        (
            8,
            8,
            table(
                "Newest alerts",
                "Alerts for people: anomalies, drift, refusals.",
                q.newest_rows("alerts", ["text", "topic"], ["severity", "topic", "text"]),
                COUNT,
                overrides=[override("_time", unit=TIME)],
            ),
        ),
        (
            24,
            9,
            table(
                "Newest decisions",
                "Which engine decided for which slot, its expected cost and what bound it.",
                q.newest_rows(
                    "decisions",
                    ["for_slot", "engine", "objective", "binding", "decision_id"],
                    ["for_slot", "engine", "objective", "binding", "decision_id", "revision"],
                ),
                MONEY,
                overrides=[override("_time", unit=TIME)],
            ),
        ),
    ]


def _last_slot() -> str:
    newest = ('keep(columns: ["_time"])', "group()", 'max(column: "_time")')
    as_ms = "map(fn: (r) => ({slot: int(v: r._time) / 1000000}))"
    return q.pipe(q.points("telemetry", ["revision"]), "last()", *newest, as_ms)


def _avoided() -> str:
    signed = 'map(fn: (r) => ({_value: if r._field == "penalty" then -r._value else r._value}))'
    return q.total(q.pipe(q.points("ledger", ["penalty", "penalty_no_action"]), signed), "avoided")


def _first_skill() -> str:
    return q.pipe(q.skill_by_horizon("net_load"), "limit(n: 1)", 'keep(columns: ["skill"])')


def _reflexes() -> str:
    engine = q.points("decisions", ["engine"])
    is_reflex = " or ".join(f'r._value == "{name}"' for name in sorted(REFLEXES))
    by_reflex = f"map(fn: (r) => ({{n: if {is_reflex} then 1 else 0}}))"
    return q.pipe(engine, "group()", by_reflex, 'sum(column: "n")')


def _delivered() -> str:
    names = 'set(key: "_field", value: "delivered_mw")'
    return q.wide(q.points("assets", ["power_mw"]), 'group(columns: ["_time"])', "sum()", "group()", q.MEAN, names)
