"""HiGHS with cold starts: the same problem gives the same bits, independent of earlier solves.

Optima are not unique, and a warm start would keep the vertex of an earlier solve. Every solve therefore starts cold, on
one thread, without presolve (measured: half the time at these sizes).
"""

from __future__ import annotations

from collections import deque
from types import TracebackType

import highspy
import msgspec
import numpy as np
import numpy.typing as npt
from highspy._core import _Highs  # making the public class prints a banner on stdout, which may be a protocol stream
from msgspec.structs import replace

from agents.clearing.problem import Effort
from vpp.numerics.arrays import Floats, Ints

SOLVER = f"HiGHS {highspy.HIGHS_VERSION_MAJOR}.{highspy.HIGHS_VERSION_MINOR}.{highspy.HIGHS_VERSION_PATCH}"
_COLUMNWISE = 1
_MINIMIZE = 1
_idle: deque[_Highs] = deque()
"""Solvers that nobody holds: making one takes 0.2 ms. Who takes one out owns it until it is put back."""


class Matrix(msgspec.Struct, frozen=True):
    """A sparse matrix by columns: ``start`` (columns + 1), row ``index`` and ``value`` of each entry."""

    rows: int
    columns: int
    start: npt.NDArray[np.int32]
    index: npt.NDArray[np.int32]
    value: Floats

    @staticmethod
    def of(shape: tuple[int, int], row: Ints, column: Ints, value: Floats) -> Matrix:
        """Return the matrix of ``(row, column, value)`` triples; each place occurs at most once.

        Args:
            shape: Rows and columns.
            row: Row of each entry, shape (entries,).
            column: Column of each entry, shape (entries,).
            value: Value of each entry, shape (entries,).
        """
        order = np.lexsort((row, column))
        start = np.zeros(shape[1] + 1, dtype=np.int32)
        np.cumsum(np.bincount(column, minlength=shape[1]), out=start[1:])
        return Matrix(shape[0], shape[1], start, row[order].astype(np.int32), value[order])


class Units(msgspec.Struct, frozen=True):
    """Scaling units of columns, rows and cost for HiGHS.

    Tolerances of the solver are absolute. Units that grow with the site give a home and a region the same relative
    accuracy.
    """

    column: Floats
    row: Floats
    cost: float

    def program(self, program: Program) -> Program:
        """Return the program in these units."""
        matrix = program.matrix
        column = np.repeat(self.column, np.diff(matrix.start))
        return replace(
            program,
            matrix=replace(matrix, value=matrix.value * column / self.row[matrix.index]),
            cost=program.cost * self.column / self.cost,
            low=program.low / self.column,
            high=program.high / self.column,
            row_low=program.row_low / self.row,
            row_high=program.row_high / self.row,
        )

    def answer(self, answer: Answer) -> Answer:
        """Convert an answer in these units into the units of the original program."""
        return replace(
            answer,
            value=None if answer.value is None else answer.value * self.column,
            dual=None if answer.dual is None else answer.dual * (self.cost / self.row),
            reduced=None if answer.reduced is None else answer.reduced * (self.cost / self.column),
            objective=answer.objective * self.cost,
        )


class Program(msgspec.Struct, frozen=True):
    """Minimise ``cost x`` with ``row_low <= matrix x <= row_high``, ``low <= x <= high``.

    ``integer``: 1 for columns that must be whole; it is for ``agents.clearing.branch_and_bound``, HiGHS sees an LP.
    ``units``: scaling units for HiGHS, None: no scaling.
    """

    matrix: Matrix
    cost: Floats
    low: Floats
    high: Floats
    row_low: Floats
    row_high: Floats
    integer: npt.NDArray[np.int32] | None = None
    units: Units | None = None


class Answer(msgspec.Struct, frozen=True):
    """Result of HiGHS: ``status`` is ``optimal`` or the reason why there is no optimum.

    ``value`` and ``reduced`` (by column), ``dual`` (by row, ``d objective / d rhs``) are None without a solution,
    the prices (``dual``, ``reduced``) also if they were not requested.
    """

    status: str
    value: Floats | None
    dual: Floats | None
    reduced: Floats | None
    objective: float
    iterations: int


def solve_cold(program: Program, effort: Effort, *, priced: bool = True) -> Answer:
    """Return the optimum of ``program`` without integrality, from a cold start.

    Args:
        program: The program.
        effort: Limits of the solver.
        priced: Whether to read prices.
    """
    with Continued(program, effort) as engine:
        return engine.run(priced=priced)


