"""`vpp backtest arbitrage`: earnings of a battery on a history file, against the best possible."""

from __future__ import annotations

import shlex
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, parse_time, say, table
from console.cli.progress import progress
from topologies.sources.feed import open_file
from vpp.errors import ConfigError
from vpp.files.zone_fitting import Overrides
from vpp.fleet.schema import load_fleet

MODES = ("day-ahead", "real-time-known", "real-time-curve", "real-time-schedule")


def arbitrage(
    *,
    data: Annotated[Path, Parameter(help="history with a price column: a file or a folder of Parquet files")],
    mode: Annotated[str, Parameter(help="price information: " + ", ".join(MODES))],
    test_from: Annotated[str, Parameter(help="first slot, UTC")],
    test_to: Annotated[str, Parameter(help="end of the slots, UTC, exclusive")],
    zone: Annotated[str | None, Parameter(help="zone; required if the file has several")] = None,
    step_min: Annotated[int | None, Parameter(help="slot length; finer rows are averaged [the file's]")] = None,
    power_mw: Annotated[float, Parameter(help="power each way at the grid side")] = 1.0,
    energy_mwh: Annotated[float, Parameter(help="energy, held between 5 and 95 %")] = 2.0,
    round_trip: Annotated[float, Parameter(help="round-trip efficiency; its square root applies each way")] = 0.88,
    wear_per_mwh: Annotated[float, Parameter(help="wear per MWh discharged, in the file's currency")] = 5.0,
    mapping: Annotated[str | None, Parameter(help="mapping file for other column names")] = None,
    time_zone: Annotated[str | None, Parameter(help="time zone of the zone")] = None,
    market: Annotated[str | None, Parameter(help="market of the zone")] = None,
    folder: Annotated[Path | None, Parameter(name="--out", help="folder for metrics.json and report.html")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Backtest battery arbitrage through the serving forecasts and the serving trader.

    Capture is the value after wear in percent of perfect foresight over the whole test. The mode sets what is known
    and when power is fixed. day-ahead: the plan of a local day, at the auction before it. real-time-known: with each
    slot's own price (an upper bound if prices are published afterwards). real-time-curve: power at each price, in
    bands, before the slot. real-time-schedule: one power before the slot.
    """
    from topologies.backtests.arbitrage import Terms, run_arbitrage
    from topologies.backtests.arbitrage_modes import Mode
    from vpp.files.reader import read_frame

    if mode not in MODES:
        raise ConfigError(f"unknown mode {mode!r}", hint="--mode is one of " + ", ".join(MODES))
    settings = common.settings()
    own_fleet = load_fleet(settings.fleet) if settings.fleet else None
    names = (zone,) if zone is not None else ()
    start, end = parse_time(test_from), parse_time(test_to)
    feed = open_file(
        data, names=names, start=start, mapping=mapping, own_fleet=own_fleet, overrides=Overrides(time_zone, market)
    )
    source = feed.one_zone()
    for note in feed.notes:
        say(note)
    step = feed.step_min if step_min is None else step_min
    if step % feed.step_min or 1440 % step:
        raise ConfigError(
            f"the rows of {data} cover {feed.step_min} min, slots of {step} min cannot be made of them",
            hint="choose --step-min as a multiple of that which divides a day",
        )
    source = source.model_copy(update={"step_min": step})
    around = source.neighbours or tuple(name for name in feed.info.zones if name != source.zone)
    frame = read_frame(
        data,
        source.zone,
        mapping=mapping,
        end=end + timedelta(days=3),
        step_min=step,
        neighbours=around if Mode(mode) is Mode.DAY_AHEAD else (),
    )
    with progress(source.zone) as report:
        terms = Terms(power_mw, energy_mwh, round_trip, wear_per_mwh)
        run = run_arbitrage(frame, source, mode=Mode(mode), terms=terms, test_from=start, test_to=end, progress=report)
    if folder is not None:
        from topologies.backtests.arbitrage_report import write_trade_report

        for path in write_trade_report(folder, run, command="vpp " + shlex.join(sys.argv[1:])):
            say(f"wrote {path}")
    answer(run.figures, as_json=json, render=_render)


def _render(figures: dict[str, Any]) -> None:
    out.print(
        f"{figures['mode']} in {figures['zone']}, {figures['days']} days from {figures['test_from']}: "
        f"{figures['value']:,.0f} of {figures['perfect']:,.0f} {figures['currency']}"
    )
    columns = ("policy", "value", "capture_pct", "capture_pct_without_top_days", "cycles_per_day")
    rows = [["this one", *(figures[name] for name in columns[1:])]]
    if "value_load_only" in figures:
        rows.append(["load forecasts only", *(figures[f"{name}_load_only"] for name in columns[1:])])
    rows += [[name, *(of[key] for key in columns[1:])] for name, of in figures["baselines"].items()]
    rows.append(["perfect foresight", figures["perfect"], 100.0, 100.0, figures["perfect_cycles_per_day"]])
    table(None, columns, rows)
