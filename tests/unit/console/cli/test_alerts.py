"""`vpp alerts` lists what the store holds, in the order of slots."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.cli.main import main
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import ALERTS, TELEMETRY

T0 = datetime(2026, 3, 4, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        (
            zone,
            T0 + timedelta(hours=h),
            f"{zone}-{h}",
            "warning",
            "quality",
            f"at {h} h",
            '{"n":1.0}',
            "flat",
            "load_mw",
            None,
            "none",
            T0 + timedelta(hours=h + 1) if h else None,
            "[]",
        )
        for zone in ("B", "A")
        for h in (0, 30, 60)
    ]
    slot = ("A", T0 + timedelta(hours=70), 1.0, 0.0, 0.0, 1.0, None, None, None, None, 0)
    with open_store(Settings(data_dir=tmp_path / ".vpp")) as store:
        store.write_all({ALERTS: rows, TELEMETRY: [slot]})


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    capsys.readouterr()
    assert main(["alerts", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(row["values"] == {"n": 1.0} for row in found)
    return [row["alert_id"] for row in found]


def test_alerts_are_listed_by_slot_zone_and_span(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys) == ["A-0", "B-0", "A-30", "B-30", "A-60", "B-60"]
    assert listed(capsys, "--zone", "B") == ["B-0", "B-30", "B-60"]
    assert listed(capsys, "--since", "48h") == ["A-30", "B-30", "A-60", "B-60"]
    assert listed(capsys, "--since", "1d") == listed(capsys, "--since", "2026-03-06") == ["A-60", "B-60"]
    assert main(["alerts"]) == 0
    assert "at 60 h" in capsys.readouterr().out
    assert main(["alerts", "--since", "often"]) == 2
