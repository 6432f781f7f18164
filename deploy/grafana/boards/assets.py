"""The dashboard of assets: planned and delivered power, state of charge, energy, deviations."""

from __future__ import annotations

from deploy.grafana import queries as q
from deploy.grafana.boards.frame import Placed, zone_board
from deploy.grafana.panels import COUNT, MW, MWH, SHARE, TIME, Panel, chart, override, table
from vpp.messages import AlertCode

ALARMS = (AlertCode.ASSET_UNREACHABLE, AlertCode.ASSET_DERATED, AlertCode.SOC_NOT_BELIEVED)


def assets() -> Panel:
    """Return the dashboard of assets."""
    rows = [("Power", _power()), ("Store and energy", _energy()), ("What stands out", _faults())]
    return zone_board("vpp-assets", "VPP: assets", "The assets of one zone: planned, delivered, stored.", rows)


def _power() -> list[Placed]:
    return [
        (12, 9, chart("Delivered power", "MW, positive into the grid.", [q.by_asset("power_mw")], MW, draw="step")),
        (
            12,
            9,
            chart(
                "Planned power", "The setpoint that each asset had, MW.", [q.by_asset("planned_mw")], MW, draw="step"
            ),
        ),
        (
            24,
            8,
            chart(
                "Delivered less planned",
                "MW; a value far from 0 is an asset that does not follow.",
                [q.deviation()],
                MW,
                draw="step",
            ),
        ),
    ]


def _energy() -> list[Placed]:
    return [
        (
            12,
            8,
            chart(
                "State of charge",
                "At the end of each slot, share of what the store holds.",
                [q.by_asset("soc", q.LAST)],
                SHARE,
                bounds=(0, 1),
            ),
        ),
        (
            12,
            8,
            table(
                "Energy in range",
                "Sum of delivered energy by asset (MWh, positive into the grid).",
                q.sums("assets", ["energy_mwh"]),
                MWH,
            ),
        ),
    ]


def _faults() -> list[Placed]:
    return [
        (
            12,
            8,
            table(
                "Slots in which an asset could not follow",
                "Slots by asset with `available` false.",
                q.unavailable(),
                COUNT,
            ),
        ),
        (
            12,
            8,
            table(
                "Alerts of assets",
                "Assets that do not follow, are derated, or whose charge is not believed.",
                q.alerts_of(ALARMS),
                COUNT,
                overrides=[override("_time", unit=TIME)],
            ),
        ),
    ]
