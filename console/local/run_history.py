"""The runs of a data directory: inputs of each run, resuming a run, and renaming an earlier run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from console.local.resumption import last_whole_slot
from topologies.runtime.directory_lock import directory_locked
from topologies.sources.checkpoint import checkpoint_path, read_checkpoint
from topologies.sources.feed import Feed, FileFeed
from topologies.sources.options import CATCH_UP_DAYS, SourceOptions, first_slot
from topologies.sources.pace import whole_weeks
from vpp.atomic_file import write_atomic
from vpp.domain import iso
from vpp.errors import ConfigError, RefusedError
from vpp.fleet.in_force import fleet_path
from vpp.messages import Audit
from vpp.run_in_use import DEFAULT_RUN, read_run_in_use, run_label, write_run_in_use
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.message_rows import rows_of
from vpp.store.named_queries import missing_ends
from vpp.store.query import LAST_TIME
from vpp.store.tables import ASSETS, AUDIT, TABLES, TELEMETRY


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was started with.

    Attributes:
        source: The source, as people read it; equal for equal sources.
        zones: Names of the zones, sorted.
        asked_start: ``--from`` of the first start, None if it was not given.
        start: First slot of the last start, in the source's own time.
        shift_weeks: Weeks by which the source's times are shifted to now.
        began_at: Wall time of the last start.
        refit_from: First slot of the first start, which refits are counted from; None in records of older versions.
    """

    source: str
    zones: tuple[str, ...]
    asked_start: datetime | None
    start: datetime
    shift_weeks: int = 0
    began_at: datetime
    refit_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Continuation:
    """Relation of a start to the stored run.

    Attributes:
        options: The source options, their start moved to the next slot where the run continues.
        last: The last settled slot of the run (as stored), None if the run is new.
        finished: The source has nothing after ``last``.
        skips: Slots between ``last`` and the start are left out, as asked.
    """

    options: SourceOptions
    last: datetime | None = None
    finished: bool = False
    skips: bool = False


def continue_run(options: SourceOptions, feed: Feed, settings: Settings, now: datetime) -> Continuation:
    """Return where a start with these options continues, and record it.

    Args:
        options: Options of the start.
        feed: The opened source.
        settings: Name the run and its folder.
        now: Wall time.

    Raises:
        RefusedError: The run holds another source or other zones, or has decided the asked slots already.
    """
    fresh = _first_record(options, feed, now)
    path = record_path(settings)
    record = read_record(path)
    is_same = record is not None and (record.source, record.zones) == (fresh.source, fresh.zones)
    step = timedelta(minutes=feed.step_min)
    if is_lasting(settings):
        # The source continues at its own checkpoint if it is started with the same options.
        if record is not None and is_same and (options.catch_up or options.live):
            return Continuation(_placed(options, record.start, record.shift_weeks))
        placed = _placed(options, fresh.start, fresh.shift_weeks)
        if is_same and has_sent_all(settings, placed):
            with open_store(settings, read_only=True) as store:
                if not missing_ends(store, fresh.zones):
                    return Continuation(placed, last_whole_slot(store, fresh.zones, step), finished=True)
        _write(path, fresh)
        return Continuation(placed)
    with open_store(settings, read_only=True) as store:
        last = last_whole_slot(store, fresh.zones, step)
        stored = last or max((span.last for span in store.spans(TELEMETRY)), default=None)
    if stored is None or (is_same and last is None):
        _write(path, fresh)
        return Continuation(_placed(options, fresh.start, fresh.shift_weeks))
    if record is None or last is None or not is_same:
        raise _other_source(settings, record, fresh, stored)
    following = last + step - timedelta(weeks=record.shift_weeks)
    start = _checked_start(following, last, options, record, settings)
    end = options.end or _end(feed)
    if end is not None and start >= end:
        return Continuation(options, last, finished=True)
    _write(path, msgspec.structs.replace(record, start=start, began_at=now))
    options = replace(options, start=start, refit_from=record.refit_from)
    return Continuation(_placed(options, start, record.shift_weeks), last, skips=start > following)


