"""Five-minute data with real drop-outs: every slot is there, the missing ones say so, and all of them are decided."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.plant_fixtures import Place

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def worst_day(path: Path) -> str:
    """Return the day with most drop-outs that is at least a week into the file."""
    bad: dict[str, int] = {}
    with gzip.open(path, "rt") as lines:
        for row in csv.DictReader(lines):
            if row["quality"] != "ok" and row["timestamp"] >= "2023-01-10":
                bad[row["timestamp"][:10]] = bad.get(row["timestamp"][:10], 0) + 1
    return max(sorted(bad), key=lambda day: bad[day])


def test_a_day_with_drop_outs_runs_at_its_own_step(data_dir: Path, place: Place) -> None:
    path = data_dir / "gb_5min_2023.csv.gz"
    first = datetime.fromisoformat(worst_day(path))
    day, after = first.date().isoformat(), (first + timedelta(days=1)).date().isoformat()
    done = place.vpp(
        "up",
        "--source",
        str(path),
        "--zone",
        "GB",
        "--from",
        day,
        "--to",
        after,
        "--no-train",
        "--speed",
        "max",
        "--until-done",
        "--json",
        timeout_s=400,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads(done.stdout)
    assert summary["slots"] == summary["forecasts"] == 288
    assert summary["energy_balance_error_mwh"] <= 1e-6
    assert summary["dead_letters"] == 0
    exported = place.vpp("export", "telemetry", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(exported)))
    missing = [row for row in rows if not row["net_load_mw"]]
    assert missing
    assert all(json.loads(row["quality"])["load_mw"] == "missing" for row in missing)
    decided = list(csv.DictReader(io.StringIO(place.vpp("export", "decisions", "--format", "csv").stdout)))
    assert len(decided) == 288
