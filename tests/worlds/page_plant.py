"""The plant that the page is tested on: it decides, settles and takes orders at once, with forecasts and scores."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mcp_server.actions.actions import Acts
from mcp_server.queries.context import ReadContext
from tests.worlds.builders import ZONE, quantiles_around, slot_at
from tests.worlds.plant_loop import Loop, price_at, swing
from topologies.control.plan_book import PlanBook
from vpp.domain import QUANTILE_NAMES
from vpp.store.table import Row
from vpp.store.tables import ALERTS, FORECASTS, SKILL

SLOTS = 60
HORIZONS = range(30, 1441, 30)


def page_loop(folder: Path, slots: int = SLOTS, **mcp: Any) -> Loop:
    """Return a zone ``Z`` after ``slots`` half hours that rise and fall, its battery and peaker at work."""
    loop = Loop(folder, swings=True, **mcp)
    loop.settings = loop.settings.model_copy(update={"one_person": True})
    while loop.next_slot < slots:
        loop.close_slot()
    forecast(loop)
    newest = slot_at(loop.next_slot - 1)
    loop.store.write(SKILL, [row for target in ("net_load", "price") for row in _skill(target, newest)])
    ramp = '{"hours":6.0,"change_mw":1250.0}'
    when = newest - timedelta(hours=8)
    typed = ("ramp", "net_load_mw", None, "none", None, "[]")
    loop.store.write(ALERTS, [(ZONE, when, "ramp-1", "info", "ramp", "a large ramp", ramp, *typed)])
    return loop


def forecast(loop: Loop) -> None:
    """Write the forecast that follows the newest slot."""
    index = loop.next_slot - 1
    ahead = range(len(HORIZONS))
    net = quantiles_around([10.0 * (50.0 + 9.0 * math.sin((index + 1 + i) / 2.0)) for i in ahead], 8.0)
    price = quantiles_around([price_at(index + 1 + i) for i in ahead], 12.0)
    rows: list[Row] = []
    for target, told in (("net_load", net), ("price", price)):
        for i, horizon in enumerate(HORIZONS):
            levels = [getattr(told, name)[i] for name in QUANTILE_NAMES]
            ramps = (40.0, 0.1, 0.05, -3.0, 1.0, 5.0, 0.02) if target == "net_load" else (None,) * 7
            rows.append((ZONE, slot_at(index), horizon, target, *levels, None, *ramps, "model", "m1"))
    loop.store.write(FORECASTS, rows)


def next_slot(loop: Loop) -> None:
    """Close one more slot, with its forecast."""
    loop.close_slot()
    forecast(loop)


def warn(loop: Loop, severity: str = "warning") -> None:
    """Raise an alarm in the newest slot: three channels are missing."""
    newest = slot_at(loop.next_slot - 1)

    def typed(channel: str) -> tuple[str, str, None, str, None, str]:
        return "missing", channel, None, "not_used", None, "[]"

    rows = [
        (ZONE, newest, f"quality-{channel}", severity, "telemetry quality", "it has no value", "{}", *typed(channel))
        for channel in ("gas_mw", "hydro_mw", "wind_mw")
    ]
    loop.store.write(ALERTS, rows)


def acts_of(loop: Loop) -> Acts:
    """Return what acts on the plant: every order arrives at once."""
    book = PlanBook(loop.store, loop.post, None, loop.clock, loop.settings.one_person)
    return Acts(ReadContext(loop.settings, loop.store, now=loop.clock), book, pause=lambda _: None)


def _skill(target: str, slot: datetime) -> list[Row]:
    return [(ZONE, slot, target, h, 300, 100.0 + h / 4.0, 400.0 + h, 30.0, 0.9) for h in HORIZONS]


__all__ = ["SLOTS", "ZONE", "acts_of", "forecast", "next_slot", "page_loop", "swing", "warn"]
