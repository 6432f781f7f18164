"""The report of the red-team bench: ``metrics.json``, ``details.json`` and one HTML page without outside files."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from models.evaluation.html_parts import page, write_files
from topologies.redteam.bench import RedTeam

_HEADS = (
    "attack",
    "size %",
    "n",
    "found",
    "95 % interval",
    "first sample",
    "median min",
    "p90 min",
    "money lost",
    "without guard",
)


def write_redteam_report(out: Path, result: RedTeam, command: str = "") -> list[Path]:
    """Write the files into ``out`` and return their paths; ``command`` repeats the run."""
    paths = write_files(out, result.figures, redteam_html(result, command))
    details = out / "details.json"
    details.write_text(json.dumps(result.details, indent=1) + "\n", encoding="utf-8")
    return [*paths, details]


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of ``n``, after Wilson.

    >>> [round(edge, 3) for edge in wilson(1.0, 200)]
    [0.981, 1.0]
    """
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def redteam_html(result: RedTeam, command: str = "") -> str:
    """Return the page."""
    figures, details = result.figures, result.details
    title = f"Red team against {figures['zone']}"
    totals = ", ".join(details["balances"]) or "none: a single forged channel shows in its own forecast alone"
    intro = (
        f"{figures['test_from']} to {figures['test_to']} (end exclusive); attacks of six hours, net load moved along. "
        f"False episodes on the clean test: {figures['false_episodes_per_week']} a week over {details['weeks']} weeks. "
        f"Totals metered apart: {escape(totals)}. Money: {escape(_money_words(result))}."
    )
    return page(
        title,
        [
            f"<h1>{escape(title)}</h1>",
            f"<p>{intro}</p>",
            f"<p>Repeat it: <code>{escape(command)}</code></p>" if command else "",
            "<h2>Attacks</h2>",
            _table(_HEADS, [_attack(row) for row in figures["attacks"]]),
            "<h2>An attacker who knows the guard</h2>",
            _table(
                ("for", "bias at the end, % of net load", "mean bias %", "alarmed %", "n"),
                [
                    (name, row["reach_pct"], row["mean_pct"], row["alarmed_pct"], row["n"])
                    for name, row in details["reach"].items()
                ],
            ),
            "<h2>A bias held for a week</h2>",
            _table(
                ("bias, % of net load", "weeks with an alarm %", "median hours to the first", "n"),
                [(row["size_pct"], row["alarmed_pct"], row["median_h"], row["n"]) for row in details["held"]],
            ),
            "<h2>Verdicts</h2>",
            _table(
                ("attack", "named"),
                [
                    (name, ", ".join(f"{code} {100 * share:.0f} %" for code, share in shares.items()))
                    for name, shares in details["verdicts"].items()
                ],
            ),
            "<h2>Cost on clean data</h2>",
            _table(("change", "%"), list(details.get("clean_cost", {}).items())),
            "<h2>False episodes</h2>",
            _table(("first slot", "deck"), [(row["slot"], row["deck"]) for row in details["false_episodes"]]),
        ],
    )


def _money_words(result: RedTeam) -> str:
    return result.details["no_money"] or f"{result.zone.market.currency}, mean per attack"


def _attack(row: dict[str, Any]) -> tuple[Any, ...]:
    low, high = wilson(row["tpr"], row["n"])
    return (
        row["name"],
        row["size_pct"],
        row["n"],
        f"{100 * row['tpr']:.1f} %",
        f"{100 * low:.0f}-{100 * high:.0f}",
        f"{100 * row['first_sample_tpr']:.1f} %",
        row["median_min"],
        row["p90_min"],
        row["money_lost"],
        row["money_lost_unguarded"],
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return escape(str(value))
