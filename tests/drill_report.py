"""Pytest plugin of `make drills`: finds drills by the name of their fault, and reports what each of them came to.

A test that stages a fault carries ``@pytest.mark.drill("disk_full")``; ``-k disk_full`` chooses by that name.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest

REPORT = Path("dist") / "drills.md"
ROWS = pytest.StashKey[dict[str, list[str]]]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let ``-k`` choose by fault (pytest's hook)."""
    config.stash[ROWS] = {}
    for item in items:
        item.extra_keyword_matches.update(_faults(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how a drill ended (pytest's hook)."""
    report = yield
    if report.when == "call" or not report.passed:
        recovery_s = dict(item.user_properties).get("recovery_s", "")
        row = [", ".join(_faults(item)), report.outcome, f"{report.duration:.1f}", str(recovery_s), f"`{item.nodeid}`"]
        item.config.stash[ROWS][item.nodeid] = row
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report (pytest's hook)."""
    rows = sorted(session.config.stash.get(ROWS, {}).values())
    if not rows:
        return
    lines = [f"# Drills of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", ""]
    lines += ["| fault | outcome | s | recovery, s | test |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"\nwrote {REPORT}")


def _faults(item: pytest.Item) -> list[str]:
    return [str(fault) for mark in item.iter_markers("drill") for fault in mark.args]
