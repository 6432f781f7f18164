"""Branch and bound over the dispatch LP: on/off decisions, and no charging while discharging.

The trees are small and the LPs cheap. This depth-first search, limited by nodes, ends sooner than the root node of a
general solver (cuts, presolve, probing), and always at the same node. It starts cold; within one search each LP
continues from the previous one, which is reproducible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from agents.clearing.highs import Answer, Continued, Program, solve_cold
from agents.clearing.problem import LEAST_SAVING_PER_MW, Effort
from vpp.numerics.arrays import Floats, Ints

WHOLE = 1e-6
"""A column this close to a whole number is one; less than this share of the unit of power is no power."""
RELATIVE_GAP = 1e-3
"""A branch is left where it cannot save more than this share of the best cost, or than what counts as equal."""


@dataclass(frozen=True, slots=True)
class Search:
    """The best LP answer, the program it solves, the number of visited nodes, and whether all nodes were closed."""

    answer: Answer
    program: Program
    nodes: int
    proven: bool
    branched: bool


@dataclass(frozen=True, slots=True)
class _Node:
    """Bounds of the branching columns, and the least cost that its parent allows.

    ``is_dive``: a heuristic node for a good answer: every undecided pair keeps its larger power.
    """

    low: Floats
    high: Floats
    bound: float
    is_dive: bool = False


def branch(
    program: Program, either: Ints, other: Ints, effort: Effort, *, served_mw: float, priced: bool = True
) -> Search:
    """Return the best point of ``program`` with whole ``integer`` columns and ``either[i] * other[i] = 0`` for all i.

    Args:
        program: The program; integrality is taken from it.
        either: Columns of which each or its partner must be 0, shape (pairs,) or any other.
        other: The partners, of the same shape.
        effort: ``tree_nodes`` limits the search; if no solution was found by then, the answer's status reports it.
        served_mw: Power that the zone serves, MW; the tolerance of a further branch grows with it.
        priced: Whether the answer includes prices.
    """
    least_mw = WHOLE if program.units is None else WHOLE * program.units.cost
    least_saving = LEAST_SAVING_PER_MW * served_mw
    integers = np.flatnonzero(program.integer) if program.integer is not None else np.zeros(0, dtype=np.int64)
    columns = np.concatenate([integers, either.ravel(), other.ravel()])
    relaxed = replace(program, integer=None)
    best: _Node | None = None
    best_cost = np.inf
    stack = [_Node(program.low[columns], program.high[columns], -np.inf)]
    nodes, first = 0, None
    with Continued(relaxed, effort) as engine:
        while stack and nodes < effort.tree_nodes:
            node = stack.pop()
            if node.bound >= best_cost - _gap(best_cost, least_saving):
                continue
            answer = engine.solve(columns, node.low, node.high)
            nodes += 1
            first = first or answer
            if answer.value is None or answer.objective >= best_cost - _gap(best_cost, least_saving):
                continue
            place, up_first = _undecided(answer.value[columns], len(integers), least_mw)
            if place < 0 and nodes == 1:
                return Search(engine.priced(answer) if priced else answer, relaxed, nodes, True, False)
            if place < 0:
                best, best_cost = _settled(node, answer.value[columns], len(integers)), answer.objective
                continue
            if not node.is_dive:
                stack.extend(_children(node, place, len(integers), answer.objective, up_first=up_first))
            if node.is_dive or nodes == 1:
                stack.append(_dive(node, answer.value[columns], len(integers), answer.objective, least_mw))
    if best is None:
        assert first is not None
        status = first.status if first.value is None else "tree_limit"
        return Search(replace(first, status=status, value=None, dual=None), relaxed, nodes, False, True)
    low, high = program.low.copy(), program.high.copy()
    low[columns], high[columns] = best.low, best.high
    settled = replace(relaxed, low=low, high=high)
    return Search(solve_cold(settled, effort, priced=priced), settled, nodes, not stack, True)


def _gap(cost: float, least_saving: float) -> float:
    return max(least_saving, RELATIVE_GAP * abs(cost)) if np.isfinite(cost) else 0.0


def _undecided(value: Floats, integers: int, least_mw: float) -> tuple[int, bool]:
    """Return the index to branch on (-1: none) and whether its upper branch is tried first."""
    parts = np.abs(value[:integers] - np.round(value[:integers]))
    if integers and parts.max() > WHOLE:
        place = int(np.argmax(parts))
        return place, bool(value[place] >= 0.5)
    pairs = (len(value) - integers) // 2
    either, other = value[integers : integers + pairs], value[integers + pairs :]
    smaller = np.minimum(either, other)
    if pairs and smaller.max() > least_mw:
        place = int(np.argmax(smaller))
        return integers + place, bool(either[place] > other[place])
    return -1, False


def _children(node: _Node, place: int, integers: int, cost: float, *, up_first: bool) -> list[_Node]:
    """Return the two branches; the last one is visited first."""
    if place < integers:
        zero, at_one = _with(node, place, 0.0, 0.0, cost), _with(node, place, 1.0, 1.0, cost)
        return [zero, at_one] if up_first else [at_one, zero]
    partner = place + (len(node.low) - integers) // 2
    keep_either = _with(node, partner, 0.0, 0.0, cost)
    keep_other = _with(node, place, 0.0, 0.0, cost)
    return [keep_other, keep_either] if up_first else [keep_either, keep_other]


def _dive(node: _Node, value: Floats, integers: int, cost: float, least_mw: float) -> _Node:
    """Return the node with whole columns rounded, and the smaller column of each undecided pair fixed to 0.

    Args:
        node: The node.
        value: Its LP's values of the branching columns.
        integers: How many of them must be whole.
        cost: The least cost that its LP allows.
        least_mw: Powers below this count as 0.
    """
    low, high = node.low.copy(), node.high.copy()
    low[:integers] = high[:integers] = np.round(value[:integers])
    pairs = (len(value) - integers) // 2
    either, other = slice(integers, integers + pairs), slice(integers + pairs, len(value))
    is_both = np.minimum(value[either], value[other]) > least_mw
    first = value[either] > value[other]
    high[other] = np.where(is_both & first, 0.0, high[other])
    high[either] = np.where(is_both & ~first, 0.0, high[either])
    return _Node(low, high, cost, is_dive=True)


def _with(node: _Node, place: int, low: float, high: float, cost: float) -> _Node:
    lows, highs = node.low.copy(), node.high.copy()
    lows[place], highs[place] = low, high
    return _Node(lows, highs, cost)


def _settled(node: _Node, value: Floats, integers: int) -> _Node:
    """Return the node with whole columns fixed and the idle column of each pair at 0, so an LP has this solution."""
    low, high = node.low.copy(), node.high.copy()
    low[:integers] = high[:integers] = np.round(value[:integers])
    pairs = (len(value) - integers) // 2
    either, other = slice(integers, integers + pairs), slice(integers + pairs, len(value))
    first = value[either] > value[other]
    high[other] = np.where(first, np.maximum(low[other], 0.0), high[other])
    high[either] = np.where(first, high[either], np.maximum(low[either], 0.0))
    return _Node(low, high, node.bound)
