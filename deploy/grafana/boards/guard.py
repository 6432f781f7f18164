"""The dashboard of the guard: distrusted data, and the channels behind it."""

from __future__ import annotations

from deploy.grafana import queries as q
from deploy.grafana.boards.frame import Placed, zone_board
from deploy.grafana.panels import COUNT, MW, TIME, Panel, chart, number, override, table
from vpp.messages import AlertCode

VERDICTS = (
    AlertCode.SENSOR_FAULT,
    AlertCode.ATTACK_FORGED,
    AlertCode.ATTACK_REPLAYED,
    AlertCode.ATTACK_FROZEN,
    AlertCode.REGIME_CHANGE,
)
CHANNELS = ("load_mw", "solar_mw", "wind_mw", "net_load_mw")


def guard() -> Panel:
    """Return the dashboard of the guard."""
    rows = [("Episodes", _episodes()), ("Channels", _channels())]
    return zone_board("vpp-guard", "VPP: guard", "Telemetry of one zone that was not believed, and why.", rows)


def _episodes() -> list[Placed]:
    return [
        (
            6,
            8,
            number(
                "Episodes in range",
                "Faults, attacks and changes of regime that the guard named.",
                q.alert_count(VERDICTS),
                COUNT,
                steps=((None, "text"), (1, "orange")),
            ),
        ),
        (
            18,
            8,
            table(
                "Verdicts",
                "What the guard named, of which channel, with which effect and until when.",
                q.alerts_of(VERDICTS),
                COUNT,
                overrides=[override("_time", unit=TIME)],
            ),
        ),
    ]


def _channels() -> list[Placed]:
    ahead = q.forecast_ahead("net_load", ("q05", "q50", "q95"))
    return [
        (
            12,
            9,
            chart(
                "Channels as they were stored",
                "MW; a channel that stands still or repeats itself is suspect.",
                [q.lines("telemetry", list(CHANNELS))],
                MW,
            ),
        ),
        (
            12,
            9,
            chart(
                "Net load and the forecast made $horizon min before",
                "A value far outside is evidence.",
                [q.lines("telemetry", ["net_load_mw"]), ahead],
                MW,
            ),
        ),
        (
            24,
            8,
            table(
                "Slots with a flag",
                "Newest slots in which a channel was not ok, with why.",
                q.flagged_slots(),
                COUNT,
                overrides=[override("_time", unit=TIME)],
            ),
        ),
    ]
