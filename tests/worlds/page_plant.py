"""The plant that the page is tested on: it decides, settles and takes orders at once, with forecasts and scores."""

from __future__ import annotations

import math
import socket
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn

from console.dashboard.app import build_app
from tests.worlds.builders import ZONE, quantiles_around, slot_at
from tests.worlds.plant_loop import Loop, acts_of, price_at, swing
from vpp.domain import QUANTILE_NAMES
from vpp.messages import Audit
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
    for target, message in (("net_load", net), ("price", price)):
        for i, horizon in enumerate(HORIZONS):
            levels = [getattr(message, name)[i] for name in QUANTILE_NAMES]
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


def look(loop: Loop) -> str:
    """Write the transcript of a look of the agent that ranked two risks and left a plan for a person; return its id."""
    slot_end = slot_at(loop.next_slot)
    call = {"tool": "predict_ramp", "arguments": {"zone": ZONE}, "answer": {"ramp_limit_mw": 30.0}, "error": None}
    end = {
        "as_of": slot_end,
        "text": "the ramp up at 18:00 may pass the limit by 2.1 MW (90 %); plan p1 waits",
        "risks": [
            ("ramp_up", "the ramp up at 18:00 may pass the limit", 1234.5),
            ("data:wind_mw", "wind_mw is not good", None),
        ],
        "changes": ["new: wind_mw is not good"],
        "open_plans": ["p1"],
    }
    acts = [("start", "started", {"brain": "strategy"}), ("call", "answered", call), ("end", "waiting", end)]
    for number, (act, verdict, detail) in enumerate(acts, start=1):
        record = Audit(
            zone=ZONE,
            audit_id=f"e1:{number:04d}",
            at=loop.now,
            principal="agent:grid",
            action=f"agent:{act}",
            verdict=verdict,
            detail=msgspec.json.encode(detail).decode(),
            digest="d",
        )
        loop.post("audit", record)
    return "e1"


@dataclass
class Served:
    """The page over a plant, in a thread of this process; it can be stopped and started again on the same port.

    Attributes:
        loop: The plant.
        every_s: Least time between two looks at the store.
    """

    loop: Loop
    every_s: float = 0.2
    port: int = 0
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve."""
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        app = build_app(self.loop.settings, self.loop.store, every_s=self.every_s, acts=acts_of(self.loop))
        config = uvicorn.Config(
            app, host="127.0.0.1", port=self.port, log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{self.address}/healthz", timeout=2)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the page does not answer")

    def stop(self) -> None:
        """Stop serving."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(20)
            self._server = self._thread = None


def _skill(target: str, slot: datetime) -> list[Row]:
    return [(ZONE, slot, target, h, 300, 100.0 + h / 4.0, 400.0 + h, 30.0, 0.9) for h in HORIZONS]


__all__ = ["SLOTS", "ZONE", "Served", "forecast", "look", "next_slot", "page_loop", "swing", "warn"]
