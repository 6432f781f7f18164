"""The reports to write: a requested one, or every finished period that has none yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from console.report.content import PeriodReport, zone_report
from console.report.files import write_report
from console.report.period import DAYS, ReportPeriod, Span, last_period, period_of
from mcp_server.queries.context import ReadContext
from vpp.errors import ConfigError
from vpp.local_time import local_date
from vpp.settings import Settings
from vpp.store.tables import TELEMETRY


def read_reports(context: ReadContext, span: Span, on: date | None, zones: Sequence[str] | None) -> list[PeriodReport]:
    """Return the reports of one period, zone by zone.

    Args:
        context: Store and fleet of the run.
        span: ``day`` or ``week``.
        on: A local date in it; None: the last complete period, else the one under way.
        zones: Only these; None: all.

    Raises:
        ConfigError: No slot is closed, or the date lies after the newest slot.
        QuestionError: The zone is unknown.
    """
    reports = []
    for zone, time_zone, first, as_of in _extents(context, zones):
        period = period_of(span, on, time_zone, as_of) if on else last_period(span, time_zone, first, as_of)
        reports.append(zone_report(context, zone, period, as_of))
    if not reports:
        raise ConfigError("there is nothing to report: no slot is closed yet", hint="start a plant: vpp up")
    newest = max(report.period.first for report in reports)
    return [report for report in reports if report.period.first == newest]


def write_finished(context: ReadContext, span: Span, zones: Sequence[str] | None = None) -> list[list[Path]]:
    """Write the report of every complete period that has none in the reports folder; return the paths of each.

    Args:
        context: Store and fleet of the run.
        span: ``day`` or ``week``.
        zones: Only these; None: all.
    """
    periods: dict[str, list[tuple[str, ReportPeriod]]] = {}
    for zone, time_zone, first, as_of in _extents(context, zones):
        on = local_date(first, time_zone)
        while (period := period_of(span, on, time_zone, as_of)).complete:
            periods.setdefault(period.label, []).append((zone, period))
            if period.end >= as_of:
                break
            on = period.first + timedelta(days=DAYS[span])
    written = []
    for label, members in sorted(periods.items()):
        page = page_path(context.settings, label)
        if not page.exists():
            reports = [zone_report(context, zone, period, period.end) for zone, period in members]
            written.append(write_report(reports, page))
    return written


def page_path(settings: Settings, label: str) -> Path:
    """Return the default path of the page of a period."""
    return settings.data_dir / "reports" / (settings.run or "default") / f"report-{label}.html"


def _extents(context: ReadContext, zones: Sequence[str] | None) -> list[tuple[str, str, datetime, datetime]]:
    spans = {span.zone: span.first for span in context.store.spans(TELEMETRY)}
    names = list(spans) if zones is None else [name for name in map(context.choose, zones) if name is not None]
    extents = []
    for zone in sorted(names):
        as_of = context.as_of(zone)
        if zone in spans and as_of is not None:
            extents.append((zone, context.time_zone(zone), spans[zone], as_of))
    return extents
