"""The dashboard of trading: energy bought and sold, prices, earnings."""

from __future__ import annotations

from deploy.grafana import queries as q
from deploy.grafana.boards.frame import Placed, zone_board
from deploy.grafana.panels import MONEY, MWH, PER_MWH, Panel, chart, number, table

COSTS = ("revenue", "wear_cost", "fuel_cost", "start_cost", "penalty", "pnl")


def trading() -> Panel:
    """Return the dashboard of trading."""
    rows = [("Trades", _trades()), ("Money", _money())]
    return zone_board("vpp-trading", "VPP: trading", "Energy that one zone bought and sold, and what it earned.", rows)


def _trades() -> list[Placed]:
    return [
        (
            6,
            5,
            number(
                "Revenue of trades",
                "Sold less bought, in the zone's currency.",
                q.total(q.points("trades", ["revenue"]), "revenue"),
                MONEY,
            ),
        ),
        (
            18,
            5,
            table(
                "Trades by asset",
                "Sums of energy (MWh, each trade positive) and revenue over the range.",
                q.sums("trades", ["energy_mwh", "revenue"]),
                MWH,
            ),
        ),
        (
            12,
            9,
            chart(
                "Energy traded by asset",
                "MWh of each window, bought or sold, positive.",
                [q.wide(q.points("trades", ["energy_mwh"]), q.SUM, by="asset_id")],
                MWH,
                draw="step",
                stacked=True,
            ),
        ),
        (
            12,
            9,
            chart(
                "Price of trades",
                "Actual price of what was traded.",
                [q.wide(q.points("trades", ["price_per_mwh"]), q.MEAN, by="asset_id")],
                PER_MWH,
                draw="step",
            ),
        ),
    ]


def _money() -> list[Placed]:
    return [
        (
            12,
            9,
            chart(
                "Revenue of trades, added up",
                "In the zone's currency; corrections count where they settle.",
                [q.cumulated(["revenue"], by="asset_id", measurement="trades")],
                MONEY,
                draw="step",
            ),
        ),
        (
            12,
            9,
            chart(
                "Costs and revenue, added up",
                "pnl = revenue - wear - fuel - start - penalty.",
                [q.cumulated(list(COSTS))],
                MONEY,
                draw="step",
            ),
        ),
        (24, 8, table("Ledger in range", "Sums by asset, in the zone's currency.", q.money_table(COSTS), MONEY)),
    ]
