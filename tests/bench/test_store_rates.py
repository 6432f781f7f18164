"""How fast the embedded store is: run with ``pytest -m bench -s``."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import pytest

from tests.worlds.store_rows import forecast, slot
from vpp.store.sqlite import SqliteStore

pytestmark = pytest.mark.bench

SLOTS = 1488
ROWS = [
    forecast(i, h, 20_000.0 + i / 7, target=target)
    for i in range(SLOTS)
    for h in range(30, 1441, 30)
    for target in ("net_load", "price")
]


def rate(name: str, rows: int, work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    result = rows / (perf_counter() - start)
    print(f"{name}: {result:,.0f} rows/s")
    return result


def test_forecast_rows_per_second(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "store.sqlite") as store:

        def write() -> None:
            for start in range(0, len(ROWS), 9_600):
                store.write("forecasts", ROWS[start : start + 9_600])

        assert rate("write in checkpoints of 100 slots", len(ROWS), write) > 50_000
        assert rate("write the same again", len(ROWS), write) > 50_000
        rate("read", len(ROWS), lambda: store.read("forecasts", zone="GB"))
        rate("scan", len(ROWS), lambda: sum(map(len, store.scan("forecasts"))))
        start = perf_counter()
        assert store.latest("forecasts").column("issued_at") == [slot(SLOTS - 1)] * 96
        print(f"latest: {1000 * (perf_counter() - start):.1f} ms")
