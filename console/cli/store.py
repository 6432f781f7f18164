"""`vpp store`: configures retention and hourly means of the store's server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, say
from vpp.errors import ConfigError
from vpp.settings import Settings

app = App(name="store", help="The store: prepare its server, and make tokens for it.")


@app.command
def prepare(*, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Apply the settings of retention and hourly means to the InfluxDB server. The command is idempotent."""
    settings = _with_server(common)
    from vpp.store.influx_client import prepare_server  # the client library is loaded when it is needed

    changed = prepare_server(settings.influx)
    answer(
        {"changed": changed},
        as_json=json,
        render=lambda _: say("changed: " + (", ".join(changed) or "nothing, all is as set")),
    )


@app.command
def tokens(
    folder: Annotated[Path, Parameter(help="where: FOLDER/storage/token and FOLDER/read/token")],
    *,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Make a token per service on the InfluxDB server: one that writes and reads the buckets, one that reads them.

    A token that is there and works stays. ``VPP_INFLUX__TOKEN_FILE`` names such a file to a service.
    """
    settings = _with_server(common)
    from vpp.store.influx_client import write_tokens

    renewed = write_tokens(settings.influx, folder)
    answer(
        {"folder": str(folder), "made": renewed},
        as_json=json,
        render=lambda _: say("made: " + (", ".join(renewed) or "nothing, all tokens work")),
    )


def _with_server(common: Common) -> Settings:
    settings = common.settings()
    if settings.store.kind != "influx":
        raise ConfigError(
            f"the store is {settings.store.kind}, which has no server",
            hint="set VPP_STORE__KIND=influx; a SQLite store needs no token, and VPP_STORE__RETENTION_DAYS prunes it",
        )
    return settings
