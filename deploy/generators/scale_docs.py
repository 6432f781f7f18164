"""Computes the resources of larger plants from measured unit costs: cores, memory, broker, store, disk, money."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.generators.budget_docs import markdown_table
from deploy.generators.unit_costs import UnitCosts

PRICES = Path("docs/benchmarks/scale-prices.json")
ZONES = (1, 100, 10_000, 100_000, 10_000_000)
STEP_S = 300.0
"""Length of a slot at the design point: 5-minute markets."""
MONTH_S = 730 * 3600.0
BUSY_SHARE = 0.5
"""Share of a core that a worker may use on average, so it catches up after a stop."""
WORKER_MB = 200.0
REPLICAS = 3
TOPIC_DAYS, STORE_DAYS = 7.0, 30.0

SQLITE_ROWS_S = 5_000.0
INFLUX_ROWS_S = 200_000.0
BROKER_MB_S = 50.0
CLUSTER_PARTITIONS = 2_000
"""Limits assumed for planning, not measured: one SQLite writer, one InfluxDB node, one broker, one consumer group."""

_HEAD = """\
# Scale

Written by `python -m deploy.generate` from the measured [budget of a slot](budget.md) and the prices in
`docs/benchmarks/scale-prices.json`: do not edit. Only the unit costs were measured, with four zones and at the load
stated on the budget page. All other figures of this page are computed from them for slots of five minutes.

"""
_METHOD = """
## How it is computed

- A slot takes {cpu:.1f} ms of CPU, writes {written:.0f} kB to topics and changelogs, and adds {rows:.0f} rows to the
  store. The most expensive step is `{dearest}`.
- A zone has {state:.0f} kB of state and takes {memory:g} MB of memory. A worker without zones takes {worker:.0f} MB.
- `cores = zones / 300 s * CPU per slot / busy share`. One worker of a step serves one partition, so the step
  with the highest cost gives the number of partitions.
- Limits assumed for planning, not measured: SQLite {sqlite:,.0f} rows/s, an InfluxDB node {influx:,.0f} rows/s, a
  broker {broker:.0f} MB/s, {partitions:,} partitions of one topic.
- Prices are inputs, entered by hand on {date}: {note}.
  To use other prices, change the file and generate the page again.
- Not counted: traffic between zones of a cloud, compression of topics, backups, people.

