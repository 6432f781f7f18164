"""The report of a backtest: ``metrics.json`` and one HTML page without outside files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.evaluation.backtest import Backtest
from models.evaluation.svg_charts import line_chart
from vpp.domain import QUANTILE_LEVELS, Target, iso

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}
.grid{stroke:#ddd}figure{margin:1rem 0}figcaption{color:#555}code{background:#f3f3f3;padding:0 .25rem}
"""

SHOWN_MIN = (5, 15, 30, 60, 120, 240, 360, 720, 1080, 1440)
RELIABILITY_MIN = (30, 60, 120, 360, 1440)
FEW_ROWS = 4
WORST_DAYS = 5


@dataclass(frozen=True, slots=True)
class DayCurves:
    """One day of a backtest: lines by name over ``x``, with what stands below them."""

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


def write_files(out: Path, figures: Mapping[str, Any], html: str) -> list[Path]:
    """Write ``metrics.json`` and ``report.html`` into ``out``, made where it is missing, and return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    numbers, shown = out / "metrics.json", out / "report.html"
    numbers.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    shown.write_text(html, encoding="utf-8")
    return [numbers, shown]


def report_html(figures: Mapping[str, Any], worst: Sequence[DayCurves] = (), command: str = "") -> str:
    """Return the page; arguments as ``write_report``."""
    title = f"Backtest of {figures['target'].replace('_', ' ')}, {figures['zone']}"
    period = f"{figures['test_from']} to {figures['test_to']}"
    horizons: list[dict[str, Any]] = [h for h in figures["horizons"] if h.get("mae") is not None]
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{figures['origins']} origins, {escape(period)} (end exclusive). {escape(_training(figures))}</p>",
        f"<p>Repeat it: <code>{escape(command)}</code></p>" if command else "",
        "<h2>Figures</h2>", _day_ahead(figures), _table(horizons),
        "<h2>Error by horizon</h2>", _errors(horizons),
        "<h2>Skill against persistence</h2>", _skill(horizons),
        "<h2>Reliability</h2>", _reliability(horizons),
        "<h2>Width and coverage of the 90 % interval</h2>", _width(horizons),
        *(["<h2>Worst days</h2>", *(_day(curves) for curves in worst)] if worst else []),
    ]  # fmt: skip
    return page(title, body)


def page(title: str, body: Sequence[str]) -> str:
    """Return one HTML page without outside files; ``body`` holds its elements as HTML, ``title`` is plain text."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return (
        f"<!doctype html><html lang='en'><head>{head}<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def _training(figures: Mapping[str, Any]) -> str:
    refit = figures.get("refit_days")
    again = "no refits" if refit is None else f"refitted every {refit:g} days on matured rows"
    return f"Trained on rows before {figures.get('train_to', figures['test_from'])}, {again}."


def _table(horizons: Sequence[dict[str, Any]]) -> str:
    baselines = list(horizons[0].get("mae_by_baseline", {})) if horizons else []
    shown = [h for h in horizons if h["horizon_min"] in SHOWN_MIN]
    shown = shown if len(shown) >= FEW_ROWS else list(horizons)
    heads = ["Horizon", "n", "MAE", "RMSE", "Skill", "Pinball", "Coverage", "Worst week", "Width", "MAE known", "not"]
    names = ("n", "mae", "rmse", "skill_vs_persistence", "pinball", "coverage_90", "worst_week_coverage_90", "width_90",
             "mae_day_ahead_known", "mae_day_ahead_unknown")  # fmt: skip
    rows = []
    for h in shown:
        cells = [_span(h["horizon_min"]), *(_number(h.get(name)) for name in names)]
        cells += [_number(h["mae_by_baseline"].get(name)) for name in baselines]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    header = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in (*heads, *baselines))
    return f"<table><thead><tr>{header}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


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
    note = "<figcaption>Share of actuals below each quantile; ideally the quantile's level.</figcaption>"
    chart = line_chart(list(QUANTILE_LEVELS), lines, x_label="level", y_label="share below")
    return f"<figure>{chart}{note}</figure>"


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
    return f"<figure>{chart}<figcaption>{escape(curves.caption)}</figcaption></figure>"


def _day_ahead(figures: Mapping[str, Any]) -> str:
    """Return the figures over all slots of a day-ahead backtest as a table; nothing for others."""
    rows = [
        f"<tr><td>{escape(name.removeprefix('day_ahead_').replace('_', ' '))}</td><td>{_number(value)}</td></tr>"
        for name, value in figures.items()
        if name.startswith("day_ahead_") and not isinstance(value, Mapping)
    ]
    return f"<table><tbody>{''.join(rows)}</tbody></table>" if rows else ""


def _span(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 or minutes % 60 else f"{minutes // 60} h"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
