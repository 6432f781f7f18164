"""Checks that a release tag, the version in pyproject.toml and the newest heading of CHANGELOG.md agree.

``python scripts/check_release.py v0.1.0``; exit code 1 names what differs.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """Return one line for each disagreement.

    Args:
        tag: Name of the release tag, such as ``v0.1.0``.
        root: Folder that holds ``pyproject.toml`` and ``CHANGELOG.md``.
    """
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    newest = re.search(r"^## (\S+)(?: \((.+)\))?$", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    problems = []
    if tag != f"v{version}":
        problems.append(f"the tag is {tag}, pyproject.toml has version {version}")
    if newest is None or newest[1] != version:
        problems.append(f"the newest heading of CHANGELOG.md is {newest[1] if newest else 'missing'}, not {version}")
    elif newest[2] is None or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", newest[2]):
        problems.append(f"CHANGELOG.md has no release date for {version}: write '## {version} (YYYY-MM-DD)'")
    return problems


if __name__ == "__main__":
    lines = problems(sys.argv[1] if len(sys.argv) > 1 else "")
    for line in lines:
        sys.stderr.write(f"release: {line}\n")
    raise SystemExit(1 if lines else 0)
