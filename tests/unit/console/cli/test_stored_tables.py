"""`vpp ledger` adds up by zone, by UTC day and in all, and never over currencies."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from console.cli.main import main
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import LEDGER

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def row(zone: str, hours: int, asset_id: str, revenue: float, currency: str = "EUR") -> tuple[Any, ...]:
    slot = NOON + timedelta(hours=hours)
    return (
        zone,
        slot,
        asset_id,
        0,
        1.0,
        revenue,
        revenue,
        1.0,
        0.0,
        0.0,
        0.0,
        2.0,
        revenue - 1.0,
        currency,
        0.0,
        False,
    )


@pytest.fixture(autouse=True)
def _plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [row("A", 0, "b1", 10.0), row("A", 0, "b2", 20.0), row("A", 13, "b1", 5.0)]
    rows += [row("B", 1, "b3", 7.0), row("C", 2, "b4", 3.0, "GBP")]
    with open_store(Settings(data_dir=tmp_path / ".vpp")) as store:
        store.write(LEDGER, rows)


def money(capsys: pytest.CaptureFixture[str], *options: str) -> list[tuple[Any, ...]]:
    capsys.readouterr()
    assert main(["ledger", "--json", *options]) == 0
    printed = json.loads(capsys.readouterr().out)
    return [(r.get("day"), r.get("zone"), r["currency"], r["pnl"], r["penalty_avoided"]) for r in printed]


def test_the_ledger_adds_up_by_zone_day_and_in_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(money(capsys)) == 4
    assert money(capsys, "--by", "zone") == [
        (None, "A", "EUR", 32.0, 6.0),
        (None, "B", "EUR", 6.0, 2.0),
        (None, "C", "GBP", 2.0, 2.0),
    ]
    assert money(capsys, "--by", "day") == [
        ("2026-03-04", "A", "EUR", 28.0, 4.0),
        ("2026-03-04", "B", "EUR", 6.0, 2.0),
        ("2026-03-04", "C", "GBP", 2.0, 2.0),
        ("2026-03-05", "A", "EUR", 4.0, 2.0),
    ]
    assert money(capsys, "--by", "total") == [(None, None, "EUR", 38.0, 8.0), (None, None, "GBP", 2.0, 2.0)]
    assert money(capsys, "--by", "day", "--zone", "A", "--from", "2026-03-05") == [("2026-03-05", "A", "EUR", 4.0, 2.0)]


def test_people_see_the_totals_by_currency(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger"]) == 0
    text = capsys.readouterr().out
    assert "total EUR: pnl 38.00" in text
    assert "total GBP: pnl 2.00" in text
