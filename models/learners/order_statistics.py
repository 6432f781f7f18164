"""Quantiles between order statistics, for short arrays where ``np.quantile`` costs more than the rest."""

from __future__ import annotations

from vpp.numerics.compiled import kernel


@kernel
def between(below: float, above: float, share: float) -> float:
    """Return the value at ``share`` (0 to 1) between two order statistics, with the same bits as numpy."""
    gap = above - below
    return above - gap * (1.0 - share) if share >= 0.5 else below + gap * share
