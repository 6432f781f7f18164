"""Generates the page on the budget of one slot from the measured unit costs."""

from __future__ import annotations

from deploy.generators.unit_costs import COMMAND, UnitCosts

_PARTS = ("decode", "state_read", "work", "encode", "state_write", "changelog", "store", "kafka_client")
_HEAD = """\
# Budget of a slot

Written by `python -m deploy.generate` from `docs/benchmarks/budget.json`: do not edit. The figures come from

```sh title="not run by the tests: takes minutes"
{command}
python -m deploy.generate
```

Four simulated zones with day-ahead prices and one battery each, {slots} half hours, embedded broker, SQLite. Each
worker reads its topic at full speed and commits every four slots. CPU time is that of the whole worker process, from
the twelfth slot of each zone on.

The load average of the machine was {load:g} on two cores. Other work increases CPU times, because processes share
caches and a waiting worker still polls; polling counts as `kafka_client`.{busy}

## CPU time by step

Milliseconds per slot. `kafka_client` is the remainder: Quix, librdkafka and its threads. `changelog` is the
checkpoint: changelog records, offsets, RocksDB. `store` is the write to SQLite.

"""
_BUSY_LOAD = 3.0
_BUSY = """ The machine was busy, so these figures are upper
bounds. Measure on a quiet machine before you plan with them."""
_COMPARED = """
| comparison in the same run | ms | forecast step relative to it |
|---|---:|---|
| forecast step with its worker and Kafka client | {forecast:.2f} | |
| Quix application that copies the forecast messages as JSON | {copy:.2f} | {slower:.1f} times as long |
| recipe of the original project, without Kafka | {original:.1f} | {faster:.0f} times as fast |

The recipe of the original project is a pandas frame of 49 rows with 160 columns and 415 XGBoost trees in one thread
(`tests/bench/original.py`).

## Bytes

Bytes of records per slot, without Kafka's overhead and compression.

"""
_REST = """
The store takes {rows:.0f} rows and {stored:,} bytes of SQLite per slot.

## State

Each further zone takes {memory:g} MB of memory in all steps together. Bytes of state:

"""


def budget_page(costs: UnitCosts) -> str:
    """Return the page: CPU time by step and part, the comparison, bytes by topic, state by step."""
    forecast_ms = costs.step_cpu_ms["forecast"]
    cpu = [
        [step, *(_ms(parts.get(part)) for part in _PARTS), _ms(sum(parts.values()))] for step, parts in _steps(costs)
    ]
    totals = [sum(parts.get(part, 0.0) for parts in costs.cpu_ms.values()) for part in _PARTS]
    cpu.append(["**all**", *map(_ms, totals), f"**{costs.slot_cpu_ms:.2f}**"])
    sizes = [[f"`{name}`", f"{costs.topic_records[name]:g}", f"{size:,}"] for name, size in costs.topic_bytes.items()]
    sizes += [[f"changelog of {step}", "", f"{size:,}"] for step, size in costs.changelog_bytes.items()]
    sizes.append(["**all**", "", f"**{costs.written_bytes:,}**"])
    state = [[step, f"{size:,}"] for step, size in costs.state_bytes.items()]
    state.append(["**all**", f"**{sum(costs.state_bytes.values()):,}**"])
    return "".join(
        [
            _HEAD.format(
                command=COMMAND,
                slots=costs.slots,
                load=costs.load_average,
                busy=_BUSY if costs.load_average > _BUSY_LOAD else "",
            ),
            markdown_table(("step", *_PARTS, "total"), cpu),
            _COMPARED.format(
                forecast=forecast_ms,
                copy=costs.pass_through_cpu_ms,
                slower=forecast_ms / costs.pass_through_cpu_ms,
                original=costs.original_cpu_ms,
                faster=costs.original_cpu_ms / forecast_ms,
            ),
            markdown_table(("topic", "records", "bytes"), sizes),
            _REST.format(rows=costs.store_rows, stored=costs.store_bytes, memory=costs.memory_mb_per_zone),
            markdown_table(("step", "bytes per zone"), state),
        ]
    )


def markdown_table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """Return a table, the first column to the left and the others to the right."""
    lines = [list(head), ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _steps(costs: UnitCosts) -> list[tuple[str, dict[str, float]]]:
    return list(costs.cpu_ms.items())


def _ms(value: float | None) -> str:
    return f"{value:.2f}" if value else ""
