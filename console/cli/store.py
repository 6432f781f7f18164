"""`vpp store`: configures retention and hourly means of the store's server."""

from __future__ import annotations

from cyclopts import App

from console.cli.options import NO_OPTIONS, Common, Json, answer, say
from vpp.errors import ConfigError

app = App(name="store", help="The store: prepare its server.")


@app.command
def prepare(*, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Apply the settings of retention and hourly means to the InfluxDB server. The command is idempotent."""
    settings = common.settings()
    if settings.store.kind != "influx":
        raise ConfigError(
            f"the store is {settings.store.kind}, which has no server to prepare",
            hint="set VPP_STORE__KIND=influx, or VPP_STORE__RETENTION_DAYS to prune a SQLite store",
        )
    from vpp.store.influx_client import prepare_server  # the client library is loaded when it is needed

    changed = prepare_server(settings.influx)
    answer(
        {"changed": changed},
        as_json=json,
        render=lambda _: say("changed: " + (", ".join(changed) or "nothing, all is as set")),
    )
