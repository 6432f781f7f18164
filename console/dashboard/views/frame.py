"""The frame of every screen: verdict, clock, hold, counts, state of the workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from agents.assets.registry import TYPES, kind_name, type_of
from console.dashboard.views import alarms
from console.dashboard.views.moment import Moment
from console.dashboard.views.orders import OrderBook
from console.dashboard.views.texts import plural, power_scale
from mcp_server.queries.context import ReadContext
from mcp_server.queries.health import workers
from topologies.control.run_mode import read_mode
from topologies.runtime.status import FAULTS, read_status, worker_states
from vpp.local_time import local_time
from vpp.messages import Order

STALE_STEPS = 1.5
SILENT_STEPS = 3.0
STORED_STEPS = 10.0


@dataclass(frozen=True, slots=True)
class ZoneVerdict:
    """Whether it is fine: ``state`` is ``normal``, ``warning``, ``critical``, ``hold`` or ``waiting``."""

    state: str
    word: str
    cause: str


def frame(moment: Moment, book: OrderBook) -> dict[str, Any]:
    """Return the frame of a zone's screens."""
    alarm_lines = alarms.lines(moment)
    holds = [order for order in book.standing() if order.action == "hold"]
    crew, faults = workers(moment.context), worker_faults(moment)
    verdict = verdict_of(moment, alarm_lines, holds, faults)
    warnings = len(alarms.open_lines(alarm_lines)) + len(faults)
    return {
        "zone": moment.zone,
        "zones": moment.context.zones(),
        "now": moment.now,
        "slot": moment.slot,
        "step_min": round(moment.step.total_seconds() / 60),
        "assets": [] if moment.config is None else [asset.asset_id for asset in moment.config.assets],
        "currency": moment.currency,
        "power": power_scale(moment.scale.reference_mw),
        "kinds": {kind: kind_name(kind) for kind in TYPES},
        "roles": _roles(moment),
        "verdict": asdict(verdict),
        "clock": clock(moment),
        "hold": _hold(moment, holds),
        "counts": {"orders": book.waiting(), "health": warnings},
        "workers": {
            "running": sum(worker.state == "running" for worker in crew),
            "total": len(crew),
            "known": any(worker.state != "absent" for worker in crew),
            "over": all(worker.state == "ended" for worker in crew),
            "faults": len(faults),
            "cause": fault_words(faults),
        },
        "local": _local(moment),
        "looking_back": moment.at,
    }


def _roles(moment: Moment) -> dict[str, str]:
    """Return the roles of the zone's kinds of assets in a chart, ``store`` or ``generator``; others have none."""
    roles: dict[str, str] = {}
    for asset in () if moment.config is None else moment.config.assets:
        kind = type_of(asset)
        if kind.store(asset) is not None:
            roles[asset.kind] = "store"
        elif kind.generator(asset) is not None:
            roles[asset.kind] = "generator"
    return roles


def empty_frame(context: ReadContext) -> dict[str, Any]:
    """Return the frame before the first slot of any zone."""
    verdict = _waiting(_faults(context))
    return {"zone": None, "zones": [], "verdict": asdict(verdict), "now": None}


def verdict_of(
    moment: Moment, alarm_lines: Sequence[alarms.AlarmLine], holds: Sequence[Order], faults: Mapping[str, str]
) -> ZoneVerdict:
    """Return the first that holds: nothing yet, critical, a worker at fault, warning, hold, normal.

    Args:
        moment: The zone and the time that are shown.
        alarm_lines: Its alarms.
        holds: Holds in force.
        faults: As ``worker_faults`` has them.
    """
    if moment.slot is None:
        return _waiting(faults)
    opened = alarms.open_lines(alarm_lines)
    warnings = plural(max(len(opened) + len(faults), 1), "warning")
    worst = opened[0] if opened else None
    if worst is not None and worst.severity == "critical":
        count = sum(line.severity == "critical" for line in opened)
        return ZoneVerdict("critical", "Critical" if count == 1 else f"{count} critical", _cause(worst))
    if faults:
        return ZoneVerdict("warning", warnings, fault_words(faults))
    if moment.telemetry.get("net_load_mw") is None:
        return ZoneVerdict("warning", warnings, "net load is not measured")
    if clock(moment)["silent"]:
        return ZoneVerdict("warning", "1 warning", f"no data since {moment.now:%H:%M}")
    if worst is not None:
        return ZoneVerdict("warning", warnings, _cause(worst))
    if holds:
        return ZoneVerdict("hold", "On hold", f"{_scope(holds[-1])}, by {holds[-1].principal}")
    return ZoneVerdict("normal", "Normal", "")


