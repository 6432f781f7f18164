"""Measures net load with XGBoost and without on real data: ``python -m scripts.net_load_figures FOLDER [NAME ...]``.

Each test range is walked in pieces of a few minutes, which a loaded machine can end; FOLDER holds the data files. A
piece that is measured already is left as it is. Figures are written to ``docs/benchmarks/net-load-trees.json``, from
which ``python -m deploy.generate`` makes the tables of the page.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deploy.generators.net_load_docs import FIGURES, TEST_RANGES
from models.evaluation.backtest import BacktestOptions, run_beside_linear
from models.evaluation.ramp_metrics import ramp_metrics
from models.evaluation.tree_gain import tree_gain
from topologies.sources.feed import open_file
from vpp.atomic_file import write_atomic
from vpp.domain import Target
from vpp.progress import no_progress

ROOT = Path(__file__).resolve().parent.parent
REFIT = timedelta(days=28)


@dataclass(frozen=True)
class Piece:
    """A part of a test range: rows before ``start`` are trained on."""

    name: str
    file: str
    zone: str
    start: datetime
    end: datetime


def pieces() -> list[Piece]:
    """Return the pieces of all test ranges, in order."""
    return [
        Piece(f"{test_range.name} {n}", test_range.file, test_range.zone, _day(start), _day(end))
        for test_range in TEST_RANGES
        for n, (start, end) in enumerate(zip(test_range.edges, test_range.edges[1:], strict=False), start=1)
    ]


def measure(piece: Piece, folder: Path) -> dict[str, Any]:
    """Return the figures of one piece: gain of XGBoost by horizon, ramps and steps.

    Args:
        piece: The piece.
        folder: Where its data file lies.
    """
    feed = open_file(folder / piece.file, names=(piece.zone,), start=piece.start)
    zone = feed.one_zone()
    frame = feed.frame(zone.zone, piece.end + timedelta(days=3))
    options = BacktestOptions(Target.NET_LOAD, piece.start, piece.start, piece.end, refit=REFIT)
    full, linear, models = run_beside_linear(frame, zone, options, no_progress)
    return {"origins": len(full.origins), "trees": tree_gain(full, linear, models), "ramps": ramp_metrics(full)}


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def main(arguments: list[str]) -> int:
    """Measure the pieces that are missing, or those named."""
    if not arguments:
        sys.stderr.write("usage: python -m scripts.net_load_figures FOLDER [NAME ...]\n")
        return 2
    folder, names = Path(arguments[0]), set(arguments[1:])
    path = ROOT / FIGURES
    for piece in pieces():
        stored_figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if piece.name in stored_figures or (names and piece.name not in names):
            continue
        figures = measure(piece, folder)
        stored_figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        write_atomic(path, json.dumps({**stored_figures, piece.name: figures}, indent=1, sort_keys=True) + "\n")
        sys.stdout.write(f"{piece.name}: {figures['origins']} origins\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
