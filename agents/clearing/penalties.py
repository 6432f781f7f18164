"""Expected penalties of ramps and grid levels: error nodes and the convex curves that they make.

With an uncertain net load, a limit has an expected cost before it is reached. The spread of the error is replaced by a
few equally likely deviations (nodes). The expected cost of a ramp or a level is then a sum of hinges, which is one
convex, piecewise linear curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from agents.assets.lp import gap_hours
from agents.clearing.problem import ClearingProblem
from vpp.numerics.arrays import Floats

RAMP_NODES = 3
LEVEL_NODES = 3


def student_t4(probability: float) -> float:
    """Return the quantile of Student's t with 4 degrees of freedom (closed form; Shaw 2006, J. Comput. Finance 9(4)).

    >>> round(student_t4(5 / 6), 4)
    1.0994
    """
    if probability == 0.5:
        return 0.0
    root = math.sqrt(4.0 * probability * (1.0 - probability))
    size = 2.0 * math.sqrt(math.cos(math.acos(root) / 3.0) / root - 1.0)
    return math.copysign(size, probability - 0.5)


@lru_cache(maxsize=16)
def deviations(count: int) -> Floats:
    """Return ``count`` equally likely deviations of unit spread: t4 quantiles at ``(j + 0.5) / count`` over sqrt(2).

    The array is shared and read-only.
    """
    points = np.array([student_t4((j + 0.5) / count) for j in range(count)]) / math.sqrt(2.0)
    points.setflags(write=False)
    return points


def hedge_weights(count: int, hedge: float) -> Floats:
    """Return node weights: ``hedge / count`` each, the middle one ``1 - hedge`` more; they sum to 1."""
    weights = np.full(count, hedge / count)
    weights[count // 2] += 1.0 - hedge
    return weights


@dataclass(frozen=True, slots=True)
class Hinges:
    """Expected cost ``sum_j above_j (x - up_j)+ + sum_j below_j (down_j - x)+`` of one quantity x[h] per step.

    ``up_mw``, ``above``: shape (N, Ju); ``down_mw``, ``below``: shape (N, Jd); points in MW, weights in money per MW.
    """

    up_mw: Floats
    above: Floats
    down_mw: Floats
    below: Floats

    def cost(self, x: Floats) -> Floats:
        """Return the expected cost per step of ``x`` (shape (N,), MW), shape (N,)."""
        rise = np.maximum(x[:, None] - self.up_mw, 0.0) * self.above
        fall = np.maximum(self.down_mw - x[:, None], 0.0) * self.below
        return np.asarray(rise.sum(axis=1) + fall.sum(axis=1))

    def segments(self) -> tuple[Floats, Floats, Floats]:
        """Return the curve as one anchor and its linear pieces.

        ``x = anchor + sum(sign_i s_i)`` with ``0 <= s_i <= width_i``: the first ``Jd + 1`` pieces lead down from the
        anchor (sign -1), the others up. Since the curve is convex, a minimiser fills the pieces in order.

        Returns:
            Anchor, shape (N,); widths and unit costs of the pieces, shape (N, Ju + Jd + 1); an outermost width is inf.
        """
        points = np.concatenate([self.down_mw, self.up_mw], axis=1)
        order = np.argsort(points, axis=1, kind="stable")
        rows = np.arange(len(order))[:, None]
        points = points[rows, order]
        steps = np.concatenate([self.below, self.above], axis=1)[rows, order]
        lowest = -self.below.sum(axis=1, keepdims=True)
        slopes = np.concatenate([lowest, lowest + np.cumsum(steps, axis=1)], axis=1)
        at = min(self.down_mw.shape[1], points.shape[1] - 1)
        gaps = np.diff(points, axis=1)
        far = np.full((len(points), 1), np.inf)
        widths = np.concatenate([gaps[:, :at][:, ::-1], far, gaps[:, at:], far], axis=1)
        costs = np.concatenate([-slopes[:, : at + 1][:, ::-1], slopes[:, at + 1 :]], axis=1)
        return points[:, at], widths, costs

    def used(self, x: Floats) -> Floats:
        """Return how much of each piece of ``segments`` a given ``x`` (shape (N,)) takes, shape as the widths."""
        anchor, widths, _ = self.segments()
        at = min(self.down_mw.shape[1], widths.shape[1] - 2) + 1
        filled = np.zeros_like(widths)
        for pieces, reach in ((range(at), anchor - x), (range(at, widths.shape[1]), x - anchor)):
            unfilled = np.maximum(reach, 0.0)
            for k in pieces:
                filled[:, k] = np.minimum(unfilled, widths[:, k])
                unfilled = unfilled - filled[:, k]
        return filled


def ramp_hinges(problem: ClearingProblem, nodes: int = RAMP_NODES, *, service_factor: float | None = None) -> Hinges:
    """Return the expected ramp penalty on ``grid[h] - grid[h-1]``, service factor included, money per MW.

    The limit per slot is scaled to the distance of the steps' centres; a longer step counts as equal ramps of its
    slots. At h = 0, where the net load is known best, only the middle node counts; without a last grid power, no node.
    ``service_factor``: in place of the problem's own; 1 gives real money.
    """
    factor = problem.service_factor if service_factor is None else service_factor
    zone = problem.zone
    slot_h = zone.step.hours
    stretch = gap_hours(problem.step_h) / slot_h
    limit = zone.limits.ramp_limit_mw * stretch
    limit[0] = max(limit[0] - problem.ramp_margin_mw, 0.0)
    dev, weights = _nodes(problem, problem.ramp_sd_mw, nodes)
    cost = factor * zone.limits.ramp_penalty_per_mwh * slot_h * weights
    if math.isnan(problem.state.grid_mw):
        cost[0] = 0.0
    return Hinges(up_mw=limit[:, None] - dev, above=cost, down_mw=-limit[:, None] - dev, below=cost)


def level_hinges(problem: ClearingProblem, nodes: int = LEVEL_NODES, *, service_factor: float | None = None) -> Hinges:
    """Return the expected penalty on ``grid[h]`` above the import cap or below the export cap, money per MW.

    ``service_factor`` as in ``ramp_hinges``.
    """
    factor = problem.service_factor if service_factor is None else service_factor
    limits = problem.zone.limits
    margin = np.zeros(problem.steps)
    margin[0] = problem.cap_margin_mw
    dev, weights = _nodes(problem, problem.level_sd_mw, nodes)
    price = factor * limits.cap_penalty_per_mwh * problem.step_h[:, None] * weights
    up = (limits.import_cap_mw - margin)[:, None] - dev
    if limits.export_cap_mw is None:
        none = np.zeros((problem.steps, 0))
        return Hinges(up_mw=up, above=price, down_mw=none, below=none)
    return Hinges(up_mw=up, above=price, down_mw=(margin - limits.export_cap_mw)[:, None] - dev, below=price)


def _nodes(problem: ClearingProblem, spread_mw: Floats, nodes: int) -> tuple[Floats, Floats]:
    dev = spread_mw[:, None] * deviations(nodes)[None, :]
    dev[0] = 0.0
    return dev, _weights(problem.steps, nodes, problem.hedge)


@lru_cache(maxsize=256)
def _weights(steps: int, nodes: int, hedge: float) -> Floats:
    """Return the weights of the nodes of each step, shape (steps, nodes), shared and read-only."""
    weights = np.tile(hedge_weights(nodes, hedge), (steps, 1))
    weights[0] = 0.0
    weights[0, nodes // 2] = 1.0
    weights.setflags(write=False)
    return weights
