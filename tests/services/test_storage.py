"""The storage worker on a real Kafka and a real InfluxDB: what a database outage and a kill leave behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.service_fixtures import InfluxService, ServiceControl
from vpp import messages as m
from vpp.domain import QUANTILE_NAMES
from vpp.settings import InfluxSettings, KafkaSettings, Settings, StoreSettings
from vpp.store import Store, open_store
from vpp.streams.kafka import create_topics, producer_config

pytestmark = [pytest.mark.services, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
T0 = datetime(2022, 1, 1, tzinfo=UTC)
HORIZONS = list(range(30, 1441, 30))
ROWS_PER_SLOT = 2 * len(HORIZONS)


@pytest.fixture
def settings(kafka_address: str, influx: InfluxService, unique_name: str, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        run=unique_name,
        kafka=KafkaSettings(bootstrap_servers=kafka_address),
        store=StoreSettings(kind="influx"),
        influx=InfluxSettings(url=influx.url, token=influx.token, org=influx.org, bucket=influx.bucket),
    )


@pytest.fixture
def start_worker(settings: Settings) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a storage worker with the settings; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []
    environment = {
        "VPP_DATA_DIR": str(settings.data_dir),
        "VPP_RUN": settings.run,
        "VPP_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "VPP_STORE__KIND": "influx",
        "VPP_INFLUX__URL": settings.influx.url,
        "VPP_INFLUX__TOKEN": settings.influx.token.get_secret_value(),
        "VPP_INFLUX__ORG": settings.influx.org,
        "VPP_INFLUX__BUCKET": settings.influx.bucket,
    }

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "topologies.storage"]
        started.append(subprocess.Popen(command, cwd=ROOT, env=os.environ | environment))
        return started[-1]

    yield start
    for worker in started:
        if worker.poll() is None:
            worker.kill()
        worker.wait()


def send(settings: Settings, first: int, last: int) -> None:
    """Send the closed slots ``first`` to ``last`` (exclusive) with their forecasts."""
    producer = Producer(producer_config(settings))
    for index in range(first, last):
        slot = T0 + index * timedelta(minutes=30)
        closed = m.SlotClosed(zone="GB", slot=slot, step_min=30, values={"load_mw": float(index)}, net_load_mw=None)
        levels: dict[str, Any] = {name: [float(index)] * len(HORIZONS) for name in QUANTILE_NAMES}
        curves = m.Quantiles(source="model", model_id="m1", **levels)
        forecast = m.Forecast(
            zone="GB",
            slot=slot,
            step_min=30,
            observation=closed,
            horizon_min=HORIZONS,
            net_load=curves,
            price=curves,
            ramp_mw_per_min=None,
        )
        producer.produce(f"{settings.topic_prefix}telemetry", m.encode(closed), "GB")
        producer.produce(f"{settings.topic_prefix}forecasts", m.encode(forecast), "GB")
        producer.poll(0)
    assert producer.flush(30) == 0


def has_rows(store: Store, least: int) -> bool:
    return store.count("telemetry") >= least


def wait_until(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.3)


@pytest.mark.outage
@pytest.mark.drill("influx_down")
def test_an_outage_of_the_database_loses_nothing_and_stops_nobody(
    settings: Settings, service_control: ServiceControl, start_worker: Callable[[], subprocess.Popen[bytes]]
) -> None:
    create_topics(settings)
    with open_store(settings, read_only=True) as store:
        worker = start_worker()
        send(settings, 0, 200)
        wait_until(lambda: store.count("forecasts") == 200 * ROWS_PER_SLOT)
        service_control.kill("influx")
        send(settings, 200, 400)
        time.sleep(3)
        assert worker.poll() is None
        service_control.start("influx")
        wait_until(lambda: store.count("forecasts") == 400 * ROWS_PER_SLOT)
        assert store.read("telemetry").column("load_mw") == [float(index) for index in range(400)]
        assert worker.poll() is None


@pytest.mark.drill("kill_workers")
def test_a_killed_worker_writes_every_row_once(
    settings: Settings, start_worker: Callable[[], subprocess.Popen[bytes]]
) -> None:
    create_topics(settings)
    with open_store(settings, read_only=True) as store:
        send(settings, 0, 1500)
        for least in (1, 500):
            worker = start_worker()
            wait_until(partial(has_rows, store, least))
            worker.kill()
            worker.wait()
        start_worker()
        wait_until(lambda: store.count("forecasts") == 1500 * ROWS_PER_SLOT)
        assert store.read("telemetry").column("load_mw") == [float(index) for index in range(1500)]
        newest = store.latest("forecasts")
        assert len(newest) == ROWS_PER_SLOT
        assert set(newest.column("q50")) == {1499.0}
