"""Progress of long work with an estimate of what is left: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from console.cli.options import err, say
from vpp.progress import Progress

EVERY_SHARE = 0.1
EVERY_S = 60.0
LEAST_S = 10.0
"""Work that took less so far gives no estimate."""


@contextmanager
def progress(zone: str, *, lines: bool = True) -> Iterator[Progress]:
    """Show a bar on a terminal; elsewhere a line every tenth or minute, or with ``lines`` off nothing."""
    if err.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        with Bar(*columns, console=err) as bar:
            task = bar.add_task(zone, total=1.0)
            yield lambda share, doing: bar.update(task, completed=share, description=f"{zone} {doing}")
        return
    began_s = time.monotonic()
    shown_share, shown_s = 0.0, began_s

    def line(share: float, doing: str) -> None:
        nonlocal shown_share, shown_s
        now_s = time.monotonic()
        if lines and (share - shown_share >= EVERY_SHARE or now_s - shown_s >= EVERY_S):
            shown_share, shown_s = share, now_s
            say(f"{zone}: {share:.0%}, {doing}{_time_left(share, now_s - began_s)}")

    yield line


def _time_left(share: float, elapsed_s: float) -> str:
    """Return an estimate in words, empty where it is too early for one."""
    if elapsed_s < LEAST_S or not 0.0 < share < 1.0:
        return ""
    left_s = elapsed_s * (1.0 - share) / share
    return f", about {left_s:.0f} s left" if left_s < 90.0 else f", about {left_s / 60.0:.0f} min left"
