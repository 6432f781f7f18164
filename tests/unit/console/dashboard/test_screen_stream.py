"""The stream: a snapshot, then what changed; one computation for all; a slow page gets the newest and no queue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from console.dashboard import screen_stream as module
from console.dashboard.screen_stream import Events, TooManyClientsError
from vpp.errors import UnreachableError


class Source:
    """Screens whose figure somebody sets; counts how often it was asked."""

    def __init__(self) -> None:
        self.figure, self.asked = 0, 0
        self.error: Exception | None = None

    def __call__(self, name: str, zone: str | None) -> dict[str, Any]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return {"frame": {"zone": zone, "still": [1] * 100}, "body": {"figure": self.figure, "screen": name}}


async def following(stream: AsyncIterator[bytes]) -> tuple[str, dict[str, Any]]:
    """Return the next event that is no heartbeat."""
    while True:
        text = (await asyncio.wait_for(anext(stream), 10)).decode()
        fields = dict(line.split(": ", 1) for line in text.strip().splitlines())
        if fields.get("event", "heartbeat") != "heartbeat":
            return fields["event"], json.loads(fields["data"])


async def test_a_snapshot_then_only_what_changed() -> None:
    source = Source()
    stream = Events(source, 0.01).stream("now", "GB")
    assert await following(stream) == (
        "snapshot",
        {"body.figure": 0, "body.screen": "now", "error": None, "frame.still": [1] * 100, "frame.zone": "GB"},
    )
    source.figure = 7
    assert await following(stream) == ("delta", {"body.figure": 7})
    await stream.aclose()  # type: ignore[attr-defined]


async def test_many_pages_cost_one_computation_and_all_hear() -> None:
    source = Source()
    events = Events(source, 0.2)
    streams = [events.stream("now", "GB") for _ in range(20)]
    for stream in streams:
        assert (await following(stream))[0] == "snapshot"
    asked = source.asked
    assert asked <= 3
    source.figure = 1
    assert [await following(stream) for stream in streams] == [("delta", {"body.figure": 1})] * 20
    assert events.clients == 20
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]
    assert events.clients == 0
    await asyncio.sleep(0.3)
    asked = source.asked
    await asyncio.sleep(0.3)
    assert source.asked == asked, "nobody looks, so nothing is computed"


async def test_a_slow_page_gets_the_newest_and_nothing_piles_up() -> None:
    source = Source()
    events = Events(source, 0.01)
    slow, quick = events.stream("now", None), events.stream("now", None)
    await following(slow)
    await following(quick)
    for figure in range(1, 30):
        source.figure = figure
        await following(quick)
    assert await following(slow) == ("delta", {"body.figure": 29})
    for stream in (slow, quick):
        await stream.aclose()  # type: ignore[attr-defined]


async def test_somebody_who_acted_sees_it_at_once() -> None:
    source = Source()
    events = Events(source, 60.0)
    stream = events.stream("orders", None)
    await following(stream)
    source.figure = 1
    events.wake()
    assert await following(stream) == ("delta", {"body.figure": 1})
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_store_that_does_not_answer_is_reported_and_the_stream_goes_on() -> None:
    source = Source()
    source.error = UnreachableError("the store does not answer", hint="start it")
    stream = Events(source, 0.01).stream("now", None)
    assert (await following(stream))[1]["error"] == {"text": "the store does not answer", "hint": "start it"}
    source.error = None
    assert (await following(stream))[1]["error"] is None
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_silent_store_still_gives_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.05)
    stream = Events(Source(), 60.0).stream("now", None)
    await following(stream)
    assert b"heartbeat" in await asyncio.wait_for(anext(stream), 5)
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_full_server_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CLIENTS", 1)
    events = Events(Source(), 60.0)
    first = events.stream("now", None)
    await following(first)
    with pytest.raises(TooManyClientsError):
        await anext(events.stream("now", None))
    await first.aclose()  # type: ignore[attr-defined]
