"""A token per service on a real InfluxDB: storage reads and writes its own bucket, MCP and Grafana only read it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from pydantic import SecretStr

from tests.service_fixtures import InfluxService
from vpp.errors import ConfigError
from vpp.settings import InfluxSettings
from vpp.store.influx import InfluxStore
from vpp.store.influx_client import write_tokens
from vpp.store.tables import AUDIT

pytestmark = pytest.mark.services

ROW = ("Z", datetime(2026, 3, 1, tzinfo=UTC), "a1", "ann", "order:hold", "accepted", "", "", "h")


@pytest.fixture(scope="module")
def root(influx: InfluxService) -> Iterator[InfluxDBClient]:
    with InfluxDBClient(influx.url, influx.token, org=influx.org) as client:
        yield client


@pytest.fixture(scope="module")
def settings(influx: InfluxService) -> InfluxSettings:
    return InfluxSettings(url=influx.url, org=influx.org, bucket=influx.bucket, token=SecretStr(influx.token))


@pytest.fixture(scope="module")
def tokens(settings: InfluxSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `vpp store tokens FOLDER` writes."""
    folder = tmp_path_factory.mktemp("tokens")
    assert write_tokens(settings, folder) == ["storage", "read"]
    return folder


@pytest.fixture
def store_of(settings: InfluxSettings, tokens: Path, unique_name: str) -> Iterator[Callable[..., InfluxStore]]:
    opened: list[InfluxStore] = []

    def store(service: str, bucket: str = settings.bucket, *, read_only: bool = False) -> InfluxStore:
        own = settings.model_copy(update={"bucket": bucket, "token_file": tokens / service / "token"})
        opened.append(InfluxStore(own, unique_name, read_only=read_only))
        return opened[-1]

    yield store
    for one in opened:
        one.close()


def test_storage_writes_reads_and_prunes_its_own_bucket(store_of: Callable[..., InfluxStore]) -> None:
    store = store_of("storage")
    store.write_all({AUDIT: [ROW]})
    assert store.count(AUDIT) == 1
    store.prune(AUDIT, datetime(2026, 3, 2, tzinfo=UTC))
    assert store.count(AUDIT) == 0


def test_storage_reaches_no_other_bucket(
    root: InfluxDBClient,
    influx: InfluxService,
    store_of: Callable[..., InfluxStore],
    unique_name: str,
) -> None:
    other = root.buckets_api().create_bucket(bucket_name=unique_name, org=influx.org)
    try:
        store = store_of("storage", unique_name)
        with pytest.raises(ConfigError, match="InfluxDB at"):
            store.write_all({AUDIT: [ROW]})
        with pytest.raises(ConfigError):
            store.count(AUDIT)
    finally:
        root.buckets_api().delete_bucket(other)


def test_readers_read_and_write_nothing(store_of: Callable[..., InfluxStore]) -> None:
    store_of("storage").write_all({AUDIT: [ROW]})
    assert store_of("read", read_only=True).count(AUDIT) == 1
    with pytest.raises(ConfigError, match="refuses the token"):
        store_of("read").write_all({AUDIT: [ROW]})
    with pytest.raises(ConfigError, match="refuses the token"):
        store_of("read").prune(AUDIT, datetime(2026, 3, 2, tzinfo=UTC))
    assert store_of("read", read_only=True).count(AUDIT) == 1


def test_no_token_of_a_service_makes_tokens_or_buckets(
    root: InfluxDBClient, influx: InfluxService, tokens: Path, unique_name: str
) -> None:
    org = root.organizations_api().find_organizations(org=influx.org)[0]
    with InfluxDBClient(influx.url, (tokens / "storage" / "token").read_text(), org=influx.org) as client:
        with pytest.raises(ApiException, match=r"40[134]"):
            client.buckets_api().create_bucket(bucket_name=unique_name, org=org)
        assert len(client.authorizations_api().find_authorizations()) <= 1


def test_a_token_that_works_stays_and_another_is_replaced(settings: InfluxSettings, tmp_path: Path) -> None:
    assert write_tokens(settings, tmp_path) == ["storage", "read"]
    assert write_tokens(settings, tmp_path) == []
    stale = tmp_path / "read" / "token"
    stale.unlink()
    stale.write_text("stäle", encoding="utf-8")
    interrupted = stale.with_suffix(".new")
    interrupted.write_text("half")
    interrupted.chmod(0o444)
    assert write_tokens(settings, tmp_path) == ["read"]


def test_no_token_of_a_service_makes_another(settings: InfluxSettings, tokens: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        write_tokens(settings.model_copy(update={"token_file": tokens / "storage" / "token"}), tmp_path)
