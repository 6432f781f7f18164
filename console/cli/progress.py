"""Progress of long work: a bar on a terminal, a line every tenth elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from console.cli.options import err, say
from vpp.progress import Progress


@contextmanager
def progress(zone: str, *, lines: bool = True) -> Iterator[Progress]:
    """Show a bar on a terminal; elsewhere a line every tenth, or with ``lines`` off nothing."""
    if err.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:.0f}%"),
            TimeElapsedColumn(),
        )
        with Bar(*columns, console=err) as bar:
            task = bar.add_task(zone, total=1.0)
            yield lambda share, doing: bar.update(task, completed=share, description=f"{zone} {doing}")
        return
    last_shown = [0.0]

    def line(share: float, doing: str) -> None:
        if lines and share - last_shown[0] >= 0.1:
            last_shown[0] = share
            say(f"{zone}: {share:.0%}, {doing}")

    yield line
