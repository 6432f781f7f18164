"""`make bench`: records per second and CPU time per record of each topology."""

from __future__ import annotations

import pytest

from tests.bench.workers import LIVE_DAYS, RESULTS, ZONES, World, cost, own_run, produce
from vpp import messages as m
from vpp.streams.kafka import create_topics
from vpp.streams.topics import INPUT_OF

pytestmark = pytest.mark.bench


def test_throughput_of_each_topology(world: World, carried: dict[str, list[m.Message]]) -> None:
    settings, _, _ = world
    assert len(carried["forecasts"]) == len(ZONES) * (LIVE_DAYS * 48 + 1)
    costs = {}
    for topology in ("telemetry", "forecast", "actor", "trader", "plant", "storage"):
        run = own_run(settings, f"b-{topology}")
        create_topics(run)
        topic = INPUT_OF[topology].name if topology in INPUT_OF else "forecasts"
        produce(run, topic, carried[topic])
        costs[topology] = cost(run, f"topologies.{topology}", topology, len(carried[topic]))
    RESULTS["records_per_s"] = {name: round(value.per_second) for name, value in costs.items()}
    RESULTS["cpu_us_per_record"] = {name: round(value.cpu_us) for name, value in costs.items()}
    RESULTS["records_in"] = {name: len(values) for name, values in carried.items()}
