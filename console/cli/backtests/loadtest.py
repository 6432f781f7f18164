"""`vpp loadtest`: a whole plant under a given load for a limited time, and its use of the machine."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, say, table
from console.local.load_test import Load, LoadReport, run_load_test


def loadtest(
    *,
    zones: Annotated[int, Parameter(help="simulated zones")] = 10,
    rate: Annotated[float, Parameter(help="closed slots per second, all zones together")] = 10.0,
    minutes: Annotated[float, Parameter(help="how long the source sends")] = 1.0,
    train: Annotated[
        bool, Parameter(negative="", help="first train a model per zone; otherwise the fallbacks forecast")
    ] = False,
    seed: Annotated[int, Parameter(help="seed of the simulator")] = 0,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Run a whole plant under load and report CPU time, lag and memory of each worker.

    Every zones/rate seconds the simulator sends one half hour of each zone. The plant runs on an embedded broker
    and SQLite in a folder of its own, and ends after the given minutes and at most 30 s more.
    """
    load = Load(zones=zones, slots_per_s=rate, minutes=minutes, train=train, seed=seed)
    load.check()
    say(f"{load.zones} zones, {load.steps} slots each at {rate:g} slots/s; about {minutes:g} min")
    report = run_load_test(load, common.settings(), say=say, on_pulse=lambda _live: None)
    answer(report, as_json=json, render=_render)


def _render(report: LoadReport) -> None:
    state = "kept up" if report.kept_up else "fell behind"
    out.print(
        f"{state}: {report.slots_done:,} of {report.slots_sent:,} slots decided; forecasts: {report.forecasts}; "
        f"{report.slot_cpu_ms_total:g} ms CPU per slot; {report.cores} cores, load {report.load_average:g}"
    )
    columns = ("topology", "records_per_s", "cpu_ms_per_record", "cpu_ms_per_slot", "most_lag_records", "memory_mb")
    rows = [[_cell(getattr(worker, name)) for name in columns] for worker in report.workers]
    table(None, ("worker", "records/s", "ms/record", "ms/slot", "most lag", "memory MB"), rows)
    if report.stored_bytes_per_slot is not None:
        out.print(f"store: {report.stored_bytes_per_slot:,.0f} bytes per slot")


def _cell(value: str | float | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:g}"
