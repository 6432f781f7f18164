"""What a run keeps beside its tables: the fleet as it was fitted to the run's source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vpp.fleet.lookup import find_zone
from vpp.fleet.schema import Zone, load_fleet
from vpp.settings import Settings


def fleet_path(settings: Settings) -> Path:
    """Return where `vpp up` writes the fleet of its run."""
    return settings.data_dir / "run" / (settings.run or "default") / "fleet.yaml"


def zones_named(settings: Settings, name: str) -> Iterator[Zone]:
    """Yield how a zone may be configured in this run, the likeliest first: fitted to the source, by file, as shipped.

    Raises:
        FleetError: A fleet file is wrong.
    """
    files = (fleet_path(settings), settings.fleet)
    own = [load_fleet(path) for path in files if path is not None and path.is_file()]
    found = [fleet.get(name) for fleet in own] + [find_zone(name)]
    yield from (zone for zone in found if zone is not None)
