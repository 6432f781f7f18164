"""Generates the tables on XGBoost and ramps of the net-load page from the figures of ``scripts.net_load_figures``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.generators.budget_docs import markdown_table
from deploy.generators.tree_docs import page_with

PAGE = Path("docs/benchmarks/net-load.md")
FIGURES = Path("docs/benchmarks/net-load-trees.json")
BEGIN, END = "<!-- trees:begin -->", "<!-- trees:end -->"
GAIN_TEXT = """Mean absolute error in MW with the trees, and its reduction against the error without them; in brackets
the mean weight of the trees.
"""
SHOWN_MIN = (30, 60, 120, 180, 240, 360)
SHOWN_HOURS = ("1h", "2h", "4h", "6h")


@dataclass(frozen=True)
class TestRange:
    """A zone's test range; ``edges`` are the days (UTC) that divide it into pieces, each with its own fit."""

    __test__ = False

    name: str
    file: str
    zone: str
    edges: tuple[str, ...]


TEST_RANGES = (
    TestRange(
        "GB 2022",
        "gb_30min_2019_2023.csv.gz",
        "GB",
        ("2022-01-01", "2022-04-01", "2022-07-01", "2022-10-01", "2023-01-01"),
    ),
    TestRange("NSW1", "nem_5regions_30min_2025_2026.csv.gz", "NSW1", ("2026-02-01", "2026-05-01")),
    TestRange("DE_LU", "de_lu_60min_2024_2025.csv.gz", "DE_LU", ("2025-06-15", "2025-10-01")),
)


def net_load_page(root: Path) -> str:
    """Return the page on net load with the measured tables.

    Args:
        root: The repository.
    """
    text = (root / PAGE).read_text(encoding="utf-8")
    return page_with(text, BEGIN, f"\n{_tables(read_figures(root))}\n", END)


def read_figures(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the measured pieces of each complete test range.

    Args:
        root: The repository.
    """
    figures = json.loads((root / FIGURES).read_text(encoding="utf-8"))
    ranges = {
        test_range.name: [figures.get(f"{test_range.name} {n}") for n in range(1, len(test_range.edges))]
        for test_range in TEST_RANGES
    }
    return {name: pieces for name, pieces in ranges.items() if all(pieces)}


def _tables(figures: dict[str, list[dict[str, Any]]]) -> str:
    ranges = {test_range.name: test_range for test_range in TEST_RANGES}
    names = [f"{name}, {ranges[name].edges[0]} to {ranges[name].edges[-1]}" for name in figures]
    gains = [
        [_range(minutes), *(_gain([p["trees"] for p in pieces], minutes) for pieces in figures.values())]
        for minutes in SHOWN_MIN
    ]
    large = [
        [f"{name}, {hours[:-1]} h ahead", *_large([p["ramps"]["large"] for p in pieces], hours)]
        for name, pieces in figures.items()
        for hours in SHOWN_HOURS
    ]
    steepest = [
        [f"{name}, {by}", *_steepest([pick(p["ramps"]["steepest"]) for p in pieces])]
        for name, pieces in figures.items()
        for by, pick in _STEEPEST
    ]
    return "\n".join(
        [
            "### With XGBoost and without\n",
            GAIN_TEXT,
            markdown_table(("ahead", *names), gains),
            "### Large ramps\n",
            "A large ramp is a change in the largest tenth of all changes of the previous six weeks.\n",
            markdown_table(("range", "Brier", "Brier of climatology", "CSI of the alarm", "CSI by the median"), large),
            "### Steepest step\n",
            "The steepest step of each forecast, and the actual change in this step and direction; means in MW.\n",
            markdown_table(("range and forecast", "forecast", "actual", "error", "wrong sign"), steepest),
        ]
    )


_STEEPEST: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("its own forecast", lambda row: row),
    ("difference of medians", lambda row: row["by_difference"]),
)


def _gain(pieces: Sequence[Iterable[dict[str, Any]]], minutes: int) -> str:
    rows = [row for piece in pieces for row in piece if row["horizon_min"] == minutes]
    if not rows:
        return "–"
    mae, linear, weight = (_mean(rows, name) for name in ("mae", "mae_linear", "weight"))
    return f"{_number(mae)}, {1.0 - mae / linear:+.1%} ({weight:.2f})".replace("%", " %").replace("-", "−")


def _large(pieces: Sequence[dict[str, Any]], hours: str) -> list[str]:
    rows = [piece[hours] for piece in pieces]
    brier, climate = (_mean(rows, name) for name in ("brier", "brier_climatology"))
    return [f"{brier:.3f}", f"{climate:.3f}", *(f"{_csi([row[by] for row in rows]):.2f}" for by in _ALARMS)]


_ALARMS = ("by_probability", "by_median")


def _csi(rows: Sequence[dict[str, Any]]) -> float:
    """Return hits / (events + false alarms) over all pieces."""
    hits = sum(round(row["pod"] * row["events"]) for row in rows if row["events"])
    total = sum(row["events"] + row["alarms"] for row in rows) - hits
    return float(hits / total)


def _steepest(rows: Sequence[dict[str, Any]]) -> list[str]:
    stated, actual, error, wrong = (_mean(rows, name) for name in ("stated_mw", "came_mw", "mae", "wrong_sign"))
    return [_number(stated), _number(actual), _number(error), f"{wrong:.1%}".replace("%", " %")]


def _mean(rows: Sequence[dict[str, Any]], name: str) -> float:
    """Return the mean of a figure over pieces, weighted by their numbers of forecasts."""
    return float(sum(row[name] * row["n"] for row in rows) / sum(row["n"] for row in rows))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000.0 else f"{value:.1f}"


def _range(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h"
