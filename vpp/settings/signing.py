"""Group of the signatures of records."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from vpp.settings.group import SettingsGroup


class SigningSettings(SettingsGroup):
    """Signatures of records: with a key every process signs the records it writes and refuses unsigned records."""

    key: SecretStr | None = Field(
        default=None, min_length=32, description="secret that the keys of all producers are derived from"
    )
    keys_file: Path | None = Field(
        default=None,
        description="keys of single producers (`vpp config signing-keys`), for a process without the secret",
    )
