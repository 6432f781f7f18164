"""Checks a coverage report against the required share of each folder.

Run: `make coverage`, or ``python scripts/coverage_check.py coverage.json`` after ``coverage json``. It prints the
share of each folder, and one line per module that falls short. Lines and branches count alike. Compiled kernels do not
count (`pyproject.toml` excludes what ``@kernel`` marks), because a tracer does not see inside numba.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOMS = ("agents/assets", "agents/clearing", "agents/devices", "agents/orders", "agents/plant")
LEAST_PCT = dict.fromkeys(ROOMS, 90.0)
"""Least covered share of each module of a room, in per cent of its lines and branches."""


def shortfalls(files: Mapping[str, Mapping[str, Any]], least_pct: Mapping[str, float]) -> list[str]:
    """Return a line for each module below the least of its room, and for each room that the report does not have.

    Args:
        files: ``files`` of ``coverage json``: a summary with ``percent_covered`` by path.
        least_pct: Least share by room.
    """
    lines = []
    for room, least in least_pct.items():
        covered = {
            path: file["summary"]["percent_covered"] for path, file in files.items() if path.startswith(f"{room}/")
        }
        if not covered:
            lines.append(f"{room}: not in the report")
        lines += [f"{path}: {pct:.1f} %, needs {least:g} %" for path, pct in sorted(covered.items()) if pct < least]
    return lines


def room_lines(files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the covered share of each folder of the report, over its lines and branches."""
    covered: dict[str, list[int]] = {}
    for path, file in files.items():
        summary, sums = file["summary"], covered.setdefault(path.rpartition("/")[0], [0, 0])
        sums[0] += summary["covered_lines"] + summary.get("covered_branches", 0)
        sums[1] += summary["num_statements"] + summary.get("num_branches", 0)
    return [f"{room}: {100.0 * hit / total:.1f} %" for room, (hit, total) in sorted(covered.items()) if total]


def main(report: Path) -> int:
    """Print the report; return 1 where a module falls short."""
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    print("\n".join(room_lines(files)))
    missing = shortfalls(files, LEAST_PCT)
    for line in missing:
        print(f"coverage: {line}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, nargs="?", default=Path("coverage.json"))
    raise SystemExit(main(parser.parse_args().report))
