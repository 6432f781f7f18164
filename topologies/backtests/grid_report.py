"""The report of a grid backtest: ``metrics.json`` and one HTML page without outside files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from models.evaluation.html_parts import heading, page, table, write_files
from models.evaluation.svg_charts import line_chart
from topologies.backtests.grid import GridBacktest
from topologies.backtests.grid_weeks import WEEK_DAYS
from vpp.numerics.arrays import Floats

_COSTS = ("energy", "wear", "fuel", "start", "curtail", "ramp", "cap", "stored")
_EVENTS = ("pod", "far", "csi", "events", "alarms", "threshold_mw")
_SCORED = ("score", "worst_week_score", "cap_breaches", "ramp_breach_pct", "cost")
_JOINT = ("value", "service_cost", "money", "penalties", "ramp_breach_pct", "cap_breaches")
_NOTE = (
    "Score: 100 (no action - cost) / (no action - perfect foresight), over all weeks. Each week begins with the fleet "
    "at rest. Energy counts at one flat price, so trading does not enter. No action still sheds load at the cap."
)
_EVENT_NOTE = "The largest tenth of changes, by the year before the test; the alarm is at 93 % of that size."


def write_grid_report(out: Path, result: GridBacktest, command: str = "") -> list[Path]:
    """Write ``metrics.json`` and ``report.html`` into ``out`` and return their paths; ``command`` repeats the run."""
    return write_files(out, result.figures, grid_report_html(result, command))


def grid_report_html(result: GridBacktest, command: str = "") -> str:
    """Return the page."""
    figures = result.figures
    title = f"Grid response of {figures['zone']}"
    policies = {"plant": figures, **figures["baselines"]}
    weeks: Mapping[str, float] = figures["week_scores"]
    costs: Mapping[str, Mapping[str, float]] = figures["costs"]
    events: Mapping[str, Mapping[str, Any]] = figures["ramp_events"]
    intro = (
        f"{figures['weeks']} weeks, {figures['test_from']} to {figures['test_to']} (end exclusive), decisions every "
        f"{figures['step_min']} minutes{_inside(figures)}. Trained on rows before {figures['train_to']}, "
        f"{_refits(figures)}."
    )
    return page(
        title,
        [
            heading(title, intro, command),
            f"<h2>Score</h2><p>{_NOTE}</p>",
            table(("policy", *_SCORED), [(name, *(row[key] for key in _SCORED)) for name, row in policies.items()]),
            f"<h2>Costs, {escape(result.zone.market.currency)}</h2>",
            table(("policy", *_COSTS), [(name, *(row.get(key) for key in _COSTS)) for name, row in costs.items()]),
            "<h2>Weeks</h2>",
            table(("week from", "score"), list(weeks.items())),
            f"<h2>Ramp events</h2><p>{_EVENT_NOTE}</p>",
            table(("ahead", *_EVENTS), [(name, *(row[key] for key in _EVENTS)) for name, row in events.items()]),
            *_joint(figures),
            *_week_charts(result),
        ],
    )


def _joint(figures: Mapping[str, Any]) -> Iterable[str]:
    """Yield what service and trading are worth together, where that was run."""
    if "joint" not in figures:
        return
    policies: Mapping[str, Mapping[str, Any]] = figures["joint"]["policies"]
    yield (
        "<h2>At actual prices</h2><p>Batteries settled at actual prices, peakers and loads at their net cost. Value: "
        "cost of no action less that of the policy; money: what the batteries earned; service cost: all else. Joint "
        f"clearing over grid first: {figures['joint']['joint_over_grid_first_pct']} %.</p>"
    )
    yield table(("policy", *_JOINT), [(name, *(row[key] for key in _JOINT)) for name, row in policies.items()])


def _inside(figures: Mapping[str, Any]) -> str:
    tick = figures["tick_min"]
    return "" if tick is None else f", batteries following their curves every {tick:g} minutes"


def _refits(figures: Mapping[str, Any]) -> str:
    days = figures["refit_days"]
    return "no refits" if days is None else f"refitted every {days:g} days"


def _week_charts(result: GridBacktest) -> Iterable[str]:
    """Yield grid power and the assets' power in the week of the lowest and of the highest score."""
    scores = list(result.figures["week_scores"].items())
    length = WEEK_DAYS * result.zone.step.per_day
    weeks = {"worst": min(scores, key=lambda item: item[1]), "best": max(scores, key=lambda item: item[1])}
    for name, (week, score) in weeks.items():
        at = [start for start, _ in scores].index(week) * length
        rows = slice(at, at + length)
        days = [float(n) / result.zone.step.per_day for n in range(length)]
        grid = {"net load": result.net_mw, "no action": result.idle_grid_mw, "grid power": result.grid_mw}
        yield f"<h2>The {name} week: from {week}, score {score:g}</h2>"
        yield line_chart(days, _lines(grid, rows), x_label="days", y_label="MW", from_zero=False)
        yield line_chart(days, _lines(result.power_mw, rows), x_label="days", y_label="MW by asset", from_zero=False)


def _lines(values: Mapping[str, Floats], rows: slice) -> dict[str, list[float]]:
    return {name: [float(v) for v in line[rows]] for name, line in values.items()}
