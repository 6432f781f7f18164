"""`vpp report`: a day or a week as one HTML page with CSV beside it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, say
from vpp.errors import ConfigError
from vpp.settings import Settings
from vpp.store import open_store

if TYPE_CHECKING:
    from console.report.content import PeriodReport
    from console.report.period import Span

POLL_S = 60.0


def report(
    *,
    day: Annotated[bool, Parameter(help="a local day [the default]", negative="")] = False,
    week: Annotated[bool, Parameter(help="a local week, Monday to Sunday", negative="")] = False,
    on: Annotated[
        str | None, Parameter(help="a local date in the period, such as 2022-01-31 [the last complete period]")
    ] = None,
    zone: Annotated[list[str] | None, Parameter(name="--zone", help="only this zone; may be repeated")] = None,
    target: Annotated[
        Path | None, Parameter(name="--out", help="the page (.html) or a PDF (.pdf) [DATA_DIR/reports/...]")
    ] = None,
    watch: Annotated[
        bool, Parameter(help="keep running and write each day or week when it is complete", negative="")
    ] = False,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Write what the plant earned in a day or a week, against no action and perfect foresight, and why.

    Beside the page lie CSV files of slots, actions and alerts.
    """
    if day and week:
        raise ConfigError("give --day or --week, not both", hint="vpp report --week")
    if watch and (on is not None or target is not None):
        raise ConfigError("--watch writes every finished period into DATA_DIR/reports", hint="leave out --on and --out")
    settings = common.settings()
    span: Span = "week" if week else "day"
    if watch:
        _watch(settings, span, zone)
        return
    from console.report.files import write_report
    from console.report.writing import page_path, read_reports
    from mcp_server.queries.context import ReadContext

    with open_store(settings, read_only=True) as store:
        reports = read_reports(ReadContext(settings, store), span, None if on is None else _date(on), zone)
    paths = write_report(reports, target or page_path(settings, reports[0].period.label))
    figures = {"files": [str(path) for path in paths], "zones": [_figures(zone_report) for zone_report in reports]}
    answer(figures, as_json=json, render=_render)


def _watch(settings: Settings, span: Span, zones: Sequence[str] | None) -> None:
    from console.report.writing import page_path, write_finished
    from mcp_server.queries.context import ReadContext

    say(f"every {span} that is over is written to {page_path(settings, '').parent}; Ctrl-C ends")
    while True:
        with open_store(settings, read_only=True) as store:
            written = write_finished(ReadContext(settings, store), span, zones)
        for paths in written:
            out.print(str(paths[0]))
        time.sleep(POLL_S)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a date", hint="write 2022-01-31") from error


def _figures(report: PeriodReport) -> dict[str, Any]:
    perfect = [day.perfect for day in report.days if day.perfect is not None]
    captured = [day.captured for day in report.days if day.captured is not None]
    return {
        "zone": report.zone,
        "period": report.period.label,
        "start": report.period.start,
        "end": report.period.end,
        "complete": report.period.complete,
        "currency": report.currency,
        "pnl": report.pnl,
        "no_action": report.no_action,
        "perfect_foresight": sum(perfect) if perfect else None,
        "captured": sum(captured) if captured else None,
        "slots": report.quality.slots,
        "expected_slots": report.quality.expected,
        "slots_without_price": report.quality.without_price,
        "alerts": len(report.alerts),
        "orders": len(report.orders),
    }


def _render(figures: dict[str, Any]) -> None:
    for zone_figures in figures["zones"]:
        period = zone_figures["period"] if zone_figures["complete"] else f"{zone_figures['period']} so far"
        gain = f"{zone_figures['pnl'] - zone_figures['no_action']:+,.0f} against no action"
        out.print(f"{zone_figures['zone']} {period}: {zone_figures['pnl']:,.0f} {zone_figures['currency']}, {gain}")
    for path in figures["files"]:
        out.print(path)
