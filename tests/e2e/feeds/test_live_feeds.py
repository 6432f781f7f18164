"""`vpp up --source live:NAME` for each service, against a local server in its shapes, with faults, to settled slots."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.plant_fixtures import Place
from tests.worlds.feeds.feed_answers import addresses, everything
from tests.worlds.feeds.feed_server import Fault, serving
from vpp.domain import iso
from vpp.store import open_store
from vpp.store.tables import TELEMETRY

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.local]

SERVICES = (
    pytest.param("aemo", "NSW1", 24, timedelta(minutes=5), "PRICE_AND_DEMAND", id="aemo"),
    pytest.param("energy-charts+open-meteo", "DE_LU", 6, timedelta(hours=1), "public_power", id="energy-charts"),
    pytest.param("entsoe", "DE_LU", 6, timedelta(hours=1), "entsoe", id="entsoe"),
    pytest.param("elexon+octopus", "GB", 8, timedelta(minutes=30), "unit-rates", id="octopus"),
)


@pytest.mark.parametrize(("services", "zone", "slots", "step", "path"), SERVICES)
def test_a_service_runs_the_plant_through_its_faults(
    place: Place, services: str, zone: str, slots: int, step: timedelta, path: str
) -> None:
    faults = (
        Fault(path=path, status=429, headers={"Retry-After": "1"}),
        Fault(path=path, status=500),
        Fault(path=path, cut=0.4),
    )
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    end = start + slots * step
    with serving(everything(lambda: datetime.now(UTC)), *faults) as server:
        place.environment.pop("VPP_KAFKA__BOOTSTRAP_SERVERS", None)
        place.environment.update(
            {f"VPP_FEEDS__{name.upper()}": address for name, address in addresses(server.address).items()},
            VPP_FEEDS__HISTORY_DAYS="8",
            VPP_FEEDS__REQUESTS_PER_S="1000",
            VPP_FEEDS__ENTSOE_KEY="secret",
        )
        span = ("--from", iso(start), "--to", iso(end))
        source = ("--source", f"live:{services}", "--zone", zone, "--no-train")
        done = place.vpp("up", *source, *span, "--until-done", "--json")
        assert done.returncode == 0, done.stderr[-3000:]
        assert [fault.times for fault in server.faults] == [0, 0, 0]
    summary = json.loads(done.stdout)
    assert (summary["slots"], summary["dead_letters"], summary["restarts"]) == (slots, 0, 0)
    with open_store(place.settings, read_only=True) as store:
        rows = [row for row in store.read(TELEMETRY, zone=zone).dicts() if start <= row["slot"] < end]
    assert len(rows) == slots
    assert all(row["load_mw"] is not None and row["price_per_mwh"] is not None for row in rows)