def worker_faults(moment: Moment) -> dict[str, str]:
    """Return the workers that should run and do not, with their states as in `vpp status`; none while looking back."""
    return {} if moment.at is not None else _faults(moment.context)


def fault_words(faults: Mapping[str, str]) -> str:
    """Return what is wrong with workers, without a count that ticks.

    >>> fault_words({"storage": "silent"}), fault_words({"actor": "silent", "plant": "silent", "trader": "stalled"})
    ('worker storage is silent', 'workers actor, plant and 1 more are at fault')
    """
    names = list(faults)
    match len(names):
        case 0:
            return ""
        case 1:
            return f"worker {names[0]} is {faults[names[0]]}"
        case 2:
            return f"workers {names[0]} and {names[1]} are at fault"
        case _:
            return f"workers {names[0]}, {names[1]} and {len(names) - 2} more are at fault"


def _faults(context: ReadContext) -> dict[str, str]:
    states = worker_states(context.settings, read_status(context.settings), context.now().timestamp())
    faults = {name: state for name, state in states.items() if state in FAULTS}
    ended = {worker.topology for worker in workers(context) if worker.state == "ended"} if faults else set()
    return {name: state for name, state in faults.items() if name not in ended}


def _waiting(faults: Mapping[str, str]) -> ZoneVerdict:
    """Return the verdict before the first slot; a worker that has yet to start is what it waits for."""
    started = {name: state for name, state in faults.items() if state != "absent"}
    if started:
        return ZoneVerdict("warning", plural(len(started), "warning"), fault_words(started))
    return ZoneVerdict("waiting", "Waiting", "for the first slot")


def clock(moment: Moment) -> dict[str, Any]:
    """Return the run clock: its mode, speed, and the age of the newest slot where it runs live."""
    mode = read_mode(moment.context.settings)
    wall, now, step_s = moment.context.now(), moment.now, moment.step.total_seconds()
    if mode is not None and not mode.live:
        speed = mode.speed_at(round(step_s / 60))
        text = "Replay · max" if speed is None else f"Replay · ×{speed:,.0f}"
        return {"mode": "replay", "text": text, "age_s": None, "stale": False, "silent": False}
    # Looking back, the newest slot is not old: it is the one that was wanted.
    age_s = None if now is None or moment.at is not None else (wall - now).total_seconds()
    if mode is None and (age_s is None or age_s > STORED_STEPS * step_s):
        return {"mode": "stored", "text": "Stored run", "age_s": None, "stale": False, "silent": False}
    speed = None if mode is None else mode.speed_at(round(step_s / 60))
    if speed is not None and speed > 1.5:
        return {"mode": "live", "text": f"Live · ×{speed:,.0f}", "age_s": None, "stale": False, "silent": False}
    stale, silent = (age_s is not None and age_s > steps * step_s for steps in (STALE_STEPS, SILENT_STEPS))
    return {"mode": "live", "text": "Live", "age_s": age_s, "stale": stale, "silent": silent}


def _cause(line: alarms.AlarmLine) -> str:
    return line.title[:1].lower() + line.title[1:]


def _scope(order: Order) -> str:
    return ", ".join(order.asset_ids) or "whole fleet"


def _hold(moment: Moment, holds: Sequence[Order]) -> dict[str, Any] | None:
    if not holds:
        return None
    order = holds[-1]
    return {
        "order_id": order.order_id,
        "by": order.principal,
        "since": order.issued_at,
        "reason": order.reason,
        "scope": _scope(order),
        "whole": not order.asset_ids,
    }


def _local(moment: Moment) -> str:
    """Return the zone's local time against UTC, e.g. ``London time = UTC``."""
    name = moment.time_zone
    now = moment.now or datetime.now(UTC)
    offset = local_time(now, name).utcoffset() or timedelta(0)
    minutes = round(offset.total_seconds() / 60)
    city = name.rpartition("/")[2].replace("_", " ")
    if not minutes:
        return f"{city} time = UTC"
    hours = f"{abs(minutes) / 60:g}"
    return f"{city} time = UTC {'+' if minutes > 0 else '−'} {hours} h"
