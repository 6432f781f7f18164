"""`vpp status`: what runs and how far it is, from the workers' own notes and the store."""

from __future__ import annotations

import time
from typing import Any

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, table
from topologies.runtime.status import read_status
from vpp.domain import iso
from vpp.store import open_store

STALE_S = 10.0


def status(*, json: Json = False, common: Common = NO_OPTIONS) -> int:
    """Show each topology's progress and what the store holds. Exit code 1 where a worker is silent."""
    settings = common.settings()
    now = time.time()
    workers = []
    for name, found in read_status(settings).items():
        age_s = now - found["updated_at_s"]
        workers.append(
            {
                "topology": name,
                "state": "ok" if age_s < STALE_S else "silent",
                "age_s": round(age_s, 1),
                "processed": found["processed"],
                "lag": found["lag"],
                "dead_letters": found["dead_letters"],
                "last_slot": max(found["last_slot"].values(), default=None),
                "pid": found["pid"],
            }
        )
    with open_store(settings, read_only=True) as store:
        tables = [
            {"table": t.name, "zone": span.zone, "rows": span.rows, "first": iso(span.first), "last": iso(span.last)}
            for t in store.tables()
            for span in store.spans(t)
        ]
    answer({"workers": workers, "tables": tables}, as_json=json, render=_render)
    return 1 if any(worker["state"] == "silent" for worker in workers) else 0


def _render(found: dict[str, Any]) -> None:
    if not found["workers"]:
        out.print("no worker has run here yet; start with: vpp up")
    else:
        table("Workers", found["workers"][0], [worker.values() for worker in found["workers"]])
    if found["tables"]:
        out.print()
        table("Store", found["tables"][0], [row.values() for row in found["tables"]])
