"""Progress of long work: a bar on a terminal, a line every tenth elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from console.cli.options import err, say

Report = Callable[[float, str], None]


@contextmanager
def progress(zone: str, *, lines: bool = True) -> Iterator[Report]:
    """Show a bar on a terminal; elsewhere a line every tenth, or with ``lines`` off nothing."""
    if err.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f}%"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=err) as bar:
            task = bar.add_task(zone, total=1.0)
            yield lambda share, doing: bar.update(task, completed=share, description=f"{zone} {doing}")
        return
    told = [0.0]

    def line(share: float, doing: str) -> None:
        if lines and share - told[0] >= 0.1:
            told[0] = share
            say(f"{zone}: {share:.0%}, {doing}")

    yield line