def has_sent_all(settings: Settings, options: SourceOptions) -> bool:
    """Return whether everything that the source of these options sends is on the broker, by its own checkpoint."""
    checkpoint = read_checkpoint(checkpoint_path(settings)) if is_lasting(settings) else None
    return checkpoint is not None and checkpoint.finished and checkpoint.identity == options.identity


def _first_record(options: SourceOptions, feed: Feed, now: datetime) -> RunRecord:
    """Return the record of a run that starts with these options."""
    start = first_slot(options, now) or (_with_warm_up(feed, options) if options.catch_up else feed.first)
    return RunRecord(
        source=source_label(options),
        zones=tuple(sorted(feed.zones)),
        asked_start=options.start,
        start=start,
        shift_weeks=_weeks_to_now(options, start, now),
        began_at=now,
        refit_from=start,
    )


def _other_source(settings: Settings, record: RunRecord | None, asked: RunRecord, stored: datetime) -> RefusedError:
    """Return the refusal of a start whose source or zones are not those of the run."""
    contents = "rows of an earlier version" if record is None else f"{record.source}, zones {', '.join(record.zones)}"
    return RefusedError(
        f"run {run_label(settings.run)} in {settings.data_dir} holds {contents}, up to {iso(stored)}; "
        f"this start is {asked.source}, zones {', '.join(asked.zones)}",
        hint="start another run with --run NAME, or keep this one under another name and start again with --fresh",
    )


def _checked_start(
    following: datetime, last: datetime, options: SourceOptions, record: RunRecord, settings: Settings
) -> datetime:
    """Return the slot, in the source's own time, where a run continues.

    Args:
        following: The slot after ``last``, in the source's own time.
        last: The last slot of the run, as stored.
        options: The options of this start; a new start may be after ``following``, never before it.
        record: Of the run.
        settings: Name the run.

    Raises:
        RefusedError: The run has decided the requested start already.
    """
    if options.start is None or options.start == record.asked_start:
        return following
    if options.start < following:
        raise RefusedError(
            f"run {run_label(settings.run)} is settled up to {iso(last)}",
            hint="leave --from out to continue; or --run NAME, or --fresh",
        )
    return options.start


def source_label(options: SourceOptions) -> str:
    """Return a source in words, without its range and pace."""
    if options.services:
        return f"live {'+'.join(options.services)}"
    if options.path is None:
        label = f"simulator (seed {options.seed}, {options.step_min} min)"
    else:
        label = f"file {options.path.resolve()}" + (f" by mapping {options.mapping}" if options.mapping else "")
    return label + " shifted to now" * options.live + " on in real time" * options.catch_up


def keep_under_another_name(settings: Settings) -> str | None:
    """Give the rows of the settings' run a new name, so the run can start again; return it, None without rows.

    Raises:
        RefusedError: A plant is running, or rows and topics cannot be renamed here.
    """
    if is_lasting(settings):
        raise RefusedError("topics of a lasting broker cannot start again", hint="start another run with --run NAME")
    with directory_locked(settings.data_dir), open_store(settings) as store:
        names = store.runs()
        if settings.run not in names:
            return None
        stem = run_label(settings.run)[:26]
        free_name = next(name for n in range(1, len(names) + 2) if (name := f"{stem}-{n}") not in names)
        store.rename_run(settings.run, free_name)
        other = settings.model_copy(update={"run": free_name})
        folder, new_folder = fleet_path(settings).parent, fleet_path(other).parent
        for path in (*folder.glob("fleet*.yaml"), *folder.glob(record_path(settings).name)):
            new_folder.mkdir(parents=True, exist_ok=True)
            path.replace(new_folder / path.name)
    return free_name


