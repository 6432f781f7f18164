"""The InfluxDB 2 server as a few calls, with its errors mapped to ours."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.authorization import Authorization
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.domain.dialect import Dialect
from influxdb_client.domain.permission import Permission
from influxdb_client.domain.permission_resource import PermissionResource
from influxdb_client.domain.task_create_request import TaskCreateRequest
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from pydantic import SecretStr
from urllib3.exceptions import HTTPError

from vpp.errors import ConfigError, DataError, UnreachableError, VppError
from vpp.masking import masked
from vpp.settings import InfluxSettings
from vpp.store.influx_flux import hourly_task, literal
from vpp.store.influx_line_protocol import records
from vpp.store.query import FIRST_TIME

log = logging.getLogger(__name__)

BATCH_LINES = 5_000
RETRY_AFTER_S = 5.0
TOKEN_ACTIONS = {"storage": ("read", "write"), "read": ("read",)}
"""What each service may do with the buckets of the settings: the storage worker, and those that only read."""
_PRECISION: Any = WritePrecision.NS  # the library types its enumeration as text
_BUSY = frozenset({429, 500, 502, 503, 504})
_CSV = Dialect(  # type: ignore[no-untyped-call]
    header=True, delimiter=",", annotations=[], comment_prefix="#", date_time_format="RFC3339Nano"
)


class InfluxClient:
    """One bucket of one server; safe to share between threads.

    Args:
        settings: Address, organisation, bucket, token and time limit.

    Raises:
        ConfigError: At once: the file that should hold the token cannot be read.
        UnreachableError: By every call: no answer, or busy; ``retry_after_s`` is the time to wait.
        ConfigError: By every call: organisation, bucket or token are wrong.
        DataError: By every call: the server refuses the write or the query.
    """

    def __init__(self, settings: InfluxSettings) -> None:
        self.bucket = settings.bucket
        self._settings = settings
        self._client = InfluxDBClient(
            settings.url, _token(settings), org=settings.org, timeout=int(settings.timeout_s * 1000)
        )
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, lines: Iterator[str]) -> None:
        """Write lines in batches; points older than the bucket keeps are dropped with a warning."""
        while batch := list(islice(lines, BATCH_LINES)):
            with self._reaching():
                try:
                    self._writer.write(self.bucket, record="\n".join(batch).encode(), write_precision=_PRECISION)
                except ApiException as error:
                    if error.status != 422:
                        raise
                    log.warning("influx dropped points outside the bucket's retention: %s", _reason(error))

    def ask(self, flux: str) -> Iterable[dict[str, str]]:
        """Return the records that a Flux query yields, all cells as text."""
        with self._reaching():
            answer = self._client.query_api().query_raw(flux, dialect=_CSV)
            text = answer.data.decode()
        return records(text)

    def delete(self, before: datetime, measurement: str, run: str) -> None:
        """Delete a measurement's points of one run that are older than ``before``."""
        # Both bounds of a delete are inclusive, and counted in nanoseconds.
        last = literal(before - timedelta(microseconds=1)).replace("Z", "999Z")
        with self._reaching():
            self._client.delete_api().delete(
                literal(FIRST_TIME),
                last,
                f"_measurement={literal(measurement)} AND run={literal(run)}",
                self.bucket,
                self._settings.org,
            )

    def keep_bucket(self, name: str, days: int | None) -> bool:
        """Create a bucket, or set how long it keeps points (None: for ever); return whether anything changed."""
        seconds = 0 if days is None else days * 86_400
        rules = [BucketRetentionRules(type="expire", every_seconds=seconds)]  # type: ignore[no-untyped-call]
        with self._reaching():
            buckets: Any = self._client.buckets_api()  # the library's managers are not typed
            bucket = self._bucket(buckets, name)
            if bucket is None:
                buckets.create_bucket(bucket_name=name, retention_rules=rules, org=self._settings.org)
                return True
            if sum(rule.every_seconds for rule in bucket.retention_rules or []) == seconds:
                return False
            bucket.retention_rules = rules
            buckets.update_bucket(bucket)
            return True

    def _bucket(self, buckets: Any, name: str) -> Any:
        """Return a bucket of our organisation, None if it has none; a token may see others' of the same name."""
        try:
            return next(iter(buckets.find_buckets(name=name, org=self._settings.org).buckets), None)
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def keep_task(self, name: str, flux: str) -> bool:
        """Create a task that runs ``flux``, or change the one of this name; return whether anything changed."""
        with self._reaching():
            tasks: Any = self._client.tasks_api()
            existing = tasks.find_tasks(name=name, org=self._settings.org)
            if not existing:
                request = TaskCreateRequest(  # type: ignore[no-untyped-call]
                    flux=flux, org=self._settings.org, status="active"
                )
                tasks.create_task(task_create_request=request)
                return True
            if (existing[0].flux, existing[0].status) == (flux, "active"):
                return False
            existing[0].flux, existing[0].status = flux, "active"
            tasks.update_task(existing[0])
            return True

    def make_token(self, purpose: str, buckets: Sequence[str], actions: Sequence[str]) -> str:
        """Make a token for some buckets alone and return it.

        Args:
            purpose: Its description on the server.
            buckets: Names of the buckets.
            actions: ``read``, ``write`` or both.
        """
        with self._reaching():
            manager: Any = self._client.authorizations_api()
            entries = [self._existing_bucket(name) for name in buckets]
            org = entries[0].org_id
            rights = [_right(action, bucket.id, org) for bucket in entries for action in actions]
            wanted: Any = Authorization(  # type: ignore[no-untyped-call]
                org_id=org, permissions=rights, description=purpose
            )
            token: str = manager.create_authorization(authorization=wanted).token
            return token

    def sees(self, buckets: Sequence[str]) -> bool:
        """Return whether the token is one of the server's and reaches these buckets."""
        try:
            with self._reaching():
                manager: Any = self._client.buckets_api()
                return all(self._bucket(manager, name) is not None for name in buckets)
        except ConfigError:
            return False

    def _existing_bucket(self, name: str) -> Any:
        bucket = self._bucket(self._client.buckets_api(), name)
        if bucket is None:
            raise ConfigError(
                f"InfluxDB at {masked(self._settings.url)} has no bucket {name!r}", hint="make it: vpp store prepare"
            )
        return bucket

    def close(self) -> None:
        """Close the connections."""
        self._client.close()  # type: ignore[no-untyped-call]

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except ApiException as error:
            raise self._explain(error) from error
        except InfluxDBError as error:  # the library looks up the organisation before it makes a bucket
            raise ConfigError(
                f"InfluxDB at {masked(self._settings.url)} does not know organisation {self._settings.org!r}",
                hint="set VPP_INFLUX__ORG, or VPP_INFLUX__TOKEN to a token of that organisation",
            ) from error
        except (HTTPError, OSError) as error:
            raise UnreachableError(
                f"InfluxDB at {masked(self._settings.url)} does not answer: {masked(str(error))}",
                hint="is it running, and is VPP_INFLUX__URL its address?",
                retry_after_s=RETRY_AFTER_S,
            ) from error

    def _explain(self, error: ApiException) -> VppError:
        url, reason = masked(self._settings.url), _reason(error)
        hint = f"set VPP_INFLUX__TOKEN to a token that may read and write bucket {self.bucket!r}"
        if self._settings.token_file is not None:
            hint = f"renew {self._settings.token_file} with `vpp store tokens`, then restart this process"
        match error.status:
            case 401 | 403:
                return ConfigError(
                    f"InfluxDB at {url} refuses the token: {reason}",
                    hint=f"{hint}; `vpp store` needs the administrator's in VPP_INFLUX__TOKEN and no token file",
                )
            case 404:
                return ConfigError(
                    f"InfluxDB at {url} does not know organisation {self._settings.org!r} or bucket {self.bucket!r}: "
                    f"{reason}",
                    hint=f"create it (influx bucket create -n {self.bucket} -o {self._settings.org}), or set "
                    "VPP_INFLUX__ORG and VPP_INFLUX__BUCKET",
                )
            case 0:
                return ConfigError(f"InfluxDB at {url}: {reason}", hint="check VPP_INFLUX__URL: http or https?")
            case status if status in _BUSY:
                return UnreachableError(
                    f"InfluxDB at {url} is busy ({status}): {reason}", retry_after_s=_retry_after_s(error)
                )
            case status:
                return DataError(f"InfluxDB at {url} refuses the request ({status}): {reason}")


