"""Unit costs of one slot and one zone, as `make bench ARGS='-k budget'` measured and wrote them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path("docs/benchmarks/budget.json")
COMMAND = f"BENCH_OUT={FILE} make bench ARGS='-k budget'"


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """What a slot costs and a zone keeps.

    ``cpu_ms``: process CPU time of each step by part (ms per slot). ``topic_bytes``, ``topic_records``: per slot and
    topic. ``changelog_bytes``: per slot and step. ``state_bytes``: per zone and step. ``store_rows``, ``store_bytes``:
    per slot, in SQLite. ``memory_mb_per_zone``: of all steps together. ``pass_through_cpu_ms``: a plain copy of the
    forecast message. ``original_cpu_ms``: the original project's pipeline per message.
    """

    slots: int
    load_average: float
    cpu_ms: dict[str, dict[str, float]]
    topic_bytes: dict[str, int]
    topic_records: dict[str, float]
    changelog_bytes: dict[str, int]
    state_bytes: dict[str, int]
    store_rows: float
    store_bytes: int
    memory_mb_per_zone: float
    pass_through_cpu_ms: float
    original_cpu_ms: float

    @property
    def step_cpu_ms(self) -> dict[str, float]:
        """CPU time of each step (ms per slot)."""
        return {step: sum(parts.values()) for step, parts in self.cpu_ms.items()}

    @property
    def slot_cpu_ms(self) -> float:
        """CPU time of a slot through the whole chain (ms)."""
        return sum(self.step_cpu_ms.values())

    @property
    def written_bytes(self) -> int:
        """Bytes that a slot leaves on all topics, changelogs included."""
        return sum(self.topic_bytes.values()) + sum(self.changelog_bytes.values())


def read_unit_costs(root: Path) -> UnitCosts:
    """Return the figures that the last run of the benchmark left in the repository."""
    figures: dict[str, Any] = json.loads((root / FILE).read_text(encoding="utf-8"))
    budget = figures["budget"]
    return UnitCosts(
        slots=budget["slots"],
        load_average=budget["load_average"][0],
        cpu_ms=budget["cpu_ms"],
        topic_bytes=budget["topic_bytes"],
        topic_records=budget["topic_records"],
        changelog_bytes=budget["changelog_bytes"],
        state_bytes=figures["state_bytes_per_zone"],
        store_rows=budget["store_rows"],
        store_bytes=budget["store_bytes"],
        memory_mb_per_zone=figures["memory_mb_per_zone"],
        pass_through_cpu_ms=budget["pass_through_cpu_ms"],
        original_cpu_ms=budget["original_cpu_ms"],
    )
