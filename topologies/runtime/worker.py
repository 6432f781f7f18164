"""One worker process: reads its topology's input topic, runs the reducers, writes their outputs."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from typing import Any

from quixstreams import Application
from quixstreams.context import message_context

from agents.orders.zone_change import ChangeAuthority
from topologies.runtime.metrics import WorkerMetrics
from topologies.runtime.process import own_process
from topologies.runtime.reducers import make_reducer
from topologies.runtime.runner import Runner
from topologies.runtime.status import StatusFile
from vpp.fleet.in_force import configured_zones
from vpp.settings import Settings
from vpp.streams.broker_rights import open_topics
from vpp.streams.broker_stamps import broker_time
from vpp.streams.kafka import WireRecord, application, quix_topic, state_dir, wire_record
from vpp.streams.reducer import Origin
from vpp.streams.signatures import signer_of, verifier_of
from vpp.streams.topics import DLQ, INPUT_OF, TOPICS
from vpp.streams.tracing import RecordTrace, now_ms

log = logging.getLogger(__name__)


def build(topology: str, settings: Settings) -> tuple[Application, Runner]:
    """Wire one stateful topology: input topic, reducers by zone, every output topic it writes."""
    runner = Runner(
        topology,
        configured_zones(settings),
        lambda zone: make_reducer(topology, zone, settings),
        verifier=verifier_of(settings),
        prefix=settings.topic_prefix,
        real_time=settings.live.real_time,
        authority=ChangeAuthority(settings.run, settings.approval_secret),
    )
    signer = signer_of(settings, topology)
    metrics = WorkerMetrics(topology, state_dir(settings, topology))
    status = StatusFile(settings, topology, runner, metrics)
    app = application(
        settings,
        topology,
        on_processed=status.on_processed,
        on_stats=status.on_stats,
        on_checkpoint=metrics.checkpointed,
    )
    source = INPUT_OF[topology]
    sinks = {
        topic.name: quix_topic(app, topic, settings) for topic in TOPICS if topology in topic.writers or topic is DLQ
    }

    def process(
        value: bytes | None, key: bytes | None, timestamp_ms: int, headers: Any, state: Any
    ) -> Iterator[WireRecord]:
        context = message_context()
        origin = Origin(source.name, context.partition, context.offset, broker_time(timestamp_ms))
        trace = RecordTrace(headers, timestamp_ms)
        start = time.perf_counter()
        outputs = list(runner.process(value, key, origin, state, headers))
        metrics.worked(time.perf_counter() - start)
        sent_ms = now_ms()
        for output in outputs:
            metrics.observe(output.message)
            hop = trace.hop_of(output.message, runner.slot, sent_ms)
            if hop is not None:
                metrics.passed(output.message, hop, sent_ms)
            trace_headers = None if hop is None else hop.headers(topology)
            yield wire_record(output, signer, settings.topic_prefix, trace_headers)

    frame = app.dataframe(quix_topic(app, source, settings))
    frame = frame.apply(process, stateful=True, expand=True, metadata=True)
    frame = frame.set_headers(lambda record, *_: record.headers)
    frame.to_topic(lambda record, *_: sinks[record.topic], key=lambda record: record.key)
    return app, runner


def run_topology(topology: str, settings: Settings) -> None:
    """Run one topology until it is stopped.

    Raises:
        VppError: A setting is wrong or the broker cannot be reached.
    """
    open_topics(settings, topology)
    if topology == "storage":
        from topologies.runtime.store_sink import build as build_storage  # only storage needs a database

        app = build_storage(settings)
    elif topology == "inference":
        from topologies.runtime.inference_worker import build as build_inference

        app = build_inference(settings)
    else:
        app, _ = build(topology, settings)
    log.info("started topology=%s broker=%s pid=%s", topology, settings.kafka.bootstrap_servers, os.getpid())
    app.run()
    log.info("stopped topology=%s", topology)


def main(topology: str) -> None:
    """Run a topology as a process of its own; exits with the error's code."""
    with own_process(topology) as settings:
        run_topology(topology, settings)
