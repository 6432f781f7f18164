"""The pages on budget and scale: computed from unit costs, larger plants need more of everything."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.generators.budget_docs import budget_page
from deploy.generators.scale_docs import ZONES, first_limit, fits_one_machine, monthly_cost, scale_page, sizing
from deploy.generators.unit_costs import UnitCosts, read_unit_costs

ROOT = Path(__file__).resolve().parents[3]
COSTS = UnitCosts(
    slots=960,
    load_average=1.0,
    cpu_ms={"forecast": {"work": 0.5, "kafka_client": 0.5}, "plant": {"work": 4.0}, "storage": {"store": 1.0}},
    topic_bytes={"forecasts": 10_000, "bids": 5_000},
    topic_records={"forecasts": 1.0, "bids": 2.0},
    changelog_bytes={"forecast": 4_000, "plant": 1_000},
    state_bytes={"forecast": 300_000, "plant": 50_000},
    store_rows=100.0,
    store_bytes=20_000,
    memory_mb_per_zone=2.0,
    pass_through_cpu_ms=0.25,
    original_cpu_ms=25.0,
)
PRICES = {"vcpu_hour": 1.0, "memory_gb_hour": 1.0, "broker_hour": 1.0, "database_node_hour": 1.0, "disk_gb_month": 1.0}


def test_a_hundred_thousand_zones_follow_from_the_unit_costs() -> None:
    need = sizing(COSTS, 100_000)
    assert need.slots_per_s == pytest.approx(333.33, abs=0.01)
    assert need.cores == pytest.approx(333.33 * 6.0 / 1000 / 0.5, abs=0.01)
    assert need.partitions == 3
    assert need.broker_mb_s == pytest.approx(6.67, abs=0.01)
    assert need.store_rows_s == pytest.approx(33_333, abs=1)
    assert need.state_gb == pytest.approx(35.0)


def test_larger_plants_need_more_and_meet_other_limits() -> None:
    needs = [sizing(COSTS, zones) for zones in ZONES]
    for name in ("cores", "memory_gb", "broker_mb_s", "store_rows_s", "state_gb", "store_gb_month"):
        values = [getattr(need, name) for need in needs]
        assert values == sorted(values)
        assert values[0] < values[-1]
    money = [monthly_cost(need, PRICES) for need in needs]
    assert money == sorted(money)
    assert fits_one_machine(needs[0])
    assert not fits_one_machine(needs[-1])
    assert len({first_limit(need) for need in needs}) >= 3


def test_a_dearer_step_needs_more_partitions() -> None:
    dear = replace(COSTS, cpu_ms={**COSTS.cpu_ms, "plant": {"work": 40.0}})
    assert sizing(dear, 100_000).partitions > sizing(COSTS, 100_000).partitions


def test_the_pages_say_what_was_measured() -> None:
    costs = read_unit_costs(ROOT)
    assert costs.slot_cpu_ms > 0
    page = budget_page(costs)
    for step in costs.cpu_ms:
        assert f"| {step} |" in page
    assert f"{sum(costs.state_bytes.values()):,}" in page
    assert f"{ZONES[-1]:,}" in scale_page(costs, ROOT)