class Continued:
    """One LP whose bounds change from solve to solve. It starts cold; each solve continues from the previous one.

    A sequence of solves is reproducible. The object owns its solver until ``close`` or the end of its ``with`` block.
    """

    def __init__(self, program: Program, effort: Effort) -> None:
        self._highs = _take()
        self._units = program.units
        _pass(self._highs, program if program.units is None else program.units.program(program), effort)

    def __enter__(self) -> Continued:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Return the solver to the pool; no further solves are possible."""
        _idle.append(self._highs)
        del self._highs

    def run(self, *, priced: bool = True) -> Answer:
        """Return the optimum with the current bounds."""
        self._highs.run()
        return self._answer(priced=priced)

    def solve(self, columns: npt.NDArray[np.int64], low: Floats, high: Floats) -> Answer:
        """Return the optimum with the bounds of ``columns`` replaced, without prices (see ``last``)."""
        self._run(columns, low, high)
        return self._answer(priced=False)

    def priced(self, answer: Answer) -> Answer:
        """Return the optimum of the last solve, which ``solve`` gave, with its prices."""
        solution, units = self._highs.getSolution(), self._units
        dual, reduced = np.array(solution.row_dual), np.array(solution.col_dual)
        if units is not None:
            dual, reduced = dual * (units.cost / units.row), reduced * (units.cost / units.column)
        return replace(answer, dual=dual, reduced=reduced)

    def _answer(self, *, priced: bool) -> Answer:
        answer = _answer(self._highs, priced=priced)
        return answer if self._units is None else self._units.answer(answer)

    def values(self, columns: npt.NDArray[np.int64], low: Floats, high: Floats) -> Floats | None:
        """Return only the column values of ``solve``, None without an optimum; this saves reading the prices."""
        self._run(columns, low, high)
        if self._highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        value = np.array(self._highs.getSolution().col_value)
        return value if self._units is None else value * self._units.column

    def _run(self, columns: npt.NDArray[np.int64], low: Floats, high: Floats) -> None:
        if self._units is not None:
            low, high = low / self._units.column[columns], high / self._units.column[columns]
        self._highs.changeColsBounds(len(columns), columns.astype(np.int32), low, high)
        self._highs.run()

    def demand(self, rows: npt.NDArray[np.int64], value: Floats) -> None:
        """Set the right-hand side of equality ``rows`` for the solves that follow."""
        if self._units is not None:
            value = value / self._units.row[rows]
        self._highs.changeRowsBounds(len(rows), rows.astype(np.int32), value, value)  # type: ignore[attr-defined]  # the stub lacks it


def _pass(highs: _Highs, program: Program, effort: Effort) -> None:
    matrix = program.matrix
    highs.setOptionValue("simplex_iteration_limit", effort.simplex_iterations)
    highs.setOptionValue("time_limit", highs.getRunTime() + effort.time_limit_s)  # its clock runs on over solves
    highs.passModel(
        matrix.columns,
        matrix.rows,
        len(matrix.value),
        _COLUMNWISE,
        _MINIMIZE,
        0.0,
        program.cost,
        program.low,
        program.high,
        program.row_low,
        program.row_high,
        matrix.start,
        matrix.index,
        matrix.value,
        np.zeros(matrix.columns, dtype=np.int32),
    )
    highs.clearSolver()


def _answer(highs: _Highs, *, priced: bool) -> Answer:
    status = highs.getModelStatus()
    info = highs.getInfo()
    iterations = int(info.simplex_iteration_count)
    if status != highspy.HighsModelStatus.kOptimal:
        name = highs.modelStatusToString(status).lower().replace(" ", "_")
        return Answer(name, None, None, None, float("nan"), iterations)
    solution = highs.getSolution()
    return Answer(
        status="optimal",
        value=np.array(solution.col_value),
        dual=np.array(solution.row_dual) if priced else None,
        reduced=np.array(solution.col_dual) if priced else None,
        objective=float(info.objective_function_value),
        iterations=iterations,
    )


def _take() -> _Highs:
    try:
        return _idle.pop()
    except IndexError:
        engine = _Highs()
    engine.setOptionValue("output_flag", False)
    engine.setOptionValue("threads", 1)
    engine.setOptionValue("solver", "simplex")
    engine.setOptionValue("random_seed", 0)
    engine.setOptionValue("presolve", "off")
    # To check how well conditioned the first basis is takes an eighth of a solve; ours is the identity or was optimal.
    engine.setOptionValue("simplex_initial_condition_check", False)
    return engine
