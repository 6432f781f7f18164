"""The worker of remote inference: reads rows and answers them. Stateless."""

from __future__ import annotations

import time
from typing import Any

from quixstreams import Application
from quixstreams.context import message_context

from models.registry.registry import Registry
from topologies.runtime.inference import NAME, InferenceStep
from topologies.runtime.metrics import WorkerMetrics
from topologies.runtime.status import StatusFile
from vpp.fleet.in_force import configured_zones
from vpp.settings import Settings
from vpp.streams.broker_stamps import broker_time
from vpp.streams.kafka import WireRecord, application, quix_topic
from vpp.streams.reducer import Origin
from vpp.streams.topics import ALERTS, DLQ, FEATURES, TELEMETRY


def build(settings: Settings) -> Application:
    """Wire the worker: rows in, answers and dead letters out; as many replicas as partitions share the work."""
    step = InferenceStep(settings, Registry(settings.models_dir).load, configured_zones(settings))
    metrics = WorkerMetrics(NAME)
    status = StatusFile(settings, NAME, step, metrics)
    app = application(
        settings,
        NAME,
        on_processed=status.on_processed,
        on_stats=status.on_stats,
        on_checkpoint=metrics.checkpointed,
        stateful=False,
    )
    sinks = {topic.name: quix_topic(app, topic, settings) for topic in (TELEMETRY, ALERTS, DLQ)}

    def answer(value: bytes | None, key: bytes | None, timestamp_ms: int, headers: Any) -> list[WireRecord]:
        context = message_context()
        origin = Origin(FEATURES.name, context.partition, context.offset, broker_time(timestamp_ms))
        start = time.perf_counter()
        records = step.answer(value, key, origin, timestamp_ms, headers)
        metrics.worked(time.perf_counter() - start)
        return records

    frame = app.dataframe(quix_topic(app, FEATURES, settings)).apply(answer, expand=True, metadata=True)
    frame = frame.set_headers(lambda record, *_: record.headers)
    frame.to_topic(lambda record, *_: sinks[record.topic], key=lambda record: record.key)
    return app
