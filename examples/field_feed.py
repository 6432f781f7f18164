"""Field data in 30 lines: ``python examples/field_feed.py BROKER ZONE [TOPIC]``.

Sends one measurement per line of standard input, as JSON: ``{"slot": "2026-01-01T00:00:00Z", "load_mw": 0.004}``.
A program in any language can do the same: JSON value, the zone as key, partitioned by murmur2.
"""

import json
import sys

from confluent_kafka import Producer

broker, zone, topic = (*sys.argv[1:], "vpp.telemetry.raw")[:3]
producer = Producer({"bootstrap.servers": broker, "partitioner": "murmur2", "acks": "all"})
failures: list[str] = []

for line in sys.stdin:
    values = json.loads(line)
    observation = {"kind": "observation", "zone": zone, "slot": values.pop("slot"), "values": values}
    producer.produce(
        topic,
        key=zone.encode(),
        value=json.dumps(observation).encode(),
        on_delivery=lambda error, _: failures.append(str(error)) if error else None,
    )
    producer.poll(0)

waiting = producer.flush(30)
if failures or waiting:
    sys.exit(f"not delivered: {waiting} waiting, {failures[:1]}")
