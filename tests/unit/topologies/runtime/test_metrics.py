"""The metrics of a worker: what Prometheus reads after records passed and librdkafka told its statistics."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.worlds.builders import T0, ZONE, closed_slot, forecast_at, slot_at
from topologies.runtime.metrics import WorkerMetrics, decision_outcome
from vpp.messages import DeadLetter, Decision, Engine, LedgerEntry, MissingBid
from vpp.streams.tracing import Hop

STATISTICS: dict[str, Any] = {
    "topics": {
        "vpp.bids": {
            "topic": "vpp.bids",
            "partitions": {
                "0": {"fetch_state": "active", "consumer_lag": 7, "committed_offset": 41},
                "1": {"fetch_state": "none", "consumer_lag": 99, "committed_offset": 3},
                "-1": {"fetch_state": "active", "consumer_lag": 5},
            },
        },
        "changelog__plant": {
            "topic": "changelog__plant",
            "partitions": {"0": {"fetch_state": "active", "consumer_lag": 12}},
        },
    },
    "cgrp": {"rebalance_cnt": 2},
}


def read(metrics: WorkerMetrics) -> dict[str, float]:
    """Every sample by its name and labels, without those of the worker's own topology."""
    return {
        sample.name + "".join(f" {v}" for k, v in sorted(sample.labels.items()) if k != "topology"): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def decision(engine: Engine, **others: Any) -> Decision:
    return Decision(
        zone=ZONE,
        version=2,
        slot=T0,
        for_slot=slot_at(1),
        decision_id="d",
        objective=None,
        binding=None,
        **{"engine": engine, "revision": 0, **others},
    )


def test_the_consumer_is_told_by_partition() -> None:
    metrics = WorkerMetrics("plant")
    assert metrics.read_statistics(STATISTICS) == {"vpp.bids/0": 7}
    samples = read(metrics)
    assert samples["vpp_consumer_lag_records 0 vpp.bids"] == 7
    assert samples["vpp_consumer_committed_offset 0 vpp.bids"] == 41
    assert samples["vpp_recovery_remaining_records"] == 12
    metrics.read_statistics(STATISTICS)
    assert read(metrics)["vpp_rebalances_total"] == 2


def test_a_partition_that_went_to_another_worker_is_told_no_more() -> None:
    metrics = WorkerMetrics("plant")
    metrics.read_statistics(STATISTICS)
    assert metrics.read_statistics({"cgrp": {"rebalance_cnt": 3}}) == {}
    assert not [name for name in read(metrics) if name.startswith("vpp_consumer")]


def test_the_state_directory_is_measured(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "0.sst").write_bytes(b"x" * 1000)
    metrics = WorkerMetrics("plant", tmp_path)
    metrics.read_statistics({})
    assert read(metrics)["vpp_state_bytes"] == 1000


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (decision(Engine.LP), "planned"),
        (decision(Engine.DP, missing=[MissingBid(policy="actor", cause="no_bid")]), "bid_missing"),
        (decision(Engine.HOLD), "hold"),
        (decision(Engine.REFLEX_STALE, missing=[MissingBid(policy="actor", cause="no_bid")]), "reflex"),
    ],
)
def test_a_slot_has_one_outcome(record: Decision, outcome: str) -> None:
    assert decision_outcome(record) == outcome
    metrics = WorkerMetrics("plant")
    metrics.observe(record)
    metrics.observe(msgspec.structs.replace(record, revision=1))
    assert read(metrics)[f"vpp_slots_decided_total {outcome} {ZONE}"] == 1


def test_reflexes_in_a_row_end_with_a_plan() -> None:
    metrics = WorkerMetrics("plant")
    counts = []
    for engine in (Engine.REFLEX_STALE, Engine.REFLEX_REST, Engine.LP):
        metrics.observe(decision(engine))
        counts.append(read(metrics)[f"vpp_reflexes_in_a_row {ZONE}"])
    assert counts == [1, 2, 0]


def test_forecasts_are_held_against_what_came() -> None:
    metrics = WorkerMetrics("forecast")
    first = forecast_at(0)
    assert first.net_load is not None
    inside, outside = first.net_load.q50[0], first.net_load.q95[0] + 1.0
    for number, actual in ((0, inside), (1, inside), (2, outside), (4, inside)):
        seen = msgspec.structs.replace(closed_slot(number), net_load_mw=actual)
        metrics.observe(msgspec.structs.replace(forecast_at(number), net_load=first.net_load, observation=seen))
    samples = read(metrics)
    assert samples[f"vpp_forecasts_total {first.net_load.source} net_load {ZONE}"] == 4
    # The forecast of slot 3 was never made, so slot 4 is held against none.
    assert samples[f"vpp_forecast_scored_total net_load {ZONE}"] == 2
    assert samples[f"vpp_forecast_covered_total net_load {ZONE}"] == 1
    assert samples[f"vpp_model_info {first.net_load.model_id} net_load {ZONE}"] == 1


def test_the_model_before_is_forgotten() -> None:
    metrics = WorkerMetrics("forecast")
    first = forecast_at(0)
    assert first.net_load is not None
    metrics.observe(first)
    newer = msgspec.structs.replace(first.net_load, model_id="newer")
    metrics.observe(msgspec.structs.replace(forecast_at(1), net_load=newer))
    models = [name for name in read(metrics) if name.startswith("vpp_model_info") and " net_load " in name]
    assert models == [f"vpp_model_info newer net_load {ZONE}"]


def test_money_and_dead_letters_are_summed() -> None:
    metrics = WorkerMetrics("plant")
    entry = LedgerEntry(
        zone=ZONE,
        slot=T0,
        asset_id="b",
        revision=0,
        energy_mwh=1.0,
        price_per_mwh=-5.0,
        revenue=-5.0,
        wear_cost=1.0,
        fuel_cost=0.0,
        start_cost=0.0,
        penalty=0.0,
        penalty_no_action=2.0,
        pnl=-6.0,
        currency="GBP",
    )
    for record in (entry, msgspec.structs.replace(entry, revenue=None, pnl=-1.0)):
        metrics.observe(record)
    metrics.observe(DeadLetter(zone=ZONE, reason="schema", detail="", topic="bids", partition=0, offset=0, raw=""))
    samples = read(metrics)
    assert samples[f"vpp_ledger_money_total GBP pnl minus {ZONE}"] == 7.0
    assert samples[f"vpp_ledger_money_total GBP pnl plus {ZONE}"] == 0.0
    assert samples[f"vpp_ledger_money_total GBP penalty_no_action plus {ZONE}"] == 4.0
    assert samples["vpp_dead_letters_total schema"] == 1


def test_age_is_live_or_of_a_replay() -> None:
    metrics = WorkerMetrics("storage")
    now = datetime.now(UTC)
    at_ms = int(now.timestamp() * 1000)
    metrics.passed(closed_slot(0), Hop("a", at_ms - 3_000, 0, 0), at_ms)
    live = msgspec.structs.replace(closed_slot(0), slot=now - timedelta(minutes=30))
    metrics.passed(live, Hop("a", at_ms - 1_500, 0, 0), at_ms)
    samples = read(metrics)
    assert (samples["vpp_age_seconds_sum live"], samples["vpp_age_seconds_count live"]) == (1.5, 1)
    assert (samples["vpp_age_seconds_sum replay"], samples["vpp_age_seconds_count replay"]) == (3.0, 1)
    assert samples["vpp_stream_time_seconds"] == pytest.approx((now - timedelta(minutes=30)).timestamp())
