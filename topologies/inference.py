"""Remote inference as a worker process, where ``inference=remote``: ``python -m topologies.inference``."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from quixstreams import Application
from quixstreams.context import message_context

from models.registry.registry import Registry
from topologies.runtime.broker_clock import broker_time
from topologies.runtime.inference import NAME, InferenceStep
from topologies.runtime.metrics import WorkerMetrics
from topologies.runtime.parent_watch import end_with_supervisor
from topologies.runtime.status import StatusFile
from vpp.errors import exit_on_error
from vpp.fleet.in_force import configured_zones
from vpp.logs import set_up_logging
from vpp.private_files import keep_private
from vpp.settings import Settings, load_settings
from vpp.streams.broker_rights import open_topics
from vpp.streams.kafka import WireRecord, application, quix_topic
from vpp.streams.reducer import Origin
from vpp.streams.topics import ALERTS, DLQ, FEATURES, TELEMETRY

log = logging.getLogger(__name__)


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


def main() -> None:
    """Run the worker as a process of its own."""
    with exit_on_error(NAME):
        settings = load_settings()
        set_up_logging(settings)
        keep_private(settings.data_dir)
        end_with_supervisor()
        open_topics(settings, NAME)
        app = build(settings)
        log.info("started topology=%s broker=%s pid=%s", NAME, settings.kafka.bootstrap_servers, os.getpid())
        app.run()
        log.info("stopped topology=%s", NAME)


if __name__ == "__main__":
    main()
