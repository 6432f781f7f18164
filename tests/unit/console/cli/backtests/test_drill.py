"""A live drill lists the guard's episodes that reach into it, also those dated back to before its first slot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.cli.backtests.drill import episodes
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.tables import ALERTS

SINCE = datetime(2026, 3, 4, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)


def write(store: Store, name: str, topic: str, begins: datetime, ends: datetime | None) -> None:
    row = (
        "Z",
        begins,
        name,
        "critical",
        topic,
        "",
        "{}",
        "attack_forged",
        "load_mw",
        None,
        "forecast_used",
        ends,
        "[]",
    )
    store.write_all({ALERTS: [row]})


@pytest.mark.parametrize(
    ("begins", "ends", "is_listed"),
    [
        (0, 6, True),
        (0, None, True),
        (-5.5, 6, True),
        (-5.5, None, True),
        (-5.5, -1, False),
        (-5.5, 0, False),
        (6, 7, True),
        (-48, -40, False),
    ],
)
def test_an_episode_is_listed_when_it_reaches_into_the_drill(
    tmp_path: Path, begins: float, ends: float | None, is_listed: bool
) -> None:
    with open_store(Settings(data_dir=tmp_path)) as store:
        write(store, "a", "guard", SINCE + begins * HOUR, None if ends is None else SINCE + ends * HOUR)
        write(store, "b", "quality", SINCE, None)
        assert [row["alert_id"] for row in episodes(store, "Z", SINCE)] == ["a"] * is_listed
