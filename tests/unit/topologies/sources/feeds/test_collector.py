"""Only what is missing is asked for, a killed back-fill goes on, and one broken dataset does not stop the others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.worlds.feeds.elexon_world import ElexonWorld
from tests.worlds.feeds.feed_server import Fault, FeedServer, serving
from topologies.sources.feeds.archive import FeedArchive
from topologies.sources.feeds.collector import Collector
from topologies.sources.feeds.http_client import FeedClient
from vpp.domain import LOAD, PRICE, Step
from vpp.errors import UnreachableError
from vpp.feeds.book import IssueBook
from vpp.feeds.elexon import SERVICE
from vpp.settings import FeedSettings

NOW = datetime(2026, 3, 4, 12, 10, tzinfo=UTC)
STEP = Step(30)


@pytest.fixture
def clock() -> list[datetime]:
    return [NOW]


@pytest.fixture
def server(clock: list[datetime]) -> Iterator[FeedServer]:
    with serving(ElexonWorld(now=lambda: clock[0])) as server:
        yield server


def collector(server: FeedServer, path: Path, days: float = 10.0) -> Collector:
    settings = FeedSettings(elexon_url=server.address, requests_per_s=1e6)
    client = FeedClient(SERVICE, settings, sleep=lambda _s: None, attempts=2)
    datasets = [(client, dataset) for dataset in SERVICE.datasets("GB", settings)]
    made = Collector(datasets, FeedArchive(path), IssueBook(STEP), NOW - timedelta(days=days))
    made.open()
    return made


def known(made: Collector) -> dict[tuple[str, int], object]:
    return {
        (name, index): made.book.as_of(name, index, NOW + timedelta(days=9))
        for name in made.book.channels
        for index in made.book.indices(name)
    }


def test_a_restart_asks_only_for_what_came_since(server: FeedServer, clock: list[datetime], tmp_path: Path) -> None:
    first = collector(server, tmp_path / "GB.jsonl")
    assert first.fill(NOW) == []
    asked, held = len(server.requests), known(first)
    clock[0] = NOW + timedelta(hours=1)
    again = collector(server, tmp_path / "GB.jsonl")
    assert known(again) == held
    again.fill(clock[0])
    assert asked > 30
    assert len(server.requests) - asked <= 5
    assert max(again.book.indices(LOAD)) == max(first.book.indices(LOAD)) + 2


def test_a_longer_history_is_asked_for_at_its_front(server: FeedServer, tmp_path: Path) -> None:
    collector(server, tmp_path / "GB.jsonl", days=5).fill(NOW)
    longer = collector(server, tmp_path / "GB.jsonl", days=12)
    longer.fill(NOW)
    whole = collector(server, tmp_path / "other.jsonl", days=12)
    whole.fill(NOW)
    assert known(longer) == known(whole)


def test_a_back_fill_that_breaks_off_goes_on_where_it_was(server: FeedServer, tmp_path: Path) -> None:
    server.faults.append(Fault(path="system-prices/2026-02-28", status=500, times=2))
    with pytest.raises(UnreachableError):
        collector(server, tmp_path / "GB.jsonl").fill(NOW)
    with (tmp_path / "GB.jsonl").open("ab") as file:
        file.write(b'{"type":"issue","channel":"lo')
    before = len(server.requests)
    again = collector(server, tmp_path / "GB.jsonl")
    again.fill(NOW)
    days = [path[-10:] for path, _ in server.requests[before:] if "system-prices" in path]
    assert days[0] == "2026-02-27"
    whole = collector(server, tmp_path / "other.jsonl")
    whole.fill(NOW)
    assert known(again) == known(whole)


def test_a_dataset_that_fails_in_a_run_is_asked_for_less_often_and_the_others_go_on(
    server: FeedServer, clock: list[datetime], tmp_path: Path
) -> None:
    made = collector(server, tmp_path / "GB.jsonl")
    made.fill(NOW)
    server.faults.append(Fault(path="system-prices", status=503, times=1000))
    server.requests.clear()
    for minute in range(60):
        clock[0] = NOW + timedelta(minutes=minute)
        made.poll(clock[0])
    prices = sum("system-prices" in path for path, _ in server.requests)
    assert 2 <= prices <= 12
    assert max(made.book.indices(LOAD)) > STEP.index(NOW)
    server.faults.clear()
    clock[0] = NOW + timedelta(minutes=90)
    made.poll(clock[0])
    assert max(made.book.indices(PRICE)) >= STEP.index(NOW)
