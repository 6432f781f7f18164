"""When a run counts as stalled, and which worker holds it up."""

import time
from typing import Any

import pytest

from console.local.supervisor import FIRST_RECORDS, FIRST_RECORDS_S, STALL_S, Live, stall_limit_s, stalled
from topologies.runtime.status import expected_workers
from vpp.settings import Settings


@pytest.mark.parametrize(
    ("plant", "limit_s"),
    [
        pytest.param({"processed": 0, "lag": 5}, FIRST_RECORDS_S, id="no record yet, work waits"),
        pytest.param({"processed": 1, "lag": 5}, FIRST_RECORDS_S, id="at its first records"),
        pytest.param({"processed": 0}, STALL_S, id="nothing waits for it"),
        pytest.param({"processed": FIRST_RECORDS, "lag": 5}, STALL_S, id="under way"),
        pytest.param(
            {"processed": 1, "updated_at_s": time.time() - 60}, FIRST_RECORDS_S, id="busy since before work came"
        ),
        pytest.param({"updated_at_s": time.time() - 60}, FIRST_RECORDS_S, id="busy at its first decision"),
        pytest.param(None, FIRST_RECORDS_S, id="still starting"),
        pytest.param({}, STALL_S, id="all report, nothing moves"),
    ],
)
def test_a_step_that_may_compile_has_time(plant: dict[str, Any] | None, limit_s: float) -> None:
    assert stall_limit_s(of_a_plant(plant=plant)) == limit_s


def of_a_plant(**statuses: dict[str, Any] | None) -> Live:
    """Return a plant with remote inference whose workers are well, but for those that are named; None: absent."""
    workers = expected_workers(Settings(inference="remote"))
    well = {"processed": 500, "lag": 0, "updated_at_s": time.time(), "started_at_s": 0.0}
    given = {name: statuses.get(name, {}) for name in workers}
    topologies = {name: {**well, **status} for name, status in given.items() if status is not None}
    return Live(1.0, topologies, 0, workers=workers)


@pytest.mark.parametrize(
    ("status", "culprit"),
    [
        pytest.param({"lag": 1}, "inference", id="a row waits"),
        pytest.param(None, "inference", id="it never started"),
        pytest.param({"updated_at_s": time.time() - 60}, "inference", id="it is silent"),
        pytest.param({}, "storage", id="all are well"),
    ],
)
def test_a_stalled_run_names_the_worker_that_holds_it_up(status: dict[str, Any] | None, culprit: str) -> None:
    error = stalled(of_a_plant(inference=status), 60)
    assert str(error) == f"nothing moved for 60 s while work waits; first at {culprit}"
    assert error.hint == f"see logs/{culprit}.log in the data directory"
