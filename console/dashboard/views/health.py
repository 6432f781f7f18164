"""The screen Health: the chain of workers with rate, lag, age and restarts; store, dead letters, data, looking back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from console.dashboard.views import alarms
from console.dashboard.views.background import Background
from console.dashboard.views.forecasts import error_scale, model, skill
from console.dashboard.views.moment import Moment
from mcp_server.answers.sanitize import plain
from mcp_server.queries.health import get_pipeline_health, workers
from topologies.control.run_mode import read_restarts
from topologies.runtime.status import FAULT_AFTER_S, read_status
from vpp.store.named_queries import ledger_errors
from vpp.store.tables import DLQ, TABLES, TELEMETRY
from vpp.streams.topics import TOPICS, TOPOLOGIES

RATE_OVER_S = 2.0
LAGGING = 1000
LETTERS = 50
CHANNEL_SLOTS = 400


@dataclass
class Rates:
    """Records per second of each worker, from two of its statuses."""

    _seen: dict[str, tuple[float, int]] = field(default_factory=dict)
    _rate: dict[str, float] = field(default_factory=dict)

    def of(self, status: dict[str, dict[str, Any]]) -> dict[str, float]:
        """Return the rates, given the newest status of every worker."""
        for name, worker in status.items():
            at, count = worker["updated_at_s"], worker["processed"]
            before = self._seen.get(name)
            if before is None or count < before[1]:
                self._seen[name] = (at, count)
            elif at - before[0] >= RATE_OVER_S:
                self._rate[name] = (count - before[1]) / (at - before[0])
                self._seen[name] = (at, count)
        return self._rate


def health(moment: Moment, background: Background, rates: Rates) -> dict[str, Any]:
    """Return the screen of health."""
    pipeline, scores = get_pipeline_health(moment.context), skill(moment, "net_load")
    minute = moment.context.now().replace(second=0, microsecond=0)
    spans = background.get(("spans", "store", minute), lambda: _tables(moment))
    balance = background.get(("balance", (moment.zone, moment.at), moment.settled_to), lambda: _balance(moment))
    return {
        "chain": chain(moment, rates),
        "features": [
            {**counts, "zone": zone.zone, "target": target}
            for zone in pipeline.zones
            if zone.zone == moment.zone
            for target, counts in zone.features.items()
        ],
        "skill": scores,
        "error_power": error_scale(scores, moment.region_scale.reference_mw),
        "store": {
            "kind": pipeline.store,
            "ok": pipeline.store_ok,
            "error": pipeline.store_error,
            "tables": spans or [],
        },
        "model": model(moment),
        "letters": letters(moment),
        "channels": _channels(moment),
        "balance_mwh": balance,
        "span": _span(moment),
        "alarms": alarms.as_values(alarms.lines(moment))[:30],
        "topics": [{"name": topic.name, "doc": topic.doc} for topic in TOPICS],
        "run": moment.context.settings.run,
    }


def chain(moment: Moment, rates: Rates) -> list[dict[str, Any]]:
    """Return the status of every worker of the chain; replicas of one topology follow each other."""
    status = read_status(moment.context.settings)
    per_s, restarts = rates.of(status), read_restarts(moment.context.settings)
    links = []
    for worker in workers(moment.context):
        reported = status.get(worker.topology, {})
        topology = next((name for name in TOPOLOGIES if worker.topology.startswith(name)), worker.topology)
        state, cause = worker.state, ""
        if state == "silent":
            cause = f"nothing heard for {worker.age_s:.0f} s" if worker.age_s is not None else "nothing heard"
        elif state == "restarting":
            cause = "it was started again within the last minute"
        elif state == "stalled":
            cause = f"{worker.lag:,} records wait and none is processed"
        elif worker.lag is not None and worker.lag > LAGGING:
            state, cause = "lagging", f"{worker.lag:,} records wait"
        links.append(
            {
                "name": worker.topology,
                "topology": topology,
                "state": state,
                "cause": cause,
                "lag": worker.lag,
                "processed": worker.processed,
                "per_s": per_s.get(worker.topology),
                "age_s": worker.age_s,
                "slot": reported.get("last_slot", {}).get(moment.zone),
                "dead_letters": worker.dead_letters,
                "restarts": restarts.get(worker.topology, 0),
                "cpu_s": reported.get("cpu_s"),
            }
        )
    return links


def silent(links: list[dict[str, Any]]) -> bool:
    """Return whether any worker of a chain is silent."""
    return any(worker["state"] == "silent" and worker["age_s"] > FAULT_AFTER_S for worker in links)


def _tables(moment: Moment) -> list[dict[str, Any]]:
    tables = []
    for table in TABLES:
        spans = moment.context.store.spans(table)
        newest = max((span.last for span in spans), default=None)
        wall = table.name in ("audit", "ends", "dlq")
        tables.append({"table": table.name, "rows": sum(span.rows for span in spans), "newest": newest, "wall": wall})
    return tables


def _balance(moment: Moment) -> float | None:
    if moment.now is None:
        return None
    return ledger_errors(moment.context.store, zone=moment.zone, start=moment.now - timedelta(days=31)).energy_mwh


def letters(moment: Moment) -> list[dict[str, Any]]:
    """Return the newest dead letters of all zones: reason, place, and the start of the record as text."""
    rows = moment.context.store.read(DLQ, order="desc", limit=LETTERS).dicts()
    return [
        {
            "reason": row["reason"],
            "detail": plain(row["detail"] or ""),
            "topic": row["topic"],
            "place": f"{row['partition']}:{row['offset']}",
            "seen_at": row["seen_at"],
            "zone": row["zone"],
            "record": _decoded(row["raw"]),
        }
        for row in rows
    ]


def _decoded(raw: str | None) -> str:
    import base64
    import binascii

    try:
        return plain(base64.b64decode(raw or "").decode("utf-8", "replace"), 600)
    except (binascii.Error, ValueError):
        return ""


def _channels(moment: Moment) -> dict[str, Any]:
    rows = moment.rows(
        TELEMETRY, columns=("slot", "quality", "net_load_mw", "values"), order="desc", limit=CHANNEL_SLOTS
    )
    if not rows:
        return {"bad": {}, "count": None, "last_gap": None}
    bad = msgspec.json.decode(rows[0]["quality"]) if rows[0]["quality"] else {}
    values = json.loads(rows[0]["values"]) if rows[0]["values"] else {}
    gap = next((row["slot"] for row in rows if row["net_load_mw"] is None), None)
    return {"bad": bad, "count": len(values.keys() | bad.keys()) or None, "last_gap": gap}


def _span(moment: Moment) -> dict[str, Any] | None:
    """Return the first and the last moment that can be looked back at."""
    store = moment.context.store
    first = store.read(TELEMETRY, zone=moment.zone, columns=("slot",), limit=1).column("slot")
    last = store.read(TELEMETRY, zone=moment.zone, columns=("slot",), order="desc", limit=1).column("slot")
    if not first:
        return None
    return {
        "first": first[0] + moment.step,
        "last": last[0] + moment.step,
        "step_min": round(moment.step.total_seconds() / 60),
    }


def peek_from(text: str) -> datetime | None:
    """Return a time from text in UTC, None if it cannot be read."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
