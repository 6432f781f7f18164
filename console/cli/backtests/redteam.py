"""`vpp redteam`: forged data against the guard of a zone, in detection, MW and money."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, parse_time, say, table
from console.cli.progress import progress
from vpp.domain import iso
from vpp.errors import ConfigError
from vpp.files.zone_fitting import Overrides
from vpp.fleet.schema import load_fleet


def redteam(
    *,
    data: Annotated[Path | None, Parameter(help="history: a CSV(.gz) or Parquet file, or a folder of them")] = None,
    test_from: Annotated[str | None, Parameter(help="start of the attacked range, UTC")] = None,
    test_to: Annotated[str | None, Parameter(help="its end, UTC, exclusive")] = None,
    live: Annotated[str | None, Parameter(help="attack the running plant: replay, freeze, step, ...")] = None,
    channel: Annotated[str | None, Parameter(help="with --live: the forged channel [load_mw]")] = None,
    hours: Annotated[float, Parameter(help="with --live: duration in the run's time")] = 6.0,
    down: Annotated[bool, Parameter(negative="", help="with --live: forge downwards")] = False,
    zone: Annotated[str | None, Parameter(help="zone; required if the file has several")] = None,
    train_to: Annotated[str | None, Parameter(help="end of the rows to learn from, UTC [the test's start]")] = None,
    attacks: Annotated[str | None, Parameter(help="kinds or names, comma-separated [all]")] = None,
    n: Annotated[int, Parameter(help="injections of each attack")] = 200,
    money_n: Annotated[
        int | None,
        Parameter(help="of them, how many the plant settles [6; without prices 0]"),
    ] = None,
    seed: Annotated[int, Parameter(help="seed of starts, signs and noise")] = 0,
    mapping: Annotated[str | None, Parameter(help="mapping file for other column names")] = None,
    time_zone: Annotated[str | None, Parameter(help="time zone of the zone")] = None,
    market: Annotated[str | None, Parameter(help="market of the zone")] = None,
    folder: Annotated[Path | None, Parameter(name="--out", help="folder for metrics.json and report.html")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Attack a zone's telemetry on history and measure what the guard finds, how fast, and what is lost.

    The guard learns on the rows before --train-to alone. Each attack lasts six hours and moves net load along; it is
    injected once in each of n equal parts of the test. Money is the mean per attack, settled on what really came; it
    takes longest, so the files are written before it without money, and again at the end.
    With --live the source of the plant that runs here writes the forged values, and the guard's alerts are listed.
    """
    if live is not None:
        _live(live, channel, zone, hours, -1 if down else 1, seed, as_json=json, common=common)
        return
    if data is None or test_from is None or test_to is None:
        raise ConfigError(
            "a bench needs --data, --test-from and --test-to", hint="--live ATTACK drills a running plant"
        )
    from topologies.redteam.bench import RedTeam, RedTeamOptions, run_redteam
    from topologies.redteam.report import write_redteam_report
    from topologies.sources.feed import open_file

    settings = common.settings()
    start = parse_time(test_from)
    options = RedTeamOptions(
        train_to=start if train_to is None else parse_time(train_to),
        test_from=start,
        test_to=parse_time(test_to),
        n=n,
        money_n=money_n,
        seed=seed,
        attacks=() if attacks is None else tuple(part.strip() for part in attacks.split(",")),
    )
    feed = open_file(
        data,
        names=() if zone is None else (zone,),
        mapping=mapping,
        own_fleet=load_fleet(settings.fleet) if settings.fleet else None,
        overrides=Overrides(time_zone, market),
    )
    for note in feed.notes:
        say(note)
    of_zone = feed.one_zone()
    frame = feed.frame(of_zone.zone, options.test_to)

    def write(result: RedTeam) -> None:
        if folder is not None:
            paths = write_redteam_report(folder, result, command="vpp " + shlex.join(sys.argv[1:]))
            say(f"wrote {', '.join(map(str, paths))}")

    with progress(of_zone.zone) as report:
        result = run_redteam(frame, of_zone, options, report, write)
    write(result)
    if result.details["no_money"]:
        say(result.details["no_money"])
    answer(result.figures, as_json=json, render=_render)


def _live(
    name: str,
    channel: str | None,
    zone: str | None,
    hours: float,
    sign: int,
    seed: int,
    *,
    as_json: bool,
    common: Common,
) -> None:
    from console.cli.backtests.drill import live_attack, run_drill

    rows = run_drill(
        common.settings(), live_attack(name, channel), zone=zone, hours=hours, sign=sign, seed=seed, say=say
    )
    entries = [{**row, "values": msgspec.json.decode(row["values"]) if row["values"] else {}} for row in rows]
    answer(entries, as_json=as_json, render=_render_alerts)


def _render_alerts(entries: list[dict[str, Any]]) -> None:
    if not entries:
        out.print("the guard raised no alert")
        return
    columns = ("zone", "slot", "severity", "text")
    table(None, columns, [[iso(row[c]) if c == "slot" else row[c] for c in columns] for row in entries])


def _render(figures: dict[str, Any]) -> None:
    out.print(
        f"{figures['zone']}, {figures['test_from']} to {figures['test_to']}: "
        f"{figures['false_episodes_per_week']} false episodes a week on the clean test"
    )
    columns = ("name", "n", "tpr", "first_sample_tpr", "median_min", "p90_min", "money_lost", "money_lost_unguarded")
    table(None, columns, [[row[column] for column in columns] for row in figures["attacks"]])
