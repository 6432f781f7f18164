"""Reads deploy/compose.yaml as Docker Compose does, with variables filled in; and the shape it must have."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"

_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {"type": "array", "items": _TEXT, "minItems": 1}
_DURATION = {"type": "string", "pattern": r"^(\d+(ms|s|m|h))+$"}
_LITERAL_OR_VARIABLE = {"type": ["string", "null"]}

# What we use of the compose specification, and nothing else: a misspelt key is an error.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "services", "networks", "volumes"],
    "additionalProperties": False,
    "patternProperties": {"^x-": {}},
    "properties": {
        "name": _TEXT,
        "services": {"type": "object", "additionalProperties": {"$ref": "#/$defs/service"}},
        "networks": {"type": "object", "additionalProperties": {"type": "object", "maxProperties": 0}},
        "volumes": {"type": "object", "additionalProperties": {"type": "object", "maxProperties": 0}},
    },
    "$defs": {
        "service": {
            "type": "object",
            "required": ["image", "logging", "restart", "security_opt"],
            "additionalProperties": False,
            "properties": {
                "image": {"type": "string", "pattern": r"^[a-z0-9./-]+:[\w.-]+$"},
                "build": {
                    "type": "object",
                    "required": ["context", "dockerfile"],
                    "additionalProperties": False,
                    "properties": {"context": _TEXT, "dockerfile": _TEXT},
                },
                "cap_drop": _TEXTS,
                "command": _TEXTS,
                "depends_on": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "required": ["condition"],
                        "additionalProperties": False,
                        "properties": {"condition": {"enum": ["service_healthy", "service_completed_successfully"]}},
                    },
                },
                "entrypoint": _TEXTS,
                "env_file": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"path": {"type": "string"}, "required": {"type": "boolean"}},
                        "required": ["path"],
                    },
                },
                "environment": {
                    "type": "object",
                    "propertyNames": {"pattern": "^[A-Z][A-Z0-9_]*$"},
                    "additionalProperties": _LITERAL_OR_VARIABLE,
                },
                "healthcheck": {
                    "type": "object",
                    "required": ["test", "interval", "timeout", "retries", "start_period"],
                    "additionalProperties": False,
                    "properties": {
                        "test": {"type": "array", "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}], "minItems": 2},
                        "interval": _DURATION,
                        "timeout": _DURATION,
                        "retries": {"type": "integer", "minimum": 1},
                        "start_period": _DURATION,
                    },
                },
                "init": {"type": "boolean"},
                "logging": {"type": "object", "required": ["driver", "options"]},
                "mem_limit": {"type": "string", "pattern": r"^\d+[mg]$"},
                "network_mode": {"const": "none"},
                "networks": _TEXTS,
                "pids_limit": {"type": "integer", "minimum": 1},
                "ports": _TEXTS,
                "profiles": _TEXTS,
                "read_only": {"type": "boolean"},
                "restart": {"enum": ["no", "on-failure", "unless-stopped"]},
                "security_opt": _TEXTS,
                "stdin_open": {"type": "boolean"},
                "stop_grace_period": _DURATION,
                "tmpfs": _TEXTS,
                "user": {"type": "string", "pattern": r"^\d+:\d+$"},
                "volumes": {"type": "array", "items": {"type": "string", "pattern": "^[^:]+:/[^:]+(:ro)?$"}},
            },
        }
    },
}


def read_compose() -> dict[str, Any]:
    """The compose file with its merge keys resolved and its variables as they are written."""
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return document


def read_example() -> dict[str, str]:
    """Names and values of deploy/.env.example."""
    lines = (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=")[::2] for line in lines if line and not line.startswith("#"))
    return dict(pairs)


def variables(value: Any) -> set[str]:
    """Names of the variables that a part of the file asks for."""
    if isinstance(value, dict):
        return set().union(*map(variables, value.values()))
    if isinstance(value, list):
        return set().union(*map(variables, value))
    return set(re.findall(r"(?<!\$)\$\{(\w+)", value)) if isinstance(value, str) else set()


def filled(value: Any, given: Mapping[str, str]) -> Any:
    """A part of the file with ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?why}`` replaced and ``$$`` as ``$``."""
    if isinstance(value, dict):
        return {key: filled(one, given) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, given) for one in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name, how, rest = match[1], match[2], match[3] or ""
        result = given.get(name, "")
        if not result and how == ":?":
            raise KeyError(f"{name}: {rest}")
        return result or (rest if how == ":-" else "")

    innermost = re.compile(r"(?<!\$)\$\{(\w+)(?:(:-|:\?)([^${}]*))?\}")
    while innermost.search(value):
        value = innermost.sub(replace, value)
    return value.replace("$$", "$")
