"""Where the services are, and the keys for them, from the settings."""

from __future__ import annotations

from pydantic import SecretStr

from vpp.feed_settings import FeedSettings


def address_of(host: str, settings: FeedSettings) -> str:
    """Return the base address of a service's host."""
    addresses = {"elexon": settings.elexon_url}
    return addresses[host].rstrip("/")


def key_of(service: str, settings: FeedSettings) -> str | None:
    """Return the key for a service, None where there is none."""
    keys: dict[str, SecretStr | None] = {}
    key = keys.get(service)
    return None if key is None else key.get_secret_value()
