"""Reads YAML files of users (fleets, mappings) without the implicit conversions of YAML.

YAML 1.1 reads ``NO`` as false, ``12:30`` as 750, ``016`` as 14 and a key that comes twice as its last value. Here each
of them is refused with its line and the next step.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from vpp.errors import ConfigError

_TRUE_FALSE = frozenset({"true", "false"})
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")


_TAB = "found character '\\t'"


def text_of(path: Path, error: type[ConfigError] = ConfigError) -> str:
    """Return the text of a YAML file, in UTF-8 with or without a mark.

    Raises:
        ConfigError: It is no UTF-8. Of class ``error``.
        OSError: It cannot be opened.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as broken:
        raise error(f"{path} is not UTF-8 text (byte {broken.start + 1})", hint="save the file as UTF-8") from broken


def read_yaml(text: str, name: str, error: type[ConfigError] = ConfigError) -> Any:
    """Return the content of a YAML text; ``name`` appears in errors.

    Raises:
        ConfigError: The text is not YAML, repeats a key, or has a word that YAML reads as another type. Of class
            ``error``.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _check(node, name, error)
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as broken:
        line = broken.problem_mark.line + 1 if broken.problem_mark else 1
        hint = (
            "indent with blanks, not with tabs" if _TAB in str(broken.problem) else "check brackets, colons and indents"
        )
        raise error(f"{name} is not YAML: line {line}: {broken.problem}", hint=hint) from broken
    except (yaml.YAMLError, ValueError, RecursionError) as broken:
        raise error(f"{name} is not YAML: {broken}", hint="correct the file") from broken


def quoted(value: Any) -> str:
    """Return the hint for a name that YAML read as another type."""
    return f"write '{value}' in quotes"


def _check(node: yaml.Node, name: str, error: type[ConfigError]) -> None:
    visited: set[int] = set()
    waiting = [node]
    while waiting:
        child = waiting.pop()
        if id(child) in visited:
            continue
        visited.add(id(child))
        if isinstance(child, yaml.ScalarNode):
            _check_word(child, name, error)
        elif isinstance(child, yaml.SequenceNode):
            waiting += child.value
        elif isinstance(child, yaml.MappingNode):
            _check_keys(child, name, error)
            waiting += [part for pair in child.value for part in pair]


def _check_word(node: yaml.ScalarNode, name: str, error: type[ConfigError]) -> None:
    if node.style is not None:
        return
    place = f"{name}, line {node.start_mark.line + 1}"
    if node.tag == "tag:yaml.org,2002:bool" and node.value.lower() not in _TRUE_FALSE:
        meaning = "true" if node.value.lower() in ("yes", "on", "y") else "false"
        raise error(
            f"{place}: YAML reads {node.value} as {meaning}",
            hint=f"write '{node.value}' in quotes, or {meaning} if meant",
        )
    if node.tag.endswith((":int", ":float")) and _SEXAGESIMAL.fullmatch(node.value):
        raise error(f"{place}: YAML reads {node.value} as a number of base 60", hint=quoted(node.value))
    if node.tag.endswith(":int") and _OCTAL.fullmatch(node.value):
        raise error(
            f"{place}: YAML reads {node.value} as a number of base 8",
            hint=f"write {node.value.lstrip('+-0') or 0}, or '{node.value}' in quotes if it is a name",
        )


def _check_keys(node: yaml.MappingNode, name: str, error: type[ConfigError]) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line = key.start_mark.line + 1
        _check_word(key, name, error)
        if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
            raise error(f"{name}, line {line}: the name {key.value} is no text for YAML", hint=quoted(key.value))
        if key.value in lines:
            raise error(
                f"{name}, line {line}: {key.value} comes twice (first in line {lines[key.value]})",
                hint="keep one of them",
            )
        lines[key.value] = line
