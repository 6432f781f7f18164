"""Addresses and keys of the services, from the settings."""

from __future__ import annotations

from pydantic import SecretStr

from vpp.settings import FeedSettings


def address_of(host: str, settings: FeedSettings) -> str:
    """Return the base address of a service's host."""
    addresses = {
        "elexon": settings.elexon_url,
        "aemo": settings.aemo_url,
        "aemo_nemweb": settings.aemo_nemweb_url,
        "energy_charts": settings.energy_charts_url,
        "octopus": settings.octopus_url,
        "open_meteo": settings.open_meteo_url,
        "entsoe": settings.entsoe_url,
    }
    return addresses[host].rstrip("/")


def key_of(service: str, settings: FeedSettings) -> str | None:
    """Return the key for a service, None if there is none."""
    keys: dict[str, SecretStr | None] = {"open-meteo": settings.open_meteo_key, "entsoe": settings.entsoe_key}
    key = keys.get(service)
    return None if key is None else key.get_secret_value()
