"""`vpp config`: the settings with the source of each value."""

from __future__ import annotations

from cyclopts import App

from console.cli.options import NO_OPTIONS, Common, Json, answer, table
from vpp.errors import ConfigError, did_you_mean
from vpp.settings import env_name, sources
from vpp.streams.signatures import producers, signing_keys

app = App(name="config", help="Settings: values and where they come from.")


@app.command
def show(*, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Show every setting, its value and its source; secrets are masked."""
    settings = common.settings()
    origins = sources(settings, common.overrides())
    rows = [
        {"key": key, "value": value, "source": origin, "environment": env_name(key)}
        for key, (value, origin) in origins.items()
    ]
    answer(rows, as_json=json, render=lambda _: table(None, rows[0], [row.values() for row in rows]))


@app.command(name="signing-keys")
def signing_keys_of(*producer: str, common: Common = NO_OPTIONS) -> None:
    """Print the signing keys of single producers as JSON, for a process that must not know the secret.

    Write them to a file that only that process can read, and name it in VPP_SIGNING__KEYS_FILE. A process needs its
    own key to write, and the key of each writer of what it reads: a gateway needs `gateway` and `plant`.

    Args:
        producer: Names of processes that write topics: plant, gateway, ...
    """
    settings = common.settings()
    keys = signing_keys(settings)
    if not keys:
        raise ConfigError("no signing key is set", hint="set VPP_SIGNING__KEY (make one with `openssl rand -hex 32`)")
    for name in producer:
        if name not in keys:
            raise ConfigError(
                f"no process {name!r} writes a topic{did_you_mean(name, keys)}", hint=f"one of {', '.join(producers())}"
            )
    chosen = producer or producers()
    answer({name: keys[name].hex() for name in chosen}, as_json=True, render=lambda _: None)
