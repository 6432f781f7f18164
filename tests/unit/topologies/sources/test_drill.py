"""A running source forges records while a drill is asked for, from the next slot on, and takes no harm by a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.guard_world import frame, zone
from topologies.sources.drill import Drill, Forger, read_drill, write_drill
from vpp.messages import Observation, Raw

BEGIN = datetime(2024, 1, 8, tzinfo=UTC)
DAYS, SLOTS = 12, 6
DATA = frame(DAYS)


def records() -> list[Raw]:
    """Return ten days of history and two that count."""
    return [
        Observation(
            zone="TOWN",
            slot=BEGIN + timedelta(hours=i),
            values={name: float(row[name]) for name in ("load_mw", "solar_mw", "wind_mw", "meter_mw")},
            history=i < (DAYS - 2) * 24,
        )
        for i, (_, row) in enumerate(DATA.iterrows())
    ]


def drilled(path: Path, messages: list[Raw], sent: int = 0) -> list[Observation]:
    forger = Forger(path, (zone(),))
    return [message for message in forger.forged(messages, sent) if isinstance(message, Observation)]


def value(message: Raw, channel: str) -> float:
    assert isinstance(message, Observation)
    number = message.values[channel]
    assert number is not None
    return number


def asked(**given: Any) -> Drill:
    fields: dict[str, Any] = {"attack": "step 10 %", "kind": "step", "size_pct": 10.0, "slots": SLOTS}
    return Drill(**{"zone": "TOWN", **fields, **given})


def test_a_step_moves_the_channel_and_its_total_for_its_slots(tmp_path: Path) -> None:
    path, true = tmp_path / "drill.json", records()
    write_drill(path, asked())
    out = drilled(path, true)
    moved = [i for i, (a, b) in enumerate(zip(out, true, strict=True)) if a != b]
    assert moved == list(range((DAYS - 2) * 24, (DAYS - 2) * 24 + SLOTS))
    size = {round(value(out[i], "load_mw") - value(true[i], "load_mw"), 1) for i in moved}
    assert max(size) - min(size) <= 0.11
    assert min(size) > 40.0
    for i in moved:
        total = value(out[i], "meter_mw") - value(true[i], "meter_mw")
        assert total == pytest.approx(value(out[i], "load_mw") - value(true[i], "load_mw"))
    assert not path.exists()


@pytest.mark.parametrize(("kind", "lag"), [("replay", 1), ("replay", 7), ("freeze", 0), ("time_shift", 2)])
def test_what_is_written_is_the_past(tmp_path: Path, kind: str, lag: int) -> None:
    path, true = tmp_path / "drill.json", records()
    write_drill(path, asked(kind=kind, lag=lag, size_pct=None))
    out, start = drilled(path, true), (DAYS - 2) * 24
    for k in range(SLOTS):
        from_slot = {"replay": start + k - 24 * lag, "freeze": start - 1, "time_shift": start + k - lag}[kind]
        assert value(out[start + k], "load_mw") == value(true[from_slot], "load_mw")


def test_a_restart_goes_on_with_the_same_values(tmp_path: Path) -> None:
    path, true, start = tmp_path / "drill.json", records(), (DAYS - 2) * 24
    write_drill(path, asked(kind="noise", size_pct=5.0))
    whole = drilled(path, true)
    write_drill(path, asked(kind="noise", size_pct=5.0))
    before = drilled(path, true[: start + 3])
    drill = read_drill(path)
    assert drill is not None
    assert drill.since == BEGIN + timedelta(hours=start)
    after = drilled(path, true, sent=start + 3)
    assert [*before, *after[start + 3 :]] == whole
    assert not path.exists()


def test_a_drill_begins_with_records_that_the_broker_does_not_have(tmp_path: Path) -> None:
    path, true = tmp_path / "drill.json", records()
    write_drill(path, asked())
    out = drilled(path, true, sent=len(true) - 10)
    assert next(i for i, (a, b) in enumerate(zip(out, true, strict=True)) if a != b) == len(true) - 10


def test_other_zones_and_too_little_history_are_left_alone(tmp_path: Path) -> None:
    path, true = tmp_path / "drill.json", records()
    write_drill(path, asked(zone="ELSEWHERE"))
    assert drilled(path, true) == true
    write_drill(path, asked(kind="replay", lag=20, size_pct=None))
    assert drilled(path, true) == true
