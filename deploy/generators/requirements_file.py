"""Writes ``requirements.txt`` from ``pyproject.toml`` and ``constraints.txt``, for `pip install -r`."""

from __future__ import annotations

import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_HEAD = """\
# Written by `python -m deploy.generate` from pyproject.toml and constraints.txt: do not edit.
# What `vpp` needs at run time, without development tools; constraints.txt pins what these packages bring.
-c constraints.txt
"""


def requirements_text(project: str, constraints: str) -> str:
    """Return the run-time dependencies, each with its pinned version and its marker.

    Args:
        project: Text of ``pyproject.toml``.
        constraints: Text of ``constraints.txt``.

    Raises:
        KeyError: A dependency has no pin.
        ValueError: A pin is outside of what ``pyproject.toml`` allows.
    """
    lines = [line for line in constraints.splitlines() if line and not line.startswith("#")]
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    requirements = [Requirement(line) for line in tomllib.loads(project)["project"]["dependencies"]]
    return _HEAD + "".join(
        f"{_pinned(requirement, pins[canonicalize_name(requirement.name)])}\n" for requirement in requirements
    )


def _pinned(requirement: Requirement, version: str) -> str:
    if not requirement.specifier.contains(version, prereleases=True):
        raise ValueError(f"constraints.txt pins {requirement.name}=={version}, pyproject.toml asks {requirement}")
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f"; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}{extras}=={version}{marker}"
