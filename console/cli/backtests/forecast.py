"""`vpp backtest`: accuracy of forecasts by rolling origin over a history file."""

from __future__ import annotations

import fnmatch
import shlex
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from cyclopts import App, Parameter

from console.cli.backtests.arbitrage import arbitrage
from console.cli.backtests.grid import grid
from console.cli.options import NO_OPTIONS, Common, Json, answer, out, parse_days, parse_time, say, table
from console.cli.progress import progress
from topologies.sources.feed import open_file
from vpp.domain import Target
from vpp.errors import ConfigError
from vpp.files.zone_fitting import Overrides
from vpp.fleet.schema import load_fleet

app = App(name="backtest", help="Backtests over history files.")

app.command(arbitrage)
app.command(grid)
app.command(
    "console.cli.backtests.agent:agent",
    name="agent",
    help="Measure the grid agent in money, on scripted and seeded evenings.",
)

SHOWN_MIN = (5, 15, 30, 60, 120, 360, 720, 1440)


@app.command
def forecast(
    *,
    data: Annotated[Path, Parameter(help="history: a CSV(.gz) or Parquet file, or a folder of them")],
    train_to: Annotated[str, Parameter(help="end of the first fit's rows, UTC")],
    test_from: Annotated[str, Parameter(help="first origin, UTC")],
    test_to: Annotated[str, Parameter(help="end of the origins, UTC, exclusive")],
    zone: Annotated[str | None, Parameter(help="zone; required if the file has several")] = None,
    target: Annotated[Literal["net_load", "price"], Parameter(help="forecast quantity")] = "net_load",
    refit: Annotated[str | None, Parameter(help="7d, 1d or none [7d; day-ahead prices 1d]")] = None,
    compare: Annotated[str | None, Parameter(help="baselines, comma-separated [all]: persistence,week,...")] = None,
    linear: Annotated[
        bool, Parameter(negative=(), help="also run without XGBoost and report its gain (net load only)")
    ] = False,
    without: Annotated[str | None, Parameter(help="channels to omit, comma-separated; * matches any text")] = None,
    mapping: Annotated[str | None, Parameter(help="mapping file for other column names")] = None,
    time_zone: Annotated[str | None, Parameter(help="time zone of the zone")] = None,
    market: Annotated[str | None, Parameter(help="market of the zone")] = None,
    folder: Annotated[Path | None, Parameter(name="--out", help="folder for metrics.json and report.html")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Backtest forecasts through the serving reducers: rolling origin, models refitted over time.

    Prices of a day-ahead auction are forecast for whole local days, from values published before the auction.
    """
    settings = common.settings()
    own_fleet = load_fleet(settings.fleet) if settings.fleet else None
    names = (zone,) if zone is not None else ()
    start = parse_time(test_from)
    feed = open_file(
        data, names=names, start=start, mapping=mapping, own_fleet=own_fleet, overrides=Overrides(time_zone, market)
    )
    source = feed.one_zone()
    for note in feed.notes:
        say(note)
    fit_end, end = parse_time(train_to), parse_time(test_to)
    frame = remaining(feed.frame(source.zone, end + timedelta(days=3)), without)
    beside = compare.split(",") if compare else None
    with progress(source.zone) as report:
        if target == Target.PRICE.value and source.market.rule.by_auction:
            from models.evaluation.dayahead_metrics import backtest_day_ahead, worst_day_ahead_days

            days = 1.0 if refit is None else parse_days(refit)
            refit_days = None if days is None else max(int(days), 1)
            figures, auctions = backtest_day_ahead(
                frame,
                source,
                train_to=fit_end,
                test_from=start,
                test_to=end,
                refit_days=refit_days,
                compare=beside,
                progress=report,
            )
            worst = worst_day_ahead_days(auctions)
        else:
            from models.evaluation.backtest import BacktestOptions, run_backtest, run_beside_linear
            from models.evaluation.baselines import check_names
            from models.evaluation.html_report import worst_days
            from models.evaluation.metrics import metrics
            from models.evaluation.ramp_metrics import ramp_metrics
            from models.evaluation.tree_gain import tree_gain

            check_names(beside or ())
            days = 7.0 if refit is None else parse_days(refit)
            every = None if days is None else timedelta(days=days)
            options = BacktestOptions(Target(target), fit_end, start, end, refit=every)
            if linear and target == Target.NET_LOAD.value:
                run, linear_run, models = run_beside_linear(frame, source, options, report)
            else:
                run, linear_run, models = run_backtest(frame, source, options, report), None, ()
            figures, worst = metrics(run, beside), worst_days(run)
            if linear_run is not None:
                figures["trees"] = tree_gain(run, linear_run, models)
            ramps = ramp_metrics(run)
            if ramps is not None:
                figures["ramps"] = ramps
    if folder is not None:
        from models.evaluation.html_report import write_report

        for path in write_report(folder, figures, worst, command="vpp " + shlex.join(sys.argv[1:])):
            say(f"wrote {path}")
    answer(figures, as_json=json, render=_render)


def remaining(frame: pd.DataFrame, without: str | None) -> pd.DataFrame:
    """Return the channels that no pattern names.

    Raises:
        ConfigError: A pattern names none: it would leave out nothing without a word.
    """
    out_of_it: list[str] = []
    for pattern in without.split(",") if without else ():
        matches = fnmatch.filter(frame.columns, pattern)
        if not matches:
            raise ConfigError(f"--without {pattern} names no channel", hint=f"there are {', '.join(frame.columns)}")
        out_of_it += matches
    return frame.drop(columns=out_of_it)


def _render(figures: dict[str, Any]) -> None:
    out.print(
        f"{figures['target']} of {figures['zone']}, {figures['origins']} origins, "
        f"{figures['test_from']} to {figures['test_to']}"
    )
    by_hour = "day_ahead_mae" in figures
    rows = [row for row in figures["horizons"] if by_hour or row["horizon_min"] in SHOWN_MIN] or figures["horizons"]
    columns = ("horizon_min", "mae", "rmse", "pinball", "skill_vs_persistence", "coverage_90", "width_90")
    table(None, columns, [[row.get(name) for name in columns] for row in rows])
    if "trees" in figures:
        gain = ("horizon_min", "n", "mae", "mae_linear", "saved", "weight")
        table("With XGBoost and without", gain, [[row[name] for name in gain] for row in figures["trees"]])
    if "ramps" in figures:
        _render_ramps(figures["ramps"])
    for name, value in figures.items():
        if name.startswith("day_ahead"):
            out.print(f"{name}  {value}")


def _render_ramps(ramps: dict[str, Any]) -> None:
    columns = ("hours", "share", "brier", "brier_climatology", "csi", "csi_by_median", "pod", "far")
    rows = [
        [
            name,
            row["share"],
            row["brier"],
            row["brier_climatology"],
            row["by_probability"]["csi"],
            row["by_median"]["csi"],
            row["by_probability"]["pod"],
            row["by_probability"]["far"],
        ]
        for name, row in ramps["large"].items()
    ]
    table("Large ramps", columns, rows)
    steepest = ramps["steepest"]
    ramp_columns = ("n", "stated_mw", "came_mw", "wrong_sign", "mae")
    table(
        "Steepest step of a forecast",
        ("by", *ramp_columns),
        [
            ["its own forecast", *(steepest[name] for name in ramp_columns)],
            ["difference of medians", *(steepest["by_difference"][name] for name in ramp_columns)],
        ],
    )
    steps = ramps["steps"]
    out.print(
        f"steps: mae {steps['mae']}, of the differences of medians {steps['mae_by_difference']}, "
        f"coverage of the 80 % interval {steps['coverage_80']}"
    )
