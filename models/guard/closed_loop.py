"""The guard over a stretch of history, as the stream runs it: later slots see only the values that it accepted."""

from __future__ import annotations

import numpy as np

from models.guard.channel_kernel import Fit
from models.guard.layout import Shape, State, view_state
from models.guard.member_kernel import MEMBERS
from models.guard.part import GuardPart
from models.guard.quarantine_kernel import OUTPUTS, judge
from models.guard.series import Series
from vpp.numerics.arrays import Floats, Floats32
from vpp.numerics.compiled import kernel


@kernel(error_model="numpy")
def _run(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    window: Floats,
    published: Floats,
    supply: Floats,
    totals: Floats,
    context: Floats,
    first: int,
    begin: int,
    end: int,
    shape: Shape,
    state: State,
    fit: Fit,
    member_levels: Floats,
    out: Floats,
) -> None:
    for at in range(begin, end):
        judge(
            window,
            published,
            supply[at],
            totals[at],
            context,
            at,
            first + at,
            shape,
            state,
            fit,
            member_levels[at - begin],
            out[at - begin],
        )


def run_guard(part: GuardPart, series: Series, begin: int, end: int, buffer: Floats32) -> tuple[Floats, Floats]:
    """Judge the slots at positions ``begin`` to ``end``.

    Args:
        part: The fitted guard.
        series: Values of the zone; a rejected value is replaced in its window.
        begin: First position; 16 days of history must lie before it.
        end: End (exclusive).
        buffer: State after the slot before ``begin``, shape (state size,), changed.

    Returns:
        What ``judge`` writes, shape (slots, OUTPUTS), and the evidence by member, (slots, MEMBERS).
    """
    out, member_levels = np.empty((end - begin, OUTPUTS)), np.empty((end - begin, MEMBERS))
    _run(
        series.window,
        series.published,
        series.supply,
        series.totals,
        series.context,
        series.first,
        begin,
        end,
        part.shape,
        view_state(buffer, part.shape),
        part.fit,
        member_levels,
        out,
    )
    return out, member_levels
