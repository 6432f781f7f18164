"""The file that tells the plant worker of a run that continues what its plants start from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from agents.plant.recompute import Resumption
from vpp.atomic_file import write_atomic
from vpp.fleet.in_force import resumption_path, start_fleet_path
from vpp.settings import Settings


def write_resumptions(settings: Settings, resumptions: Mapping[str, Resumption]) -> None:
    """Write what each zone's plant continues from; without any, remove what an earlier start wrote."""
    path = resumption_path(settings)
    if resumptions:
        write_atomic(path, msgspec.json.encode(resumptions))
    else:
        path.unlink(missing_ok=True)


def read_resumptions(settings: Settings) -> Mapping[str, Resumption]:
    """Return what `vpp up` wrote for its workers, by zone; nothing for a worker that is started by hand."""
    path = resumption_path(settings)
    if settings.fleet != start_fleet_path(settings) or not path.is_file():
        return {}
    return _resumptions_at(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _resumptions_at(path: Path, _modified_ns: int) -> Mapping[str, Resumption]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Resumption])
