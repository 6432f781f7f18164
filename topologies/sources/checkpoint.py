"""The checkpoint of a source: its position, its file, and when it is written.

A checkpoint counts the records that the broker has acknowledged. After a kill the same records are made again and those
skipped; what was sent after the last checkpoint is sent twice, which ``telemetry`` drops.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from topologies.sources.outbox import Outbox
from vpp.atomic_file import write_atomic
from vpp.messages import Promotion, Raw
from vpp.settings import Settings

EVERY_S = 1.0
EVERY_RECORDS = 200  # well within the week of slots that the intake remembers, so a repeat is known as one


class Checkpoint(msgspec.Struct, kw_only=True):
    """How far a source is.

    Attributes:
        identity: Hash of the options; another one starts again.
        began_at: Wall time of the run's start, which fixes the shift of ``--now``.
        sent: Records acknowledged by the broker, promotions not counted.
        run_at: Run clock of the last one, without the shift; None before the first slot that counts.
        first: First slot of the range, where one is set.
        end: End of the range, where one is set.
        finished: All was sent.
    """

    identity: str
    began_at: datetime
    sent: int = 0
    run_at: datetime | None = None
    first: datetime | None = None
    end: datetime | None = None
    finished: bool = False


class CheckpointKeeper:
    """Counts sent records, and writes a checkpoint after the broker has acknowledged all of them.

    Args:
        path: File of the checkpoint.
        checkpoint: How far the source is; it moves on with every record counted.
        outbox: Where the records go; it is flushed before each write.
        on_kept: Called after each write.
        seconds: A clock that never goes back; a test gives its own.
    """

    def __init__(
        self,
        path: Path,
        checkpoint: Checkpoint,
        outbox: Outbox,
        on_kept: Callable[[Checkpoint], None] | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.checkpoint = checkpoint
        self._path = path
        self._outbox = outbox
        self._on_kept = on_kept
        self._seconds = seconds
        self._kept_s = seconds()

    def count(self, record: Raw, shift: timedelta = timedelta(0)) -> None:
        """Count a record that was sent, and keep the place after every ``EVERY_RECORDS``.

        Args:
            record: The record; a promotion moves nothing, since it is rebuilt after a restart.
            shift: What a live run adds to the times of its rows.
        """
        if isinstance(record, Promotion):
            return
        place = self.checkpoint
        place.sent += 1
        sent_at: datetime | None = getattr(record, "sent_at", None)
        if sent_at is not None:
            run_at = sent_at - shift
            place.run_at = run_at if place.run_at is None else max(place.run_at, run_at)
        if place.sent % EVERY_RECORDS == 0:
            self.keep()

    def keep_if_due(self) -> None:
        """Keep the place if ``EVERY_S`` have passed since the last time."""
        if self._seconds() - self._kept_s > EVERY_S:
            self.keep()

    def keep(self) -> None:
        """Wait until all records are acknowledged and write the checkpoint.

        Raises:
            UnreachableError: The broker does not take the records.
        """
        self._outbox.flush()
        write_checkpoint(self._path, self.checkpoint)
        self._kept_s = self._seconds()
        if self._on_kept is not None:
            self._on_kept(self.checkpoint)

    def finish(self) -> None:
        """Keep the place of a source that has sent everything."""
        self.checkpoint.finished = True
        self.keep()


def checkpoint_path(settings: Settings) -> Path:
    """Return the file of a source's checkpoint."""
    return settings.data_dir / f"source-{settings.run or 'default'}.json"


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint in a file, or None if there is no usable one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except (OSError, msgspec.MsgspecError):
        return None


def resumed(path: Path, identity: str, now: datetime) -> Checkpoint:
    """Return the checkpoint in a file if it is of these options, else that of a run that begins at ``now``.

    Args:
        path: The file.
        identity: Hash of the options.
        now: Wall time.
    """
    checkpoint = read_checkpoint(path)
    if checkpoint is None or checkpoint.identity != identity:
        return Checkpoint(identity=identity, began_at=now)
    return checkpoint


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    write_atomic(path, msgspec.json.encode(checkpoint))
