"""`vpp train`: trains a model on history, compares it with the active one, and promotes it if it is better."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Annotated, Any

from cyclopts import Parameter

from console.cli.models.registry import render_versions, short
from console.cli.options import NO_OPTIONS, Common, Json, answer, parse_days, parse_time, say
from console.cli.progress import progress
from topologies.control.model_promotion import tell_workers
from topologies.sources.feed import FileFeed, open_file
from vpp.domain import iso
from vpp.errors import ConfigError, DataError, ModelError, UnreachableError
from vpp.files.cells.availability import MAX_LEAD
from vpp.files.zone_fitting import Overrides
from vpp.fleet.schema import Zone, load_fleet
from vpp.progress import Progress
from vpp.settings import Settings

DAY_S = 86_400.0


@dataclass(frozen=True)
class Wanted:
    """What to do with a new version: put it in force, and whether whatever the comparison says."""

    promote: bool
    force: bool


def train(
    *,
    data: Annotated[Path, Parameter(help="history: a CSV(.gz) or Parquet file, or a folder of them")],
    zone: Annotated[list[str] | None, Parameter(name="--zone", help="zone; may be repeated [all]")] = None,
    until: Annotated[str | None, Parameter(help="train on rows before this time, UTC [all]")] = None,
    mapping: Annotated[str | None, Parameter(help="mapping file for other column names")] = None,
    time_zone: Annotated[str | None, Parameter(help="time zone of all zones")] = None,
    market: Annotated[str | None, Parameter(help="market of all zones")] = None,
    promote: Annotated[bool, Parameter(help="activate a new model if it is better")] = True,
    force: Annotated[bool, Parameter(negative="", help="activate it without a comparison")] = False,
    every: Annotated[str | None, Parameter(help="interval between trainings, e.g. 7d; runs until stopped")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Train models on a history file with the same features that serve, and promote those that are better.

    A new model goes into force if, trained without the last weeks, it beats the model in force (without one: the
    fallback) on them. Its verdict stays with the version; one that is not promoted is kept too. With --every the file
    is read again each time, so let it grow.
    """
    settings = common.settings()
    days = parse_days(every, "--every")
    if days is not None and until is not None:
        raise ConfigError("--until would train on the same rows again and again", hint="leave --until or --every out")
    promotion = Wanted(promote or force, force)

    def once() -> None:
        own_fleet = load_fleet(settings.fleet) if settings.fleet else None
        feed = open_file(
            data, names=tuple(zone or ()), mapping=mapping, own_fleet=own_fleet, overrides=Overrides(time_zone, market)
        )
        for note in feed.notes:
            say(note)
        end = parse_time(until) if until is not None else feed.info.last + feed.zones[min(feed.zones)].step.delta
        answer(_train_all(feed, settings, end, promotion), as_json=json, render=render_versions)

    if days is None:
        once()
    else:
        repeat(once, days)


def repeat(once: Callable[[], None], days: float) -> None:
    """Call ``once`` every ``days`` days until SIGTERM or Ctrl-C; a failed round is reported and repeated."""
    stop = Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        while not stop.is_set():
            began = time.monotonic()
            try:
                once()
            except (DataError, ModelError, UnreachableError) as error:
                say(f"vpp: {error}; the models in force stay")
            say(f"training again every {days:g} days; Ctrl-C ends it")
            stop.wait(max(days * DAY_S - (time.monotonic() - began), 0.0))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _train_all(feed: FileFeed, settings: Settings, end: datetime, promotion: Wanted) -> list[dict[str, Any]]:
    """Train every zone; one with too few rows is reported and left out, unless no zone has enough."""
    results, failed = [], None
    for zone in feed.zones.values():
        try:
            results.append(train_zone(feed, zone, settings, end, promotion))
        except DataError as error:
            failed = error
            say(f"{zone.zone}: no model: {error}")
    if failed is not None and not results:
        raise failed
    return results


def train_zone(feed: FileFeed, zone: Zone, settings: Settings, end: datetime, promotion: Wanted) -> dict[str, Any]:
    """Train one zone's model on the rows before ``end``, judge it, keep it, and put it in force where it may.

    Args:
        feed: The history file.
        zone: The zone's configuration.
        settings: The settings of this process.
        end: End of the training rows, exclusive.
        promotion: Whether to promote, and whether without a comparison.

    Raises:
        DataError: There are too few rows.
        UnreachableError: The broker that the settings name does not take the promotion.
    """
    from models.registry.registry import Registry, identified
    from models.registry.trainer import Trainer

    registry = Registry(settings.models_dir)
    began = time.monotonic()
    frame = feed.frame(zone.zone, end + MAX_LEAD)
    with progress(zone.zone, lines=False) as report:
        judged = promotion.promote and not promotion.force
        parts, metadata = Trainer(zone, lambda share, doing: report(share * (0.5 if judged else 1.0), doing)).train(
            frame, end
        )
        verdict: dict[str, Any] | None = None
        if judged:
            verdict = _judge(frame, zone, registry, end, identified(parts, metadata)["model_id"], report)
            metadata = {**metadata, "verdict": verdict}
        served = registry.save(parts, metadata)
    in_force = promotion.force or (verdict is not None and verdict["promote"])
    notified = in_force and tell_workers(settings, registry.promote(served.model_id))
    took_s = time.monotonic() - began
    say(f"{zone.zone}: model {served.model_id}, rows before {iso(end)}, {took_s:.0f} s")
    say(f"{zone.zone}: {_outcome(served.model_id, in_force, notified, verdict)}")
    return {**short(served.metadata, settings), "took_s": round(took_s, 1), "verdict": verdict}


def _judge(frame: Any, zone: Zone, registry: Any, end: datetime, model_id: str, report: Progress) -> dict[str, Any]:
    from models.evaluation.promotion import PromotionVerdict, judge

    before = registry.in_force(zone.zone)
    if before is not None and before["model_id"] == model_id:
        return PromotionVerdict(False, "the same rows gave the model that is in force already", model_id).document()
    in_force = None
    if before is not None:
        try:
            in_force = registry.load(before["model_id"])
        except ModelError as error:
            say(f"{zone.zone}: {error}; the fallback serves in its place and is what a new one must beat")
    return judge(frame, zone, in_force, end, lambda share, doing: report(0.5 + 0.5 * share, doing)).document()


def _outcome(model_id: str, in_force: bool, notified: bool, verdict: dict[str, Any] | None) -> str:
    if not in_force:
        reason = "as asked" if verdict is None else verdict["reason"]
        return f"not promoted: {reason}\n  next: vpp models promote {model_id} puts it in force anyway"
    reason = "without a comparison, as asked" if verdict is None else verdict["reason"]
    notice = "running workers are notified" if notified else "no broker is running; the next run starts with it"
    return f"in force: {reason}; {notice}"
