"""Queries for pipeline health: workers, progress of each zone, and the source of its forecasts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from mcp_server.answers.reading import DeadLetters, Health, Readiness, WorkerHealth
from mcp_server.queries.context import NOTHING_YET, ReadContext, UnknownNameError
from topologies.runtime.directory_lock import is_plant_running
from topologies.runtime.status import FAULT_AFTER_S, all_proofs, read_status, worker_fault
from vpp.errors import VppError, nearest_hint
from vpp.messages import KnownLags
from vpp.store.tables import ASSETS, BIDS, DECISIONS, DLQ, ENDS, FORECASTS, LEDGER, SETPOINTS, TELEMETRY
from vpp.streams.rights import WORKERS
from vpp.streams.topics import TOPOLOGIES, expected_ends

MAX_ZONES = 40
RECENT_LETTERS = 500
CHAIN = (TELEMETRY, FORECASTS, BIDS, DECISIONS, SETPOINTS, ASSETS, LEDGER)


def workers(context: ReadContext, statuses: Mapping[str, dict[str, Any]] | None = None) -> list[WorkerHealth]:
    """Return the last status of each topology's worker, one entry per replica.

    Args:
        context: The run.
        statuses: Statuses as returned by ``read_status``; None reads them.
    """
    statuses = read_status(context.settings) if statuses is None else statuses
    now_s = context.now().timestamp()
    quiet = "ended" if _is_done(context) else "silent"
    entries = []
    names = [
        *statuses,
        *(name for name in TOPOLOGIES if not any(status["topology"] == name for status in statuses.values())),
    ]
    for name in sorted(names, key=lambda name: (_order(name), name)):
        status = statuses.get(name)
        if status is None:
            entries.append(
                WorkerHealth(
                    topology=name,
                    state="absent",
                    age_s=None,
                    lag=None,
                    processed=None,
                    dead_letters=None,
                    last_slot=None,
                )
            )
            continue
        age_s = now_s - status["updated_at_s"]
        entries.append(
            WorkerHealth(
                topology=name,
                state=_state(status, now_s, quiet),
                age_s=round(max(age_s, 0.0), 1),
                lag=status["lag"],
                processed=status["processed"],
                dead_letters=status["dead_letters"],
                last_slot=max(status["last_slot"].values(), default=None),
            )
        )
    return entries


def _state(status: dict[str, Any], now_s: float, quiet: str) -> str:
    fault = worker_fault(status, now_s)
    return "running" if fault is None else quiet if fault == "silent" else fault


def _is_done(context: ReadContext) -> bool:
    """Return whether the plant was ended, or storage has the end of every zone on every topic: the run is complete."""
    if is_plant_running(context.settings.data_dir) is False:
        return True
    try:
        zones = context.newest()
        ended = {(zone, (topic, producer)) for zone, topic, producer in context.store.read(ENDS, columns=ENDS.key)}
    except VppError:
        return False
    return bool(zones) and all((zone, end) in ended for zone in zones for end in expected_ends())


def get_pipeline_health(context: ReadContext, topology: str | None = None) -> Health:
    """Return workers, store, readiness of each zone and the newest dead letters.

    An unreachable store is reported in the answer and raises no error.

    Raises:
        QuestionError: The topology is unknown.
    """
    if topology is not None and topology not in WORKERS:
        raise UnknownNameError(f"there is no topology {topology!r}", hint=nearest_hint(topology, WORKERS))
    statuses = read_status(context.settings)
    selected = [
        worker for worker in workers(context, statuses) if topology is None or worker.topology.startswith(topology)
    ]
    silent = [worker.topology for worker in selected if worker.state == "silent"]
    health = Health(
        run=context.settings.run,
        workers=selected,
        store=context.settings.store.kind,
        warnings=[
            *(f"worker {name} sent nothing for over {FAULT_AFTER_S:g} s: stopped or stuck" for name in silent),
            *(
                f"worker {worker.topology} is {worker.state}"
                for worker in selected
                if worker.state in {"restarting", "stalled"}
            ),
        ],
    )
    try:
        context.store.ping()
        health.as_of = context.as_of()
        zones = context.zones()
        proofs = all_proofs(statuses)
        health.zones = [_readiness(context, zone, proofs.get(zone, {})) for zone in zones[:MAX_ZONES]]
        health.warnings += [
            f"{zone}: {target}: not ready, {lags}"
            for zone, by_target in proofs.items()
            for target, lags in by_target.items()
            if not lags.ready
        ]
        health.truncated = len(zones) > MAX_ZONES
        health.dead_letters = _dead_letters(context)
    except VppError as error:
        health.store_ok = False
        health.store_error = f"{error}. {error.hint or ''}".strip()
        return health
    if not zones:
        health.hint = NOTHING_YET
    return health


def _readiness(context: ReadContext, zone: str, proof: Mapping[str, KnownLags]) -> Readiness:
    newest = {table.name: _newest(context, table, zone) for table in CHAIN}
    front = newest[TELEMETRY.name]
    step = timedelta(minutes=context.step_min(zone))
    due = {SETPOINTS.name: step}
    behind = [
        name
        for name, time in newest.items()
        if front is not None and (time is None or time < front + due.get(name, timedelta()))
    ]
    forecast: dict[str, Any] = next(
        iter(context.store.latest(FORECASTS, zone, columns=("source", "model_id")).dicts()), {}
    )
    return Readiness(
        zone=zone,
        newest=newest,
        behind=behind,
        forecast_source=forecast.get("source"),
        model_id=forecast.get("model_id"),
        bad_channels=_bad_channels(context, zone, front),
        features={target: _counts(lags) for target, lags in proof.items()},
    )


def _counts(lags: KnownLags) -> dict[str, int]:
    return {
        "lags": lags.asked,
        "known": lags.known,
        "from_changelog": lags.restored,
        "imputed": lags.imputed,
        "ready": int(lags.ready),
    }


def _newest(context: ReadContext, table: Any, zone: str) -> Any:
    return next((row[0] for row in context.store.latest(table, zone, columns=(table.time,))), None)


def _bad_channels(context: ReadContext, zone: str, front: Any) -> dict[str, int]:
    if front is None:
        return {}
    count: Counter[str] = Counter()
    start = front - timedelta(hours=24) + timedelta(seconds=1)
    for (quality,) in context.store.read(TELEMETRY, zone=zone, start=start, columns=("quality",)):
        if quality:
            count.update(f"{channel}: {quality_text}" for channel, quality_text in msgspec.json.decode(quality).items())
    return dict(count.most_common(10))


def _dead_letters(context: ReadContext) -> list[DeadLetters]:
    rows = context.store.read(
        DLQ, columns=("topic", "reason", "seen_at", "detail"), order="desc", limit=RECENT_LETTERS
    ).dicts()
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["topic"], row["reason"]), []).append(row)
    return [
        DeadLetters(
            topic=topic,
            reason=reason,
            count=len(letters),
            last_seen=letters[0]["seen_at"],
            example=letters[0]["detail"] or "",
        )
        for (topic, reason), letters in sorted(groups.items(), key=lambda item: -len(item[1]))[:10]
    ]


def _order(name: str) -> int:
    return next((i for i, topology in enumerate(TOPOLOGIES) if name.startswith(topology)), len(TOPOLOGIES))
