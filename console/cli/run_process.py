"""`vpp run`, `vpp mcp`: single processes, as production deploys them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from console.cli.options import NO_OPTIONS, Common
from console.local.processes import environment
from topologies.runtime.parent_watch import PARENT_VARIABLE
from topologies.runtime.worker import run_topology
from vpp.settings import Settings

Topology = Literal[
    "telemetry",
    "forecast",
    "actor",
    "trader",
    "orders",
    "plant",
    "storage",
    "inference",
    "alerts",
    "gateway-modbus",
    "gateway-mqtt",
    "gateway-http",
    "gateway-openadr",
]


def run(
    topology: Topology,
    *,
    devices: Annotated[Path | None, Parameter(help="device list of a gateway [setting devices]")] = None,
    common: Common = NO_OPTIONS,
) -> None:
    """Run one topology as a worker until SIGTERM; the same as `python -m topologies.NAME`.

    Args:
        topology: Which one.
    """
    settings = common.settings()
    if topology.startswith("gateway-"):
        settings = settings if devices is None else settings.model_copy(update={"devices": devices.absolute()})
        become(settings, "topologies.gateway", topology.removeprefix("gateway-"))
    if topology in {"alerts", "inference"}:
        become(settings, f"topologies.{topology}")
    run_topology(topology, settings)


def mcp(
    *,
    http: Annotated[bool, Parameter(negative="", help="streamable HTTP on mcp.host and mcp.port")] = False,
    operate: Annotated[bool, Parameter(negative="", help="also serve the tools that act, with approval")] = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Serve the MCP tools: over stdio and read-only unless asked (docs/guide/mcp.md)."""
    settings = common.settings()
    if operate:
        settings = settings.model_copy(update={"mcp": settings.mcp.model_copy(update={"profile": "operate"})})
    become(settings, "mcp_server", *(["--http"] if http else []))


def dashboard(
    *,
    host: Annotated[str | None, Parameter(help="address to listen on [127.0.0.1]")] = None,
    port: Annotated[int | None, Parameter(help="port to listen on [8050]")] = None,
    common: Common = NO_OPTIONS,
) -> None:
    """Serve the operator's page and the REST API until Ctrl-C; `vpp up` does so by itself."""
    settings = common.settings()
    overrides = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update={"page": settings.page.model_copy(update=overrides)})
    become(settings, "console.dashboard")


def become(settings: Settings, module: str, *arguments: str) -> None:
    """Replace this process by ``python -m module`` with exactly these settings; does not return."""
    sys.stdout.flush()
    sys.stderr.flush()
    # It takes this process's place, so its supervisor is the one that this process has, if any.
    env = environment(settings) | {PARENT_VARIABLE: os.environ.get(PARENT_VARIABLE, "")}
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], env)  # noqa: S606
