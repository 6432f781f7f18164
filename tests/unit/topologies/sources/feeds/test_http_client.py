"""Requests are tried again with back-off, paced, and fail with a clear error and the next step."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.worlds.feeds.dripping_server import DRIPS, dripping
from tests.worlds.feeds.feed_server import Fault, FeedServer, serving
from topologies.sources.bounded_http import MAX_BODY_BYTES
from topologies.sources.feeds.http_client import FeedClient
from vpp.errors import ConfigError, UnreachableError
from vpp.feeds.contract import AnswerError, Ask, read_json
from vpp.feeds.elexon import SERVICE
from vpp.settings import FeedSettings

ASK = Ask(host="elexon", path="/datasets/FUELHH", params={"format": "json"}, until=datetime(2026, 1, 1, tzinfo=UTC))


def answer(_path: str, _query: dict[str, str]) -> Any:
    return {"data": [1, 2, 3]}


def client(server: FeedServer, slept: list[float], attempts: int = 4) -> FeedClient:
    settings = FeedSettings(elexon_url=server.address + "/", requests_per_s=1e6, timeout_s=5.0)
    return FeedClient(SERVICE, settings, sleep=slept.append, attempts=attempts)


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        pytest.param(Fault(status=429, headers={"Retry-After": "7"}), [7.0], id="too many requests"),
        pytest.param(Fault(status=429, headers={"Retry-After": "9999"}), [60.0], id="at most a minute"),
        pytest.param(Fault(status=503, headers={"Retry-After": "soon"}), [1.0], id="unreadable Retry-After"),
        pytest.param(
            Fault(status=503, headers={"Retry-After": "Wed, 04 Mar 2026 12:00:00 -0000"}), [], id="date gone by"
        ),
        pytest.param(
            Fault(status=503, headers={"Retry-After": "Fri, 31 Dec 9999 23:00:00 -1000"}), [1.0], id="no date at all"
        ),
        pytest.param(Fault(status=429, headers={"Retry-After": "inf"}), [60.0], id="for ever"),
        pytest.param(Fault(status=500, times=3), [1.0, 2.0, 4.0], id="broken server"),
        pytest.param(Fault(cut=0.5), [1.0], id="half an answer"),
        pytest.param(Fault(body=b'{"data": [1, 2'), [1.0], id="cut off, whole by its length"),
        pytest.param(Fault(body=b"<html>busy</html>"), [1.0], id="page with status 200"),
    ],
)
def test_what_may_pass_is_asked_for_again(fault: Fault, waits: list[float]) -> None:
    slept: list[float] = []
    with serving(answer, fault) as server:
        assert client(server, slept).get(ASK, read_json) == {"data": [1, 2, 3]}
    assert [wait for wait in slept if wait >= 1.0] == waits


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        pytest.param(Fault(status=500, times=9), UnreachableError, "answers 500", id="stays broken"),
        pytest.param(Fault(status=400, body=b"range too long"), AnswerError, "range too long", id="refused"),
        pytest.param(Fault(status=403), ConfigError, "no right", id="no right"),
        pytest.param(Fault(body=b"<html>", times=9), AnswerError, "not JSON", id="only pages"),
    ],
)
def test_what_stays_wrong_is_an_error_with_the_next_step(fault: Fault, error: type[Exception], words: str) -> None:
    with serving(answer, fault) as server, pytest.raises(error, match=words) as raised:
        client(server, []).get(ASK, read_json)
    assert getattr(raised.value, "hint", None)


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "packed"])
def test_an_answer_that_would_fill_the_memory_is_refused(is_packed: bool) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    fault = Fault(body=gzip.compress(body, 1), headers={"Content-Encoding": "gzip"}) if is_packed else Fault(body=body)
    with serving(answer, fault) as server, pytest.raises(AnswerError, match="more than 64 MB"):
        client(server, []).get(ASK, read_json)


@pytest.mark.parametrize("beginning", [pytest.param(value, id=name) for name, value in DRIPS.items()])
def test_an_answer_that_never_ends_is_asked_for_again_and_then_an_error(beginning: bytes) -> None:
    slept: list[float] = []
    with dripping(beginning) as (address, _):
        settings = FeedSettings(elexon_url=address, requests_per_s=1e6, timeout_s=5.0)
        slow = FeedClient(SERVICE, settings, sleep=slept.append, attempts=2, answer_s=0.3)
        with pytest.raises(UnreachableError, match=r"took more than 0\.3 s") as raised:
            slow.get(ASK, read_json)
        slow.close()
    assert [wait for wait in slept if wait >= 1.0] == [1.0]
    assert "vpp feeds check elexon" in str(raised.value.hint)


def test_a_service_that_is_not_there_is_an_error_with_the_next_step() -> None:
    with serving(answer) as server:
        gone = client(server, [])
    with pytest.raises(UnreachableError, match="does not answer") as raised:
        gone.get(ASK, read_json)
    assert "vpp feeds check elexon" in str(raised.value.hint)


def test_requests_are_paced() -> None:
    slept: list[float] = []
    with serving(answer) as server:
        slow = FeedClient(SERVICE, FeedSettings(elexon_url=server.address, requests_per_s=0.5), sleep=slept.append)
        for _ in range(3):
            slow.get(ASK, read_json)
    assert [round(wait) for wait in slept] == [2, 4]
