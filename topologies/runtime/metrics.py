"""Prometheus metrics of a worker: processed records, durations, and state of the plant from its outputs."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from vpp.domain import PRICE, Target
from vpp.messages import DeadLetter, Decision, Engine, Forecast, LedgerEntry, Message, Quantiles
from vpp.streams.tracing import STEP_OF, Hop

LIVE_WITHIN_S = 3 * 3600.0
"""An output counts as live while its slot began within so many seconds of the wall clock."""
WORK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
AGE_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
CHANGELOG = "changelog__"
MONEY = ("revenue", "wear_cost", "fuel_cost", "start_cost", "penalty", "penalty_no_action", "pnl")


class WorkerMetrics:
    """The metrics of one worker process.

    Labels are bounded: topology, topic, partition, zone, and the codes of outcomes.

    Args:
        topology: The worker's topology.
        state_dir: Where it keeps its state; None: it has none.
    """

    def __init__(self, topology: str, state_dir: Path | None = None) -> None:
        self.registry = CollectorRegistry()
        self._topology = topology
        self._rebalanced = 0
        self._assigned: set[tuple[str, str]] = set()
        self._newest_s = 0.0
        self._bands: dict[tuple[str, Target], tuple[datetime, float, float]] = {}
        self._models: dict[tuple[str, Target], str] = {}
        self._counters: dict[tuple[str, str], list[tuple[str, Counter, Counter]]] = {}  # finding them takes 1 µs each
        worker, registry = ["topology"], self.registry

        def own(kind: Any, name: str, text: str, **options: Any) -> Any:
            return kind(name, text, worker, registry=registry, **options).labels(topology)

        self._messages = own(Counter, "vpp_messages", "Records processed")
        self._processing = own(
            Histogram, "vpp_processing_seconds", "Time in the step, per record; storage: per write", buckets=WORK_S
        )
        self._checkpoint = own(Histogram, "vpp_checkpoint_seconds", "Time of a checkpoint", buckets=WORK_S)
        self._stream_time = own(Gauge, "vpp_stream_time_seconds", "Newest slot processed, s since 1970")
        self._recovery = own(Gauge, "vpp_recovery_remaining_records", "Changelog records still to be restored")
        self._rebalances = own(Counter, "vpp_rebalances", "Changes of the partitions that this worker has")
        state = own(Gauge, "vpp_state_bytes", "Size of the state directory")
        if state_dir is not None:
            state.set_function(lambda: _folder_bytes(state_dir))
        self._age = Histogram(
            "vpp_age_seconds",
            "From the arrival of the raw record that closed a slot to this step's output; storage: to the stored row",
            [*worker, "mode"],
            buckets=AGE_S,
            registry=registry,
        )
        at = [*worker, "topic", "partition"]
        self._lag = Gauge("vpp_consumer_lag_records", "Records not yet read", at, registry=registry)
        self._committed = Gauge("vpp_consumer_committed_offset", "Offset committed (-1: none)", at, registry=registry)
        self._letters = Counter("vpp_dead_letters", "Records refused", [*worker, "reason"], registry=registry)
        self._decided = Counter("vpp_slots_decided", "Slots decided", ["zone", "outcome"], registry=registry)
        of = ["zone", "target"]
        self._forecasts = Counter("vpp_forecasts", "Forecasts issued", [*of, "source"], registry=registry)
        self._scored = Counter(
            "vpp_forecast_scored", "Forecasts one step ahead compared with the actual", of, registry=registry
        )
        self._covered = Counter("vpp_forecast_covered", "Of these, actuals inside q05..q95", of, registry=registry)
        self._model = Gauge("vpp_model_info", "The model in force", [*of, "model_id"], registry=registry)
        self._reflexes = Gauge("vpp_reflexes_in_a_row", "Last slots that reflexes decided", ["zone"], registry=registry)
        self._money = Counter(
            "vpp_ledger_money",
            "Money of the ledger; amounts below zero count under minus",
            ["zone", "currency", "part", "sign"],
            registry=registry,
        )
        self._observers: dict[type, Callable[[Any], None]] = {
            DeadLetter: self._observe_letter,
            Decision: self._observe_decision,
            Forecast: self._observe_forecast,
            LedgerEntry: self._observe_ledger,
        }

    def processed(self) -> None:
        """Count one record."""
        self._messages.inc()

    def worked(self, seconds: float) -> None:
        """Count the time that the step spent on one record, or the store on one write."""
        self._processing.observe(seconds)

    def checkpointed(self, seconds: float) -> None:
        """Count one checkpoint."""
        self._checkpoint.observe(seconds)

    def observe(self, message: Message) -> None:
        """Count an output."""
        observer = self._observers.get(type(message))
        if observer is not None:
            observer(message)

    def passed(self, message: Message, hop: Hop, at_ms: int) -> None:
        """Count the age of a slot that passed the step.

        Args:
            message: The output, or for storage the record.
            hop: Its passage.
            at_ms: When it was written or stored (ms since 1970).
        """
        if type(message) not in STEP_OF:
            return
        slot_s = message.slot.timestamp()  # type: ignore[union-attr]  # each of STEP_OF has one
        mode = "live" if abs(at_ms / 1000 - slot_s) < LIVE_WITHIN_S else "replay"
        self._age.labels(self._topology, mode).observe(max(at_ms - hop.arrived_ms, 0) / 1000)
        if slot_s > self._newest_s:
            self._newest_s = slot_s
            self._stream_time.set(slot_s)

    def read_statistics(self, statistics: Mapping[str, Any]) -> dict[str, int]:
        """Take lag, commits, recovery and rebalances from librdkafka's statistics; return the lag by partition."""
        lags: dict[str, int] = {}
        assigned: set[tuple[str, str]] = set()
        recovering = 0
        for name, partition, values in _partitions(statistics):
            lag = max(int(values.get("consumer_lag", 0)), 0)
            if name.startswith(CHANGELOG):
                recovering += lag
                continue
            lags[f"{name}/{partition}"] = lag
            assigned.add((name, partition))
            self._lag.labels(self._topology, name, partition).set(lag)
            self._committed.labels(self._topology, name, partition).set(int(values.get("committed_offset", -1)))
        for place in self._assigned - assigned:
            self._lag.remove(self._topology, *place)
            self._committed.remove(self._topology, *place)
        self._assigned = assigned
        self._recovery.set(recovering)
        rebalanced = int(statistics.get("cgrp", {}).get("rebalance_cnt", 0))
        self._rebalances.inc(max(rebalanced - self._rebalanced, 0))
        self._rebalanced = rebalanced
        return lags

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _observe_letter(self, letter: DeadLetter) -> None:
        self._letters.labels(self._topology, letter.reason).inc()

    def _observe_decision(self, decision: Decision) -> None:
        if decision.revision != 0:
            return
        self._decided.labels(decision.zone, decision_outcome(decision)).inc()
        reflexes = self._reflexes.labels(decision.zone)
        if decision.is_reflex:
            reflexes.inc()
        else:
            reflexes.set(0)

    def _observe_forecast(self, forecast: Forecast) -> None:
        actuals = {
            Target.NET_LOAD: forecast.observation.net_load_mw,
            Target.PRICE: forecast.observation.values.get(PRICE),
        }
        for target, actual in actuals.items():
            curves: Quantiles | None = getattr(forecast, target.value)
            labels = (forecast.zone, target.value)
            self._forecasts.labels(*labels, "none" if curves is None else curves.source).inc()
            band = self._bands.pop((forecast.zone, target), None)
            if band is not None and band[0] == forecast.slot and actual is not None:
                self._scored.labels(*labels).inc()
                self._covered.labels(*labels).inc(band[1] <= actual <= band[2])
            if curves is None or not forecast.horizon_min:
                continue
            first = forecast.slot + timedelta(minutes=forecast.horizon_min[0])
            self._bands[forecast.zone, target] = (first, curves.level("q05")[0], curves.level("q95")[0])
            self._observe_model(forecast.zone, target, curves.model_id)

    def _observe_model(self, zone: str, target: Target, model_id: str) -> None:
        before = self._models.get((zone, target))
        if before == model_id:
            return
        if before is not None:
            self._model.remove(zone, target.value, before)
        self._models[zone, target] = model_id
        self._model.labels(zone, target.value, model_id).set(1)

    def _observe_ledger(self, entry: LedgerEntry) -> None:
        counters = self._counters.get((entry.zone, entry.currency))
        if counters is None:
            of_part = functools.partial(self._money.labels, entry.zone, entry.currency)
            counters = [(part, of_part(part, "plus"), of_part(part, "minus")) for part in MONEY]
            self._counters[entry.zone, entry.currency] = counters
        for part, plus, minus in counters:
            amount = getattr(entry, part)
            if amount:
                (plus if amount > 0 else minus).inc(abs(amount))


def decision_outcome(decision: Decision) -> str:
    """Return the kind of a decision: ``reflex``, ``hold``, ``bid_missing`` (with a bid of before) or ``planned``."""
    if decision.is_reflex:
        return "reflex"
    if decision.engine is Engine.HOLD:
        return "hold"
    return "bid_missing" if decision.missing else "planned"


def _partitions(statistics: Mapping[str, Any]) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    for topic in statistics.get("topics", {}).values():
        for partition, values in topic.get("partitions", {}).items():
            if partition != "-1" and values.get("fetch_state") == "active":
                yield topic["topic"], partition, values


def _folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder; files that vanish meanwhile count nothing."""
    size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                size += Path(root, name).stat().st_size
            except OSError:
                continue
    return size
