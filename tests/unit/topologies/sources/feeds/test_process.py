"""The running feed sends in order, keeps its place, and after a kill sends neither too little nor a slot twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from tests.worlds.feeds.elexon_world import ElexonWorld
from tests.worlds.feeds.feed_server import serving
from topologies.sources.availability_order import Drift
from topologies.sources.checkpoint import Checkpoint, read_checkpoint
from topologies.sources.feeds.feed_order import FeedOrder
from topologies.sources.feeds.live_feed import open_live
from topologies.sources.feeds.process import FeedRun
from topologies.sources.options import SourceOptions
from vpp.domain import LOAD
from vpp.fleet.schema import Zone
from vpp.messages import End, Message, Observation, Promotion, Publication
from vpp.settings import FeedSettings, Settings

NOW = datetime(2026, 3, 4, 12, 10, tzinfo=UTC)
START = datetime(2026, 3, 3, tzinfo=UTC)
END = datetime(2026, 3, 4, tzinfo=UTC)


@dataclass
class Log:
    """Takes records; stops the run after ``limit`` of them."""

    stop: Event
    limit: int = 10**9
    records: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        self.records.append(message)
        if len(self.records) >= self.limit:
            self.stop.set()

    def flush(self) -> None:
        pass


def run(tmp_path: Path, limit: int = 10**9, drift: Drift | None = None) -> tuple[Log, Checkpoint]:
    with serving(ElexonWorld(now=lambda: NOW)) as server:
        settings = Settings(
            data_dir=tmp_path,
            feeds=FeedSettings(history_days=4, requests_per_s=1e6, elexon_url=server.address),
        )
        options = SourceOptions(kind="feed", services=("elexon",), zones=("GB",), start=START, end=END, catch_up=True)
        feed = open_live(options, settings, now=NOW)
        state = read_checkpoint(tmp_path / "place.json") or Checkpoint(identity="a", began_at=NOW)
        stop = Event()
        log = Log(stop, limit)

        def refit(zone: Zone, when: datetime) -> Promotion:
            return Promotion(zone=zone.zone, available_at=when, model_id="m1", sha256="0")

        order = FeedOrder(
            zone=feed.zones["GB"],
            book=feed.collectors["GB"].book,
            first=START - timedelta(days=4),
            start=START,
            closing=feed.closing,
            delay=feed.delay,
            end=END,
            sent_until=state.run_at,
        )
        made = FeedRun(
            feed=feed,
            orders={"GB": order},
            outbox=log,
            state=state,
            checkpoint_path=tmp_path / "place.json",
            clock_path=tmp_path / "clock.json",
            stop=stop,
            refit=refit,
            drift=drift,
            now=lambda: NOW,
        )
        return log, made.run()


def closings(records: list[Message]) -> list[datetime]:
    return [record.slot for record in records if isinstance(record, Observation) and LOAD in record.values]


def test_history_promotion_slots_and_end_come_in_this_order(tmp_path: Path) -> None:
    log, state = run(tmp_path)
    kinds = [type(record) for record in log.records]
    assert state.finished
    assert kinds[-1] is End
    assert kinds.count(Promotion) == 1
    first_live = next(n for n, r in enumerate(log.records) if isinstance(r, Observation) and not r.history)
    assert kinds.index(Promotion) < first_live
    assert all(r.history for r in log.records[: kinds.index(Promotion)] if isinstance(r, Observation))
    assert closings(log.records) == [START + n * timedelta(minutes=30) for n in range(-192, 48)]
    clocks = [r.sent_at for r in log.records if isinstance(r, Observation | Publication) and r.sent_at is not None]
    assert clocks == sorted(clocks)


@pytest.mark.parametrize("limit", [100, 225])
def test_a_killed_feed_goes_on_where_it_was(tmp_path: Path, limit: int) -> None:
    whole, _ = run(tmp_path / "whole")
    first, state = run(tmp_path / "killed", limit)
    assert not state.finished
    second, state = run(tmp_path / "killed")
    assert state.finished
    assert closings([*first.records, *second.records]) == closings(whole.records)


class DriftedOnce:
    """Names a zone that the feed has and one that it has not, at the first look."""

    def __init__(self) -> None:
        self.due = {"GB", "FR"}

    def zones(self, now: datetime) -> set[str]:
        due, self.due = self.due, set()
        return due

    def retrain(self, zone: Zone, now: datetime) -> Promotion:
        return Promotion(zone=zone.zone, available_at=now, model_id="m2", sha256="1", cause="drift")


def test_a_zone_that_drifted_is_retrained_out_of_turn(tmp_path: Path) -> None:
    log, state = run(tmp_path, drift=DriftedOnce())
    promotions = [record for record in log.records if isinstance(record, Promotion)]
    assert state.finished
    assert [(one.zone, one.model_id, one.cause) for one in promotions] == [("GB", "m1", ""), ("GB", "m2", "drift")]
    assert promotions[1].available_at == promotions[1].sent_at == NOW
