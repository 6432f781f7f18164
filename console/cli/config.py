"""`vpp config`: what the settings are and where each comes from."""

from __future__ import annotations

from cyclopts import App

from console.cli.options import NO_OPTIONS, Common, Json, answer, table
from vpp.settings import env_name, sources

app = App(name="config", help="Settings: values and where they come from.")


@app.command
def show(*, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Show every setting, its value and its source; secrets are masked."""
    settings = common.settings()
    origins = sources(settings, common.overrides())
    rows = [
        {"key": key, "value": value, "source": where, "environment": env_name(key)}
        for key, (value, where) in origins.items()
    ]
    answer(rows, as_json=json, render=lambda _: table(None, rows[0], [row.values() for row in rows]))
