"""The reference of all settings, made from ``vpp.settings``."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from vpp.settings import Settings, env_name

_HEAD = """\
# Settings

Written by `python -m deploy.generate` from `vpp/settings/`: do not edit.

A value comes from the first of these sources that has it: command line, environment (`VPP_...`), files of secrets,
`.env`, `vpp.toml`, default. A group is written `VPP_KAFKA__PARTITIONS` in the environment and as a table in `vpp.toml`:

```toml
run = "july"

[kafka]
partitions = 12
```

An unknown key is refused, and the error names the nearest valid one. `vpp config show` prints every value with its
source; secrets are masked. Settings are read once, at the start of a process.

## Secrets as files

`VPP_SECRETS_DIR` names a folder with one file per secret, as Kubernetes, Docker and systemd give them to a process. A
file is named by the key of its setting and holds the value alone: `signing.key`, `approval_key`, `influx.token`,
`kafka.password`. A file that is named as no setting is refused. Files do not show in `env`, in a crash report or in the
description of a pod, as variables do. `VPP_CONTACT_SECRETS_DIR` does the same for the `${NAME}` of alert contacts.

"""


def settings_page() -> str:
    """Return the page: a table of the settings without a group, then one per group."""
    groups = {name: model for name, info in Settings.model_fields.items() if (model := _group(info)) is not None}
    plain = {name: info for name, info in Settings.model_fields.items() if name not in groups}
    parts = [_HEAD, "## General\n", _table("", plain)]
    for name, model in groups.items():
        parts += [f"## {name}\n", f"{_plain(model.__doc__ or '')}\n", _table(f"{name}.", model.model_fields)]
    return "\n".join(parts)


def _group(info: FieldInfo) -> type[BaseModel] | None:
    annotation = info.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _table(prefix: str, fields: dict[str, FieldInfo]) -> str:
    rows = [
        f"| `{env_name(prefix + name)}` | {_type(info.annotation)}{_bounds(info)} | {_default(info)} "
        f"| {_cell(info.description or '')} |"
        for name, info in fields.items()
    ]
    return "\n".join(["| variable | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _type(annotation: Any) -> str:
    """Name a type as a person writes the value."""
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    if get_origin(annotation) in {dict, list, tuple}:
        return "table" if get_origin(annotation) is dict else "list"
    options = [option for option in get_args(annotation) if option is not type(None)]
    if options:
        return " or ".join(_type(option) for option in options)
    names = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path", SecretStr: "secret"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _bounds(info: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥", "max_length": "length ≤"}
    limits = [
        f"{sign} {value}"
        for constraint in info.metadata
        for name, sign in signs.items()
        if (value := getattr(constraint, name, None)) is not None
    ]
    return f" ({', '.join(limits)})" if limits else ""


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, SecretStr):
        return f"`{value.get_secret_value()}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "none" if value is None or value in ("", {}, []) else f"`{value}`"


def _plain(text: str) -> str:
    return re.sub(r"``([^`]*)``", r"`\1`", text.strip().partition("\n")[0])


def _cell(text: str) -> str:
    """Return a description fit for a table cell."""
    return re.sub(r"(?<![`\w])([A-Z]+(?:_[A-Z]+)+(?:/[\w.]+)?)(?![`\w])", r"`\1`", _plain(text).replace("|", "\\|"))
