"""`vpp runs`: the runs of a data directory: list them, choose the one in use, delete one."""

from __future__ import annotations

from datetime import UTC, datetime

from cyclopts import App

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, say, table
from console.local.run_history import delete_run, list_runs
from vpp.errors import ConfigError
from vpp.os_user import os_user
from vpp.run_in_use import DEFAULT_RUN, run_label, write_run_in_use
from vpp.settings import load_settings

app = App(name="runs", help="Runs of the data directory: list, use, delete.")


@app.command(name="list")
def list_(*, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """List the runs of the data directory; `in_use` marks the run of commands without --run."""
    answer(
        list_runs(common.settings()),
        as_json=json,
        render=lambda rows: (
            table(None, rows[0], [row.values() for row in rows])
            if rows
            else out.print("no run yet; start with: vpp up")
        ),
    )


@app.command
def use(name: str, *, common: Common = NO_OPTIONS) -> None:
    """Make this run the default of `vpp` commands without --run.

    Args:
        name: The run; `default` is the run without a name.
    """
    settings = common.settings()
    names = [row["run"] for row in list_runs(settings)]
    if name not in {*names, DEFAULT_RUN}:
        raise ConfigError(f"there is no run {name!r}", hint=f"runs: {', '.join(names) or 'none yet'}")
    write_run_in_use(settings.data_dir, "" if name == DEFAULT_RUN else name)
    say(f"commands in {settings.data_dir} now mean run {name}")


@app.command
def delete(name: str, *, common: Common = NO_OPTIONS) -> None:
    """Delete a run's rows. Its audit rows are kept, and the deletion is audited.

    Args:
        name: The run; `default` is the run without a name.
    """
    settings = load_settings({**common.overrides(), "run": "" if name == DEFAULT_RUN else name})
    removed = delete_run(settings, f"local:{os_user()}", datetime.now(UTC))
    say(f"{removed:,} rows of run {run_label(settings.run)} deleted; its audit rows are kept")
