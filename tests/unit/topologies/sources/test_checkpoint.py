"""How far a source is: what counts, when it is written, and what is read after a kill."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from topologies.sources.checkpoint import (
    EVERY_RECORDS,
    EVERY_S,
    Checkpoint,
    CheckpointKeeper,
    read_checkpoint,
    resumed,
    write_checkpoint,
)
from vpp.errors import UnreachableError
from vpp.messages import End, Message, Observation, Promotion

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Box:
    """Takes records, or refuses them."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.flushes = 0
        self.refuses = refuses

    def send(self, message: Message) -> None:
        raise AssertionError(message)

    def flush(self) -> None:
        if self.refuses:
            raise UnreachableError("no broker")
        self.flushes += 1


def observed(minutes: float) -> Observation:
    at = NOW + timedelta(minutes=minutes)
    return Observation(zone="Z", slot=at, values={}, sent_at=at)


def keeper_of(path: Path, box: Box, seconds: list[float]) -> CheckpointKeeper:
    return CheckpointKeeper(path, Checkpoint(identity="x", began_at=NOW), box, seconds=lambda: seconds[0])


def test_a_place_is_written_after_so_many_records_and_only_when_they_are_acknowledged(tmp_path: Path) -> None:
    path, box = tmp_path / "place.json", Box()
    keeper = keeper_of(path, box, [0.0])
    for n in range(EVERY_RECORDS - 1):
        keeper.count(observed(n))
    assert read_checkpoint(path) is None
    keeper.count(observed(EVERY_RECORDS))
    place = read_checkpoint(path)
    assert place is not None
    assert (place.sent, place.run_at, box.flushes) == (EVERY_RECORDS, NOW + timedelta(minutes=EVERY_RECORDS), 1)


def test_a_waiting_source_keeps_its_place_once_in_a_while(tmp_path: Path) -> None:
    seconds, box = [0.0], Box()
    keeper = keeper_of(tmp_path / "place.json", box, seconds)
    for at, flushes in ((0.5 * EVERY_S, 0), (1.1 * EVERY_S, 1), (1.9 * EVERY_S, 1), (2.2 * EVERY_S, 2)):
        seconds[0] = at
        keeper.keep_if_due()
        assert box.flushes == flushes


def test_promotions_do_not_count_and_the_run_clock_never_goes_back(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path / "place.json", Box(), [0.0])
    shift = timedelta(weeks=1)
    keeper.count(observed(60), shift)
    keeper.count(observed(30), shift)
    keeper.count(Promotion(zone="Z", available_at=NOW, model_id="m", sha256="0", sent_at=NOW + timedelta(days=9)))
    keeper.count(End(zone="Z", producer="p", last_slot=NOW))
    assert keeper.checkpoint.sent == 3
    assert keeper.checkpoint.run_at == NOW + timedelta(minutes=60) - shift


def test_what_the_broker_did_not_take_is_not_counted_as_sent_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "place.json"
    keeper = keeper_of(path, Box(refuses=True), [0.0])
    keeper.count(observed(1))
    with pytest.raises(UnreachableError):
        keeper.finish()
    assert resumed(path, "x", NOW) == Checkpoint(identity="x", began_at=NOW)


def test_a_run_of_other_options_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "place.json"
    keeper_of(path, Box(), [0.0]).finish()
    assert resumed(path, "x", NOW + timedelta(days=1)).finished
    assert resumed(path, "y", NOW) == Checkpoint(identity="y", began_at=NOW)


def test_a_damaged_checkpoint_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "place.json"
    path.write_bytes(b'{"identity": 3')
    assert read_checkpoint(path) is None
    write_checkpoint(path, Checkpoint(identity="x", began_at=NOW, sent=4))
    assert read_checkpoint(path) == Checkpoint(identity="x", began_at=NOW, sent=4)
