"""The `vpp` command. Exit codes: 0 ok, 1 failed, 2 usage, 3 not reachable, 4 refused."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App
from cyclopts.exceptions import CycloptsError

from console.cli.options import say
from vpp.errors import VppError, error_text

app = App(
    name="vpp",
    version=lambda: version("smartgrid-ai"),
    help="A streaming virtual power plant: telemetry, forecasts, bids, dispatch, settlement.",
    help_epilogue="Exit codes: 0 ok, 1 failed, 2 usage, 3 not reachable, 4 refused. Start with `vpp up`.",
)

# Commands are imported on use: `vpp --help` must not wait for numba and xgboost.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("console.cli.up:up", "Run a whole plant: broker, all topologies, store, and a source."),
    "inspect": ("console.cli.inspect:inspect", "Check a data file: columns, gaps, suspect values."),
    "init": ("console.cli.init:init", "Write mapping and fleet for a file: home, commercial site, plant, region."),
    "status": ("console.cli.status:status", "Show workers, lag, newest slot and key figures."),
    "forecast": ("console.cli.stored_tables:forecast", "Show the last forecast of a zone."),
    "features": (
        "console.cli.explain.features:features",
        "Show the features behind a forecast, as trained and as served.",
    ),
    "alerts": ("console.cli.alerts:app", "Alerts: list, ack, silence, test the contacts."),
    "ledger": ("console.cli.stored_tables:ledger", "Show the money by zone and asset."),
    "explain": ("console.cli.explain.decision:explain", "Explain a decision; --why-not prices an alternative."),
    "replay-decision": ("console.cli.explain.decision:replay_decision", "Recompute a decision, bit for bit."),
    "trace": ("console.cli.explain.trace:trace", "Trace one slot through the steps, with times and latency."),
    "shadow": ("console.cli.backtests.shadow:shadow", "Replay the stored log with other settings; compare the money."),
    "export": ("console.cli.stored_tables:export", "Write a table as CSV, Parquet or JSON."),
    "report": (
        "console.cli.explain.report:report",
        "Write a day or a week as an HTML page: money, reasons, forecasts, alerts.",
    ),
    "reload": ("console.cli.orders.reload:reload", "Bring a changed fleet file into the running plant."),
    "runs": ("console.cli.runs:app", "The runs of this folder: list, use, delete."),
    "store": ("console.cli.store:app", "Prepare the store's server: retention, hourly means."),
    "topics": ("console.cli.topics:app", "List, create, tail and describe topics."),
    "train": ("console.cli.models.train:train", "Train a zone's model on a history file; promote it if it is better."),
    "redteam": (
        "console.cli.backtests.redteam:redteam",
        "Attack a zone's telemetry; measure detection and loss.",
    ),
    "loadtest": (
        "console.cli.backtests.loadtest:loadtest",
        "Run a plant under load for a limited time and report its resources.",
    ),
    "models": ("console.cli.models.registry:app", "List, show, promote and roll back models."),
    "backtest": ("console.cli.backtests.forecast:app", "Backtest forecasts over a history file."),
    "run": ("console.cli.run_process:run", "Run one topology as a worker (what production deploys)."),
    "replay": ("console.cli.sources:replay", "Send a file's rows to the broker."),
    "simulate": ("console.cli.sources:simulate", "Send seeded synthetic telemetry to the broker."),
    "orders": ("console.cli.orders.lives:orders_app", "List orders and their states."),
    "plans": ("console.cli.orders.plans:plans", "List proposed plans and their status."),
    "approve": ("console.cli.orders.plans:approve", "Approve a plan."),
    "reject": ("console.cli.orders.plans:reject", "Reject a plan."),
    "hold": ("console.cli.orders.plans:hold", "Stop automatic setpoints at once."),
    "release": ("console.cli.orders.plans:release", "End holds."),
    "rules": ("console.cli.rules:app", "Rules: add documents by version, ask them, re-check decisions."),
    "dashboard": ("console.cli.run_process:dashboard", "Serve the operator's page and the REST API."),
    "mcp": ("console.cli.run_process:mcp", "Serve the tools for AI agents and assistants (stdio)."),
    "agent": ("console.cli.agent:app", "Run the autonomous agent; list its looks; report a shift."),
    "feeds": ("console.cli.sources:feeds", "List live services, and check that they answer as documented."),
    "devices": ("console.cli.devices:app", "Devices of the gateways: list, test, simulate, drill."),
    "doctor": ("console.cli.doctor:doctor", "Check this installation and name the remedy."),
    "config": ("console.cli.config:app", "Settings: values and where they come from."),
}
for _name, (_target, _help) in COMMANDS.items():
    app.command(_target, name=_name, help=_help)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [argument for argument in words if argument != "--debug"]
    try:
        result = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        say(f"vpp: {error}\n  next: vpp {words[0] if words else ''} --help")
        return 2
    except VppError as error:
        if debug:
            logging.getLogger(__name__).exception("failed")
        say(error_text("vpp", error))
        return error.exit_code
    except KeyboardInterrupt:
        say("vpp: interrupted")
        return 1
    except BrokenPipeError:
        # The reader of the output (head, less) has ended: not an error, and no further output is possible.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the last resort for a bug: a user gets a line and the next step, --debug the trace
        if debug:
            raise
        say(f"vpp: {type(error).__name__}: {error}\n  next: run it again with --debug and report what it prints")
        return 1
    return result if isinstance(result, int) else 0


def load(target: str) -> object:
    """Return the object behind ``module:name``; tests use it to check that every command is there."""
    module, _, name = target.partition(":")
    command: object = getattr(importlib.import_module(module), name)
    return command


if __name__ == "__main__":
    raise SystemExit(main())
