"""Checks whether a live service still answers in the documented form: a small request or two per dataset."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from topologies.sources.feeds.http_client import FeedClient
from vpp.errors import ConfigError, UnreachableError
from vpp.feeds.contract import AnswerError, AnswerFault, Ask, Dataset, Issue, Service
from vpp.settings import FeedSettings

Outcome = Literal["ok", "unreachable", "configuration"] | AnswerFault

SPAN = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class DatasetCheck:
    """The outcome for one dataset.

    Attributes:
        service: Name of the service.
        dataset: Name of the dataset.
        outcome: ``ok``, or why not.
        values: Values that were read.
        newest: Start of the newest interval that has a value.
        detail: What happened, for people; empty if all is well.
        next_step: What to do; empty if all is well.
        page: Documentation of the answer's shape.
    """

    service: str
    dataset: str
    outcome: Outcome
    values: int = 0
    newest: datetime | None = None
    detail: str = ""
    next_step: str = ""
    page: str = ""


def check_service(service: Service, zone: str, settings: FeedSettings, now: datetime) -> list[DatasetCheck]:
    """Send the newest request of each dataset, and read its answer.

    A request that covers a day or a month has no values yet when its period has just begun. Then the request before it
    decides.

    Args:
        service: The service.
        zone: Whose data to ask for.
        settings: Addresses and keys.
        now: Wall time.
    """
    try:
        client = FeedClient(service, settings, attempts=2)
        datasets = service.datasets(zone, settings)
    except ConfigError as error:
        return [DatasetCheck(service.name, "-", "configuration", detail=str(error), next_step=error.hint or "")]
    try:
        return [_check(service, client, dataset, now) for dataset in datasets]
    finally:
        client.close()


def _check(service: Service, client: FeedClient, dataset: Dataset, now: datetime) -> DatasetCheck:
    def failed(outcome: Outcome, error: UnreachableError | AnswerError | ConfigError) -> DatasetCheck:
        hint = error.hint or ""
        return DatasetCheck(service.name, dataset.name, outcome, 0, None, str(error), hint, dataset.page)

    starts: list[datetime] = []
    try:
        for ask in reversed(list(dataset.asks(now - SPAN, now))[-2:]):
            if starts := _starts(client, dataset, ask, now):
                break
    except UnreachableError as error:
        return failed("unreachable", error)
    except ConfigError as error:
        return failed("configuration", error)
    except AnswerError as error:
        return failed(error.fault, _with_page(error, dataset))
    if not starts:
        empty = AnswerError("the answer has the right shape and no values", fault="empty")
        return failed("empty", _with_page(empty, dataset))
    return DatasetCheck(service.name, dataset.name, "ok", len(starts), max(starts), page=dataset.page)


def _starts(client: FeedClient, dataset: Dataset, ask: Ask, now: datetime) -> list[datetime]:
    """Return the start of each interval that has a value in the answer to a request."""
    asks = [ask]
    if dataset.follow is not None:
        asks = client.get(ask, partial(dataset.follow, after=now - SPAN))[-1:]
    return [
        issue.first_slot + n * timedelta(minutes=issue.step_min)
        for ask in asks
        for issue in client.get(ask, _reader(dataset, ask, now))
        for n, value in enumerate(issue.values)
        if value is not None
    ]


def _reader(dataset: Dataset, ask: Ask, now: datetime) -> partial[list[Issue]]:
    return partial(dataset.issues, ask=ask, received=now)


def _with_page(error: AnswerError, dataset: Dataset) -> AnswerError:
    hint = f"compare with {dataset.page}, and report it: the service may have changed"
    return AnswerError(str(error), fault=error.fault, hint=hint)
