"""`vpp train` and `vpp models`: make models from history, look at them, put one in force."""

from __future__ import annotations

import time
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from console.cli.options import NO_OPTIONS, Common, Json, answer, err, out, pairs, parse_days, parse_time, say, table
from topologies.sources.feed import FileFeed, open_file
from topologies.sources.worker import KafkaOutbox
from vpp.domain import iso
from vpp.fleet import Zone, load_fleet
from vpp.messages import Promotion
from vpp.settings import Settings
from vpp.topics import RAW
from vpp.zones import Overrides

app = App(name="models", help="Models of a zone: list, show, promote, roll back.")


def train(
    *,
    data: Annotated[Path, Parameter(help="history: a CSV(.gz) or Parquet file")],
    zone: Annotated[list[str] | None, Parameter(name="--zone", help="zone; may be repeated [all]")] = None,
    until: Annotated[str | None, Parameter(help="train on rows before this time, UTC [all]")] = None,
    mapping: Annotated[str | None, Parameter(help="mapping file for other column names")] = None,
    time_zone: Annotated[str | None, Parameter(help="time zone of all zones")] = None,
    market: Annotated[str | None, Parameter(help="market of all zones")] = None,
    promote: Annotated[bool, Parameter(help="put the new models in force")] = True,
    every: Annotated[str | None, Parameter(help="train again every so many days, e.g. 7d; runs until stopped")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Train models on a history file with the same features that serve, and keep them in the registry."""
    settings = common.settings()
    own = load_fleet(settings.fleet) if settings.fleet else None
    days = parse_days(every)
    while True:
        feed = open_file(
            data, names=tuple(zone or ()), mapping=mapping, own=own, overrides=Overrides(time_zone, market)
        )
        for note in feed.notes:
            say(note)
        end = parse_time(until) if until is not None else feed.info.last + feed.zones[min(feed.zones)].step.delta
        found = [_train_one(feed, z, settings, end, promote=promote) for z in feed.zones.values()]
        answer(found, as_json=json, render=_render)
        if days is None:
            return
        say(f"training again in {days:g} days")
        time.sleep(days * 86400)


def _train_one(feed: FileFeed, zone: Zone, settings: Settings, end: datetime, *, promote: bool) -> dict[str, Any]:
    from models.registry import Registry
    from models.training import Trainer

    registry = Registry(settings.models_dir)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f}%"),
        TimeElapsedColumn(),
        console=err,
    )
    with bar if err.is_terminal else nullcontext():
        task = bar.add_task(zone.zone, total=1.0)

        def progress(share: float, doing: str) -> None:
            bar.update(task, completed=share, description=f"{zone.zone} {doing}")

        began = time.monotonic()
        parts, metadata = Trainer(zone, progress).train(feed.frame(zone.zone, end), end)
        served = registry.save(parts, metadata)
    if promote:
        registry.promote(served.model_id)
        _tell_workers(settings, zone.zone, served.model_id, served.sha256, end)
    took_s = time.monotonic() - began
    say(
        f"{zone.zone}: model {served.model_id}, rows before {iso(end)}, {took_s:.0f} s"
        + ("" if promote else ", not in force")
    )
    return {**_short(served.metadata, settings), "took_s": round(took_s, 1)}


def _tell_workers(settings: Settings, zone: str, model_id: str, sha256: str, when: datetime) -> None:
    """Write the promotion into the log, so that workers switch at one slot; nothing to do where no broker is set."""
    if not settings.kafka.bootstrap_servers:
        return
    outbox = KafkaOutbox(settings, RAW.wire(settings.topic_prefix))
    outbox.send(Promotion(zone=zone, available_at=when, model_id=model_id, sha256=sha256))
    outbox.flush()


@app.command(name="list")
def list_(*, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """List all model versions."""
    from models.registry import Registry

    settings = common.settings()
    registry = Registry(settings.models_dir)
    rows = [_short(version, settings) for zone in registry.zones() for version in registry.versions(zone)]
    answer(rows, as_json=json, render=_render)


@app.command
def show(model_id: str, *, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Show what is known of one version.

    Args:
        model_id: Its id.
    """
    from models.registry import Registry

    answer(Registry(common.settings().models_dir).show(model_id), as_json=json, render=pairs)


@app.command
def promote(model_id: str, *, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Put a version in force for the next run of its zone.

    Args:
        model_id: Its id.
    """
    from models.registry import Registry

    settings = common.settings()
    answer(_short(Registry(settings.models_dir).promote(model_id), settings), as_json=json, render=pairs)


@app.command
def rollback(zone: str, *, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Put the version before the present one in force again.

    Args:
        zone: The zone.
    """
    from models.registry import Registry

    settings = common.settings()
    answer(_short(Registry(settings.models_dir).rollback(zone), settings), as_json=json, render=pairs)


def _short(metadata: Any, settings: Settings) -> dict[str, Any]:
    from models.registry import Registry

    force = Registry(settings.models_dir).in_force(metadata["zone"])
    return {
        "zone": metadata["zone"],
        "model_id": metadata["model_id"],
        "in_force": force is not None and force["model_id"] == metadata["model_id"],
        "since": metadata["since"],
        "until": metadata["until"],
        "rows": metadata["rows"],
        "parts": ", ".join(metadata["parts"]),
    }


def _render(rows: list[dict[str, Any]]) -> None:
    if rows:
        table(None, rows[0], [row.values() for row in rows])
    else:
        out.print("no models yet; train one: vpp train --data FILE")
