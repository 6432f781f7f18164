"""Secrets as files: one file per setting, as Kubernetes, Docker and systemd give them to a process."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, NestedSecretsSettingsSource, PydanticBaseSettingsSource, SettingsError

from vpp.errors import ConfigError, nearest_hint
from vpp.settings.group import keys_of

DELIMITER = "."


class SecretFiles(NestedSecretsSettingsSource):
    """The settings source of a folder: the file ``signing.key`` holds the setting ``signing.key``.

    Space and line ends around a value do not count. Hidden files and folders do not count.

    Args:
        settings_cls: The settings class.
        folder: The folder; None: no files.

    Raises:
        ConfigError: The folder is missing, a file cannot be read, or a file is named as no setting.
    """

    def __init__(self, settings_cls: type[BaseSettings], folder: Path | None) -> None:
        if folder is not None:
            _check(folder, frozenset(keys_of(settings_cls)))
        try:
            super().__init__(
                settings_cls,  # type: ignore[arg-type]  # it takes the class too
                secrets_dir=folder,
                secrets_prefix="",
                secrets_nested_delimiter=DELIMITER,
            )
        except (SettingsError, OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the secrets in {folder} cannot be read: {error}", hint=_RIGHTS) from error


_RIGHTS = "the folder and its files must be readable by the user of this process, as UTF-8"


def folder_of(*sources: PydanticBaseSettingsSource) -> Path | None:
    """Return the folder of secrets that the first of the sources names, None if none does."""
    named = next((value for source in sources if (value := source().get("secrets_dir"))), None)
    return None if named is None else Path(named).expanduser().absolute()


def texts_of(folder: Path | None) -> dict[str, str]:
    """Return the text of each file of a folder by its name, stripped; nothing without a folder.

    Raises:
        ConfigError: The folder is missing or a file cannot be read.
    """
    if folder is None:
        return {}
    try:
        return {path.name: path.read_text(encoding="utf-8").strip() for path in _visible(folder) if path.is_file()}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the secrets in {folder} cannot be read: {error}", hint=_RIGHTS) from error


def _visible(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def _check(folder: Path, known: frozenset[str]) -> None:
    try:
        names = [path.name for path in _visible(folder)]
    except OSError as error:
        raise ConfigError(f"there is no folder of secrets {folder}", hint="see VPP_SECRETS_DIR") from error
    for name in names:
        if name.lower() not in known:
            raise ConfigError(
                f"{folder / name} is named as no setting", hint=nearest_hint(name, known, "see `vpp config show`")
            )
