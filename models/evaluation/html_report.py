"""The report of a backtest: ``metrics.json`` and one HTML page without outside files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.evaluation.backtest import Backtest
from models.evaluation.html_parts import figure, heading, page, table, write_files
from models.evaluation.svg_charts import line_chart
from vpp.domain import QUANTILE_LEVELS, Target, iso

SHOWN_MIN = (5, 15, 30, 60, 120, 240, 360, 720, 1080, 1440)
RELIABILITY_MIN = (30, 60, 120, 360, 1440)
FEW_ROWS = 4
WORST_DAYS = 5


@dataclass(frozen=True, slots=True)
class DayCurves:
    """One day of a backtest: lines by name over ``x``, and the text below them."""

    caption: str
    x_label: str
    y_label: str
    x: list[float]
    lines: dict[str, list[float]]


def write_report(
    out: Path, figures: Mapping[str, Any], worst: Sequence[DayCurves] = (), command: str = ""
) -> list[Path]:
    """Write ``metrics.json`` and ``report.html`` into ``out`` and return their paths.

    Args:
        out: Folder, made where it is missing.
        figures: As ``metrics.metrics`` or ``dayahead_metrics.backtest_day_ahead`` return them.
        worst: The worst days (``worst_days``); none: they are left out.
        command: The command line that repeats it.
    """
    return write_files(out, figures, report_html(figures, worst, command))


def report_html(figures: Mapping[str, Any], worst: Sequence[DayCurves] = (), command: str = "") -> str:
    """Return the page; arguments as ``write_report``."""
    title = f"Backtest of {figures['target'].replace('_', ' ')}, {figures['zone']}"
    period = f"{figures['test_from']} to {figures['test_to']}"
    horizons: list[dict[str, Any]] = [h for h in figures["horizons"] if h.get("mae") is not None]
    body = [
        heading(title, f"{figures['origins']} origins, {period} (end exclusive). {_training(figures)}", command),
        "<h2>Figures</h2>",
        _day_ahead(figures),
        _table(horizons),
        "<h2>Error by horizon</h2>",
        _errors(horizons),
        "<h2>Skill against persistence</h2>",
        _skill(horizons),
        "<h2>Reliability</h2>",
        _reliability(horizons),
        "<h2>Width and coverage of the 90 % interval</h2>",
        _width(horizons),
        *(["<h2>Worst days</h2>", *(_day(curves) for curves in worst)] if worst else []),
    ]
    return page(title, body)


def _training(figures: Mapping[str, Any]) -> str:
    refit = figures.get("refit_days")
    refits = "no refits" if refit is None else f"refitted every {refit:g} days on matured rows"
    return f"Trained on rows before {figures.get('train_to', figures['test_from'])}, {refits}."


def _table(horizons: Sequence[dict[str, Any]]) -> str:
    baselines = list(horizons[0].get("mae_by_baseline", {})) if horizons else []
    rows = [h for h in horizons if h["horizon_min"] in SHOWN_MIN]
    rows = rows if len(rows) >= FEW_ROWS else list(horizons)
    heads = ["Horizon", "n", "MAE", "RMSE", "Skill", "Pinball", "Coverage", "Worst week", "Width", "MAE known", "not"]
    names = (
        "n",
        "mae",
        "rmse",
        "skill_vs_persistence",
        "pinball",
        "coverage_90",
        "worst_week_coverage_90",
        "width_90",
        "mae_day_ahead_known",
        "mae_day_ahead_unknown",
    )
    return table(
        [*heads, *baselines],
        (
            [
                _span(h["horizon_min"]),
                *(h.get(name) for name in names),
                *(h["mae_by_baseline"].get(n) for n in baselines),
            ]
            for h in rows
        ),
    )


def _errors(horizons: Sequence[dict[str, Any]]) -> str:
    x = [h["horizon_min"] / 60 for h in horizons]
    lines = {"forecast": [h["mae"] for h in horizons]}
    for name in horizons[0].get("mae_by_baseline", {}) if horizons else ():
        lines[name.replace("_", " ")] = [h["mae_by_baseline"].get(name) for h in horizons]
    return line_chart(x, lines, x_label="hours ahead", y_label="mean absolute error")


def _skill(horizons: Sequence[dict[str, Any]]) -> str:
    x = [h["horizon_min"] / 60 for h in horizons]
    line = [h.get("skill_vs_persistence") for h in horizons]
    return line_chart(x, {"skill": line}, x_label="hours ahead", y_label="1 - MAE / MAE of persistence")


def _reliability(horizons: Sequence[dict[str, Any]]) -> str:
    lines: dict[str, list[float | None]] = {"ideal": list(QUANTILE_LEVELS)}
    chosen = [h for h in horizons if h["horizon_min"] in RELIABILITY_MIN]
    for h in chosen if len(chosen) > 1 else horizons[::6]:
        if h.get("coverage_by_level"):
            lines[_span(h["horizon_min"])] = h["coverage_by_level"]
    chart = line_chart(list(QUANTILE_LEVELS), lines, x_label="level", y_label="share below")
    return figure(chart, "Share of actuals below each quantile; ideally the quantile's level.")


def _width(horizons: Sequence[dict[str, Any]]) -> str:
    x = [h["horizon_min"] / 60 for h in horizons]
    width = line_chart(x, {"mean width": [h["width_90"] for h in horizons]}, x_label="hours ahead", y_label="width")
    coverage = {
        "coverage": [h["coverage_90"] for h in horizons],
        "worst week": [h["worst_week_coverage_90"] for h in horizons],
        "nominal": [0.9] * len(horizons),
    }
    return width + line_chart(x, coverage, x_label="hours ahead", y_label="share", from_zero=False)


def worst_days(run: Backtest) -> list[DayCurves]:
    """Return the days with the largest error of the first horizon, worst first."""
    error = np.abs(run.actual[:, 0].astype(float) - run.quantiles[:, 0, 3].astype(float))
    day = pd.Series(error, index=run.origins).resample("1D").mean().dropna().nlargest(WORST_DAYS)
    unit = "MW" if run.options.target is Target.NET_LOAD else f"{run.zone.market.currency}/MWh"
    out = []
    for start, value in day.items():
        begin = pd.Timestamp(str(start))
        inside = (run.origins >= begin) & (run.origins < begin + pd.Timedelta(days=1))
        hours = ((run.origins[inside] - begin).total_seconds() / 3600).to_numpy().tolist()
        lines = {"actual": run.actual[inside, 0]} | {
            name: run.quantiles[inside, 0, q] for name, q in (("forecast", 3), ("q05", 0), ("q95", -1))
        }
        ahead = _span(run.horizons_min[0])
        text = f"{iso(begin.to_pydatetime())[:10]}: mean absolute error {value:.0f} {unit}, {ahead} ahead"
        curves = {name: values.astype(float).tolist() for name, values in lines.items()}
        out.append(DayCurves(text, "hour of the day, UTC", unit, hours, curves))
    return out


def _day(curves: DayCurves) -> str:
    chart = line_chart(curves.x, curves.lines, x_label=curves.x_label, y_label=curves.y_label, from_zero=False)
    return figure(chart, curves.caption)


def _day_ahead(figures: Mapping[str, Any]) -> str:
    """Return the figures over all slots of a day-ahead backtest as a table; nothing for others."""
    rows = [
        (name.removeprefix("day_ahead_"), value)
        for name, value in figures.items()
        if name.startswith("day_ahead_") and not isinstance(value, Mapping)
    ]
    return table(("all slots", "value"), rows) if rows else ""


def _span(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 or minutes % 60 else f"{minutes // 60} h"
