"""All live services by name. A new one is a module with a ``SERVICE``, listed here."""

from __future__ import annotations

from vpp.errors import ConfigError, nearest_hint
from vpp.feeds import aemo, elexon, energy_charts, entsoe, octopus, open_meteo
from vpp.feeds.contract import Service

_MODULES = (elexon, aemo, energy_charts, entsoe, octopus, open_meteo)
SERVICES: dict[str, Service] = {module.SERVICE.name: module.SERVICE for module in _MODULES}


def service_named(name: str) -> Service:
    """Return the service of this name.

    Raises:
        ConfigError: There is none; names the nearest.
    """
    service = SERVICES.get(name)
    if service is None:
        raise ConfigError(f"there is no live feed {name!r}", hint=nearest_hint(name, SERVICES))
    return service
