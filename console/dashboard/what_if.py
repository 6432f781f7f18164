"""Shadow runs with another setting: one at a time, each in a separate process, with cached answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from console.local.processes import environment
from mcp_server.queries.context import QuestionError, ReadContext

KEPT = 40
DAYS = 14
KEY = r"^(limits\.[a-z_]{1,40}|[\w.-]{1,80}\.[a-z_]{1,40})$"

Key = tuple[str, str, float, str]


class ShadowWish(BaseModel):
    """One setting of a zone with another value; ``days`` of the run's end are run again."""

    model_config = ConfigDict(extra="forbid")

    zone: str = Field(max_length=80)
    key: str = Field(pattern=KEY)
    value: float = Field(gt=0, le=1e9)
    days: int = Field(default=DAYS, ge=1, le=60)


@dataclass
class Shadows:
    """Runs `vpp shadow` for the page.

    Attributes:
        context: Settings and store of the run.
    """

    context: ReadContext
    _done: OrderedDict[Key, dict[str, Any]] = field(default_factory=OrderedDict)
    _running: tuple[Key, subprocess.Popen[bytes]] | None = None
    _lock: Lock = field(default_factory=Lock)

    def ask(self, wish: ShadowWish) -> dict[str, Any]:
        """Return the answer where it is there, else that it runs, or that another one does.

        Raises:
            QuestionError: There is no such zone, or nothing has run.
        """
        zone = self.context.choose(wish.zone)
        newest = None if zone is None else self.context.newest().get(zone)
        if zone is None or newest is None:
            raise QuestionError("nothing has run yet", hint="start `vpp up`")
        midnight = newest.replace(hour=0, minute=0, second=0, microsecond=0)
        key = (zone, wish.key, wish.value, midnight.isoformat())
        with self._lock:
            self._collect()
            if key in self._done:
                return self._done[key]
            if self._running is None:
                self._running = key, self._start(wish, zone, midnight - timedelta(days=wish.days), midnight)
            mine = self._running[0] == key
            return {"status": "running" if mine else "waits", "text": "" if mine else "Another run is on its way."}

    def close(self) -> None:
        """End a run that is still on its way."""
        with self._lock:
            if self._running is not None:
                self._running[1].terminate()
                self._running[1].wait(10)
                self._running = None

    def _start(self, wish: ShadowWish, zone: str, start: datetime, end: datetime) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "console.cli.main",
            "shadow",
            zone,
            "--set",
            f"{wish.key}={wish.value}",
            "--to",
            end.isoformat(),
            "--json",
        ]
        first = self.context.store.read("decisions", zone=zone, columns=("slot",), limit=1).column("slot")
        if first and first[0] < start:
            command += ["--from", start.isoformat()]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=environment(self.context.settings),
        )

    def _collect(self) -> None:
        if self._running is None or self._running[1].poll() is None:
            return
        key, process = self._running
        self._running = None
        out, err = process.communicate()
        if process.returncode:
            words = err.decode("utf-8", "replace").strip().splitlines()
            answer: dict[str, Any] = {"status": "failed", "text": words[0][:300] if words else "the run failed"}
        else:
            figures = json.loads(out)
            names = ("gain_per_day", "gain_standard_error", "days", "days_better", "currency", "exact")
            answer = {"status": "done", **{name: figures[name] for name in names}}
        self._done[key] = answer
        while len(self._done) > KEPT:
            self._done.popitem(last=False)
