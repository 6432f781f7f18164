"""`vpp backtest grid`: the plant's value to the grid, week by week, on a history file."""

from __future__ import annotations

import shlex
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, parse_days, parse_time, say, table
from console.cli.progress import progress
from vpp.errors import ConfigError
from vpp.files.zone_fitting import Overrides
from vpp.fleet.schema import load_fleet


def grid(
    *,
    data: Annotated[Path, Parameter(help="history: a CSV(.gz) or Parquet file, or a folder of them")],
    test_from: Annotated[str, Parameter(help="start of the first week, UTC")],
    test_to: Annotated[str, Parameter(help="end, UTC, exclusive; an incomplete last week is left out")],
    zone: Annotated[str | None, Parameter(help="zone; required if the file has several")] = None,
    train_to: Annotated[str | None, Parameter(help="end of the first fit's rows, UTC [the test's start]")] = None,
    refit: Annotated[str, Parameter(help="7d, 28d or none")] = "28d",
    step_min: Annotated[
        int | None, Parameter(help="slot length; batteries read finer rows inside the slot [the fleet's]")
    ] = None,
    compare: Annotated[str | None, Parameter(help="baselines, comma-separated, or none [all]")] = None,
    joint: Annotated[
        bool, Parameter(negative="", help="also at actual prices: service, trading, grid first and joint clearing")
    ] = False,
    mapping: Annotated[str | None, Parameter(help="mapping file for other column names")] = None,
    time_zone: Annotated[str | None, Parameter(help="time zone of the zone")] = None,
    market: Annotated[str | None, Parameter(help="market of the zone")] = None,
    folder: Annotated[Path | None, Parameter(name="--out", help="folder for metrics.json and report.html")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Backtest grid response through the serving reducers: forecast, actor, clearing, the fleet's twin.

    The score says where the plant's cost lies between no action (0) and perfect foresight (100). Weeks are whole
    blocks of seven days from the test's start; energy has one flat price, so trading does not count.
    """
    from topologies.backtests.grid import BASELINES, GridOptions, run_grid_backtest
    from topologies.backtests.grid_data import open_grid_data

    settings = common.settings()
    chosen = BASELINES if compare is None else () if compare == "none" else tuple(compare.split(","))
    days = parse_days(refit)
    start, end = parse_time(test_from), parse_time(test_to)
    if end <= start:
        raise ConfigError("--test-to must lie after --test-from", hint="give a range of at least seven days")
    options = GridOptions(
        test_from=start,
        test_to=end,
        train_to=None if train_to is None else parse_time(train_to),
        refit=None if days is None else timedelta(days=days),
        compare=chosen,
        joint=joint,
    )
    grid_data = open_grid_data(
        data,
        zone,
        start=start,
        end=end,
        step_min=step_min,
        mapping=mapping,
        own_fleet=load_fleet(settings.fleet) if settings.fleet else None,
        overrides=Overrides(time_zone, market),
    )
    for note in grid_data.notes:
        say(note)
    with progress(grid_data.zone.zone) as report:
        result = run_grid_backtest(grid_data.frame, grid_data.zone, options, report, grid_data.ticks)
    if folder is not None:
        from topologies.backtests.grid_report import write_grid_report

        for path in write_grid_report(folder, result, command="vpp " + shlex.join(sys.argv[1:])):
            say(f"wrote {path}")
    answer(result.figures, as_json=json, render=_render)


def _render(figures: dict[str, Any]) -> None:
    out.print(
        f"grid response of {figures['zone']}, {figures['weeks']} weeks, {figures['test_from']} to {figures['test_to']}"
    )
    columns = ("policy", "score", "worst_week_score", "cap_breaches", "ramp_breach_pct", "cost")
    rows = {"plant": figures, **figures["baselines"]}
    table(None, columns, [[name, *(row[column] for column in columns[1:])] for name, row in rows.items()])
    events = figures["ramp_events"]
    heads = ("pod", "far", "csi", "events", "alarms")
    table(None, ("ramp events", *heads), [[name, *(row[head] for head in heads)] for name, row in events.items()])
    if "joint" in figures:
        heads = ("value", "service_cost", "money", "ramp_breach_pct", "cap_breaches")
        policies = figures["joint"]["policies"]
        table(None, ("at actual prices", *heads), [[name, *(row[h] for h in heads)] for name, row in policies.items()])
        out.print(f"joint over grid first: {figures['joint']['joint_over_grid_first_pct']} %")
