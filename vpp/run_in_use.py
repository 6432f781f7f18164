"""The default run of a data directory, for commands without ``--run``."""

from __future__ import annotations

from pathlib import Path

from vpp.atomic_file import write_atomic

DEFAULT_RUN = "default"
"""How people write the run without a name."""


def run_label(run: str) -> str:
    """Return a run's name for people."""
    return run or DEFAULT_RUN


def read_run_in_use(data_dir: Path) -> str:
    """Return the run in use of a data directory; empty: the run without a name."""
    try:
        return _path(data_dir).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def write_run_in_use(data_dir: Path, run: str) -> None:
    """Set the run in use of a data directory."""
    path = _path(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, run)


def _path(data_dir: Path) -> Path:
    return data_dir / "run" / "in-use"
