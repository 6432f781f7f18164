"""The interface of a live service: datasets that can be requested, and the issues that its answers hold.

A service is a table (``Service``): where it is, whose data it has, and one ``Dataset`` per answer shape. A dataset says
which requests cover a range of time, and reads a body into issues. Reading is pure: bytes in, issues out.
"""

from __future__ import annotations

import csv
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

import msgspec

from vpp.errors import DataError
from vpp.settings import FeedSettings

AnswerFault = Literal["incomplete", "not_json", "shape", "unit", "empty", "refused"]
"""Why an answer cannot be used. ``incomplete`` and ``not_json`` may pass: the same request is sent again."""

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
FARTHEST = timedelta(days=60)
"""No service gives values of so long ago, or of so far ahead of the receipt: times in another unit read so."""

PASSING: frozenset[AnswerFault] = frozenset({"incomplete", "not_json"})


class AnswerError(DataError):
    """A service answered, but not in its documented shape.

    Args:
        message: What is wrong, with the place.
        fault: Code of the fault.
    """

    def __init__(self, message: str, *, fault: AnswerFault, hint: str | None = None) -> None:
        super().__init__(message, hint=hint or "vpp feeds check shows which datasets still answer as documented")
        self.fault: AnswerFault = fault


class Issue(msgspec.Struct, frozen=True, kw_only=True, tag="issue"):
    """Values of one channel as a service published them at one time.

    Attributes:
        channel: Canonical channel, unit in its name.
        available_at: When it was published (UTC).
        first_slot: Start of the first interval (UTC).
        step_min: Length of the intervals in minutes.
        values: One per interval, in the channel's unit; None is missing.
        first_sight: The service does not say when it published them: the time is that of the first receipt, so the same
            values at a later time are nothing new.
    """

    channel: str
    available_at: datetime
    first_slot: datetime
    step_min: int
    values: tuple[float | None, ...]
    first_sight: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request.

    Attributes:
        path: Path below the host's base address.
        params: Query parameters.
        until: What was published before this time is covered by the answer.
        host: Which of the service's hosts; the setting ``feeds.HOST_url`` is its base address.
    """

    path: str
    until: datetime
    params: dict[str, str] = field(default_factory=dict)
    host: str


class Read(Protocol):
    """Reads a body into issues; pure."""

    def __call__(self, body: bytes, *, ask: Ask, received: datetime) -> list[Issue]:
        """Return the issues in the answer to ``ask`` that came in at ``received``; raises ``AnswerError``."""
        ...


class Follow(Protocol):
    """Reads a listing; pure."""

    def __call__(self, body: bytes, *, after: datetime) -> list[Ask]:
        """Return the requests for what was published after a time; raises ``AnswerError``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One kind of answer of a service.

    Attributes:
        name: Short name, unique in its service.
        channels: Channels that it may give.
        asks: Returns the requests that cover ``[start, end)``, in order of time.
        read: Reads a body into issues.
        every: Time between two requests of a live run.
        look_back: A live request reaches so far back: revisions within it are taken.
        page: Documentation of the answer's shape.
        follow: The answers to ``asks`` are listings: returns the requests that a listing leads to, in order of time.
            None: they hold the values themselves.
    """

    name: str
    channels: tuple[str, ...]
    asks: Callable[[datetime, datetime], Iterator[Ask]]
    read: Read
    every: timedelta
    look_back: timedelta
    page: str
    follow: Follow | None = None

    def issues(self, body: bytes, *, ask: Ask, received: datetime) -> list[Issue]:
        """Return the issues in the answer to ``ask`` that came in at ``received``.

        Raises:
            AnswerError: As ``read``; and ``shape`` for an answer that its reader fails at, a time that no interval of
                the service can have, or a number that is not finite.
        """
        try:
            issues = self.read(body, ask=ask, received=received)
        except (ArithmeticError, LookupError, TypeError, ValueError, OSError, csv.Error, zlib.error) as error:
            raise AnswerError(f"the answer has another shape than documented: {error!r}", fault="shape") from error
        for issue in issues:
            if not EARLIEST <= issue.first_slot <= received + FARTHEST:
                raise AnswerError(f"the answer has values of {issue.first_slot}", fault="shape")
            if not all(value is None or math.isfinite(value) for value in issue.values):
                raise AnswerError(f"the answer has a {issue.channel} that is not finite", fault="shape")
        return issues


def _no_sums(_zone: str) -> dict[str, tuple[str, ...]]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A public service with live data.

    Attributes:
        name: As in ``live:NAME``.
        title: Name for people.
        zones: Zones that it has data of; empty: any.
        datasets: Returns the datasets of one zone by the settings.
        step_min: Slot length of its zones.
        closing: Channels that a slot needs before it is sent as a whole; empty for a service of additions (weather).
        delay: Usual time from the end of a slot until it is complete; then it is closed with the values received.
        terms: Licence and attribution line.
        key_param: Query parameter that carries the key, where the service needs or takes one.
        key_needed: It answers nothing without a key.
        requests_per_s: Fastest rate at which requests are sent.
        sums: Returns the channels of a zone that are sums of others.
    """

    name: str
    title: str
    zones: tuple[str, ...]
    datasets: Callable[[str, FeedSettings], tuple[Dataset, ...]]
    step_min: int
    closing: tuple[str, ...]
    delay: timedelta
    terms: str
    key_param: str | None = None
    key_needed: bool = False
    requests_per_s: float = 5.0
    sums: Callable[[str], dict[str, tuple[str, ...]]] = _no_sums


