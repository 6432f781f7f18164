"""Preparation of a run: zones fitted to the source, and a model per zone trained on earlier rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agents.assets.registry import type_of
from agents.plant.recompute import Resumption
from console.local.resumption import stored_resumptions
from console.local.run_history import continue_run, is_lasting, keep_under_another_name
from models.registry.registry import Registry
from models.registry.trainer import Trainer
from topologies.runtime.resumption import write_resumptions
from topologies.sources.feed import SIMULATED_HISTORY, Feed, FileFeed
from topologies.sources.feeds.live_feed import LiveFeed, open_source
from topologies.sources.options import SIMULATION_START, SourceOptions
from vpp.atomic_file import write_atomic
from vpp.domain import iso
from vpp.errors import DataError, ModelError
from vpp.files.cells.availability import MAX_LEAD
from vpp.files.dataset import size_and_change
from vpp.fleet.in_force import configured_fleet_path, fleet_path, start_fleet_path
from vpp.fleet.live_change import differences, with_start_of
from vpp.fleet.lookup import write_fleet
from vpp.fleet.schema import Fleet, Zone, load_fleet
from vpp.run_in_use import run_label
from vpp.settings import LiveSettings, Settings
from vpp.store import open_store
from vpp.store.tables import ASSETS, FORECASTS

MIN_TRAINING_DAYS = 21
MAX_AGE_DAYS = 35
"""A model put in force by hand serves a run that starts up to so long after its training; for others one is trained."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A run that may start.

    Attributes:
        settings: The settings with the fitted fleet.
        zones: Zone names.
        source: The source's command line.
        options: The source's options; their start is the next slot where the run continues.
        last: The last slot settled by an earlier start, None for a new run.
        finished: The source has nothing after it.
        short_rows: Rows of its file with fewer fields than the header.
    """

    settings: Settings
    zones: tuple[str, ...]
    source: tuple[str, ...]
    options: SourceOptions
    last: datetime | None = None
    finished: bool = False
    short_rows: int = 0


def prepare(
    options: SourceOptions,
    settings: Settings,
    *,
    train: bool,
    say: Say,
    fresh: bool = False,
    check: Callable[[Settings], None] = lambda _: None,
) -> Prepared:
    """Open the source, find where the run continues, fit the zones, train missing models, and report assumptions.

    A run that continues starts at the slot after its last settled one, with the plant as it was then (state of charge,
    setpoints in force, orders that have not ended) and the models that served it.

    Args:
        options: The source.
        settings: The settings; their data directory receives the fitted fleet and the models.
        train: Train a model per zone where none is cached.
        say: Called with a line about each step.
        fresh: Keep the run so far under another name and start again.
        check: Called with the settings and their fitted fleet before anything is trained; refuses what does not fit.

    Raises:
        DataError: The file cannot be read.
        ConfigError: Zones, range or fleet are wrong.
        RefusedError: The run holds another source or other zones.
    """
    now = datetime.now(UTC)
    feed = open_source(options, settings, now=now, say=say)
    for note in feed.notes:
        say(note)
    if fresh:
        former_name = keep_under_another_name(settings)
        if former_name is not None:
            say(f"the run so far is kept as {former_name}; see vpp runs list")
    continuation = continue_run(options, feed, settings, now)
    module = f"topologies.{options.kind}"
    names = tuple(sorted(feed.zones))
    short_rows = feed.info.short_rows if isinstance(feed, FileFeed) else 0
    if continuation.finished:
        return Prepared(settings, names, (), options, continuation.last, finished=True, short_rows=short_rows)
    if continuation.options.start != options.start and not isinstance(feed, LiveFeed):
        feed = open_source(continuation.options, settings, now=now)
    options = continuation.options
    zones = dict(feed.zones)
    plants: dict[str, Resumption] = {}
    if continuation.last is not None:
        say(f"run {run_label(settings.run)} continues after {iso(continuation.last)}; --fresh starts again")
        if not continuation.skips:
            plants = _plants(settings, zones, continuation.last, say)
        # A plant that continues has its charge from its record: written into the zone it would change the zone's hash.
        resumed = {name: _resumed(zones[name], settings, continuation.last) for name in zones.keys() - plants.keys()}
        zones = {name: resumed.get(name, zone) for name, zone in zones.items()}
    write_resumptions(settings, plants)
    start_path = start_fleet_path(settings)
    reloaded = zones if continuation.last is None and not is_lasting(settings) else _reloaded(zones, settings, say)
    # Workers on a lasting broker have the changes in their state, on top of the fleet that they started with.
    write_fleet(start_path, (zones if is_lasting(settings) else reloaded).values())
    write_fleet(configured_fleet_path(settings), zones.values())
    write_fleet(fleet_path(settings), reloaded.values())
    zones = reloaded
    fitted = settings.model_copy(update={"fleet": start_path, "live": _deadlines(settings, feed)})
    check(fitted)
    if train:
        start = options.start or (SIMULATION_START if options.kind == "simulate" else feed.first)
        for zone in zones.values():
            _model(feed, zone, start, options, fitted, say)
    arguments = (module, *options.arguments())
    return Prepared(fitted, names, arguments, options, continuation.last, short_rows=short_rows)


def _deadlines(settings: Settings, feed: Feed) -> LiveSettings:
    """Return the deadlines of live mode: a slot of a live service closes when the service has published it."""
    live = settings.live
    if not isinstance(feed, LiveFeed):
        return live
    close_s = max(live.close_after_s, feed.delay.total_seconds())
    decide_s = max(live.decide_after_s, close_s + live.decide_after_s - live.close_after_s)
    return live.model_copy(update={"close_after_s": close_s, "decide_after_s": decide_s})


def _reloaded(zones: dict[str, Zone], settings: Settings, say: Say) -> dict[str, Zone]:
    """Return the zones as `vpp reload` left them; one that is configured otherwise than at the last start as it is."""
    paths = (configured_fleet_path(settings), fleet_path(settings))
    configured, in_force = (load_fleet(path) if path.is_file() else Fleet() for path in paths)
    reloaded = dict(zones)
    for name, zone in zones.items():
        before, changed = configured.get(name), in_force.get(name)
        if before is None or changed is None or differences(before, zone):
            continue
        changes = differences(zone, changed)
        if changes:
            say(f"{name}: changed by vpp reload, and so it stays: {'; '.join(map(str, changes))}")
            reloaded[name] = with_start_of(zone, changed)
    return reloaded


def _plants(settings: Settings, zones: Iterable[str], last: datetime, say: Say) -> dict[str, Resumption]:
    """Return what the plants continue from after the slot ``last``; say which orders continue."""
    with open_store(settings, read_only=True) as store:
        plants = stored_resumptions(store, zones, last, settings.approval_secret)
    for zone, plant in plants.items():
        if plant.lives.open:
            say(f"{zone}: orders that have not ended continue: {', '.join(plant.lives.open)}; see vpp orders")
    return plants


def _resumed(zone: Zone, settings: Settings, last: datetime) -> Zone:
    with open_store(settings, read_only=True) as store:
        rows = store.read(ASSETS, zone=zone.zone, filters={"slot": last}, columns=("asset_id", "soc"))
    soc = {asset_id: value for asset_id, value in rows if value is not None}
    assets = tuple(
        type_of(asset).resumed(asset, soc[asset.asset_id]) if asset.asset_id in soc else asset for asset in zone.assets
    )
    return zone.model_copy(update={"assets": assets})


def _model(feed: Feed, zone: Zone, start: datetime, options: SourceOptions, settings: Settings, say: Say) -> None:
    registry = Registry(settings.models_dir)
    index = _Index(settings.models_dir / "trained-by-up.json")
    key = f"{zone.zone}|{zone.step_min}|{iso(start)}|{_origin(options)}|{','.join(zone.channels or ())}"
    own_model = _promoted_by_user(registry, zone, start, index)
    if own_model is not None:
        say(f"{zone.zone}: model {own_model['model_id']} is in force, trained before {own_model['until']}")
        return
    model_id = index.get(key) or _served_last(settings, zone)
    if model_id is not None and _is_usable(registry, model_id):
        registry.promote(model_id)
        index.put(key, model_id)
        say(f"{zone.zone}: model {model_id}, trained before {iso(start)}, from the cache")
        return
    days = (start - feed.first).total_seconds() / 86400
    if days < MIN_TRAINING_DAYS:
        say(
            f"{zone.zone}: {days:.0f} days of rows before {iso(start)} are too few for a model "
            f"({MIN_TRAINING_DAYS} needed); forecasts are the named fallbacks"
        )
        return
    say(f"{zone.zone}: no model yet; training one on the {days:.0f} days before {iso(start)}")
    try:
        parts, metadata = Trainer(zone, _progress(zone.zone, say)).train(feed.frame(zone.zone, start + MAX_LEAD), start)
    except DataError as error:
        say(f"{zone.zone}: no model ({error}); forecasts are the named fallbacks")
        return
    served = registry.save(parts, metadata)
    registry.promote(served.model_id)
    index.put(key, served.model_id)
    say(f"{zone.zone}: model {served.model_id} in force")


def _served_last(settings: Settings, zone: Zone) -> str | None:
    """Return the model or fallback that made the newest forecast of the run; None if there is none."""
    with open_store(settings, read_only=True) as store:
        rows = store.latest(FORECASTS, zone.zone, columns=("model_id",))
    return next((str(model_id) for (model_id,) in rows.values if model_id), None)


def _promoted_by_user(registry: Registry, zone: Zone, start: datetime, index: _Index) -> dict[str, Any] | None:
    """Return the model in force if ``vpp train`` or ``vpp models`` promoted it and it fits this start."""
    promoted = registry.in_force(zone.zone)
    if promoted is None or promoted["model_id"] in index.values() or promoted["step_min"] != zone.step_min:
        return None
    age = start - datetime.fromisoformat(promoted["until"])
    suits = timedelta(0) <= age <= timedelta(days=MAX_AGE_DAYS) and _is_usable(registry, promoted["model_id"])
    return promoted if suits else None


def _is_usable(registry: Registry, model_id: str) -> bool:
    """Return whether a cached model is there, whole, and made for the features of this version."""
    try:
        registry.load(model_id)
    except ModelError:
        return False
    return True


def _progress(zone: str, say: Say) -> Callable[[float, str], None]:
    last_shown = [0.0]

    def progress(share: float, doing: str) -> None:
        if share - last_shown[0] >= 0.2:
            last_shown[0] = share
            say(f"{zone}: training {share:.0%}, {doing}")

    return progress


def _origin(options: SourceOptions) -> str:
    if options.services:
        return f"live {'+'.join(options.services)}"
    if options.path is None:
        return f"simulator seed {options.seed}, {SIMULATED_HISTORY.days} days"
    size, changed_ns = size_and_change(options.path)
    return f"{options.path.resolve()} {size} {changed_ns} {options.mapping}"


class _Index:
    """Which model was trained on what, so the next run need not train it again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> str | None:
        return self._read().get(key)

    def values(self) -> set[str]:
        """Return all models that runs have trained."""
        return {str(value) for value in self._read().values()}

    def put(self, key: str, model_id: str) -> None:
        index = {**self._read(), key: model_id}
        write_atomic(self._path, json.dumps(index, indent=1, sort_keys=True))

    def _read(self) -> dict[str, Any]:
        try:
            index: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return index
