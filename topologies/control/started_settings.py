"""The settings that a run was started with, so that a later change of one is refused by its name."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import SecretStr

from vpp.atomic_file import write_atomic
from vpp.fleet.in_force import fleet_path
from vpp.settings import Settings, sources

_OF_OTHER_PROCESSES = ("agent.", "mcp.")
_OF_ADMISSION = "mcp.budget_"
_OF_THE_COMMAND = frozenset({"data_dir", "fleet", "run"})
_COMMAND_LINE = "command line"


class StartedSettings(msgspec.Struct, frozen=True):
    """What the processes of a run were started with.

    ``salt``: of the digests, as hexadecimal text. ``values``: the text of each setting, secrets masked, and the digest
    of what the mask hides (empty where nothing is masked). Options of the command line are left out.
    """

    salt: str
    values: dict[str, tuple[str, str]]


def started_settings(settings: Settings, overrides: Mapping[str, Any], salt: str | None = None) -> StartedSettings:
    """Return the settings that a process of the run reads from environment, ``.env`` and ``vpp.toml``.

    Args:
        settings: The settings of the command.
        overrides: Options of its command line, nested as the groups are.
        salt: Salt of the digests; None makes one.
    """
    salt = salt or secrets.token_hex(16)
    values = {}
    for key, (shown, origin) in sources(settings, overrides).items():
        if origin == _COMMAND_LINE or key in _OF_THE_COMMAND or _is_of_another_process(key):
            continue
        plain = _plain(settings, key)
        values[key] = (shown, "" if plain == shown else _digest(plain, salt))
    return StartedSettings(salt, values)


def note_started(settings: Settings, started: StartedSettings) -> None:
    """Write down what the run was started with."""
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, msgspec.json.encode(started))


def changed_settings(settings: Settings, overrides: Mapping[str, Any]) -> list[str]:
    """Return the settings that differ from those of the start of the run, as lines of text without secrets.

    Empty for workers that were started by themselves: nobody noted their settings.

    Args:
        settings: The settings now.
        overrides: Options of this command; an option is no change of the run's settings.
    """
    try:
        before = msgspec.json.decode(_path(settings).read_bytes(), type=StartedSettings)
    except (OSError, msgspec.MsgspecError):
        return []
    now = started_settings(settings, overrides, before.salt)
    return [
        f"{key}: {_shown(before.values[key][0])} -> {_shown(value[0])}"
        for key, value in now.values.items()
        if key in before.values and before.values[key] != value
    ]


def _is_of_another_process(key: str) -> bool:
    return key.startswith(_OF_OTHER_PROCESSES) and not key.startswith(_OF_ADMISSION)


def _plain(settings: Settings, key: str) -> str:
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return "" if value is None else str(value)


def _digest(plain: str, salt: str) -> str:
    return hashlib.scrypt(plain.encode(), salt=bytes.fromhex(salt), n=2**13, r=8, p=1, dklen=32).hex()


def _shown(text: str) -> str:
    return text or "not set"


def _path(settings: Settings) -> Path:
    return fleet_path(settings).with_name("settings.json")
