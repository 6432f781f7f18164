"""The dashboard of forecasts: accuracy by horizon, sources, alarms."""

from __future__ import annotations

from deploy.grafana import queries as q
from deploy.grafana.boards.frame import Placed, zone_board
from deploy.grafana.boards.plant import forecast_panels, skill_panels
from deploy.grafana.panels import COUNT, MW, PER_MWH, SHARE, TIME, Panel, chart, override, table
from vpp.messages import AlertCode

ALARMS = (AlertCode.RAMP, AlertCode.JUMP, AlertCode.INTERVAL_TOO_NARROW, AlertCode.SKILL_LOST, AlertCode.MODEL_UNUSABLE)


def forecast() -> Panel:
    """Return the dashboard of forecasts."""
    rows = [
        ("Net load", forecast_panels("net_load", "net_load_mw", "net load", MW)),
        ("Price", forecast_panels("price", "price_per_mwh", "price", PER_MWH)),
        ("Skill", skill_panels()),
        ("Reliability", _reliability()),
        ("What forecasts rest on", _sources()),
    ]
    return zone_board(
        "vpp-forecast", "VPP: forecast skill", "Forecasts of one zone against what came, and the models in force.", rows
    )


def _reliability() -> list[Placed]:
    horizon = 'r.horizon_min == "${horizon}"'
    price = q.lines("skill", ["mae", "mae_persistence"], 'r.target == "price"', horizon)
    return [
        (
            12,
            8,
            chart(
                "Price error at $horizon min, trailing window", "Mean absolute error of the median.", [price], PER_MWH
            ),
        ),
        (
            12,
            8,
            chart(
                "Price coverage of the 90 % band at $horizon min",
                "Share of actuals inside; 86 to 94 % is in order.",
                [q.lines("skill", ["coverage_90"], 'r.target == "price"', horizon)],
                SHARE,
                bounds=(0, 1),
            ),
        ),
    ]


def _sources() -> list[Placed]:
    return [
        (
            12,
            8,
            table(
                "Forecasts by source and model",
                "`model`, or the named fallback, and the model's id.",
                q.forecast_sources(),
                COUNT,
            ),
        ),
        (
            12,
            8,
            table(
                "Alarms of the forecast step",
                "Ramps ahead, jumps, lost skill, intervals that are too narrow.",
                q.alerts_of(ALARMS),
                COUNT,
                overrides=[override("_time", unit=TIME)],
            ),
        ),
    ]
