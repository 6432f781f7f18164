"""A drift warning names its zone once, and a zone at most once a day."""

from datetime import UTC, datetime, timedelta

from topologies.sources.drift_watch import DriftWatch, stored_drifts
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import ALERTS

T0 = datetime(2025, 6, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def watch(warnings, clock=lambda: 0.0, wait_s=0.0):
    return DriftWatch(lambda since: [w for w in warnings if w[1] >= since], T0, wait_s=wait_s, clock=clock)


def test_a_warning_is_named_once_when_its_time_has_come():
    warnings: list[tuple[str, datetime]] = []
    drifted = watch(warnings)
    assert drifted(T0) == set()
    warnings.append(("A", T0 + DAY))
    assert drifted(T0 + DAY - HOUR) == set()
    assert drifted(T0 + DAY) == {"A"}
    assert drifted(T0 + DAY + HOUR) == set()


def test_a_zone_is_named_again_after_a_day_and_a_newer_warning_only():
    warnings = [("A", T0), ("B", T0 + HOUR)]
    drifted = watch(warnings)
    assert drifted(T0) == {"A"}
    assert drifted(T0 + HOUR) == {"B"}
    warnings.append(("A", T0 + HOUR))
    assert drifted(T0 + 2 * HOUR) == set()
    assert drifted(T0 + DAY) == {"A"}
    assert drifted(T0 + 3 * DAY) == set()


def test_warnings_of_an_earlier_run_do_not_count_and_the_store_is_asked_at_a_pace():
    seconds = [0.0]
    asked = []

    def warnings(since):
        asked.append(since)
        return []

    drifted = DriftWatch(warnings, T0, wait_s=5.0, clock=lambda: seconds[0])
    for seconds[0] in (0.0, 1.0, 4.9, 5.0):
        drifted(T0)
    assert asked == [T0, T0]


def test_only_drift_warnings_are_read_from_the_store(tmp_path):
    settings = Settings(data_dir=tmp_path)
    with open_store(settings) as store:
        store.write(
            ALERTS,
            [
                (zone, slot, f"{zone}-1", "warning", "drift", "text", None, code, None, None, "none", None, "[]")
                for zone, slot, code in (
                    ("A", T0, "interval_too_narrow"),
                    ("B", T0, "skill_lost"),
                    ("C", T0, "jump"),
                    ("D", T0, "ramp"),
                    ("E", T0 - DAY, "skill_lost"),
                )
            ],
        )
    assert list(stored_drifts(settings)(T0)) == [("A", T0), ("B", T0)]
