"""Progress reports of long work."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Takes the share that is done (0 to 1) and what is being done."""


def no_progress(share: float, text: str) -> None:
    """Report to nobody."""


def part_of(progress: Progress, start: float, stop: float) -> Progress:
    """Return a progress for a part of the work, which reports the shares from ``start`` to ``stop`` of the whole."""
    return lambda share, text: progress(start + (stop - start) * share, text)
