"""Settings loaded once, the list of their keys, and the source of each value."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from tomllib import TOMLDecodeError
from typing import Any

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, SettingsError, TomlConfigSettingsSource

from vpp.errors import ConfigError, nearest_hint
from vpp.masking import masked_setting
from vpp.settings.group import keys_of
from vpp.settings.secret_files import SecretFiles
from vpp.settings.settings import Settings

_HOW_TO_MAKE = dict.fromkeys(("approval_key", "signing.key"), "make a key with `openssl rand -hex 32`")


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Load the settings once, at an entry point.

    Args:
        overrides: Values given on the command line, nested as the groups are.

    Raises:
        ConfigError: A value is wrong or a key unknown; names the nearest valid key.
    """
    _refuse_unknown_env()
    try:
        settings = Settings(**dict(overrides or {}))
    except ValidationError as error:
        keys_at_fault = {_key(e) for e in error.errors()}
        hints = [hint for key, hint in _HOW_TO_MAKE.items() if key in keys_at_fault]
        raise ConfigError(
            "; ".join(_line(e) for e in error.errors()), hint="; ".join(hints) or "see `vpp config show`"
        ) from error
    except SettingsError as error:
        raise ConfigError(str(error), hint="write the value as JSON; see `vpp config show`") from error
    except TOMLDecodeError as error:
        raise ConfigError(f"vpp.toml is no TOML: {error}", hint="mend that line; text needs quotation marks") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f".env or vpp.toml is not UTF-8: {error}", hint="save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"a file of settings cannot be read: {error}", hint="give this user the right") from error
    settings.check_secrets()
    return settings


def keys() -> Iterator[str]:
    """Yield every valid key, nested ones with dots (``kafka.bootstrap_servers``)."""
    return keys_of(Settings)


def env_name(key: str) -> str:
    """Return the environment variable of a key."""
    return "VPP_" + key.upper().replace(".", "__")


def sources(settings: Settings, overrides: Mapping[str, Any] | None = None) -> dict[str, tuple[str, str]]:
    """Return for every key its value as text (secrets masked) and where it comes from.

    The sources are ``command line``, ``environment``, ``secret files``, ``.env``, ``vpp.toml`` and ``default``.
    """
    layers: list[tuple[str, Mapping[str, Any]]] = [
        ("command line", overrides or {}),
        ("environment", EnvSettingsSource(Settings)()),
        ("secret files", SecretFiles(Settings, settings.secrets_dir)()),
        (".env", DotEnvSettingsSource(Settings)()),
        ("vpp.toml", TomlConfigSettingsSource(Settings)()),
    ]
    origins = {}
    for key in keys():
        path = key.split(".")
        origin = next((name for name, layer in layers if _has(layer, path)), "default")
        value: Any = settings
        for part in path:
            value = getattr(value, part)
        origins[key] = (masked_setting(value), origin)
    return origins


def _has(layer: Mapping[str, Any], path: list[str]) -> bool:
    value: Any = layer
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _refuse_unknown_env() -> None:
    valid = {env_name(key) for key in keys()}
    for name in os.environ:
        free = name.startswith(("VPP_TEST_", "VPP_KAFKA__EXTRA__"))
        if name.startswith("VPP_") and not free and name not in valid:
            raise ConfigError(f"unknown setting {name}", hint=nearest_hint(name, valid, "see `vpp config show`"))


def _key(error: Any) -> str:
    return ".".join(str(part) for part in error["loc"])


def _line(error: Any) -> str:
    """Return the error of one key, without its value, which may be a secret."""
    key = _key(error)
    match error["type"]:
        case "extra_forbidden":
            hint = nearest_hint(key, keys(), otherwise="")
            return f"unknown setting {key}" + (f" ({hint})" if hint else "")
        case "too_short" | "string_too_short":
            return f"{key} is too short: it needs {error['ctx']['min_length']} characters or more"
        case "too_long" | "string_too_long":
            return f"{key} is too long: it may have {error['ctx']['max_length']} characters at most"
        case _:
            return f"{key}: {error['msg']}"
