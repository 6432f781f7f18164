"""The base of every group of settings, and the keys of a model of settings."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict


class SettingsGroup(BaseModel):
    """A frozen group of settings that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield every valid key below a prefix, nested ones with dots (``kafka.bootstrap_servers``)."""
    for name, info in model.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from keys_of(annotation, f"{prefix}{name}.")
        else:
            yield prefix + name