def read_json(body: bytes) -> Any:
    """Return the JSON value of a body.

    Raises:
        AnswerError: ``incomplete`` for a body that is cut off, ``not_json`` for a page or other text.
    """
    if not body.strip():
        raise AnswerError("the answer is empty", fault="incomplete")
    if body.lstrip()[:1] not in (b"{", b"["):
        raise AnswerError(f"the answer is not JSON: {body[:60]!r}", fault="not_json")
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise AnswerError(f"the answer is cut off or broken: {error}", fault="incomplete") from error


def read_rows(body: bytes, row: type[Any], key: str | None = "data") -> list[Any]:
    """Return the rows of an answer ``{key: [...]}`` or ``[...]``, checked against a struct.

    Raises:
        AnswerError: As ``read_json``, and ``shape`` where a field is missing or of another type; names the place.
    """
    answer = read_json(body)
    if isinstance(answer, dict) and key is not None:
        if key not in answer:
            raise AnswerError(f"the answer has no {key!r}, only {', '.join(sorted(answer)[:8])}", fault="shape")
        answer = answer[key]
    return list(converted(answer, list[row]))  # type: ignore[valid-type]


def converted(value: Any, shape: Any) -> Any:
    """Return a JSON value as a typed one.

    Raises:
        AnswerError: ``shape``; names the place.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise AnswerError(f"the answer has another shape than documented: {error}", fault="shape") from error


def utc(instant: datetime) -> datetime:
    """Return a time of an answer in UTC; one without an offset is UTC."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def stamp(instant: datetime) -> str:
    """Return a time as services take it: ``2026-01-31T12:00Z``."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def spans(start: datetime, end: datetime, longest: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Yield ``[start, end)`` in parts of at most ``longest``."""
    at = start
    while at < end:
        until = min(at + longest, end)
        yield at, until
        at = until


def runs(values: dict[datetime, float | None], step: timedelta) -> Iterator[tuple[datetime, tuple[float | None, ...]]]:
    """Yield the contiguous runs of values by interval start, in order."""
    first: datetime | None = None
    run: list[float | None] = []
    for slot in sorted(values):
        if first is not None and slot == first + step * len(run):
            run.append(values[slot])
            continue
        if first is not None:
            yield first, tuple(run)
        first, run = slot, [values[slot]]
    if first is not None:
        yield first, tuple(run)


Published = dict[tuple[str, datetime], dict[datetime, float | None]]
"""Values by (channel, time of publication) and start of the interval."""

FRESH = timedelta(hours=6)


def known_from(slot: datetime, *, step_min: int, received: datetime, usual: datetime) -> datetime:
    """Return when a value was known, where the service does not state it.

    One that comes in while its interval is new (not older than ``FRESH``, or still to come) is known from its receipt;
    an older one comes from a back-fill and counts from the usual time.

    Args:
        slot: Start of the interval.
        step_min: Its length in minutes.
        received: Time of the receipt.
        usual: When the service usually publishes it.
    """
    return received if received < slot + timedelta(minutes=step_min) + FRESH else usual


def issues_of(published: Published, step_min: int, *, first_sight: bool = False) -> list[Issue]:
    """Return issues in order of publication, one per contiguous run of intervals.

    Args:
        published: The values.
        step_min: Length of the intervals in minutes.
        first_sight: The times are those of the receipt or usual ones, not the service's own.
    """
    step = timedelta(minutes=step_min)
    return [
        Issue(
            channel=channel,
            available_at=published_at,
            first_slot=first,
            step_min=step_min,
            values=values,
            first_sight=first_sight,
        )
        for (channel, published_at), by_slot in sorted(published.items(), key=lambda item: (item[0][1], item[0][0]))
        for first, values in runs(by_slot, step)
    ]
