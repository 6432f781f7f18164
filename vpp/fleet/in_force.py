"""The configuration in force for a zone: the one look-up of workers, tools and pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from vpp.atomic_file import write_atomic
from vpp.fleet.lookup import find_zone
from vpp.fleet.schema import Fleet, Zone, load_fleet
from vpp.settings import Settings


def fleet_path(settings: Settings) -> Path:
    """Return where the fleet of a run is: as `vpp up` fitted it to the source, or as ``vpp reload`` changed it."""
    return settings.data_dir / "run" / (settings.run or "default") / "fleet.yaml"


def start_fleet_path(settings: Settings) -> Path:
    """Return where `vpp up` writes the fleet that its workers start with.

    ``vpp reload`` leaves it as it is: a worker that starts again decides what lies before a change as it was decided.
    """
    return fleet_path(settings).with_name("fleet.start.yaml")


def configured_fleet_path(settings: Settings) -> Path:
    """Return where `vpp up` writes the fleet as files configure it, without what ``vpp reload`` changed."""
    return fleet_path(settings).with_name("fleet.configured.yaml")


def resumption_path(settings: Settings) -> Path:
    """Return where `vpp up` writes what the plants of a run that continues start from."""
    return fleet_path(settings).with_name("resumption.json")


def configured_zones(settings: Settings) -> Callable[[str], Zone | None]:
    """Return the look-up of a worker: the fleet file that its settings name, then the shipped zones.

    `vpp up` names the fleet of the start in the settings of its workers. A worker that is started by hand must not pick
    up what an earlier run left in the data directory.

    Raises:
        FleetError: The fleet file is wrong.
    """
    own_fleet = load_fleet(settings.fleet) if settings.fleet else None
    return lambda name: find_zone(name, own_fleet)


def fleet_in_force(settings: Settings) -> Fleet:
    """Return the user's fleet as the run has it: the fitted one where there is a run, else that of the settings.

    Raises:
        FleetError: The fleet file is wrong.
    """
    return next(_fleets(settings), Fleet())


def zone_in_force(settings: Settings, name: str) -> Zone | None:
    """Return the configuration of a zone in this run, None if no file has it; raises as ``candidates``."""
    return next(candidates(settings, name), None)


def candidates(settings: Settings, name: str) -> Iterator[Zone]:
    """Yield how a zone may be configured in this run, the likeliest first: fitted to the source, by file, as shipped.

    A decision is recomputed with the first one whose hash it carries.

    Raises:
        FleetError: A fleet file is wrong.
    """
    for fleet in (*_fleets(settings), None):
        zone = find_zone(name) if fleet is None else fleet.get(name)
        if zone is not None:
            yield zone


def keep_superseded(settings: Settings) -> None:
    """Keep the fitted fleet beside itself, for decisions that were made by it, before another one takes its place."""
    fitted = fleet_path(settings)
    number = len(_superseded(fitted)) + 1
    write_atomic(fitted.with_name(f"fleet.{number:03d}.yaml"), fitted.read_text(encoding="utf-8"))


def _superseded(fitted: Path) -> list[Path]:
    """Return the fleets that ``vpp reload`` has replaced, newest first."""
    return sorted(fitted.parent.glob("fleet.[0-9]*.yaml"), reverse=True)


def _fleets(settings: Settings) -> Iterator[Fleet]:
    fitted = fleet_path(settings)
    for path in (fitted if fitted.is_file() else None, settings.fleet, *_superseded(fitted)):
        if path is not None:
            yield _fleet_at(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=8)
def _fleet_at(path: Path, _modified_ns: int) -> Fleet:
    return load_fleet(path)
