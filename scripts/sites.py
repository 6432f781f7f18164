"""Runs a plant for sites of five sizes and writes them side by side: ``python -m scripts.sites FOLDER``.

FOLDER holds ``gb_30min_2019_2023.csv.gz`` (docs/guide/data.md). Each site is started as a newcomer starts one:
``vpp init --yes``, then ``vpp up``. Home, roof, farm and city are the series of Great Britain scaled to their size. The
page is ``docs/benchmarks/sites.md``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from deploy.generators.budget_docs import markdown_table
from vpp.files.reader import read_frame
from vpp.fleet.scale import energy_text, power_text
from vpp.fleet.schema import Zone, load_fleet

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks" / "sites.md"
DATA = "gb_30min_2019_2023.csv.gz"
BEGIN = datetime(2021, 9, 1, tzinfo=UTC)
COLUMNS = ("site", "serves", "assets", "slots", "dead letters", "skill", "90 % interval covers", "balance", "result")
SHOWN_MIN = (30, 360)
_HEAD = """\
# Sites of any size

```sh title="not run by the tests: needs a data file and minutes"
{command}
```

The command writes this page. It sets up each site by `vpp init --yes` and runs it by `vpp up` at full speed:
{span}.

All series are those of Great Britain from {begin} on (`{data}`). Home, roof, farm and city are its load, solar
and wind, each scaled to a peak of the site's size, and its price. The table shows the effect of size. It does not show
how well a single home is forecast, because the load of a home is far more irregular than that of a country.

Skill is 1 minus the ratio of the mean absolute error to that of persistence. Skill and interval are at {shown}.
Balance is the largest energy difference between the ledger and the states of charge of the assets.

"""


@dataclass(frozen=True)
class Site:
    """A site: its kind for ``vpp init``, and the peak of each column in the unit of its file; None: not scaled."""

    name: str
    kind: str
    unit: str = "mw"
    peak: dict[str, float] | None = None

    def table(self, great_britain: pd.DataFrame) -> pd.DataFrame:
        """Return the site's file: the country's series scaled to the site's peaks, and the price."""
        if self.peak is None:
            return great_britain[["load_mw", "solar_mw", "wind_mw", "price_per_mwh"]].assign(zone=self.name)
        series = {name: great_britain[f"{name}_mw"] for name in self.peak}
        power = {f"{name}_{self.unit}": values / values.max() * self.peak[name] for name, values in series.items()}
        return pd.DataFrame({**power, "price": great_britain["price_per_mwh"]})


SITES = (
    Site("home", "home", "kw", {"load": 5.0, "solar": 4.0}),
    Site("roof", "solar", "mw", {"solar": 2.0}),
    Site("farm", "solar", "mw", {"load": 0.05, "solar": 40.0}),
    Site("city", "region", "mw", {"load": 500.0, "solar": 120.0, "wind": 90.0}),
    Site("GB", "region"),
)


@dataclass(frozen=True)
class Span:
    """How long a site runs, and the history that its model is trained on; without one it runs on the fallback."""

    history: timedelta = timedelta(days=63)
    run: timedelta = timedelta(days=7)

    @property
    def text(self) -> str:
        """Description for the page."""
        trained = f"a model trained on {self.history.days} days, then " if self.history else "without a model, "
        return f"{trained}{self.run.days} days of half hours"


def main(arguments: Sequence[str]) -> int:
    """Run the sites and write the page."""
    parser = argparse.ArgumentParser(prog="python -m scripts.sites")
    parser.add_argument("folder", type=Path, help=f"folder of {DATA}")
    parser.add_argument("--site", action="append", choices=[site.name for site in SITES], help="only this one")
    parser.add_argument("--history-days", type=int, default=Span().history.days)
    parser.add_argument("--days", type=int, default=Span().run.days)
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    span = Span(timedelta(days=given.history_days), timedelta(days=given.days))
    frame = read_frame(given.folder / DATA, "GB", start=BEGIN, end=BEGIN + span.history + span.run)
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(site, frame, span, Path(folder)) for site in SITES if site.name in (given.site or [site.name])]
    head = _HEAD.format(
        command="python -m scripts.sites FOLDER",
        span=span.text,
        begin=f"{BEGIN:%Y-%m-%d}",
        data=DATA,
        shown=" and ".join(f"{minutes} min" for minutes in SHOWN_MIN),
    )
    given.page.write_text(head + markdown_table(COLUMNS, rows), encoding="utf-8")
    return 0


def row(site: Site, great_britain: pd.DataFrame, span: Span, folder: Path) -> list[str]:
    """Set a site up, run it in the folder, and return its row of the page."""
    sys.stderr.write(f"{site.name}\n")
    path = folder / f"{site.name}.csv"
    site.table(great_britain).to_csv(path, index_label="timestamp", date_format="%Y-%m-%dT%H:%MZ")
    market = ("--zone", site.name.upper(), "--market", "GB") if site.peak else ()
    made = _vpp("init", path, "--yes", "--kind", site.kind, *market, "--to", folder)
    begin = BEGIN + span.history
    files = ("--source", path, "--mapping", made["mapping"], "--fleet", made["fleet"])
    when = ("--from", begin.isoformat(), "--to", (begin + span.run).isoformat(), "--speed", "max", "--until-done")
    training = () if span.history else ("--no-train",)
    done = _vpp("up", *files, *when, *training, "--data-dir", folder / f"{site.name}-run")
    (zone,) = load_fleet(Path(made["fleet"])).zones
    return cells(site, zone, done)


def cells(site: Site, zone: Zone, done: dict[str, Any]) -> list[str]:
    """Return the row of a site.

    Args:
        site: The site.
        zone: Its fleet, as ``vpp init`` wrote it.
        done: The summary of its run, as ``vpp up --json`` prints it.
    """
    scores = {score["horizon_min"]: score for score in done["skill"] if score["target"] == "net_load"}
    shown = [scores[minutes] for minutes in SHOWN_MIN]
    money = sum(entry["pnl"] for entry in done["ledger"])
    return [
        site.name,
        power_text(zone.share.served_mw),
        ", ".join(asset.kind for asset in zone.assets),
        str(done["slots"]),
        str(done["dead_letters"]),
        " / ".join(f"{1.0 - score['mae'] / score['mae_persistence']:.1%}" for score in shown),
        " / ".join(f"{score['coverage_90']:.0%}" for score in shown),
        energy_text(done["energy_balance_error_mwh"]),
        f"{money:,.2f} {done['ledger'][0]['currency']}",
    ]


def _vpp(*arguments: object) -> Any:
    command = [sys.executable, "-m", "console.cli.main", *map(str, arguments), "--json"]
    done = subprocess.run(command, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
