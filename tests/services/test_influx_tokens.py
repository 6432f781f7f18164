"""A token per service on a real InfluxDB: storage reads and writes its own bucket, MCP and Grafana only read it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.permission import Permission
from influxdb_client.domain.permission_resource import PermissionResource
from influxdb_client.rest import ApiException
from pydantic import SecretStr

from tests.service_fixtures import InfluxService
from vpp.errors import ConfigError
from vpp.settings import InfluxSettings
from vpp.store.influx import InfluxStore
from vpp.store.tables import AUDIT

pytestmark = pytest.mark.services

ROW = ("Z", datetime(2026, 3, 1, tzinfo=UTC), "a1", "ann", "order:hold", "accepted", "", "")


@pytest.fixture(scope="module")
def root(influx: InfluxService) -> Iterator[InfluxDBClient]:
    with InfluxDBClient(influx.url, influx.token, org=influx.org) as client:
        yield client


@pytest.fixture(scope="module")
def token_of(root: InfluxDBClient, influx: InfluxService) -> Callable[..., str]:
    """Makes what `influx auth create --read-bucket ID [--write-bucket ID]` of docs/guide/operations.md makes."""
    org = root.organizations_api().find_organizations(org=influx.org)[0].id
    bucket = root.buckets_api().find_bucket_by_name(influx.bucket).id

    def token(*actions: str) -> str:
        resource = PermissionResource(type="buckets", id=bucket, org_id=org)
        rights = [Permission(action=action, resource=resource) for action in actions]
        made: str = root.authorizations_api().create_authorization(org_id=org, permissions=rights).token
        return made

    return token


@pytest.fixture
def store_of(influx: InfluxService, unique_name: str) -> Iterator[Callable[..., InfluxStore]]:
    opened: list[InfluxStore] = []

    def store(token: str, bucket: str = influx.bucket, *, read_only: bool = False) -> InfluxStore:
        settings = InfluxSettings(url=influx.url, org=influx.org, bucket=bucket, token=SecretStr(token))
        opened.append(InfluxStore(settings, unique_name, read_only=read_only))
        return opened[-1]

    yield store
    for one in opened:
        one.close()


def test_storage_writes_reads_and_prunes_its_own_bucket(
    token_of: Callable[..., str], store_of: Callable[..., InfluxStore]
) -> None:
    store = store_of(token_of("read", "write"))
    store.write_all({AUDIT: [ROW]})
    assert store.count(AUDIT) == 1
    store.prune(AUDIT, datetime(2026, 3, 2, tzinfo=UTC))
    assert store.count(AUDIT) == 0


def test_storage_reaches_no_other_bucket(
    root: InfluxDBClient,
    influx: InfluxService,
    token_of: Callable[..., str],
    store_of: Callable[..., InfluxStore],
    unique_name: str,
) -> None:
    other = root.buckets_api().create_bucket(bucket_name=unique_name, org=influx.org)
    try:
        store = store_of(token_of("read", "write"), unique_name)
        with pytest.raises(ConfigError, match="InfluxDB at"):
            store.write_all({AUDIT: [ROW]})
        with pytest.raises(ConfigError):
            store.count(AUDIT)
    finally:
        root.buckets_api().delete_bucket(other)


def test_readers_read_and_write_nothing(token_of: Callable[..., str], store_of: Callable[..., InfluxStore]) -> None:
    store_of(token_of("read", "write")).write_all({AUDIT: [ROW]})
    token = token_of("read")
    assert store_of(token, read_only=True).count(AUDIT) == 1
    with pytest.raises(ConfigError, match="refuses the token"):
        store_of(token).write_all({AUDIT: [ROW]})
    with pytest.raises(ConfigError, match="refuses the token"):
        store_of(token).prune(AUDIT, datetime(2026, 3, 2, tzinfo=UTC))
    assert store_of(token, read_only=True).count(AUDIT) == 1


def test_no_token_of_a_service_makes_tokens_or_buckets(
    root: InfluxDBClient, influx: InfluxService, token_of: Callable[..., str], unique_name: str
) -> None:
    org = root.organizations_api().find_organizations(org=influx.org)[0]
    with InfluxDBClient(influx.url, token_of("read", "write"), org=influx.org) as client:
        with pytest.raises(ApiException, match=r"40[134]"):
            client.buckets_api().create_bucket(bucket_name=unique_name, org=org)
        assert len(client.authorizations_api().find_authorizations()) <= 1
