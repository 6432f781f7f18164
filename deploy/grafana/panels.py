"""Panels, variables and dashboards as plain dicts in the shape that Grafana reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Panel = dict[str, Any]
Override = dict[str, Any]

UID = "vpp-influxdb"
SOURCE = {"type": "influxdb", "uid": UID}
SCHEMA_VERSION = 39

MW = "megwatt"
MWH = "megwatth"
SHARE = "percentunit"
PER_MWH = "suffix: /MWh"
MONEY = "locale"
COUNT = "short"
MINUTES = "m"
TIME = "dateTimeAsIso"


def target(query: str, ref: str = "A") -> dict[str, Any]:
    """Return one query of a panel."""
    return {"datasource": SOURCE, "query": query, "refId": ref}


def override(name: str, **properties: Any) -> Override:
    """Return properties of the column ``name``; an underscore in a property becomes a dot (``custom_lineWidth``)."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("_", ".", 1), "value": value} for key, value in properties.items()],
    }


def colour(value: str) -> dict[str, str]:
    """Return a fixed colour as a field's option."""
    return {"mode": "fixed", "fixedColor": value}


def band(low: str, high: str, shade: str, opacity: int) -> list[Override]:
    """Return the overrides that draw two columns as the edges of a filled band."""
    edge = {"custom_lineWidth": 0, "color": colour(shade)}
    return [
        override(high, **edge, custom_fillBelowTo=low, custom_fillOpacity=opacity),
        override(low, **edge, custom_fillOpacity=0),
    ]


def chart(
    title: str,
    description: str,
    queries: Sequence[str],
    unit: str,
    *,
    overrides: Sequence[Override] = (),
    draw: str = "line",
    stacked: bool = False,
    bounds: tuple[float, float] | None = None,
) -> Panel:
    """Return a time series panel.

    Args:
        title: What it shows.
        description: How to read it, with signs and units.
        queries: Flux queries, each one wide table.
        unit: Unit of every column that no override gives another.
        overrides: Looks of single columns.
        draw: ``line`` for values at a time, ``step`` for means over a slot.
        stacked: Whether columns are stacked.
        bounds: Fixed ends of the axis.
    """
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "stepAfter" if draw == "step" else "linear",
        "lineWidth": 1,
        "fillOpacity": 40 if stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    defaults: dict[str, Any] = {"unit": unit, "custom": custom, "color": {"mode": "palette-classic-by-name"}}
    if bounds is not None:
        defaults |= {"min": bounds[0], "max": bounds[1]}
    return {
        "type": "timeseries",
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": [target(query, chr(ord("A") + at)) for at, query in enumerate(queries)],
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
    }


def number(
    title: str,
    description: str,
    query: str,
    unit: str,
    *,
    steps: Sequence[tuple[float | None, str]] = ((None, "text"),),
) -> Panel:
    """Return a panel with one number; ``steps`` are (from, colour), grey as long as nothing is wrong."""
    thresholds = {"mode": "absolute", "steps": [{"value": value, "color": shade} for value, shade in steps]}
    return {
        "type": "stat",
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": [target(query)],
        "fieldConfig": {"defaults": {"unit": unit, "thresholds": thresholds}, "overrides": []},
        "options": {
            "colorMode": "value",
            "graphMode": "none",
            "textMode": "value",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "/.*/", "values": False},
        },
    }


def table(title: str, description: str, query: str, unit: str, *, overrides: Sequence[Override] = ()) -> Panel:
    """Return a panel with rows; ``unit`` is that of every number no override gives another."""
    return {
        "type": "table",
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": [target(query)],
        "fieldConfig": {"defaults": {"unit": unit, "custom": {"align": "auto"}}, "overrides": list(overrides)},
        "options": {"showHeader": True, "cellHeight": "sm"},
    }


def variable(name: str, label: str, query: str, *, sort: int = 1) -> dict[str, Any]:
    """Return a variable, asked again when the time range changes (``sort``: 1 by name, 0 as it comes)."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": sort,
        "multi": False,
        "includeAll": False,
        "hide": 0,
    }


def dashboard(
    uid: str, title: str, rows: Sequence[tuple[str, Sequence[tuple[int, int, Panel]]]], **extra: Any
) -> Panel:
    """Return a dashboard of titled rows of panels; each panel comes with its width (of 24) and height.

    Ids count up in the order of the panels, and panels fill a row from the left until 24 columns are used.
    """
    placed: list[Panel] = []
    top = 0
    for name, panels in rows:
        placed.append(_row(name, top, len(placed) + 1))
        top += 1
        column = tallest = 0
        for width, height, panel in panels:
            if column + width > 24:
                top, column, tallest = top + tallest, 0, 0
            spot = {"x": column, "y": top, "w": width, "h": height}
            placed.append({"id": len(placed) + 1, "gridPos": spot, **panel})
            column, tallest = column + width, max(tallest, height)
        top += tallest
    return {
        "uid": uid,
        "title": title,
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "utc",
        "annotations": {"list": []},
        "links": [],
        "panels": placed,
        **extra,
    }


def _row(title: str, top: int, number_: int) -> Panel:
    return {
        "id": number_,
        "type": "row",
        "title": title,
        "collapsed": False,
        "panels": [],
        "gridPos": {"x": 0, "y": top, "w": 24, "h": 1},
    }
