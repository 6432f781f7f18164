"""All dashboards by file name. ``python -m deploy.generate`` writes their JSON."""

from __future__ import annotations

import json

from deploy.grafana.boards.assets import assets
from deploy.grafana.boards.forecast import forecast
from deploy.grafana.boards.guard import guard
from deploy.grafana.boards.pipeline import pipeline
from deploy.grafana.boards.plant import plant
from deploy.grafana.boards.trading import trading

BOARDS = {
    "plant": plant,
    "forecast": forecast,
    "trading": trading,
    "assets": assets,
    "pipeline": pipeline,
    "guard": guard,
}


def dashboards() -> dict[str, str]:
    """Return the JSON text of every dashboard by file name."""
    return {name: json.dumps(board(), indent=2) + "\n" for name, board in BOARDS.items()}
