"""Acts on alerts: one record for the plant and one for the audit; the first to take an alert on keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.alerting.records import T0, alert, minutes
from topologies.control.alert_desk import AlertDesk
from vpp.alerting.rules import Subject
from vpp.alerting.standing import read_acts
from vpp.errors import DataError, RefusedError
from vpp.messages import AlertCode, Message
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.message_rows import rows_of
from vpp.store.tables import ALERT_ACTS, AUDIT

LATER = timedelta(hours=2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(Settings(data_dir=tmp_path)) as result:
        for one in (alert("a1"), alert("a2"), alert("a2", zone="Y")):
            keep(result, one)
        yield result


def keep(store: Store, message: Message) -> None:
    for table, row in rows_of(message, "alerts", T0):
        store.write(table, [row])


def desk_of(store: Store) -> AlertDesk:
    return AlertDesk(store, lambda _topic, message: keep(store, message), lambda: T0)


def test_an_acknowledgement_is_seen_and_audited_and_the_first_one_counts(store: Store) -> None:
    desk = desk_of(store)
    (first,) = desk.acknowledge(["a1"], "ann", "on it")
    (second,) = desk.acknowledge(["a1"], "bob")
    assert first.principal == second.principal == "ann"
    (audited,) = store.read(AUDIT).dicts()
    assert (audited["action"], audited["principal"], audited["detail"]) == (
        "alert:acknowledge",
        "ann",
        "alert a1: on it",
    )
    assert len(store.read(ALERT_ACTS)) == 1


def test_an_alert_that_is_not_there_or_in_several_zones_is_an_error(store: Store) -> None:
    desk = desk_of(store)
    with pytest.raises(DataError, match="no alert 'a9'"):
        desk.acknowledge(["a1", "a9"], "ann")
    assert len(store.read(ALERT_ACTS)) == 0, "nothing is done where a part cannot be"
    with pytest.raises(DataError, match="2 zones"):
        desk.acknowledge(["a2"], "ann")
    assert desk.acknowledge(["a2"], "ann", zone="Y")[0].zone == "Y"


def test_a_silence_covers_its_scope_until_it_ends(store: Store) -> None:
    desk = desk_of(store)
    desk.silence("Z", "ann", "works", LATER, code=AlertCode.CAP_BREACH)
    acts, subject = read_acts(store, "Z"), Subject.of(alert())
    assert acts.silence(subject, minutes(60)) is not None
    assert acts.silence(subject, minutes(120)) is None
    assert acts.silence(Subject.of(alert(code=AlertCode.REFLEX)), minutes(60)) is None
    ended = AlertDesk(store, desk.post, lambda: minutes(30))
    ended.silence("Z", "ann", "done", timedelta(0), code=AlertCode.CAP_BREACH)
    assert read_acts(store, "Z").silence(subject, minutes(60)) is None
    assert len(store.read(AUDIT)) == 2


def test_planned_work_covers_what_begins_in_it_and_is_cut_short_by_its_start_and_scope(store: Store) -> None:
    desk, subject = desk_of(store), Subject.of(alert(slot=minutes(90)))
    desk.maintain("Z", "ann", "cable works", minutes(60), minutes(120), code=AlertCode.CAP_BREACH)
    assert read_acts(store, "Z").maintenance(subject) is not None
    assert read_acts(store, "Z").maintenance(Subject.of(alert(slot=minutes(120)))) is None
    assert read_acts(store, "Z").maintenance(Subject.of(alert(code=AlertCode.REFLEX, slot=minutes(90)))) is None
    assert [act.reason for act in read_acts(store, "Z").windows(T0)] == ["cable works"]
    later = AlertDesk(store, desk.post, lambda: minutes(80))
    later.end_maintenance("Z", "ann", "done", minutes(60), code=AlertCode.CAP_BREACH)
    assert read_acts(store, "Z").maintenance(subject) is None
    assert read_acts(store, "Z").maintenance(Subject.of(alert(slot=minutes(70)))) is not None
    assert read_acts(store, "Z").windows(minutes(80)) == []
    assert [row["action"] for row in store.read(AUDIT).dicts()] == ["alert:maintenance"] * 2


def test_only_a_window_that_has_not_ended_can_be_ended(store: Store) -> None:
    desk = desk_of(store)
    desk.maintain("Z", "ann", "cable works", minutes(60), minutes(120), asset_id="battery-1")
    other_scopes: list[dict[str, Any]] = [
        {},
        {"asset_id": "battery-2"},
        {"asset_id": "battery-1", "code": AlertCode.CAP_BREACH},
    ]
    for scope in other_scopes:
        with pytest.raises(RefusedError, match="no maintenance window"):
            desk.end_maintenance("Z", "ann", "done", minutes(60), **scope)
    after = AlertDesk(store, desk.post, lambda: minutes(300))
    with pytest.raises(RefusedError, match="no maintenance window"):
        after.end_maintenance("Z", "ann", "done", minutes(60), asset_id="battery-1")
    desk.end_maintenance("Z", "ann", "called off", minutes(60), asset_id="battery-1")
    assert read_acts(store, "Z").windows(T0) == []
    assert read_acts(store, "Z").maintenance(Subject.of(alert(slot=minutes(70), asset_id="battery-1"))) is None


def test_a_window_at_the_ends_of_the_calendar_is_refused(store: Store) -> None:
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    last = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-10)))
    for since in (first, last - timedelta(days=1)):
        with pytest.raises(RefusedError, match="maintenance window"):
            desk_of(store).maintain("Z", "ann", "works", since, since + timedelta(hours=1))
        with pytest.raises(RefusedError, match="maintenance window"):
            desk_of(store).end_maintenance("Z", "ann", "works", since)


def test_times_of_a_window_are_written_in_utc(store: Store) -> None:
    east = timezone(timedelta(hours=5))
    act = desk_of(store).maintain("Z", "ann", "works", minutes(60).astimezone(east), minutes(90).astimezone(east))
    assert (act.since, act.until) == (minutes(60), minutes(90))
    assert act.since is not None
    assert act.since.utcoffset() == timedelta(0)


@pytest.mark.parametrize(("since", "until"), [(60, 30), (60, 60), (-60, 0), (0, 31 * 1440), (367 * 1440, 368 * 1440)])
def test_planned_work_has_bounds(store: Store, since: float, until: float) -> None:
    with pytest.raises(RefusedError, match="maintenance window"):
        desk_of(store).maintain("Z", "ann", "works", minutes(since), minutes(until))
    assert len(store.read(AUDIT)) == 0


def test_a_silence_has_an_end(store: Store) -> None:
    with pytest.raises(RefusedError, match="30 days"):
        desk_of(store).silence("Z", "ann", "for ever", timedelta(days=31))
