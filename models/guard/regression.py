"""Learns the channel forecasts: one ridge regression per stream, walked forward in blocks.

Normal equations are summed block by block and fade with a half-life of a year; each block is forecast before it is
learned, so what the evidence is counted on was out of sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.guard.channel_kernel import CLIP, FACTORS, factors, fill_inputs
from models.guard.layout import Shape
from models.guard.series import Series
from vpp.numerics.arrays import Bools, Floats, Floats32
from vpp.numerics.compiled import kernel

PENALTY = 30.0
HALF_LIFE_DAYS = 365.0
MIN_ROWS = 600
DAY_CLASSES = 3
PUBLISHED_INPUTS = 4
PART_ROWS = 8192


@kernel(error_model="numpy")
def _inputs(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    window: Floats,
    published: Floats,
    context: Floats,
    first: int,
    last: int,
    row: int,
    ahead: int,
    shape: Shape,
    out: Floats,
    is_known: Bools,
) -> None:
    for at in range(first, last):
        is_known[at - first] = fill_inputs(window, published, context, at, row, ahead, shape, out[at - first])


@kernel(error_model="numpy")
def _design(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    inputs: Floats, context: Floats, first: int, ahead: int, groups: int, mean: Floats, sd: Floats, out: Floats32
) -> None:
    """Write the terms of each row: inputs, standardised and clipped, times the factors, and its slot and day class."""
    times = np.empty(FACTORS)
    out[:] = 0.0
    n = inputs.shape[1]
    for i in range(inputs.shape[0]):
        target = first + i + ahead
        group, day_class = int(context[0, target]), int(context[1, target])
        factors(group, day_class, groups, times)
        for j in range(n):
            z = (inputs[i, j] - mean[j]) / sd[j]
            if np.isnan(z):
                continue
            z = min(max(z, -CLIP), CLIP)
            for k in range(FACTORS):
                out[i, j * FACTORS + k] = z * times[k]
        out[i, n * FACTORS + group * DAY_CLASSES + day_class] = 1.0


@dataclass
class StreamFit:
    """Sums of one stream: ``gram`` (2, terms, terms) and ``moment`` (2, terms), without and with what is published."""

    row: int
    ahead: int
    scaling: tuple[Floats, Floats] | None = None
    gram: list[Floats] = field(default_factory=list)
    moment: list[Floats] = field(default_factory=list)
    rows: list[int] = field(default_factory=lambda: [0, 0])

    def inputs(self, series: Series, first: int, last: int, shape: Shape) -> tuple[Floats, Bools]:
        """Return the inputs (rows, inputs) of origins ``first`` to ``last`` and where a published forecast is known.

        Args:
            series: Windows, published forecasts and context.
            first: First position.
            last: Last position, exclusive.
            shape: Sizes and rows of the guard.
        """
        count = len(shape.lags) + len(shape.days) + 3 * shape.channels + PUBLISHED_INPUTS
        out, is_known = np.empty((last - first, count)), np.zeros(last - first, dtype=np.bool_)
        _inputs(
            series.window, series.published, series.context, first, last, self.row, self.ahead, shape, out, is_known
        )
        return out, is_known

    def design(self, inputs: Floats, series: Series, first: int, shape: Shape) -> Floats32:
        """Return the terms of each row.

        Args:
            inputs: Inputs of the rows, shape (rows, inputs).
            series: Windows, published forecasts and context.
            first: Position of the first row.
            shape: Sizes and rows of the guard.
        """
        assert self.scaling is not None
        terms = inputs.shape[1] * FACTORS + shape.groups * DAY_CLASSES
        out = np.empty((len(inputs), terms), dtype=np.float32)
        _design(inputs, series.context, first, self.ahead, shape.groups, *self.scaling, out)
        return out

    def scale(self, inputs: Floats) -> None:
        """Take means and deviations of the inputs from the first block."""
        counts = (~np.isnan(inputs)).sum(axis=0)
        safe = np.where(np.isnan(inputs), 0.0, inputs)
        mean = safe.sum(axis=0) / np.maximum(counts, 1)
        away = np.where(np.isnan(inputs), 0.0, inputs - mean)
        sd = np.sqrt((away**2).sum(axis=0) / np.maximum(counts, 1))
        self.scaling = mean, np.where(sd > 0.0, sd, np.inf)

    def add(self, design: Floats32, inputs: int, target: Floats, is_known: Bools, fade: float) -> None:
        """Fade the sums and add a block.

        Args:
            design: Terms of the rows, shape (rows, terms).
            inputs: Number of inputs; the last four are of the published forecast.
            target: Change to the target, MW, shape (rows,), NaN = not learned.
            is_known: Whether the published forecast of each row is known, shape (rows,).
            fade: Weight that the earlier sums keep, 0 to 1.
        """
        if not self.gram:
            terms = design.shape[1]
            self.gram = [np.zeros((terms, terms)) for _ in range(2)]
            self.moment = [np.zeros(terms) for _ in range(2)]
        for variant, take in ((0, np.isfinite(target)), (1, np.isfinite(target) & is_known)):
            self.gram[variant] *= fade
            self.moment[variant] *= fade
            self.rows[variant] = int(self.rows[variant] * fade)
            if not take.any():
                continue
            rows, y = design[take], target[take].astype(np.float32)
            if variant == 0:  # the twin without published forecasts does not use them
                rows = rows.copy()
                rows[:, (inputs - PUBLISHED_INPUTS) * FACTORS : inputs * FACTORS] = 0.0
            self.gram[variant] += rows.T @ rows
            self.moment[variant] += rows.T @ y
            self.rows[variant] += len(rows)

    def solve(self, variant: int) -> Floats | None:
        """Return the coefficients, None with too few rows."""
        if not self.gram or self.rows[variant] < MIN_ROWS:
            return None
        gram = self.gram[variant] + PENALTY * np.eye(len(self.gram[variant]))
        return np.asarray(np.linalg.solve(gram, self.moment[variant]))


class Regressions:
    """All streams of a zone.

    Args:
        shape: The zone's constants.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.streams = [StreamFit(int(r), int(h)) for r, h in zip(shape.row, shape.ahead, strict=True)]
        self.inputs = len(shape.lags) + len(shape.days) + 3 * shape.channels + PUBLISHED_INPUTS
        self.terms = self.inputs * FACTORS + shape.groups * DAY_CLASSES

    def scaling(self) -> tuple[Floats, Floats]:
        """Return means and deviations of the inputs, shape (S, inputs) each."""
        scalings = [stream.scaling for stream in self.streams if stream.scaling is not None]
        return np.stack([mean for mean, _ in scalings]), np.stack([sd for _, sd in scalings])

    def coefficients(self) -> tuple[Floats, Bools]:
        """Return coefficients (S, 2, terms) and which may be used (S, 2)."""
        beta = np.zeros((len(self.streams), 2, self.terms))
        usable = np.zeros((len(self.streams), 2), dtype=np.bool_)
        for s, stream in enumerate(self.streams):
            for variant in range(2):
                solution = stream.solve(variant)
                if solution is not None:
                    beta[s, variant], usable[s, variant] = solution, True
        return beta, usable

    def block(self, series: Series, first: int, last: int, forecasts: Floats, *, learn: bool = True) -> None:
        """Forecast the origins ``first`` to ``last``, write ``forecasts`` (slots, S), then learn these origins.

        Only origins whose target lies before ``last`` are learned here, the rest with the next block.

        Args:
            series: Windows, published forecasts and context.
            first: First position.
            last: Last position, exclusive.
            forecasts: Forecasts by origin and stream, MW, shape (slots, S); written in place.
            learn: Whether the origins are learned afterwards.
        """
        beta, usable = self.coefficients()
        fade = 0.5 ** ((last - first) / self._shape.per_day / HALF_LIFE_DAYS)
        slots = series.window.shape[1]
        for s, stream in enumerate(self.streams):
            start = max(first - stream.ahead, 0)
            values = series.window[stream.row]
            parts = [(a, min(a + PART_ROWS, last)) for a in range(start, last, PART_ROWS)]
            faded = fade
            for a, b in parts:
                inputs, is_known = stream.inputs(series, a, b, self._shape)
                if stream.scaling is None:
                    stream.scale(inputs)
                design = stream.design(inputs, series, a, self._shape)
                with_it = (design @ beta[s].T.astype(np.float32)).astype(np.float64)
                change = np.where(is_known & usable[s, 1], with_it[:, 1], with_it[:, 0])
                ok = np.where(is_known & usable[s, 1], True, usable[s, 0]) & (np.arange(a, b) >= first)
                forecasts[a:b, s] = np.where(ok, values[a:b] + change, forecasts[a:b, s])
                if learn:
                    target = np.full(b - a, np.nan)
                    end = min(b, last - stream.ahead, slots - stream.ahead)
                    if end > a:
                        target[: end - a] = values[a + stream.ahead : end + stream.ahead] - values[a:end]
                    stream.add(design, self.inputs, target, is_known, faded)
                    faded = 1.0