`vpp loadtest` runs a load of your choice on your machine ([Speed](speed.md#load-test)).
"""


@dataclass(frozen=True, slots=True)
class Sizing:
    """Resources for a number of zones."""

    zones: int
    slots_per_s: float
    cores: float
    memory_gb: float
    partitions: int
    broker_mb_s: float
    store_rows_s: float
    topic_gb: float
    state_gb: float
    store_gb_month: float
    store_kept_gb: float

    @property
    def brokers(self) -> int:
        """Brokers of a cluster with three replicas."""
        return max(REPLICAS, math.ceil(self.broker_mb_s * REPLICAS / BROKER_MB_S))

    @property
    def influx_nodes(self) -> int:
        """InfluxDB nodes."""
        return max(1, math.ceil(self.store_rows_s / INFLUX_ROWS_S))


def sizing(costs: UnitCosts, zones: int) -> Sizing:
    """Return the resources for a number of zones at 5-minute slots.

    ``cores = zones / step * cpu / share``, with ``cpu`` the CPU time of a slot and ``share`` the part of a core that
    may be busy; a worker serves one partition of one step, so the most expensive step gives the number of partitions.

    Args:
        costs: Measured unit costs.
        zones: Number of zones.
    """
    slots_per_s = zones / STEP_S
    cores = slots_per_s * costs.slot_cpu_ms / 1000.0 / BUSY_SHARE
    dearest_ms = max(ms for step, ms in costs.step_cpu_ms.items() if step != "storage")
    partitions = max(1, math.ceil(slots_per_s * dearest_ms / 1000.0 / BUSY_SHARE))
    workers = len(costs.step_cpu_ms) + max(0, math.ceil(cores) - 1)
    broker_mb_s = slots_per_s * costs.written_bytes / 1e6
    store_gb_month = slots_per_s * costs.store_bytes * MONTH_S / 1e9
    return Sizing(
        zones=zones,
        slots_per_s=slots_per_s,
        cores=cores,
        memory_gb=(workers * WORKER_MB + zones * costs.memory_mb_per_zone) / 1000.0,
        partitions=partitions,
        broker_mb_s=broker_mb_s,
        store_rows_s=slots_per_s * costs.store_rows,
        topic_gb=broker_mb_s * TOPIC_DAYS * 86400.0 / 1000.0 * REPLICAS,
        state_gb=zones * sum(costs.state_bytes.values()) / 1e9,
        store_gb_month=store_gb_month,
        store_kept_gb=store_gb_month * STORE_DAYS * 86400.0 / MONTH_S,
    )


def monthly_cost(need: Sizing, prices: Mapping[str, Any]) -> float:
    """Return the cost of a month, ``sum(quantity_i * price_i)``: cores, memory, brokers, database nodes, disk.

    A plant that one core carries runs on one machine with the embedded store: it pays for no broker and no database.
    """
    hours = MONTH_S / 3600.0
    total = hours * (
        math.ceil(need.cores) * prices["vcpu_hour"] + math.ceil(need.memory_gb) * prices["memory_gb_hour"]
    ) + prices["disk_gb_month"] * (need.state_gb + need.store_kept_gb)
    if not fits_one_machine(need):
        total += hours * (need.brokers * prices["broker_hour"] + need.influx_nodes * prices["database_node_hour"])
        total += prices["disk_gb_month"] * need.topic_gb
    return float(total)


def fits_one_machine(need: Sizing) -> bool:
    """Return whether ``vpp up`` on two cores with SQLite can run it."""
    return need.cores <= 2.0 and need.store_rows_s <= SQLITE_ROWS_S


def first_limit(need: Sizing) -> str:
    """Return the first limit at this size and the change that removes it."""
    if need.zones == 1:
        return "no limit: `vpp up` on one machine"
    if fits_one_machine(need):
        return "the machine: one failure stops all zones. Real Kafka with three replicas, workers under a supervisor"
    if need.partitions > CLUSTER_PARTITIONS:
        return (
            "partitions of one cluster, then money. A cluster and consumer groups per region; history to Parquet or "
            "Iceberg by Kafka Connect, fewer stored quantiles"
        )
    if need.store_rows_s > INFLUX_ROWS_S:
        return (
            "one database node. A bucket and node per region, or history as Parquet on object storage; down-sample "
            "forecasts"
        )
    if need.cores > 2.0 and need.store_rows_s <= SQLITE_ROWS_S:
        return "two cores: the plant's decisions. More partitions, one plant worker for each"
    return "SQLite's one writer. InfluxDB 2, several storage workers"


def scale_page(costs: UnitCosts, root: Path) -> str:
    """Return the page for all sizes."""
    prices: dict[str, Any] = json.loads((root / PRICES).read_text(encoding="utf-8"))
    needs = [sizing(costs, zones) for zones in ZONES]
    rows = [
        ["slots per second", *(_number(n.slots_per_s) for n in needs)],
        [f"cores, {BUSY_SHARE:.0%} busy", *(_number(n.cores) for n in needs)],
        ["memory of the workers, GB", *(_number(n.memory_gb) for n in needs)],
        ["partitions, each with a worker per step", *(f"{n.partitions:,}" for n in needs)],
        ["written to the broker, MB/s", *(_number(n.broker_mb_s) for n in needs)],
        ["topics kept 7 days, 3 replicas, GB", *(_number(n.topic_gb) for n in needs)],
        ["state, GB", *(_number(n.state_gb) for n in needs)],
        ["rows to the store per second", *(_number(n.store_rows_s) for n in needs)],
        ["store, GB per month", *(_number(n.store_gb_month) for n in needs)],
        [f"money per month, {prices['currency']}", *(_number(monthly_cost(n, prices)) for n in needs)],
    ]
    limits = "".join(f"- **{n.zones:,} zone{'' if n.zones == 1 else 's'}**: {first_limit(n)}.\n" for n in needs)
    return "".join(
        [
            _HEAD,
            markdown_table(("zones", *(f"{n.zones:,}" for n in needs)), rows),
            "\n## First limits\n\n",
            limits,
            _METHOD.format(
                cpu=costs.slot_cpu_ms,
                written=costs.written_bytes / 1000,
                rows=costs.store_rows,
                dearest=max(costs.step_cpu_ms, key=lambda step: costs.step_cpu_ms[step]),
                state=sum(costs.state_bytes.values()) / 1000,
                memory=costs.memory_mb_per_zone,
                worker=WORKER_MB,
                sqlite=SQLITE_ROWS_S,
                influx=INFLUX_ROWS_S,
                broker=BROKER_MB_S,
                partitions=CLUSTER_PARTITIONS,
                date=prices["date"],
                note=prices["note"],
            ),
        ]
    )


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"