def prepare_server(settings: InfluxSettings) -> list[str]:
    """Set the retention of the bucket, and create the hourly bucket with its task; return the changes.

    Doing it again changes nothing.

    Args:
        settings: Address, buckets and days; the token may manage buckets and tasks.

    Raises:
        ConfigError: The token may not, or the organisation does not exist.
        UnreachableError: The server does not answer.
    """
    client = InfluxClient(settings)
    try:
        changed = []
        if client.keep_bucket(settings.bucket, settings.keep_days):
            changed.append(f"bucket {settings.bucket}")
        if settings.hourly_bucket is not None:
            if client.keep_bucket(settings.hourly_bucket, settings.hourly_keep_days):
                changed.append(f"bucket {settings.hourly_bucket}")
            name = f"hourly means of {settings.bucket}"
            if client.keep_task(name, hourly_task(name, settings.bucket, settings.hourly_bucket)):
                changed.append(f"task {name}")
        return changed
    finally:
        client.close()


def write_tokens(settings: InfluxSettings, folder: Path) -> list[str]:
    """Write each service's token into ``folder/SERVICE/token``; return the services that got a new one.

    A token that is there and reaches its buckets stays. Others of the same service stay valid on the server.

    Args:
        settings: Address and buckets; the token may make tokens.
        folder: Made for its owner alone where it is not there. The files can be read by all who reach them.

    Raises:
        ConfigError: The token may not, or the organisation or a bucket does not exist.
        UnreachableError: The server does not answer.
    """
    buckets = [name for name in (settings.bucket, settings.hourly_bucket) if name is not None]
    client = InfluxClient(settings)
    renewed = []
    try:
        for service, actions in TOKEN_ACTIONS.items():
            file = folder / service / "token"
            if file.exists() and _reaches(settings, file, buckets):
                continue
            token = client.make_token(f"vpp {service} of {settings.bucket}", buckets, actions)
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = file.with_suffix(".new")
            new.unlink(missing_ok=True)  # files of an interrupted call cannot be written to
            new.write_text(token, encoding="ascii")
            new.chmod(0o444)
            new.replace(file)
            renewed.append(service)
    finally:
        client.close()
    return renewed


