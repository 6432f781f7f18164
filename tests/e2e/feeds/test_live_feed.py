"""`vpp up --source live:elexon`: against a local server in the service's shapes, with faults, to settled slots."""

from __future__ import annotations

import json
import shlex
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.plant_fixtures import Place
from tests.worlds.documents import shell_blocks
from tests.worlds.feeds.elexon_world import HALF_HOUR, ElexonWorld
from tests.worlds.feeds.feed_server import Fault, FeedServer, serving
from vpp.domain import iso
from vpp.store import open_store
from vpp.store.tables import FORECASTS, TELEMETRY

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def server() -> Iterator[FeedServer]:
    faults = (
        Fault(path="FUELHH", status=429, headers={"Retry-After": "1"}),
        Fault(path="system-prices", cut=0.4),
        Fault(path="demand", status=500),
    )
    with serving(ElexonWorld(), *faults) as server:
        yield server


def test_a_past_half_day_is_fetched_forecast_and_settled_with_prices_that_came_later(
    place: Place, server: FeedServer
) -> None:
    place.environment.pop("VPP_KAFKA__BOOTSTRAP_SERVERS", None)
    place.environment.update(
        VPP_FEEDS__ELEXON_URL=server.address, VPP_FEEDS__HISTORY_DAYS="16", VPP_FEEDS__REQUESTS_PER_S="1000"
    )
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    end = start + timedelta(hours=6)
    commands = [command for block in shell_blocks() for command in block.commands]
    guided = next(command for command in commands if command.startswith("vpp up --source live:"))
    live = [*shlex.split(guided)[1:], "--no-train"]
    done = place.vpp(*live, "--from", iso(start), "--to", iso(end), "--until-done", "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads(done.stdout)
    assert (summary["slots"], summary["dead_letters"], summary["restarts"]) == (12, 0, 0)
    assert "BMRS data licence" in done.stderr
    assert {row["slots_without_price"] for row in summary["ledger"]} == {0}
    world = ElexonWorld()
    with open_store(place.settings, read_only=True) as store:
        rows = store.read(TELEMETRY, zone="GB").dicts()
    slot = start + 3 * HALF_HOUR
    (row,) = [row for row in rows if row["slot"] == slot]
    assert row["load_mw"] == pytest.approx(world.demand_mw(slot))
    assert row["revision"] == 1
    assert json.loads(row["values"])["price_per_mwh"] is None
    assert row["price_per_mwh"] == pytest.approx(world.price(slot))

    # The same command without an end goes on where the run stopped and reaches now; then it stays.
    asked = len(server.requests)
    process = place.start(*live)
    try:
        deadline = time.monotonic() + 150
        newest = start
        with open_store(place.settings, read_only=True) as store:
            while newest < datetime.now(UTC) - 3 * HALF_HOUR:
                assert process.poll() is None, place.said()
                assert time.monotonic() < deadline, place.said()
                newest = max((row["issued_at"] for row in store.latest(FORECASTS, "GB").dicts()), default=start)
                time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, place.said()
    assert len(server.requests) - asked < 40
