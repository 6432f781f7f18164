"""What a load test asks for, when it ends, and what it reports."""

from typing import Any

import pytest

from console.local import load_test
from console.local.load_test import Load, WorkerLoad
from console.local.supervisor import Live
from vpp.errors import ConfigError, DataError
from vpp.streams.topics import TOPOLOGIES


def live(processed: int, cpu_s: float, lag: int = 0) -> Live:
    """Return a snapshot in which every worker stands at the same figures; the plant reads two records per slot."""
    counts: dict[str, Any] = {
        name: {"processed": processed * (2 if name == "plant" else 1), "cpu_s": cpu_s, "lag": lag, "pid": 0}
        for name in TOPOLOGIES
    }
    return Live(0.0, counts, 0)


@pytest.mark.parametrize(
    "load",
    [
        Load(zones=0, slots_per_s=1.0, minutes=1.0),
        Load(zones=1, slots_per_s=0.0, minutes=1.0),
        Load(zones=1, slots_per_s=1.0, minutes=-1.0),
        Load(zones=1, slots_per_s=1e6, minutes=60.0),
    ],
)
def test_a_load_out_of_range_is_refused_with_the_next_step(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load.check()
    assert caught.value.hint


def test_the_source_sends_the_rate_over_all_zones_for_the_minutes() -> None:
    load = Load(zones=20, slots_per_s=40.0, minutes=0.5)
    source = load.source()
    assert source.pulse_s == pytest.approx(0.5)
    assert load.steps == 60
    assert len(source.zones) == 20
    assert source.start is not None
    assert source.end is not None
    assert (source.end - source.start).total_seconds() == 60 * 1800
    assert source.warm_up_days == 0.0


def test_costs_are_counted_from_the_warm_records_on() -> None:
    watch = load_test._Watch(run_s=60.0, warm_records=20)
    for snapshot in (live(5, 3.0), live(10, 4.0, lag=7), live(110, 5.0)):
        watch.look(snapshot)
    report = load_test._report(Load(zones=11, slots_per_s=10.0, minutes=1 / 6), watch, 22_000, kept_up=True)
    assert report.slots_sent == 99
    assert report.slots_done == 99
    workers: dict[str, WorkerLoad] = {worker.topology: worker for worker in report.workers}
    assert workers["actor"].records == 100
    assert workers["actor"].cpu_ms_per_record == pytest.approx(10.0)
    assert workers["plant"].cpu_ms_per_record == pytest.approx(5.0)
    assert workers["plant"].cpu_ms_per_slot == pytest.approx(10.0)
    assert workers["storage"].most_lag_records == 7
    assert report.slot_cpu_ms_total == pytest.approx(10.0 * len(TOPOLOGIES))
    assert report.stored_bytes_per_slot == pytest.approx(222)


@pytest.mark.parametrize(("kept_up", "done"), [(True, 99), (False, 60)])
def test_a_run_that_ended_has_decided_every_slot(kept_up: bool, done: int) -> None:
    watch = load_test._Watch(run_s=60.0, warm_records=20)
    for snapshot in (live(10, 4.0), live(60, 5.0)):
        watch.look(snapshot)
    load = Load(zones=11, slots_per_s=10.0, minutes=1 / 6)
    assert load_test._report(load, watch, None, kept_up=kept_up).slots_done == done


def test_a_test_without_a_decision_has_no_figures_and_ends() -> None:
    watch = load_test._Watch(run_s=60.0, warm_records=20, clock=lambda: 160.0 + load_test.START_S, started_s=100.0)
    watch.look(live(0, 1.0))
    with pytest.raises(DataError):
        load_test._report(Load(zones=1, slots_per_s=1.0, minutes=1.0), watch, None, kept_up=False)
    assert watch.is_over()


def test_time_counts_from_the_first_decision_on() -> None:
    now_s = [200.0]
    watch = load_test._Watch(run_s=60.0, warm_records=20, clock=lambda: now_s[0])
    watch.look(live(1, 1.0))
    assert not watch.is_over()
    now_s[0] = 260.0
    assert watch.is_over()
