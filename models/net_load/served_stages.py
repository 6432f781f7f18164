"""The linear stages of a net-load part for serving: one origin, all horizons, two compiled calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.learners.ridge import CLIP
from models.net_load.linear_stages import DERIVED, KNOWN, UNPUBLISHED
from vpp.numerics.arrays import Bools, Floats, Ints
from vpp.numerics.compiled import kernel


@dataclass(frozen=True, slots=True)
class StageArrays:
    """One linear stage of all horizons; ``mean``, ``sd``: shape (H, inputs); ``coefficients``: (H, groups, inputs + 1).

    Inputs of a later stage are ``DERIVED`` values of the stage before, then the columns. ``ready``: shape (H,).
    """

    columns: Ints
    mean: Floats
    sd: Floats
    coefficients: Floats
    ready: Bools


@dataclass(frozen=True, slots=True)
class _Later:
    """The stages after A, one after another along the first axis.

    ``columns``: of all S stages; ``ends``: (S,), where each one's end. ``mean``, ``sd``: shape (inputs of all, H).
    ``beta``: likewise with a constant after each stage's inputs. ``ready``: (S, H). ``wanted``: (S,), the case that a
    stage serves. ``on_base``: (S,), whether it adds to the published change in place of A. ``share``: (S, H), how much
    of what it says is added.
    """

    columns: Ints
    ends: Ints
    mean: Floats
    sd: Floats
    beta: Floats
    ready: Bools
    wanted: Ints
    on_base: Bools
    share: Floats


@dataclass(frozen=True, slots=True)
class ServedStages:
    """Stage A with coefficients of its own for each slot of the day, and the stages after it, if any."""

    columns: Ints
    mean: Floats
    sd: Floats
    coefficients: Floats
    later: _Later | None

    @staticmethod
    def of(stages: Mapping[str, StageArrays], far_share: Floats) -> ServedStages:
        """Return them from stages by letter.

        Args:
            stages: As ``models.net_load.linear_stages``, A among them.
            far_share: How much of stage F is added, shape (H,).
        """
        first, later_stages = stages["A"], {letter: stage for letter, stage in stages.items() if letter != "A"}
        later = None
        if later_stages:
            later = _Later(
                columns=np.concatenate([stage.columns for stage in later_stages.values()]),
                ends=np.cumsum([stage.columns.size for stage in later_stages.values()]),
                mean=np.concatenate([stage.mean.T for stage in later_stages.values()]),
                sd=np.concatenate([stage.sd.T for stage in later_stages.values()]),
                beta=np.concatenate([stage.coefficients[:, 0].T for stage in later_stages.values()]),
                ready=np.stack([stage.ready for stage in later_stages.values()]),
                wanted=np.array([UNPUBLISHED if letter == "U" else KNOWN for letter in later_stages]),
                on_base=np.array([letter == "F" for letter in later_stages]),
                share=np.stack([far_share if letter == "F" else np.ones_like(far_share) for letter in later_stages]),
            )
        mean, sd = np.ascontiguousarray(first.mean.T), np.ascontiguousarray(first.sd.T)
        return ServedStages(first.columns, mean, sd, first.coefficients, later)

    def first(self, rows: Floats, groups: Ints) -> Floats:
        """Return the change (MW) predicted by stage A, shape (H,); ``groups``: the targets' slots of the day."""
        out = np.empty(rows.shape[1])
        _first(rows, self.columns, self.mean, self.sd, self.coefficients, groups, out)
        return out

    def final(self, rows: Floats, derived: Floats, case: Ints, base: int, first: Floats) -> Floats:
        """Return the change (MW) after all stages, shape (H,).

        Args:
            rows: Features, shape (features, H).
            derived: As ``Columns.derived``.
            case: As ``models.net_load.linear_stages``.
            base: Row of the bias-corrected published change; read where a stage adds to it.
            first: Change that stage A predicts, MW, shape (H,).
        """
        out, late = first.copy(), self.later
        if late is not None:
            _add_later(
                rows,
                derived,
                first,
                case,
                base,
                late.columns,
                late.ends,
                late.mean,
                late.sd,
                late.beta,
                late.ready,
                late.wanted,
                late.on_base,
                late.share,
                out,
            )
        return out


@kernel(error_model="numpy")
def _dot(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    rows: Floats,
    derived: Floats,
    columns: Ints,
    mean: Floats,
    sd: Floats,
    beta: Floats,
    low: int,
    high: int,
    out: Floats,
) -> None:
    """Write standardised inputs times coefficients into ``out`` (H,) at horizons ``low`` to ``high``; missing is 0.

    ``mean``, ``sd``: shape (inputs, H). ``beta``: shape (inputs + 1, H), constants last. The horizons are the inner
    loop, so the compiler makes vectors of them; each sum runs over the inputs in order.
    """
    inputs, before = mean.shape[0], derived.shape[0]
    out[low:high] = beta[inputs, low:high]
    for j in range(inputs):
        values = derived[j] if j < before else rows[columns[j - before]]
        for h in range(low, high):
            z = (values[h] - mean[j, h]) / sd[j, h]
            clipped = min(max(z, -CLIP), CLIP)
            out[h] += 0.0 if np.isnan(z) else beta[j, h] * clipped


@kernel
def _first(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    rows: Floats, columns: Ints, mean: Floats, sd: Floats, coefficients: Floats, groups: Ints, out: Floats
) -> None:
    """Write the prediction of stage A, each horizon with the coefficients of its slot of the day."""
    beta = np.empty((coefficients.shape[2], out.shape[0]))
    for h in range(out.shape[0]):
        weights = coefficients[h, groups[h]]
        for j in range(beta.shape[0]):
            beta[j, h] = weights[j]
    _dot(rows, np.empty((0, out.shape[0])), columns, mean, sd, beta, 0, out.shape[0], out)


@kernel
def _add_later(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    rows: Floats,
    derived: Floats,
    first: Floats,
    case: Ints,
    base: int,
    columns: Ints,
    ends: Ints,
    mean: Floats,
    sd: Floats,
    beta: Floats,
    ready: Bools,
    stage_case: Ints,
    on_base: Bools,
    share: Floats,
    out: Floats,
) -> None:
    """Write the predictions of the later stages on A or on the published change, for the horizons that need them."""
    residual = np.empty(out.shape[0])
    for s in range(ends.shape[0]):
        start = ends[s - 1] if s else 0
        low = high = 0
        for h in range(out.shape[0]):
            if ready[s, h] and case[h] == stage_case[s]:
                low = h if high == 0 else low
                high = h + 1
        if high == 0:
            continue
        stage_columns, begin, end = columns[start : ends[s]], start + DERIVED * s, ends[s] + DERIVED * (s + 1)
        _dot(
            rows,
            derived,
            stage_columns,
            mean[begin:end],
            sd[begin:end],
            beta[begin + s : end + s + 1],
            low,
            high,
            residual,
        )
        for h in range(low, high):
            if ready[s, h] and case[h] == stage_case[s]:
                out[h] = (rows[base, h] if on_base[s] else first[h]) + share[s, h] * residual[h]
