"""The dashboard of the pipeline: progress of each step, decisions by engine, refused records."""

from __future__ import annotations

from deploy.grafana import queries as q
from deploy.grafana.boards.frame import Placed, zone_board
from deploy.grafana.panels import COUNT, MINUTES, TIME, Panel, chart, override, table


def pipeline() -> Panel:
    """Return the dashboard of the pipeline."""
    rows = [("Progress", _progress()), ("Decisions", _decisions()), ("Dead letters", _letters())]
    return zone_board(
        "vpp-pipeline",
        "VPP: pipeline",
        "How far the steps of one zone are, and which records were lost on the way.",
        rows,
    )


def _progress() -> list[Placed]:
    return [
        (
            12,
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
            12,
            8,
            chart(
                "Slots closed",
                "Slots that telemetry closed, by window.",
                [q.rows_per_window("telemetry", "revision")],
                COUNT,
                draw="step",
            ),
        ),
    ]


def _decisions() -> list[Placed]:
    return [
        (
            12,
            8,
            chart(
                "Decisions by engine",
                "lp, milp, dp, or the named reflex, by window.",
                [q.engines()],
                COUNT,
                draw="step",
                stacked=True,
            ),
        ),
        (12, 8, table("Engines in range", "Decisions by engine.", q.engine_counts(), COUNT)),
    ]


def _letters() -> list[Placed]:
    newest = q.newest_letters()
    return [
        (
            10,
            8,
            table(
                f"Dead letters, last {q.DLQ_DAYS} days by the broker's clock",
                "Records by topic and reason.",
                q.dead_letters(),
                COUNT,
            ),
        ),
        (
            14,
            8,
            table(
                "Newest dead letters",
                "Where the record stands and what was wrong with it.",
                newest,
                COUNT,
                overrides=[override("_time", unit=TIME)],
            ),
        ),
    ]
