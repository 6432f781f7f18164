"""`vpp status`: running workers and their progress, from the workers' status files and the store."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, table
from console.local.summary import ledger_rows, ledger_sums
from topologies.control.run_mode import read_page
from topologies.runtime.directory_lock import is_plant_running
from topologies.runtime.status import FAULTS, all_proofs, read_status, worker_states
from vpp.domain import Target, iso
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.named_queries import ledger_totals
from vpp.store.tables import ALERTS, DLQ, FORECASTS, TELEMETRY


def status(*, json: Json = False, common: Common = NO_OPTIONS) -> int:
    """Show each topology's progress and what the store holds; after a run's end, what it did.

    Exit code 1 where a worker that should run is silent, restarting, stalled or absent.
    """
    settings = common.settings()
    now = time.time()
    running = is_plant_running(settings.data_dir)
    ended = running is False
    workers = []
    statuses = read_status(settings)
    states = worker_states(settings, statuses, now)
    for name, state in statuses.items():
        age_s = now - state["updated_at_s"]
        workers.append(
            {
                "topology": name,
                "state": states[name],
                "age_s": round(age_s, 1),
                "processed": state["processed"],
                "lag": state["lag"],
                "restarts": state.get("restarts", 0),
                "dead_letters": state["dead_letters"],
                "last_slot": max(state["last_slot"].values(), default=None),
                "pid": state["pid"],
            }
        )
    workers += [_absent(name) for name, state in states.items() if state == "absent"]
    with open_store(settings, read_only=True) as store:
        tables = [
            {"table": t.name, "zone": span.zone, "rows": span.rows, "first": iso(span.first), "last": iso(span.last)}
            for t in store.tables()
            for span in store.spans(t)
        ]
        run = _run_so_far(store) if ended else None
        models = _models(store, settings)
    page = read_page(settings) if running else None
    document = {
        "workers": workers,
        "page": None if page is None else asdict(page),
        "features": _features(statuses),
        "models": models,
        "tables": tables,
        "ended_run": run,
    }
    answer(document, as_json=json, render=_render)
    return 1 if any(worker["state"] in FAULTS for worker in workers) else 0


def _absent(topology: str) -> dict[str, Any]:
    """Return the row of a worker that should run and has sent no status."""
    columns = ("age_s", "processed", "lag", "restarts", "dead_letters", "last_slot", "pid")
    return {"topology": topology, "state": "absent", **dict.fromkeys(columns)}


def _features(statuses: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the completeness of lags of each zone's forecasts."""
    return [
        {
            "zone": zone,
            "target": target,
            "lags": lags.asked,
            "known": lags.known,
            "from_changelog": lags.restored,
            "imputed": lags.imputed,
            "ready": lags.ready,
        }
        for zone, by_target in sorted(all_proofs(statuses).items())
        for target, lags in by_target.items()
    ]


def _models(store: Store, settings: Settings) -> list[dict[str, Any]]:
    """Return the model of each zone's net load, and the result of the zone's last retraining in a run."""
    from models.registry.registry import Registry

    registry = Registry(settings.models_dir)
    rows = []
    newest = store.latest(FORECASTS, filters={"target": Target.NET_LOAD.value}, columns=("zone", "source", "model_id"))
    for zone, source, model_id in dict.fromkeys(newest.values):
        retrained = [version for version in registry.versions(zone) if version.get("cause")]
        last: dict[str, Any] = max(retrained, key=lambda version: str(version["until"]), default={})
        verdict = last.get("verdict") or {}
        rows.append(
            {
                "zone": zone,
                "source": source,
                "model_id": model_id,
                "retrained": last.get("until"),
                "cause": last.get("cause"),
                "promoted": verdict.get("promote"),
                "verdict": verdict.get("reason"),
            }
        )
    return rows


def _run_so_far(store: Store) -> dict[str, Any] | None:
    spans = store.spans(TELEMETRY)
    if not spans:
        return None
    return {
        "zones": [span.zone for span in spans],
        "first": iso(min(span.first for span in spans)),
        "last": iso(max(span.last for span in spans)),
        "slots": sum(span.rows for span in spans),
        "dead_letters": store.count(DLQ),
        "alerts": store.count(ALERTS),
        "ledger": ledger_sums(ledger_rows(ledger_totals(store)), ("zone",)),
    }


def _render(document: dict[str, Any]) -> None:
    run = document["ended_run"]
    if run is not None:
        out.print(
            f"no plant is running; the run closed {run['slots']:,} slots of {', '.join(run['zones'])} "
            f"from {run['first']} to {run['last']}, with {run['dead_letters']:,} dead letters and "
            f"{run['alerts']:,} alerts; vpp up continues it",
            soft_wrap=True,
        )
        if run["ledger"]:
            table("Ledger", run["ledger"][0], [row.values() for row in run["ledger"]])
        out.print()
    if not document["workers"]:
        out.print("no worker has run here yet; start with: vpp up")
    else:
        table("Workers", document["workers"][0], [worker.values() for worker in document["workers"]])
    if page := document["page"]:
        state = "" if page["fault"] is None else f" is down: it ended with {page['fault']}; vpp up starts it again"
        out.print(f"page {page['address']}{state}", soft_wrap=True)
    if document["features"]:
        out.print()
        table("Features", document["features"][0], [row.values() for row in document["features"]])
    if document["models"]:
        out.print()
        rows = [{**row, "verdict": row["verdict"] or ""} for row in document["models"]]
        table("Models", rows[0], [row.values() for row in rows])
    if document["tables"]:
        out.print()
        table("Store", document["tables"][0], [row.values() for row in document["tables"]])
