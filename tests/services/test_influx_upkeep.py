"""Retention and hourly means on the real InfluxDB: made once, changed with the settings, read back as rows."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient

from tests.service_fixtures import InfluxService
from tests.worlds.store_rows import HALF_HOUR, T0, telemetry
from vpp.errors import ConfigError
from vpp.settings import InfluxSettings
from vpp.store.influx import InfluxStore
from vpp.store.influx_client import prepare_server

pytestmark = [pytest.mark.services, pytest.mark.slow]
DONE_WITHIN_S = 60.0


@pytest.fixture
def settings(influx: InfluxService, unique_name: str) -> Iterator[InfluxSettings]:
    settings = InfluxSettings(
        url=influx.url,
        token=influx.token,
        org=influx.org,
        bucket=unique_name,
        keep_days=30,
        hourly_bucket=f"{unique_name}-hourly",
    )
    yield settings
    with server(settings) as client:
        for task in client.tasks_api().find_tasks(name=f"hourly means of {unique_name}"):
            client.tasks_api().delete_task(task.id)
        for name in (settings.bucket, settings.hourly_bucket):
            client.buckets_api().delete_bucket(client.buckets_api().find_bucket_by_name(name))


def server(settings: InfluxSettings) -> InfluxDBClient:
    return InfluxDBClient(settings.url, settings.token.get_secret_value(), org=settings.org)


def kept_s(settings: InfluxSettings, name: str) -> int:
    with server(settings) as client:
        bucket = client.buckets_api().find_bucket_by_name(name)
        return sum(rule.every_seconds for rule in bucket.retention_rules or [])


def test_hourly_means_are_made_kept_and_read_back(settings: InfluxSettings) -> None:
    task = f"hourly means of {settings.bucket}"
    hourly = f"{settings.bucket}-hourly"
    assert prepare_server(settings) == [f"bucket {settings.bucket}", f"bucket {hourly}", f"task {task}"]
    assert prepare_server(settings) == []
    assert (kept_s(settings, settings.bucket), kept_s(settings, hourly)) == (30 * 86_400, 0)

    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    with InfluxStore(settings, "r") as store:
        first = (hour - T0) // HALF_HOUR
        store.write("telemetry", [telemetry(first + n, 30.0 + n) for n in range(2)])
    _run_now(settings, task)
    with InfluxStore(settings.model_copy(update={"bucket": hourly}), "r", read_only=True) as means:
        assert means.read("telemetry", columns=["slot", "load_mw"]).values == [(hour, 30.5)]

    shorter = settings.model_copy(update={"keep_days": 7, "hourly_keep_days": 365})
    assert prepare_server(shorter) == [f"bucket {settings.bucket}", f"bucket {hourly}"]
    assert (kept_s(settings, settings.bucket), kept_s(settings, hourly)) == (7 * 86_400, 365 * 86_400)
    assert prepare_server(settings) == [f"bucket {settings.bucket}", f"bucket {hourly}"]


def test_another_organisation_keeps_its_bucket_of_the_same_name(settings: InfluxSettings) -> None:
    other = settings.model_copy(update={"org": f"{settings.bucket}-other", "keep_days": None})
    with server(settings) as client:
        organisation = client.organizations_api().create_organization(name=other.org)
        try:
            theirs = client.buckets_api().create_bucket(bucket_name=settings.bucket, org=other.org)
            assert f"bucket {settings.bucket}" in prepare_server(settings)
            rules = client.buckets_api().find_bucket_by_id(theirs.id).retention_rules
            assert [rule.every_seconds for rule in rules] == [0]
            client.buckets_api().delete_bucket(theirs)
        finally:
            client.organizations_api().delete_organization(organisation.id)


def test_an_organisation_that_is_not_there_is_a_wrong_setting(settings: InfluxSettings) -> None:
    prepare_server(settings)
    with pytest.raises(ConfigError, match="does not know organisation 'nobody'"):
        prepare_server(settings.model_copy(update={"org": "nobody"}))


def _run_now(settings: InfluxSettings, name: str) -> None:
    with server(settings) as client:
        tasks = client.tasks_api()
        (task,) = tasks.find_tasks(name=name)
        tasks.run_manually(task.id)
        deadline = time.monotonic() + DONE_WITHIN_S
        # A run is in no list until it has begun.
        while not (ended := {run.status for run in tasks.get_runs(task.id)} & {"success", "failed"}):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert ended == {"success"}, [event.message for event in tasks.get_logs(task.id)]
