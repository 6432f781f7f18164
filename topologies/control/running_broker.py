"""Finds the embedded broker of a running `vpp up`, for commands that read its topics."""

from __future__ import annotations

import json
from pathlib import Path

from vpp.errors import UnreachableError
from vpp.settings import Settings


def note_broker(settings: Settings, address: str) -> None:
    """Write down where the embedded broker of this data directory listens."""
    _path(settings.data_dir).write_text(json.dumps({"bootstrap_servers": address}), encoding="utf-8")


def forget_broker(data_dir: Path) -> None:
    """Remove the note: the embedded broker is gone."""
    _path(data_dir).unlink(missing_ok=True)


def with_broker(settings: Settings) -> Settings:
    """Return the settings with a broker in them: their own, else that of a running `vpp up` in the data directory.

    Raises:
        UnreachableError: There is neither.
    """
    if settings.kafka.bootstrap_servers:
        return settings
    try:
        address = json.loads(_path(settings.data_dir).read_text(encoding="utf-8"))["bootstrap_servers"]
    except (OSError, ValueError, KeyError) as error:
        raise UnreachableError(
            f"no broker is configured and no `vpp up` runs in {settings.data_dir}",
            hint="start `vpp up`, or give --broker host:port",
        ) from error
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": address, "embedded": True})
    return settings.model_copy(update={"kafka": kafka})


def _path(data_dir: Path) -> Path:
    return data_dir / "broker.json"
