"""Requests to live services: paced, retried with back-off, with clear errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx

from topologies.sources.bounded_http import BoundedClient
from topologies.sources.feeds.addresses import address_of, key_of
from vpp.errors import ConfigError, DataError, UnreachableError
from vpp.feeds.contract import PASSING, AnswerError, Ask, Service, utc
from vpp.masking import masked
from vpp.settings import FeedSettings

log = logging.getLogger(__name__)

T = TypeVar("T")
BUSY = frozenset({429, 500, 502, 503, 504})
NO_RIGHT = frozenset({401, 403})
MAX_WAIT_S = 60.0
ATTEMPTS = 6


class FeedClient:
    """Asks one service.

    Args:
        service: The service.
        settings: Addresses, keys, time limit.
        sleep: Waits for a number of seconds; a running source gives one that ends when it is stopped.
        attempts: How often a request is sent before it fails.
        answer_s: Limit of a whole answer (s); None: as ``BoundedClient``.
    """

    def __init__(
        self,
        service: Service,
        settings: FeedSettings,
        *,
        sleep: Callable[[float], object] = time.sleep,
        attempts: int = ATTEMPTS,
        answer_s: float | None = None,
    ) -> None:
        self._service = service
        self._settings = settings
        self._sleep = sleep
        self._attempts = attempts
        self._pause_s = 1.0 / (settings.requests_per_s or service.requests_per_s)
        self._next_at = 0.0
        key = key_of(service.name, settings)
        if service.key_needed and key is None:
            raise ConfigError(
                f"{service.title} answers only with a key", hint=f"set VPP_FEEDS__{service.name.upper()}_KEY"
            )
        self._key = key
        self._http = BoundedClient(settings.timeout_s, answer_s=answer_s, follow_redirects=True)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, ask: Ask, read: Callable[[bytes], T]) -> T:
        """Return the content of a request's answer.

        Busy answers (429, 500, 502 to 504), broken connections and cut-off bodies are tried again, after the time that
        ``Retry-After`` names, else after 1, 2, 4, ... seconds, at most a minute.

        Args:
            ask: The request.
            read: Reads a body; may raise ``AnswerError``.

        Raises:
            UnreachableError: The service does not answer, or stays busy.
            AnswerError: It answers in another shape, or refuses the request.
            ConfigError: It refuses the key.
        """
        url = address_of(ask.host, self._settings) + ask.path
        wait_s = 1.0
        for attempt in range(1, self._attempts + 1):
            self._pace()
            try:
                return self._once(url, ask, read)
            except UnreachableError as error:
                if attempt == self._attempts:
                    raise
                pause_s = min(error.retry_after_s if error.retry_after_s is not None else wait_s, MAX_WAIT_S)
                log.info("%s is asked again in %.0f s: %s", self._service.name, pause_s, error)
            except AnswerError as error:
                if error.fault not in PASSING or attempt == self._attempts:
                    raise
                pause_s = min(wait_s, MAX_WAIT_S)
                log.info("%s is asked again in %.0f s: %s", self._service.name, pause_s, error)
            self._sleep(pause_s)
            wait_s *= 2.0
        raise UnreachableError(f"{self._service.title} was not asked")

    def _once(self, url: str, ask: Ask, read: Callable[[bytes], T]) -> T:
        params, address = dict(ask.params), masked(url)
        if self._key is not None and self._service.key_param is not None:
            params[self._service.key_param] = self._key
        try:
            answer = self._http.request("GET", url, params=params)
        except DataError as error:
            raise AnswerError(f"{self._service.title} ({address}): {error}", fault="shape") from error
        except httpx.InvalidURL as error:
            raise ConfigError(f"{address} is not an address: {error}", hint=f"correct feeds.{ask.host}_url") from error
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"{self._service.title} ({address}) does not answer: {type(error).__name__} {error}".rstrip(),
                hint=f"check the network; vpp feeds check {self._service.name} tries again",
            ) from error
        if answer.status in BUSY:
            raise UnreachableError(
                f"{self._service.title} ({address}) answers {answer.status}",
                hint="it is busy or broken: try again later",
                retry_after_s=_retry_after_s(answer.headers.get("Retry-After")),
            )
        if answer.status in NO_RIGHT:
            raise ConfigError(
                f"{self._service.title} ({address}) answers {answer.status}: no right to read",
                hint=f"check VPP_FEEDS__{self._service.name.upper()}_KEY",
            )
        if answer.status >= 300:
            detail = f"{answer.status}: {answer.body[:120].decode('utf-8', 'replace')!r}"
            raise AnswerError(f"{self._service.title} ({address}) answers {detail}", fault="refused")
        return read(answer.body)

    def _pace(self) -> None:
        now = time.monotonic()
        if self._next_at > now:
            self._sleep(self._next_at - now)
        self._next_at = max(now, self._next_at) + self._pause_s


def _retry_after_s(text: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for: a number, or an HTTP date."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        instant = utc(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None
    return max(0.0, (instant - datetime.now(UTC)).total_seconds())
