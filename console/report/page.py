"""A report as one HTML page without outside files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from itertools import accumulate
from typing import Any

from console.report.content import PENALTIES, PeriodReport
from models.evaluation.html_parts import figure, heading, page, table
from models.evaluation.svg_charts import line_chart
from vpp.domain import Target
from vpp.fleet.scale import energy_text, power_text, power_unit
from vpp.local_time import local_time

MAX_ACTIONS = 60
MAX_ROWS = 100
CAUSE_WORDS = {
    "forecast": "prices came otherwise than forecast",
    "constraint": "limits, grid service and physics",
    "latency": "a bid was old or missing",
    "hold": "an order held or ruled the battery",
}
TARGETS = {"net_load": "net load", "price": "price"}


def report_page(reports: Sequence[PeriodReport]) -> str:
    """Return the page of one report: totals over the zones, then a section for each."""
    label = reports[0].period.label
    running = [report for report in reports if not report.period.complete]
    intro = f"{len(reports)} {'zone' if len(reports) == 1 else 'zones'}, local days and local times of each zone."
    if running:
        until = max(report.as_of for report in running)
        intro += f" The period is not over: the report ends at {until:%Y-%m-%d %H:%M} UTC."
    body = [heading(f"Report {label}", intro, "")]
    if len(reports) > 1:
        body.append(_portfolio(reports))
    for report in reports:
        body += _zone(report)
    return page(f"Report {label}", body)


def _portfolio(reports: Sequence[PeriodReport]) -> str:
    rows = []
    for currency in sorted({report.currency for report in reports}):
        of_currency = [report for report in reports if report.currency == currency]
        rows += [_money_row(report) for report in of_currency]
        if len(of_currency) > 1:
            pnl = sum(report.pnl for report in of_currency)
            idle = sum(report.no_action for report in of_currency)
            rows.append((f"total {currency}", currency, pnl, idle, pnl - idle, None, None))
    return "<h2>All zones</h2>" + table(_MONEY_HEADS, rows)


_MONEY_HEADS = ("", "currency", "plant", "no action", "gain", "perfect foresight", "captured %")


def _money_row(report: PeriodReport) -> tuple[str, str, float, float, float, float | None, float | None]:
    perfect, captured = _perfect(report)
    share = 100.0 * captured / perfect if perfect is not None and captured is not None and perfect > 0 else None
    return report.zone, report.currency, report.pnl, report.no_action, report.pnl - report.no_action, perfect, share


def _perfect(report: PeriodReport) -> tuple[float | None, float | None]:
    pairs = [(day.perfect, day.captured) for day in report.days if day.perfect is not None and day.captured is not None]
    if not pairs:
        return None, None
    return sum(perfect for perfect, _ in pairs), sum(captured for _, captured in pairs)


def _zone(report: PeriodReport) -> Iterable[str]:
    yield f"<h2>{escape(report.zone)}</h2>"
    if not report.series.slots:
        yield "<p>No slot was closed in this period.</p>"
        return
    yield from _money(report)
    yield from _charts(report)
    yield from _actions(report)
    yield from _forecasts(report)
    yield from _notes(report)


def _money(report: PeriodReport) -> Iterable[str]:
    yield f"<h3>Money ({escape(report.currency)})</h3>"
    rows = [
        (str(day.day), day.pnl, day.no_action, day.pnl - day.no_action, day.perfect, day.captured)
        for day in report.days
    ]
    if len(rows) > 1:
        rows.append(("all", report.pnl, report.no_action, report.pnl - report.no_action, *_perfect(report)))
    yield table(("day", "plant", "no action", "gain", "perfect foresight of batteries", "of it captured"), rows)
    yield (
        "<p>No action: the penalties had no asset done anything. Perfect foresight: the most that the batteries could "
        "have earned by trading alone, while the plant serves the grid first.</p>"
    )
    missing = report.quality.without_price
    if missing:
        yield f"<p>{missing} of {report.quality.slots} slots had no price: their energy is not in the money.</p>"
    asset_rows = [
        (
            "penalties" if asset.asset_id == PENALTIES else asset.asset_id,
            _energy(asset.energy_mwh),
            asset.revenue,
            asset.costs,
            asset.pnl,
        )
        for asset in report.assets
    ]
    yield table(("asset", "energy", "revenue", "wear, fuel, starts", "result"), asset_rows)
    if report.losses:
        yield "<h3>Why the batteries fell short of perfect foresight</h3>"
        yield table(("cause", "lost"), [(CAUSE_WORDS[cause], lost) for cause, lost in report.losses.items()])


def _charts(report: PeriodReport) -> Iterable[str]:
    series = report.series
    hours = [(slot - report.period.start) / timedelta(hours=1) for slot in series.slots]
    axis = f"hours since {report.period.start:%Y-%m-%d %H:%M} UTC"
    lines = series.forecast["net_load"]
    net = {"net load": series.net_load_mw, "forecast": lines["q50"], "5 %": lines["q05"], "95 %": lines["q95"]}
    unit, net = _in_unit(net)
    chart = line_chart(hours, net, x_label=axis, y_label=f"net load ({unit})", from_zero=False)
    yield figure(chart, f"Net load ({unit}), and its forecast one step before.")
    if any(value is not None for value in series.price_per_mwh):
        price = {"price": series.price_per_mwh, "forecast": series.forecast["price"]["q50"]}
        chart = line_chart(hours, price, x_label=axis, y_label=f"{report.currency} per MWh", from_zero=False)
        yield figure(chart, f"Price ({report.currency} per MWh), and its forecast one step before.")
    if series.power_mw:
        unit, power = _in_unit(series.power_mw)
        label = f"delivered ({unit}, + into the grid)"
        chart = line_chart(hours, power, x_label=axis, y_label=label, from_zero=False)
        yield figure(chart, f"Delivered power of each asset ({unit}, positive into the grid).")
    if series.soc:
        percent = {name: [None if v is None else 100.0 * v for v in line] for name, line in series.soc.items()}
        yield figure(line_chart(hours, percent, x_label=axis, y_label="state of charge (%)"), "State of charge (%).")
    sums = {"plant": list(accumulate(series.pnl)), "no action": list(accumulate(series.no_action))}
    chart = line_chart(hours, sums, x_label=axis, y_label=f"money ({report.currency})", from_zero=False)
    yield figure(chart, f"Money since the start of the period ({report.currency}).")


def _in_unit(lines: Mapping[str, Sequence[float | None]]) -> tuple[str, dict[str, list[float | None]]]:
    """Return the unit that fits lines of power in MW, and the lines in it."""
    unit, factor = power_unit(max((abs(v) for line in lines.values() for v in line if v is not None), default=1.0))
    return unit, {name: [None if v is None else v * factor for v in line] for name, line in lines.items()}


def _energy(energy_mwh: float) -> str:
    return energy_text(energy_mwh) if energy_mwh else ""


def _error(row: Mapping[str, Any], name: str) -> str | float | None:
    """Return an error of a forecast, of net load in the unit that fits it."""
    value: float | None = row[name]
    return power_text(value) if row["target"] == Target.NET_LOAD.value and value is not None else value


def _actions(report: PeriodReport) -> Iterable[str]:
    yield "<h3>What the plant did and why</h3>"
    if not report.actions:
        yield "<p>No asset delivered anything.</p>"
    actions = sorted(
        sorted(report.actions, key=lambda action: -abs(action.pnl))[:MAX_ACTIONS], key=lambda action: action.start
    )
    if actions:
        rows = [
            (
                action.asset_id,
                _local(action.start, report),
                _local(action.end, report),
                _energy(action.energy_mwh),
                action.pnl,
                action.reason,
            )
            for action in actions
        ]
        yield table(("asset", "from", "to", "energy", "result", "reason of the first slot"), rows)
    if len(report.actions) > len(actions):
        yield f"<p>The {len(actions)} stretches with most money of {len(report.actions)} are shown.</p>"
    yield table(("engine", "decisions"), list(report.engines.items()))


def _forecasts(report: PeriodReport) -> Iterable[str]:
    yield "<h3>Forecast skill</h3>"
    if not report.skill:
        yield "<p>No forecast has been scored yet.</p>"
        return
    rows = [
        (
            TARGETS.get(row["target"], row["target"]),
            row["horizon_min"],
            row["n"],
            _error(row, "mae"),
            _error(row, "mae_persistence"),
            100.0 * (1.0 - row["mae"] / row["mae_persistence"]) if row["mae_persistence"] else None,
            None if row["coverage_90"] is None else 100.0 * row["coverage_90"],
        )
        for row in report.skill
    ]
    heads = (
        "target",
        "minutes ahead",
        "scored",
        "MAE",
        "MAE of persistence",
        "better by %",
        "inside 90 % interval (%)",
    )
    yield table(heads, rows)


def _notes(report: PeriodReport) -> Iterable[str]:
    yield "<h3>Alerts</h3>"
    if report.alerts:
        rows = [
            (
                _local(row["slot"], report),
                "" if row["ended_at"] is None else _local(row["ended_at"], report),
                row["severity"],
                row["code"],
                row["channel"] or row["asset_id"] or "",
                row["text"],
            )
            for row in report.alerts[:MAX_ROWS]
        ]
        yield table(("from", "to", "severity", "what", "about", "text"), rows)
        yield _cut(len(report.alerts))
    else:
        yield "<p>None.</p>"
    yield "<h3>Orders</h3>"
    if report.orders:
        orders = [
            (
                _local(row["issued_at"], report),
                row["action"],
                row["principal"],
                row["verdict"] or "waits",
                row["verdict_reason"] or "",
            )
            for row in report.orders[:MAX_ROWS]
        ]
        yield table(("at", "action", "who", "verdict", "why"), orders)
        yield _cut(len(report.orders))
    else:
        yield "<p>None.</p>"
    quality = report.quality
    yield "<h3>Data quality</h3>"
    yield (
        f"<p>{quality.slots} of {quality.expected} slots closed; {quality.without_net_load} without net load, "
        f"{quality.without_price} without price, {quality.corrected} corrected later.</p>"
    )
    if quality.flags:
        yield table(("channel", "reason", "slots"), quality.flags[:MAX_ROWS])


def _cut(count: int) -> str:
    return f"<p>The first {MAX_ROWS} of {count} are shown; the CSV files hold all.</p>" if count > MAX_ROWS else ""


def _local(instant: datetime, report: PeriodReport) -> str:
    """Return a time in the zone's local time, with its date where it lies outside the period."""
    period = report.period
    form = "%H:%M" if period.days == 1 else "%a %H:%M"
    if not period.start <= instant <= period.end:
        form = "%Y-%m-%d %H:%M"
    return f"{local_time(instant, report.time_zone):{form}}"