def delete_run(settings: Settings, principal: str, now: datetime) -> int:
    """Delete the rows of the settings' run, but none of its audit, and audit that; return how many.

    The files of the run (fleets, settings, notes of its start) go too, where no broker keeps what they belong to.

    Raises:
        ConfigError: There is no such run.
        RefusedError: A plant is running.
    """
    with directory_locked(settings.data_dir), open_store(settings) as store:
        if settings.run not in store.runs() and not record_path(settings).exists():
            raise ConfigError(f"there is no run {run_label(settings.run)}", hint="see vpp runs list")
        removed = sum(store.prune(table, LAST_TIME) for table in TABLES if table is not AUDIT)
        record = Audit(
            zone="-",
            audit_id=uuid4().hex,
            at=now,
            principal=principal,
            action="delete_run",
            verdict="done",
            detail=f"{removed} rows of run {run_label(settings.run)}",
        )
        store.write(AUDIT, [row for _, row in rows_of(record, AUDIT.name, now)])
        record_path(settings).unlink(missing_ok=True)
        if not is_lasting(settings):
            _delete_files(fleet_path(settings).parent)
        if read_run_in_use(settings.data_dir) == settings.run:
            write_run_in_use(settings.data_dir, "")
    return removed


def _delete_files(folder: Path) -> None:
    for path in folder.glob("*"):
        if path.is_file():
            path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def list_runs(settings: Settings) -> list[dict[str, Any]]:
    """Return every run of the data directory with its source, zones, span of settled slots and rows of audit."""
    folder = settings.data_dir / "run"
    recorded = {"" if path.parent.name == DEFAULT_RUN else path.parent.name for path in folder.glob("*/record.json")}
    rows = []
    with open_store(settings, read_only=True) as store:
        for name in sorted(recorded | set(store.runs())):
            record = read_record(record_path(settings.model_copy(update={"run": name})))
            spans = store.spans(ASSETS, run=name)
            rows.append(
                {
                    "run": run_label(name),
                    "in_use": name == settings.run,
                    "source": None if record is None else record.source,
                    "zones": ", ".join(span.zone for span in spans) or (record and ", ".join(record.zones)),
                    "first": min((span.first for span in spans), default=None),
                    "last": max((span.last for span in spans), default=None),
                    "audit_rows": store.count(AUDIT, run=name),
                }
            )
    return rows


def record_path(settings: Settings) -> Path:
    """Return where a run's record is."""
    return fleet_path(settings).with_name("record.json")


def read_record(path: Path) -> RunRecord | None:
    """Return the record in a file, None if there is no usable one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunRecord)
    except (OSError, msgspec.MsgspecError):
        return None


def _write(path: Path, record: RunRecord) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, msgspec.json.encode(record))


def is_lasting(settings: Settings) -> bool:
    """Return whether the broker keeps topics and state between two starts."""
    return bool(settings.kafka.bootstrap_servers) and not settings.kafka.embedded


def _placed(options: SourceOptions, start: datetime, weeks: int) -> SourceOptions:
    if options.live:
        options = replace(options, shift_weeks=weeks)
    return replace(options, start=start) if options.catch_up else options


def _weeks_to_now(options: SourceOptions, start: datetime, now: datetime) -> int:
    if not options.live:
        return 0
    return whole_weeks(start, now - timedelta(days=CATCH_UP_DAYS * options.catch_up)) // timedelta(weeks=1)


def _with_warm_up(feed: Feed, options: SourceOptions) -> datetime:
    """Return a start that leaves earlier rows for warm-up and training, at most half of a file."""
    end = _end(feed) or feed.first
    start = feed.first + min(timedelta(days=options.warm_up_days), (end - feed.first) / 2)
    return start.replace(hour=0, minute=0, second=0, microsecond=0)


def _end(feed: Feed) -> datetime | None:
    if not isinstance(feed, FileFeed):
        return None
    return max(feed.info.spans[zone].last for zone in feed.zones) + timedelta(minutes=feed.step_min)