def _reaches(settings: InfluxSettings, file: Path, buckets: list[str]) -> bool:
    token = SecretStr(file.read_text(encoding="ascii", errors="ignore").strip())
    client = InfluxClient(settings.model_copy(update={"token": token, "token_file": None}))
    try:
        return client.sees(buckets)
    finally:
        client.close()


def _token(settings: InfluxSettings) -> str:
    if settings.token_file is None:
        return settings.token.get_secret_value()
    try:
        return settings.token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the token of InfluxDB cannot be read from {settings.token_file}: {error}",
            hint="write it with `vpp store tokens`, or set VPP_INFLUX__TOKEN_FILE to the file that holds it",
        ) from error


def _right(action: str, bucket: str, org: str) -> Permission:
    resource = PermissionResource(type="buckets", id=bucket, org_id=org)  # type: ignore[no-untyped-call]
    return Permission(action=action, resource=resource)  # type: ignore[no-untyped-call]


def _reason(error: ApiException) -> str:
    # The whole answer is the reason; headers are left out, they may hold credentials of a proxy.
    body = error.body or error.reason or ""
    return (body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)).strip()[:500]


def _retry_after_s(error: ApiException) -> float:
    headers: Any = error.headers or {}
    try:
        return max(float(headers.get("Retry-After", "")), 0.1)
    except ValueError:
        return RETRY_AFTER_S
