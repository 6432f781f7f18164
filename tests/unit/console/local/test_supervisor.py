"""When a run counts as stalled."""

import pytest

from console.local.supervisor import FIRST_RECORDS, FIRST_RECORDS_S, STALL_S, Live, stall_limit_s


@pytest.mark.parametrize(
    ("processed", "lag", "limit_s"),
    [
        pytest.param(0, 5, FIRST_RECORDS_S, id="no record yet, work waits"),
        pytest.param(1, 5, FIRST_RECORDS_S, id="at its first records"),
        pytest.param(0, 0, STALL_S, id="nothing waits for it"),
        pytest.param(FIRST_RECORDS, 5, STALL_S, id="under way"),
    ],
)
def test_a_step_at_its_first_records_has_time_to_compile(processed: int, lag: int, limit_s: float) -> None:
    step = {"processed": processed, "lag": lag}
    live = Live(1.0, {"telemetry": {"processed": 500, "lag": 0}, "plant": step}, 0)
    assert stall_limit_s(live) == limit_s
