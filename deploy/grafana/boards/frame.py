"""Common parts of all zone dashboards: choice of zone, run and horizon, time range, links."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.grafana import queries as q
from deploy.grafana.panels import Panel, dashboard, variable

# Width (of 24), height, panel.
Placed = tuple[int, int, Panel]

TAG = "vpp"


def zone_board(uid: str, title: str, description: str, rows: Sequence[tuple[str, Sequence[Placed]]]) -> Panel:
    """Return a dashboard of one zone; links to the others keep zone, run and time range.

    Args:
        uid: Its id, which links name.
        title: Its title.
        description: What it shows, a sentence.
        rows: Titled rows of panels.
    """
    variables = [
        variable("zone", "Zone", q.tag_values("zone", "telemetry")),
        variable("run", "Run (_: unnamed)", q.tag_values("run", "telemetry")),
        variable("horizon", "Minutes ahead", q.tag_values("horizon_min", "forecasts", numeric=True), sort=0),
    ]
    options = {
        "title": "VPP",
        "type": "dashboards",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
    }
    return dashboard(
        uid,
        title,
        rows,
        tags=[TAG],
        time={"from": "now-24h", "to": "now+24h"},
        refresh="10s",
        templating={"list": variables},
        links=[options],
        description=description,
    )
