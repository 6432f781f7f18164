"""The report of an arbitrage backtest: ``metrics.json`` and one HTML page without outside files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models.evaluation.html_parts import figure, heading, page, table, write_files
from models.evaluation.svg_charts import line_chart
from topologies.backtests.arbitrage import TradeRun

_COLUMNS = ("value", "capture_pct", "capture_pct_without_top_days", "cycles_per_day")
_SHOWN_DAYS = 5
_NOTE = (
    "Capture is value after wear in percent of perfect foresight: one plan over the whole test at the real prices. "
    "The column beside it leaves out the 2 % of days on which perfect foresight earns most."
)


def write_trade_report(out: Path, run: TradeRun, command: str = "") -> list[Path]:
    """Write ``metrics.json`` and ``report.html`` into ``out``, made where it is missing, and return their paths."""
    return write_files(out, run.figures, trade_report_html(run, command))


def trade_report_html(run: TradeRun, command: str = "") -> str:
    """Return the page; ``command`` is the command line that repeats it."""
    figures, currency = run.figures, run.zone.market.currency
    title = f"Battery arbitrage, {figures['zone']}, {figures['mode']}"
    battery = (
        f"{figures['power_mw']:g} MW / {figures['energy_mwh']:g} MWh, round trip {figures['round_trip']:.0%}, SoC 5 to "
        f"95 %, wear {figures['wear_per_mwh']:g} {currency} per MWh discharged."
    )
    intro = (
        f"{figures['test_from']} to {figures['test_to']} (end exclusive), {figures['days']} days of "
        f"{figures['step_min']} min slots. {battery}"
    )
    body = [
        heading(title, intro, command),
        "<h2>Value and capture</h2>",
        _table(figures),
        f"<p>{_NOTE}</p>",
        "<h2>Money over time</h2>",
        _sums(run),
        "<h2>Capture by month</h2>",
        _months(run),
        "<h2>Best, middle and worst days</h2>",
        *_days(run),
    ]
    return page(title, body)


def _table(figures: dict[str, Any]) -> str:
    rows = [("this policy", {name: figures[name] for name in _COLUMNS})]
    if "value_load_only" in figures:
        rows.append(("with load forecasts alone", {name: figures[f"{name}_load_only"] for name in _COLUMNS}))
    rows += [(name.replace("_", " "), of) for name, of in figures["baselines"].items()]
    ideal = {"value": figures["perfect"], "capture_pct": 100.0, "capture_pct_without_top_days": 100.0}
    rows.append(("perfect foresight", {**ideal, "cycles_per_day": figures["perfect_cycles_per_day"]}))
    heads = ("policy", f"value, {figures['currency']}", "capture, %", "without top days, %", "cycles a day")
    return table(heads, [(name, *(of[column] for column in _COLUMNS)) for name, of in rows])


def _sums(run: TradeRun) -> str:
    x = list(range(1, len(run.days) + 1))
    lines = {"perfect": np.cumsum(run.perfect).tolist(), "this policy": np.cumsum(run.value).tolist()}
    return line_chart(x, lines, x_label="day of the test", y_label=run.zone.market.currency)


def _months(run: TradeRun) -> str:
    months = sorted({day[:7] for day in run.days})
    rows = []
    for month in months:
        inside = np.array([day.startswith(month) for day in run.days])
        mine, best = float(run.value[inside].sum()), float(run.perfect[inside].sum())
        rows.append((month, mine, best, 100.0 * mine / best if best > 0 else None))
    return table(("month", "value", "perfect", "capture, %"), rows)


def _days(run: TradeRun) -> list[str]:
    """Chart price and stored energy of the days with the largest, middle and smallest part of the bound lost."""
    order = np.argsort(run.perfect - run.value, kind="stable")
    chosen = [*order[-_SHOWN_DAYS:][::-1], order[len(order) // 2], order[0]]
    local = run.slots.tz_convert(run.zone.time_zone)
    of_slot = np.array([day.isoformat() for day in local.date])
    parts = []
    for n in dict.fromkeys(int(i) for i in chosen):
        inside = of_slot == run.days[n]
        if not inside.any():
            continue
        of_day = local[inside]
        hours = (of_day.hour + of_day.minute / 60.0).to_numpy()
        hours = np.maximum.accumulate(hours).tolist()
        price = line_chart(
            hours,
            {"price": run.price[inside].tolist()},
            x_label="hour of the local day",
            y_label=f"{run.zone.market.currency}/MWh",
            from_zero=False,
        )
        stored = {"usable MWh in store": run.stored_mwh[1:][inside].tolist()}
        energy = line_chart(hours, stored, x_label="hour of the local day", y_label="MWh")
        text = f"{run.days[n]}: earned {run.value[n]:.0f} of {run.perfect[n]:.0f} {run.zone.market.currency}"
        parts.append(figure(price + energy, text))
    return parts
