"""Branch and bound against trying everything, and HiGHS kept quiet and cold."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from msgspec.structs import replace

from agents.clearing.branch_and_bound import branch
from agents.clearing.highs import Continued, Matrix, Program, solve_cold
from agents.clearing.problem import Effort
from vpp.numerics.arrays import Floats

NONE = np.zeros(0, dtype=np.int64)


def random_program(seed: int, columns: int = 8, rows: int = 5) -> Program:
    rng = np.random.default_rng(seed)
    dense = rng.normal(0.0, 1.0, (rows, columns))
    row, column = np.indices(dense.shape)
    matrix = Matrix.of(dense.shape, row.ravel(), column.ravel(), dense.ravel())
    high = np.ones(columns)
    return Program(
        matrix,
        20.0 * rng.normal(0.0, 1.0, columns),
        np.zeros(columns),
        high,
        np.full(rows, -np.inf),
        np.full(rows, 1.0),
    )


def fixed(program: Program, places: list[int], values: Floats) -> float:
    low, high = program.low.copy(), program.high.copy()
    low[places] = high[places] = values
    answer = solve_cold(replace(program, low=low, high=high, integer=None), Effort())
    return answer.objective if answer.value is not None else np.inf


@pytest.mark.parametrize("seed", range(12))
def test_whole_columns_as_by_trying_all(seed: int) -> None:
    program = random_program(seed)
    whole = [0, 2, 5, 6]
    flags = np.zeros(8, dtype=np.int32)
    flags[whole] = 1
    best = min(fixed(program, whole, np.array(v, dtype=float)) for v in itertools.product((0, 1), repeat=4))
    solution = branch(replace(program, integer=flags), NONE, NONE, Effort(), served_mw=100.0)
    assert solution.answer.value is not None
    assert solution.answer.value[whole] == pytest.approx(np.round(solution.answer.value[whole]), abs=1e-6)
    assert best - 1e-6 <= solution.answer.objective <= best + max(0.5, 1e-3 * abs(best))


@pytest.mark.parametrize("seed", range(12))
def test_pairs_of_which_one_is_zero_as_by_trying_all(seed: int) -> None:
    program = random_program(seed)
    either, other = np.array([0, 1, 2]), np.array([3, 4, 5])
    best = min(fixed(program, list(shut), np.zeros(3)) for shut in itertools.product((0, 3), (1, 4), (2, 5)))
    solution = branch(program, either, other, Effort(), served_mw=100.0)
    assert solution.answer.value is not None
    assert np.minimum(solution.answer.value[either], solution.answer.value[other]).max() < 1e-6
    assert best - 1e-6 <= solution.answer.objective <= best + max(0.5, 1e-3 * abs(best))


def test_a_search_cut_short_says_so() -> None:
    program = replace(random_program(3), integer=np.ones(8, dtype=np.int32))
    solution = branch(program, NONE, NONE, Effort(tree_nodes=1), served_mw=100.0)
    assert not solution.proven
    assert solution.answer.status in {"tree_limit", "optimal"}


def test_an_infeasible_program_says_so() -> None:
    program = random_program(0)
    solution = branch(replace(program, row_high=np.full(5, -100.0)), NONE, NONE, Effort(), served_mw=100.0)
    assert solution.answer.value is None
    assert solution.answer.status == "infeasible"


def test_a_sequence_of_solves_repeats_exactly() -> None:
    program = random_program(4)
    places = np.array([1, 3])

    def sequence() -> list[bytes]:
        engine = Continued(program, Effort())
        answers = [engine.solve(places, np.zeros(2), np.full(2, top)).value for top in (1.0, 0.3, 0.8)]
        return [b"" if value is None else value.tobytes() for value in answers]

    first = sequence()
    solve_cold(random_program(5), Effort())
    assert sequence() == first


def test_the_time_limit_is_that_of_one_solve() -> None:
    program = random_program(1, columns=60, rows=40)
    statuses = {solve_cold(program, Effort(time_limit_s=5.0)).status for _ in range(50)}
    assert statuses == {"optimal"}


def test_the_solver_prints_nothing() -> None:
    code = (
        "import numpy as np\n"
        "from agents.clearing.highs import Matrix, Program, solve_cold\n"
        "from agents.clearing.problem import Effort\n"
        "one = np.ones(1)\n"
        "m = Matrix.of((1, 1), np.zeros(1, int), np.zeros(1, int), one)\n"
        "assert solve_cold(Program(m, -one, 0 * one, one, 0 * one, one), Effort()).objective == -1.0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


@pytest.mark.parametrize("seed", range(6))
def test_a_short_search_has_an_answer_for_many_pairs(seed: int) -> None:
    """What pays to do both ways everywhere: branch by branch, the first answer would come after as many nodes."""
    program = random_program(seed, columns=24)
    either, other = np.arange(12), np.arange(12, 24)
    program = replace(program, cost=-np.abs(program.cost), row_high=np.full(5, 6.0))
    search = branch(program, either, other, Effort(tree_nodes=4), served_mw=100.0)
    assert search.answer.value is not None
    assert np.minimum(search.answer.value[either], search.answer.value[other]).max() < 1e-6
